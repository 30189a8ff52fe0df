from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfc_cli.data import views as module
from sfc_cli.data.views import (
    CropBox,
    cut_on_device,
    decode_image,
    draw_crop,
    make_views,
    normalise,
    read_encoded,
    reduction_factor,
    resize_crop,
)
from sfc_cli.errors import InputError

WHOLE = (0.0, 1.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def photograph(path: Path, size: tuple[int, int], quality: int = 95) -> Path:
    """A smooth random picture with some detail, as a JPEG or PNG."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 6, size[0] // 6, 3), dtype=np.uint8)
    picture = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


@pytest.mark.parametrize("name", ["0.jpg", "0.png"])
def test_make_views__cuts_what_its_boxes_say(tmp_path: Path, name: str) -> None:
    path = photograph(tmp_path / name, (120, 90))
    pair = make_views(path, rng(), crop_size=32, area_share=WHOLE)
    assert pair.views.shape == (2, 32, 32, 3)
    assert pair.views.dtype == torch.uint8
    picture = Image.open(path).convert("RGB")
    for view, box in zip(pair.views, pair.boxes.double(), strict=True):
        left, top = round(box[0].item() * 119), round(box[1].item() * 89)
        right, bottom = round(box[2].item() * 119) + 1, round(box[3].item() * 89) + 1
        expected = np.asarray(
            picture.crop((left, top, right, bottom)).resize((32, 32), Image.Resampling.BILINEAR)
        )
        assert np.abs(view.numpy().astype(int) - expected).max() <= 1
    assert not torch.equal(pair.boxes[0], pair.boxes[1])


@pytest.mark.parametrize(("size", "view"), [((300, 200), 64), ((60, 40), 64)])
def test_resize_crop__is_pillows_bilinear(size: tuple[int, int], view: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    crop = CropBox(left=3, top=5, width=size[0] - 10, height=size[1] - 9)
    ours = resize_crop(torch.from_numpy(pixels).permute(2, 0, 1), crop, view).permute(1, 2, 0).numpy()
    part = Image.fromarray(pixels).crop((3, 5, size[0] - 7, size[1] - 4))
    theirs = np.asarray(part.resize((view, view), Image.Resampling.BILINEAR))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_make_views__is_the_same_for_every_decoder(tmp_path: Path) -> None:
    path = photograph(tmp_path / "0.jpg", (160, 120))
    expected = make_views(path, rng(), crop_size=32, area_share=WHOLE, decode="auto")
    for decode in ("opencv", "torchvision"):
        pair = make_views(path, rng(), crop_size=32, area_share=WHOLE, decode=decode)
        assert torch.equal(pair.boxes, expected.boxes)
        assert (pair.views.int() - expected.views.int()).abs().max() <= 2


def test_cut_on_device__equals_the_workers_views(tmp_path: Path) -> None:
    paths = [photograph(tmp_path / name, size) for name, size in (("0.jpg", (90, 120)), ("1.png", (80, 60)))]
    encoded = [read_encoded(path, rng(), WHOLE) for path in paths]
    assert encoded[0].encoded.ndim == 1
    pairs = cut_on_device(encoded, 32, torch.device("cpu"))
    for path, pair in zip(paths, pairs, strict=True):
        expected = make_views(path, rng(), crop_size=32, area_share=WHOLE)
        assert torch.equal(pair.views, expected.views)
        assert torch.equal(pair.boxes, expected.boxes)


def test_make_views__decodes_large_files_at_reduced_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photograph(tmp_path / "0.jpg", (1600, 1200))
    share = (0.6, 1.0)
    exact = make_views(path, rng(), crop_size=96, area_share=share)
    monkeypatch.setattr(module, "_LARGE_FILE", 1)
    factors: list[int] = []
    monkeypatch.setattr(
        module, "reduction_factor", lambda *a: factors.append(reduction_factor(*a)) or factors[-1]
    )
    reduced = make_views(path, rng(), crop_size=96, area_share=share)
    assert factors == [4]
    assert torch.equal(reduced.boxes, exact.boxes)
    difference = (reduced.views.int() - exact.views.int()).abs().float()
    assert difference.mean() < 2.5
    # A crop that is off by a pixel of the view differs far more.
    assert difference.mean() < 0.4 * (exact.views.int() - exact.views.int().roll(1, 2)).abs().float().mean()


@pytest.mark.parametrize(
    ("sides", "expected"),
    [((255, 900), 1), ((256, 900), 2), ((512, 600), 4), ((1024, 1024), 8), ((9000, 9000), 8)],
)
def test_reduction_factor__keeps_twice_the_views_detail(sides: tuple[int, int], expected: int) -> None:
    crops = (CropBox(0, 0, 2000, sides[0]), CropBox(0, 0, sides[1], 2000))
    assert reduction_factor(crops, 64) == expected


def test_decode_image__reads_grey_and_ignores_orientation(tmp_path: Path) -> None:
    path = tmp_path / "0.jpg"
    grey = Image.fromarray(np.arange(24 * 40, dtype=np.uint8).reshape(24, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    grey.save(path, exif=exif)
    for decode in ("auto", "opencv"):
        image = decode_image(path.read_bytes(), path, decode)
        assert image.shape == (3, 24, 40)
        assert torch.equal(image[0], image[2])


def test_decode_image__reads_a_jpeg_with_four_colours(tmp_path: Path) -> None:
    path = tmp_path / "0.jpg"
    Image.new("CMYK", (32, 16), (10, 20, 30, 40)).save(path)
    assert decode_image(path.read_bytes(), path).shape == (3, 16, 32)


@pytest.mark.parametrize("content", [None, b"", b"not an image", "truncated"])
def test_make_views__names_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | str | None) -> None:
    path = photograph(tmp_path / "bad.jpg", (64, 64))
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30] if content == "truncated" else content)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"bad\.jpg"):
        make_views(path, rng(), crop_size=32, area_share=WHOLE)


@given(size=st.tuples(st.integers(2, 3000), st.integers(2, 3000)), seed=st.integers(0, 10_000))
@settings(max_examples=300, deadline=None)
def test_draw_crop__lies_in_the_image(size: tuple[int, int], seed: int) -> None:
    crop = draw_crop(size, np.random.default_rng(seed))
    assert crop.width >= 1
    assert crop.height >= 1
    assert 0 <= crop.left <= size[0] - crop.width
    assert 0 <= crop.top <= size[1] - crop.height
    left, top, right, bottom = crop.in_image(size)
    assert 0 <= left <= right <= 1
    assert 0 <= top <= bottom <= 1


def test_draw_crop__has_uniform_area_and_log_uniform_aspect() -> None:
    rng = np.random.default_rng(0)
    crops = [draw_crop((1000, 1000), rng, (0.0, 0.5)) for _ in range(3000)]
    shares = np.array([crop.width * crop.height / 1e6 for crop in crops])
    aspects = np.log([crop.width / crop.height for crop in crops if crop.height > 100])
    # Quartiles of uniform distributions on 0…0.5 and on ±log(4/3).
    np.testing.assert_allclose(np.quantile(shares, [0.25, 0.5, 0.75]), [0.125, 0.25, 0.375], atol=0.02)
    np.testing.assert_allclose(
        np.quantile(aspects, [0.25, 0.5, 0.75]), np.log(4 / 3) * np.array([-0.5, 0, 0.5]), atol=0.02
    )


def test_draw_crop__reaches_every_border() -> None:
    rng = np.random.default_rng(1)
    crops = [draw_crop((12, 10), rng) for _ in range(2000)]
    assert {crop.left for crop in crops} >= {0, 11}
    assert {crop.top for crop in crops} >= {0, 9}
    assert any(crop.left + crop.width == 12 for crop in crops)
    assert any(crop.top + crop.height == 10 for crop in crops)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 30), CropBox(left=480, top=0, width=40, height=30)),
        ((30, 1000), CropBox(left=0, top=480, width=30, height=40)),
    ],
)
def test_draw_crop__falls_back_to_the_largest_centre_crop(size: tuple[int, int], expected: CropBox) -> None:
    # An area share near 1 with a bounded aspect fits no such narrow image.
    assert draw_crop(size, np.random.default_rng(0), (0.99, 1.0)) == expected


def test_draw_crop__is_drawn_again_from_the_same_seed() -> None:
    first, second = (draw_crop((640, 480), np.random.default_rng((7, 1, 2, 3))) for _ in range(2))
    assert first == second


def test_in_image__puts_the_last_pixel_at_one() -> None:
    assert CropBox(left=0, top=0, width=5, height=3).in_image((5, 3)) == (0, 0, 1, 1)
    assert CropBox(left=1, top=1, width=1, height=1).in_image((5, 3)) == (0.25, 0.5, 0.25, 0.5)


def test_normalise__uses_the_published_statistics() -> None:
    views = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    expected = [
        (-0.4914 / 0.2023, -0.4822 / 0.1994, -0.4465 / 0.2010),
        (0.5086 / 0.2023, 0.5178 / 0.1994, 0.5535 / 0.2010),
    ]
    torch.testing.assert_close(normalise(views)[:, :, 0, 0], torch.tensor(expected))


@pytest.mark.parametrize(
    "name",
    ["a.png", "a.bmp", "a.webp", "a.tif", "a.gif", "a.jp2", "a.ppm", "a.tga", "a.pcx", "a.avif", "a.jfif"],
)
def test_make_views__decodes_every_format(tmp_path: Path, name: str) -> None:
    pixels = np.full((40, 50, 3), (200, 100, 20), np.uint8)
    try:
        Image.fromarray(pixels).save(tmp_path / name)
    except (KeyError, OSError, ValueError):
        pytest.skip(f"this Pillow writes no {name}")
    views = make_views(tmp_path / name, rng(), crop_size=16, area_share=(0.5, 1.0)).views
    assert views.shape == (2, 16, 16, 3)
    assert (views.float() - torch.tensor([200.0, 100, 20])).abs().max() < 12


def spoiled(path: Path, start: float, change: bytes) -> Path:
    content = bytearray(path.read_bytes())
    at = int(len(content) * start)
    content[at : at + len(change)] = change
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("change", [b"\0" * 200, b"\xff\xd8\xff\xe0" * 30, bytes(range(1, 255))])
def test_make_views__names_a_jpeg_damaged_in_its_middle(
    tmp_path: Path, change: bytes, capfd: pytest.CaptureFixture
) -> None:
    path = spoiled(photograph(tmp_path / "a.jpg", (200, 160)), 0.5, change)
    with pytest.raises(InputError, match=r"a\.jpg is a damaged JPEG"):
        make_views(path, rng(), crop_size=32, area_share=(0.5, 1.0))
    assert capfd.readouterr().err == ""


def test_make_views__takes_a_jpeg_with_needless_bytes(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.jpg", (200, 160))
    path.write_bytes(path.read_bytes()[:-2] + b"\0\0\0\0" + b"\xff\xd9")
    assert make_views(path, rng(), crop_size=32, area_share=(0.5, 1.0)).views.shape == (2, 32, 32, 3)
