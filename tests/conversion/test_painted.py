"""Masks that somebody painted, as `sfc convert` reads them."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.conversion import convert_masks
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids, palette
from sfc_cli.errors import InputError
from tests.conversion.conftest import masks_below, require_same, truth_of

# Not of the palette; falling areas must not decide from mask to mask.
COLOURS = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (30, 60, 250)], np.uint8)


def _masks(count: int = 6) -> dict[str, Ids]:
    """Return masks of objects of changing size; they leave, are all hidden at times, and one comes late."""
    found = {}
    for t in range(count):
        mask = np.zeros((40, 60), np.uint8)
        if t != 2:
            mask[2:20, 2 : 30 - 4 * t] = 1
            mask[22:38, 2 : 12 + 4 * t] = 2
            if t >= 3:
                mask[4:12, 40:58] = 3
        found[f"s/{t:05d}"] = mask
    return found


def _save(masks: dict[str, Ids], make: Callable[[Ids], Image.Image], suffix: str = "png") -> None:
    for name, mask in masks.items():
        path = Path("in", f"{name}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        make(mask).save(path)


def _on_white(mask: Ids) -> Image.Image:
    colours = COLOURS.copy()
    colours[0] = 255
    return Image.fromarray(colours[mask])


def _smoothed(mask: Ids) -> Image.Image:
    return Image.fromarray(cv2.GaussianBlur(palette()[mask], (0, 0), 0.6))


@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        pytest.param(lambda mask: Image.fromarray(COLOURS[mask]), "png", id="rgb"),
        pytest.param(lambda mask: Image.fromarray(COLOURS[mask]), "bmp", id="bmp"),
        pytest.param(lambda mask: Image.fromarray(COLOURS[mask]), "PNG", id="capitals"),
        pytest.param(lambda mask: Image.fromarray(COLOURS[mask]).convert("RGBA"), "png", id="rgba"),
        pytest.param(_on_white, "png", id="on-white"),
        pytest.param(lambda mask: Image.fromarray(mask.astype(np.uint16)), "png", id="sixteen-bits"),
    ],
)
def test_painted__a_colour_is_the_same_object_in_all_masks(
    make: Callable[[Ids], Image.Image], suffix: str
) -> None:
    masks = _masks()
    _save(masks, make, suffix)
    done = convert_masks(Path("in"), Path("out"))
    assert done.masks == 6
    require_same(masks_below(Path("out")), masks)


def test_painted__the_legend_is_told_once_a_sequence() -> None:
    masks = _masks() | {name.replace("s/", "t/"): mask for name, mask in _masks().items()}
    _save(masks, lambda mask: Image.fromarray(COLOURS[mask]))
    remarks = convert_masks(Path("in"), Path("out")).remarks
    legend = "1 is (255, 0, 0), 2 is (0, 255, 0), 3 is (30, 60, 250)."
    assert remarks == (
        f"The colours of s were numbered: {legend}",
        f"The colours of t were numbered: {legend}",
    )


def test_painted__smoothed_palette_keeps_its_ids() -> None:
    masks = {name: np.where(mask == 1, 7, mask).astype(np.uint8) for name, mask in _masks().items()}
    _save(masks, _smoothed)
    remarks = convert_masks(Path("in"), Path("out")).remarks
    for name, found in masks_below(Path("out")).items():
        assert np.count_nonzero(found != masks[name]) <= 0.01 * found.size
        assert set(np.unique(found)) == set(np.unique(masks[name]))
    assert len(remarks) == 1
    assert "s/00000.png: " in remarks[0]


def test_painted__black_on_a_transparent_ground() -> None:
    masks = {name: (mask == 1).astype(np.uint8) for name, mask in _masks().items()}
    _save(masks, lambda mask: Image.fromarray(np.dstack([mask * 0] * 3 + [mask * 255])))
    convert_masks(Path("in"), Path("out"))
    require_same(masks_below(Path("out")), masks)


def test_palette__on_a_transparent_ground_of_any_colour() -> None:
    masks = _masks()
    colours = palette().copy()
    colours[0] = 255
    _save(masks, lambda mask: Image.fromarray(np.dstack([colours[mask], (mask > 0) * 255]).astype(np.uint8)))
    assert convert_masks(Path("in"), Path("out")).remarks == ()
    require_same(masks_below(Path("out")), masks)


def test_painted__with_data(make_results: Callable[..., tuple[Path, Path]]) -> None:
    data, _ = make_results()
    truth = truth_of(data)
    _save(truth, lambda mask: Image.fromarray(COLOURS[mask]).resize((128, 96), Image.Resampling.NEAREST))
    done = convert_masks(Path("in"), Path("out"), dataset=DavisDataset(root=data))
    assert "were numbered" in done.remarks[0]
    assert {name: ids.shape for name, ids in masks_below(Path("out")).items()} == {
        name: ids.shape for name, ids in truth.items()
    }


def test_painted__in_a_zip() -> None:
    masks = _masks()
    _save(masks, _smoothed)
    with zipfile.ZipFile("in.zip", "w") as archive:
        for path in Path("in").rglob("*.png"):
            archive.write(path)
    remarks = convert_masks(Path("in.zip"), Path("out")).remarks
    assert set(masks_below(Path("out"))) == set(masks)
    # Nothing tells of the place where it was unpacked.
    assert remarks[0].startswith("s/00000.png: ")


def test_painted__photographs_are_refused() -> None:
    rng = np.random.default_rng(0)
    Path("in/s").mkdir(parents=True)
    for t in range(3):
        noise = rng.integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(cv2.resize(noise, (240, 160), interpolation=cv2.INTER_CUBIC)).save(f"in/s/{t}.jpg")
    with pytest.raises(InputError, match=r"in/s/\d\.jpg looks like a photograph"):
        convert_masks(Path("in"), Path("out"))
    assert not Path("out").exists()


def test_painted__a_stray_pixel_does_not_exchange_objects(
    make_results: Callable[..., tuple[Path, Path]],
) -> None:
    _, results = make_results()
    masks = masks_below(results / "first")
    for name, mask in masks.items():
        colours = palette()[mask]
        colours[0, 0] = (1, 2, 3)
        Image.fromarray(colours).save(results / "first" / f"{name}.png")
    with pytest.raises(InputError, match=r"results/first/00000\.png has 1 colours outside the palette"):
        convert_masks(results, Path("out"))
