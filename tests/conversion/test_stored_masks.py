"""Masks in files as `sfc convert` reads them: painted ones, the palette's colours, cut-outs, soft labels."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.conversion import convert_masks
from sfc_cli.conversion.mask_sources import Reference
from sfc_cli.conversion.stored_masks import choose_legend
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids, palette, write_mask
from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask
from sfc_cli.errors import InputError
from tests.conversion.conftest import masks_below, require_same, truth_of

MakeResults = Callable[..., tuple[Path, Path]]

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


def test_painted__with_data(make_results: MakeResults) -> None:
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
    # Nothing tells of the folder that it was unpacked to.
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
    make_results: MakeResults,
) -> None:
    _, results = make_results()
    masks = masks_below(results / "first")
    for name, mask in masks.items():
        colours = palette()[mask]
        colours[0, 0] = (1, 2, 3)
        Image.fromarray(colours).save(results / "first" / f"{name}.png")
    with pytest.raises(InputError, match=r"results/first/00000\.png has 1 colour outside the DAVIS palette"):
        convert_masks(results, Path("out"))


@pytest.mark.parametrize("identities", [(1, 4), (3, 6), (1, 2, 3), (9,)])
@pytest.mark.parametrize("swapped", [False, True])
def test_choose_legend__by_agreement_with_the_annotation(
    tmp_path: Path, identities: tuple[int, ...], swapped: bool
) -> None:
    # 1 and 4, or 3 and 6, are each other's colour when red and blue change places.
    truth = np.zeros((12, 30), np.uint8)
    for column, identity in enumerate(identities):
        truth[2:10, 8 * column : 8 * column + 3 + column] = identity
    write_mask(tmp_path / "a.png", truth)
    colours = palette()[np.roll(truth, 1, axis=1)]
    stored = colours[..., ::-1] if swapped else colours
    legend = choose_legend(iter([stored]), Reference(tmp_path / "a.png"))
    assert legend is not None
    np.testing.assert_array_equal(legend.read(stored, Path("m")), np.roll(truth, 1, axis=1))


def test_choose_legend__neither_order_fits(tmp_path: Path) -> None:
    truth = np.ones((4, 4), np.uint8)
    write_mask(tmp_path / "a.png", truth)
    colours = np.full((4, 4, 3), (11, 22, 33), np.uint8)
    assert choose_legend(iter([colours]), Reference(tmp_path / "a.png")) is None


def test_raw_masks__a_colour_that_the_annotation_lacks(make_davis: Callable[..., Path]) -> None:
    data = make_davis({"s": 2})
    Path("raw").mkdir()
    for t in range(2):
        Image.fromarray(np.full((48, 64, 3), (11, 22, 33 * t), np.uint8)).save(f"raw/0_{t}_mask.png")
    said = r"raw/0_0_mask\.png has 1 colour outside the palette of .*s/00000\.png, .*\(11, 22, 0\)"
    with pytest.raises(InputError, match=said):
        convert_masks(Path("raw"), Path("out"), dataset=DavisDataset(root=data))


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("soft", "L", "has soft edges: 100 grey levels"),
        ("mode", "LA", "whose colours may mean anything"),
        ("black", "RGBA", "black objects on a transparent ground"),
    ],
)
def test_raw_masks__are_never_taken_for_painted_ones(
    make_davis: Callable[..., Path], name: str, mode: str, said: str
) -> None:
    data = make_davis({"s": 1})
    picture = {
        "soft": np.arange(6400, dtype=np.uint8).reshape(64, 100) % 101,
        "mode": np.zeros((48, 64, 2), np.uint8),
        "black": np.dstack([np.zeros((48, 64, 3)), 255 * np.eye(48, 64)]).astype(np.uint8),
    }[name]
    Path("raw").mkdir()
    image = Image.fromarray(picture)
    assert image.mode == mode
    image.save("raw/0_0_mask.png")
    with pytest.raises(InputError, match=said):
        convert_masks(Path("raw"), Path("out"), dataset=DavisDataset(root=data))


def test_stray_pixels__a_grey_mask_beside_them(make_results: MakeResults) -> None:
    # The reason is that of the first mask in doubt, whichever it is.
    _, results = make_results()
    masks = masks_below(results / "first")
    for name, mask in masks.items():
        colours = palette()[mask]
        colours[0, 0] = (1, 2, 3)
        Image.fromarray(colours).save(results / "first" / f"{name}.png")
    levels = (np.arange(48 * 64).reshape(48, 64) % 256).astype(np.uint8)
    Image.fromarray(levels).save(results / "first" / "00002.png")
    with pytest.raises(InputError, match=r"first/00002\.png has soft edges: 254 grey levels"):
        convert_masks(results, Path("out"))


def _save_soft(path: Path, mask: np.ndarray, ids: tuple[int, ...] = (1, 2), **other: Any) -> None:
    objects = np.array(ids, np.uint8)
    labels = shrink_mask(mask, objects, 6, 8).astype(np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"labels": labels, "objects": objects, "size": np.array(mask.shape, np.int32), **other}
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})


def test_soft_labels__become_the_masks_that_they_enlarge_to(make_results: MakeResults) -> None:
    data, results = make_results(ids=(1, 9))
    expected = {}
    for name, ids in truth_of(data).items():
        _save_soft(results / "soft" / f"{name}.npz", ids, (1, 9))
        labels = shrink_mask(ids, np.array([1, 9], np.uint8), 6, 8).astype(np.float16).astype(np.float32)
        expected[name] = enlarge_to_mask(labels, np.array([1, 9], np.uint8), *ids.shape)
    assert convert_masks(results / "soft", Path("out")).masks == 7
    require_same(masks_below(Path("out")), expected)
    assert {9, 1} <= set(np.unique(expected["first/00000"]).tolist())
    # Beside masks they are not looked at.
    convert_masks(results, Path("masks"))
    require_same(masks_below(Path("masks")), truth_of(data))


@pytest.mark.parametrize(
    "other",
    [
        {"labels": None},
        {"objects": None},
        {"size": None},
        {"labels": np.zeros((3, 4), np.float16)},
        {"labels": np.zeros((3, 0, 4), np.float16)},
        {"labels": np.zeros((3, 4, 4), np.uint8)},
        {"objects": np.array([1], np.uint8)},
        {"objects": np.array([1, 2], np.int64)},
        {"objects": np.array([{}, {}])},
        {"size": np.array([0, 4], np.int32)},
        {"size": np.array([2**30, 2**30], np.int32)},
        {"size": np.array([4], np.int32)},
    ],
)
def test_soft_labels__something_else(other: dict[str, Any]) -> None:
    _save_soft(Path("in/s/00000.npz"), np.eye(12, dtype=np.uint8), **other)
    with pytest.raises(InputError, match=r"in/s/00000\.npz"):
        convert_masks(Path("in"), Path("out"))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_soft_labels__damaged(content: bytes) -> None:
    Path("in/s").mkdir(parents=True)
    Path("in/s/00000.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"in/s/00000\.npz cannot be read"):
        convert_masks(Path("in"), Path("out"))


def _save_cutouts(folder: str, masks: dict[str, np.ndarray], *, noise: bool = True) -> None:
    rng = np.random.default_rng(0)
    for name, mask in masks.items():
        path = Path(folder, f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without noise two colours of the palette, which are two objects anywhere else.
        flat = palette()[np.arange(mask.size).reshape(mask.shape) * 2 // mask.size + 1]
        colours = rng.integers(0, 256, (*mask.shape, 3), np.uint8) if noise else flat
        Image.fromarray(np.dstack([colours, mask * 255]).astype(np.uint8)).save(path)


@pytest.mark.parametrize("folder", ["in", "results/cutout"])
def test_cutouts__transparency_tells_the_object(folder: str) -> None:
    masks = {f"{name}/0000{t}": np.zeros((9, 9), np.uint8) for name in "ab" for t in range(4)}
    for index, mask in enumerate(masks.values()):
        mask[index : index + 2, 3:] = 1
    # An object that fills the frame, and one that is hidden.
    masks["a/00002"][:], masks["a/00003"][:] = 1, 0
    _save_cutouts(folder, masks)
    convert_masks(Path(folder), Path("out"))
    require_same(masks_below(Path("out")), masks)
    convert_masks(Path(folder, "a"), Path("flat"))
    require_same(masks_below(Path("flat")), {n[2:]: mask for n, mask in masks.items() if n[0] == "a"})


def test_cutouts__soft_edges() -> None:
    mask = np.zeros((9, 9, 4), np.uint8)
    mask[..., :3] = np.random.default_rng(0).integers(0, 256, (9, 9, 3))
    mask[3:6, :, 3] = np.array([[100], [255], [140]])
    Path("in/s").mkdir(parents=True)
    Image.fromarray(mask).save("in/s/00000.png")
    convert_masks(Path("in"), Path("out"))
    require_same(masks_below(Path("out")), {"s/00000": (mask[..., 3] > 120).astype(np.uint8)})


def test_cutouts__flat_ones_are_known_by_their_folder() -> None:
    mask = np.eye(9, dtype=np.uint8)
    _save_cutouts("results/cutout", {"s/00000": mask}, noise=False)
    convert_masks(Path("results/cutout"), Path("out"))
    require_same(masks_below(Path("out")), {"s/00000": mask})
    Path("results/cutout").rename("in")
    convert_masks(Path("in"), Path("out"))
    assert set(np.unique(masks_below(Path("out"))["s/00000"])) == {0, 1, 2}


def _quantised(path: Path, ids: Ids, order: list[int]) -> None:
    """Write ids in a palette of black, red and green in some order."""
    table = [(0, 0, 0), (200, 30, 30), (30, 200, 30)]
    numbers = np.array([order.index(number) for number in range(3)], np.uint8)
    image = Image.fromarray(numbers[ids])
    image.putpalette(np.array([table[number] for number in order], np.uint8).tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.mark.parametrize("orders", [([0, 1, 2], [0, 2, 1]), ([2, 0, 1], [2, 0, 1]), ([0, 1, 2], [1, 0, 2])])
def test_own_palettes__colours_name_objects_in_all_masks(orders: tuple[list[int], ...]) -> None:
    ids = np.zeros((20, 30), np.uint8)
    ids[4:14, 3:13], ids[5:12, 18:24] = 1, 2
    for number, order in enumerate(orders):
        _quantised(Path("in/s") / f"{number}.png", ids, order)
    convert_masks(Path("in"), Path("out"))
    found = masks_below(Path("out"))
    np.testing.assert_array_equal(found["s/0"], ids)
    np.testing.assert_array_equal(found["s/1"], ids)


def test_own_palettes__numbers_stay_where_all_agree() -> None:
    ids = np.zeros((20, 30), np.uint8)
    ids[4:14, 3:13], ids[5:12, 18:24] = 2, 1
    for number in range(2):
        _quantised(Path("in/s") / f"{number}.png", ids, [0, 1, 2])
    convert_masks(Path("in"), Path("out"))
    np.testing.assert_array_equal(masks_below(Path("out"))["s/1"], ids)
