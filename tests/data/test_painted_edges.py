"""Painted masks whose colours smoothing or compression mixed."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from sfc_cli.data.masks import palette
from sfc_cli.data.painted_masks import PaintedMask, read_painted_mask
from sfc_cli.errors import InputError
from tests.data.painted_files import distance_to_edges, scene

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
COLOURS = np.array([(0, 0, 0), RED, GREEN, BLUE, YELLOW], np.uint8)
# Each is about the mixture of two others.
GREYS = np.array([0, 60, 120, 180, 240], np.uint8)


def _read(path: Path, values: np.ndarray, **options: object) -> PaintedMask:
    Image.fromarray(values).save(path, **options)  # type: ignore[arg-type]
    return read_painted_mask(path)


def _told(mask: PaintedMask, text: str) -> bool:
    return any(text in remark for remark in mask.remarks)


def _blur(sigma: float) -> ImageFilter.GaussianBlur:
    return ImageFilter.GaussianBlur(sigma)


@pytest.mark.parametrize("sigma", [0.6, 1, 2, 5])
@pytest.mark.parametrize("grey", [False, True])
def test_read_painted_mask__three_touching_feathered_objects(
    tmp_path: Path, sigma: float, grey: bool
) -> None:
    truth = scene()
    painted = Image.fromarray(GREYS[truth] if grey else COLOURS[truth])
    mask = _read(tmp_path / "m.png", np.asarray(painted.filter(_blur(sigma))))
    true_ids = GREYS[truth] if grey else truth
    assert sorted(mask.legend) == np.unique(true_ids)[1:].tolist()
    far = distance_to_edges(truth) > 3
    # The widest feather fills the narrow gaps between the objects with greys that any of them may have made.
    lost = 0.001 if grey and sigma == 5 else 0
    assert (mask.ids[far] != true_ids[far]).mean() <= lost
    assert (mask.ids == true_ids).mean() > 0.97
    assert _told(mask, "soft edges went to the nearest clean colour")


@pytest.mark.parametrize("resample", ["BILINEAR", "BICUBIC", "LANCZOS", "BOX"])
@pytest.mark.parametrize("scale", [0.37, 0.5, 0.8, 1.6, 3])
def test_read_painted_mask__resized_with_smoothing(tmp_path: Path, resample: str, scale: float) -> None:
    truth = scene()
    side = round(240 * scale)
    method = Image.Resampling[resample]
    painted = Image.fromarray(COLOURS[truth]).resize((side, side), method)
    truth = np.asarray(Image.fromarray(truth).resize((side, side), Image.Resampling.NEAREST))
    mask = _read(tmp_path / "m.png", np.asarray(painted))
    assert mask.legend == {1: RED, 2: GREEN, 3: BLUE}
    far = distance_to_edges(truth) > 3
    np.testing.assert_array_equal(mask.ids[far], truth[far])


def test_read_painted_mask__antialiased_shapes(tmp_path: Path) -> None:
    painted = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(painted, (80, 90), 50, RED, -1, cv2.LINE_AA)
    cv2.fillPoly(painted, [np.array([(120, 20), (280, 60), (200, 180)])], GREEN, cv2.LINE_AA)
    cv2.line(painted, (10, 190), (290, 150), YELLOW, 5, cv2.LINE_AA)
    mask = _read(tmp_path / "m.png", painted)
    assert set(mask.legend.values()) == {RED, GREEN, YELLOW}
    for identity, colour in mask.legend.items():
        exactly = (painted == colour).all(axis=2)
        assert (mask.ids[exactly] == identity).all()
    changed = (painted != np.array([(0, 0, 0), *map(mask.legend.get, (1, 2, 3))], np.uint8)[mask.ids]).any(
        axis=2
    )
    assert mask.remarks == (f"{changed.sum():,} pixels of soft edges went to the nearest clean colour.",)


def test_read_painted_mask__antialiased_ellipses_of_pillow(tmp_path: Path) -> None:
    image = Image.new("L", (400, 320))
    draw = ImageDraw.Draw(image)
    draw.ellipse((40, 40, 240, 200), fill=255)
    draw.line((250, 20, 380, 300), fill=255, width=12)
    mask = _read(tmp_path / "m.png", np.asarray(image.resize((200, 160), Image.Resampling.BICUBIC)))
    truth = np.asarray(image.resize((200, 160), Image.Resampling.BOX)) >= 128
    assert mask.kind == "grey"
    assert mask.legend == {1: (255, 255, 255)}
    assert (mask.ids == truth).mean() > 0.997


def test_read_painted_mask__the_middle_of_an_edge_is_no_third_object(tmp_path: Path) -> None:
    # A grey object elsewhere has just the colour that lies between black and white.
    truth = np.zeros((120, 200), np.uint8)
    cv2.circle(truth, (50, 60), 40, 255, -1)
    truth[40:80, 130:180] = 128
    painted = cv2.GaussianBlur(truth, (0, 0), 2)
    assert (np.abs(painted[:, :100].astype(int) - 128) < 20).sum() > 50
    # White is void beside the grey object; in colours it is an object of its own.
    tinted = np.stack([painted, painted, (painted * 0.9).round().astype(np.uint8)], axis=2)
    mask = _read(tmp_path / "m.png", tinted)
    left = mask.ids[:, :100]
    assert np.unique(left).size == 2
    assert ((left > 0) == (truth[:, :100] > 0)).mean() > 0.99


def test_read_painted_mask__strokes_beside_soft_edges_survive(tmp_path: Path) -> None:
    painted = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(painted, (100, 100), 60, RED, -1, cv2.LINE_AA)
    painted[20:180, 230:232] = GREEN
    mask = _read(tmp_path / "m.png", painted)
    assert mask.legend == {1: RED, 2: GREEN}
    np.testing.assert_array_equal(mask.ids == 2, (painted == GREEN).all(axis=2))


def test_read_painted_mask__one_soft_stroke_is_an_object(tmp_path: Path) -> None:
    painted = np.zeros((200, 300, 3), np.uint8)
    cv2.line(painted, (20, 30), (270, 160), RED, 1, cv2.LINE_AA)
    mask = _read(tmp_path / "m.png", painted)
    assert list(mask.legend) == [1]
    assert 200 < mask.ids.sum() < 600


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_read_painted_mask__jpeg_colours(tmp_path: Path, quality: int) -> None:
    truth = scene()
    mask = _read(tmp_path / "m.jpg", COLOURS[truth], quality=quality)
    assert sorted(mask.legend) == [1, 2, 3]
    np.testing.assert_array_equal(mask.ids[distance_to_edges(truth) > 2], truth[distance_to_edges(truth) > 2])
    assert (mask.ids == truth).mean() > 0.995
    assert _told(mask, "lossy compression")
    for identity, colour in mask.legend.items():
        assert np.abs(COLOURS[identity].astype(int) - colour).max() < 12


@pytest.mark.parametrize("quality", [75, 95])
def test_read_painted_mask__jpeg_palette_colours(tmp_path: Path, quality: int) -> None:
    truth = scene() * 3
    mask = _read(tmp_path / "m.jpg", palette()[truth], quality=quality)
    assert sorted(mask.legend) == [3, 6, 9]
    assert (mask.ids == truth).mean() > 0.99


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [75, 95])
def test_read_painted_mask__jpeg_black_and_white(tmp_path: Path, mode: str, quality: int) -> None:
    truth = (scene() > 0).astype(np.uint8)
    painted = truth * 255 if mode == "L" else np.stack([truth * 255] * 3, axis=2)
    mask = _read(tmp_path / "m.jpg", painted, quality=quality)
    assert mask.kind == "grey"
    assert (mask.ids == truth).mean() > 0.999


def test_read_painted_mask__jpeg_on_white(tmp_path: Path) -> None:
    truth = scene()
    table = COLOURS.copy()
    table[0] = 255
    mask = _read(tmp_path / "m.jpg", table[truth], quality=75)
    assert (mask.ids == truth).mean() > 0.99
    assert _told(mask, "background is taken to be (255, 255, 255)")


def test_read_painted_mask__webp(tmp_path: Path) -> None:
    truth = scene()
    truth[10, 10:100] = 4
    lossless = _read(tmp_path / "a.webp", COLOURS[truth], lossless=True)
    assert lossless.remarks == ()
    np.testing.assert_array_equal(lossless.ids == 4, truth == 4)
    lossy = _read(tmp_path / "b.webp", COLOURS[scene()], quality=80)
    assert (lossy.ids == scene()).mean() > 0.99


def _photograph(side: int = 256) -> np.ndarray:
    """Return noise of all sizes in colours, smoothed a little: as even as a photograph, and no more."""
    generator = np.random.default_rng(3)
    picture = np.zeros((side, side, 3))
    for cells in (2, 4, 8, 16, 32, 64, 128):
        noise = generator.normal(0, 1, (cells, cells, 3))
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC) * 60 / np.sqrt(cells / 2)
    return cv2.GaussianBlur((picture + 128).clip(0, 255).astype(np.uint8), (0, 0), 0.7)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_read_painted_mask__photograph(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    with pytest.raises(
        InputError, match=r"looks like a photograph, not a mask: [\d,]+ colours.*only \d+%"
    ) as caught:
        _read(path, _photograph())
    assert str(path) in caught.value.message
    assert "flat colour" in caught.value.hint


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_read_painted_mask__photograph_cut_out(tmp_path: Path, suffix: str) -> None:
    picture = _photograph()
    picture[scene(256) != 1] = 0
    with pytest.raises(InputError, match="part of a photograph on a plain background"):
        _read(tmp_path / f"m.{suffix}", picture)


def test_read_painted_mask__noise(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="photograph"):
        _read(tmp_path / "m.png", noise)


@pytest.mark.parametrize("sigma", [1, 5])
def test_read_painted_mask__small_disc_with_soft_edge(tmp_path: Path, sigma: int) -> None:
    disc = cv2.circle(np.zeros((64, 64), np.uint8), (30, 33), 20, 255, -1)
    mask = _read(tmp_path / "m.png", cv2.GaussianBlur(disc, (0, 0), sigma))
    assert ((mask.ids == 1) == (disc == 255)).mean() > 0.97


def test_read_painted_mask__many_objects_of_similar_colours(tmp_path: Path) -> None:
    painted = np.zeros((300, 400, 3), np.uint8)
    colours = [(200, 40 + 14 * number, 30 + 11 * number) for number in range(12)]
    for number, colour in enumerate(colours):
        cv2.circle(painted, (50 + 95 * (number % 4), 50 + 95 * (number // 4)), 40, colour, -1, cv2.LINE_AA)
    mask = _read(tmp_path / "m.png", painted)
    assert sorted(mask.legend.values()) == sorted(colours)


def test_read_painted_mask__a_soft_stroke_is_no_object_of_its_own(tmp_path: Path) -> None:
    painted = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(painted, (80, 90), 50, YELLOW, -1, cv2.LINE_AA)
    painted[20:180, 200] = (191, 191, 0)
    assert _read(tmp_path / "m.png", painted).legend == {1: YELLOW}


def test_read_painted_mask__soft_strings_are_no_photograph(tmp_path: Path) -> None:
    # A kite on many thin strings: most of the soft pixels belong to strokes that never show their colour.
    painted = np.zeros((480, 854), np.uint8)
    cv2.ellipse(painted, (430, 60), (200, 30), 0, 0, 360, 255, -1)
    cv2.rectangle(painted, (410, 380), (450, 460), 255, -1)
    for x in range(240, 630, 18):
        cv2.line(painted, (x, 60), (430, 390), 255, 1)
    mask = _read(tmp_path / "m.png", cv2.GaussianBlur(painted, (0, 0), 1))
    assert mask.legend == {1: (255, 255, 255)}
    assert (mask.ids == (painted > 0)).mean() > 0.97
