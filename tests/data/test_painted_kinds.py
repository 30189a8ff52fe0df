"""Masks whose file says something else than what a person painted: palettes, turns, pages, photographs."""

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import Ids, palette
from sfc_cli.data.painted_masks import PaintedMask, PaintedSequence, read_painted_mask, read_painted_masks
from sfc_cli.errors import InputError
from tests.data.painted_files import COLOURS, blocks, save, save_indexed, scene, with_alpha

# Red, green and blue on a grey ground.
ON_GREY = np.array([(120, 130, 140), (220, 30, 40), (40, 200, 60), (30, 60, 220)], np.uint8)


def require_objects(mask: PaintedMask, truth: Ids, most: float = 0.01) -> None:
    """Require a mask's objects, up to their numbers, and at most such a share of wrong pixels."""
    named = np.zeros_like(truth)
    for identity in mask.legend:
        named[mask.ids == identity] = np.bincount(truth[mask.ids == identity]).argmax()
    assert len(mask.legend) == truth.max()
    assert len(np.unique(named)) == len(np.unique(truth))
    assert (named != truth).mean() <= most


def remarked(mask: PaintedMask, text: str) -> bool:
    return any(text in remark for remark in mask.remarks)


# Palettes.


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (120, 130, 140)])
@pytest.mark.parametrize("first", [1, 2])
def test_own_palette__order_means_nothing(tmp_path: Path, ground: tuple[int, int, int], first: int) -> None:
    truth = scene(120)
    table = [ground, (220, 30, 40), (40, 200, 60), (30, 60, 220)]
    order = np.roll(np.arange(4), first)
    path = save_indexed(
        tmp_path / "m.png", order[truth].astype(np.uint8), [table[i] for i in np.argsort(order)]
    )
    mask = read_painted_mask(path)
    require_objects(mask, truth, 0)
    assert remarked(mask, "order of its own")


@pytest.mark.parametrize("method", ["MEDIANCUT", "MAXCOVERAGE", "FASTOCTREE"])
@pytest.mark.parametrize("count", [8, 16, 64])
def test_own_palette__smoothed_edges_in_few_entries(tmp_path: Path, method: str, count: int) -> None:
    truth = scene()
    soft = Image.fromarray(cv2.GaussianBlur(ON_GREY[truth], (0, 0), 0.7))
    few = soft.quantize(count, method=Image.Quantize[method], dither=Image.Dither.NONE)
    few.save(tmp_path / "m.png")
    mask = read_painted_mask(tmp_path / "m.png")
    require_objects(mask, truth)
    assert remarked(mask, "not ids")


def test_own_palette__dithered(tmp_path: Path) -> None:
    truth = scene()
    colours = np.array([(0, 0, 0), (220, 30, 40), (40, 200, 60), (30, 60, 220)], np.uint8)[truth]
    dithered = Image.fromarray(colours).convert("P")
    dithered.save(tmp_path / "m.png")
    mask = read_painted_mask(tmp_path / "m.png")
    require_objects(mask, truth)
    assert remarked(mask, "Dithered")
    # The same numbers, with the palette of ids put in place of their own.
    dithered.putpalette(palette().tobytes())
    dithered.save(tmp_path / "n.png")
    replaced = read_painted_mask(tmp_path / "n.png")
    require_objects(replaced, truth)
    assert remarked(replaced, "web colours")


def test_own_palette__numbers_stay_where_colours_say_the_same(tmp_path: Path) -> None:
    ids = blocks(0, 4, 2)
    mask = read_painted_mask(
        save_indexed(tmp_path / "m.png", ids, [(0, 0, 0)] * 2 + [(9, 200, 9), (0, 0, 0), (200, 0, 0)])
    )
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.kind == "indexed"


def test_own_palettes__that_differ_are_joined_by_colour(tmp_path: Path) -> None:
    red, green = (200, 0, 0), (0, 200, 0)
    paths = [
        save_indexed(tmp_path / "a.png", blocks(0, 1, 2), [(0, 0, 0), red, green]),
        save_indexed(tmp_path / "b.png", blocks(0, 1, 2), [(0, 0, 0), green, red]),
    ]
    masks = read_painted_masks(paths)
    assert masks[0].legend == masks[1].legend
    np.testing.assert_array_equal(masks[0].ids == 1, masks[1].ids == 2)
    sequence = PaintedSequence(paths)
    for index, mask in enumerate(masks):
        np.testing.assert_array_equal(sequence.read(index).ids, mask.ids)


def test_known_palette__put_on_numbers_of_another_order(tmp_path: Path) -> None:
    ids = np.full((40, 40), 2, np.uint8)
    ids[10:20, 10:20], ids[25:30, 25:30] = 0, 1
    mask = read_painted_mask(save_indexed(tmp_path / "m.png", ids, [tuple(c) for c in palette().tolist()]))
    np.testing.assert_array_equal(mask.ids, np.array([3, 1, 0], np.uint8)[ids])
    assert remarked(mask, "2 is the background and 0 is object 3")
    truth = scene()
    soft = Image.fromarray(cv2.GaussianBlur(ON_GREY[truth], (0, 0), 0.7)).quantize(64)
    numbers = np.asarray(soft).astype(int)
    # The number 0 is one of the objects.
    replaced = (numbers - numbers[60, 120]) % 64
    path = save_indexed(tmp_path / "n.png", replaced.astype(np.uint8), [tuple(c) for c in palette().tolist()])
    require_objects(read_painted_mask(path), truth)


def test_background__black_within_another_colour_is_an_object(tmp_path: Path) -> None:
    ids = np.zeros((60, 80), np.uint8)
    ids[10:30, 10:30], ids[35:50, 40:60] = 1, 2
    table = np.array([(255, 255, 255), (0, 0, 0), (200, 0, 0)], np.uint8)
    mask = read_painted_mask(save(tmp_path / "m.png", table[ids]))
    require_objects(mask, ids, 0)
    assert remarked(mask, "(0, 0, 0) an object")


# Turned, wide, inverted, compressed, in pages.


TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


@pytest.mark.parametrize(("tag", "back"), TURNS.items())
def test_exif__is_followed(tmp_path: Path, tag: int, back: str) -> None:
    truth = scene(120)[:80]
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(COLOURS[truth]).transpose(Image.Transpose[back]).save(tmp_path / "m.png", exif=exif)
    (mask,) = read_painted_masks([tmp_path / "m.png"], size=truth.shape)
    require_objects(mask, truth, 0)
    assert remarked(mask, "EXIF")


def test_exif__left_over_from_before_turning(tmp_path: Path) -> None:
    truth = scene(120)[:80]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOURS[truth]).save(tmp_path / "m.png", exif=exif)
    (mask,) = read_painted_masks([tmp_path / "m.png"], size=truth.shape)
    require_objects(mask, truth, 0)
    assert remarked(mask, "was ignored")


def test_wide_ids__are_numbered_alike_in_all_masks(tmp_path: Path) -> None:
    paths = []
    for name, values in {"a": (0, 300, 600), "b": (0, 600, 255)}.items():
        wide = np.repeat(np.array([values], np.uint16), 6, axis=0).repeat(6, axis=1)
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(wide).save(paths[-1])
    masks = read_painted_masks(paths)
    np.testing.assert_array_equal(masks[0].ids, blocks(0, 1, 2))
    np.testing.assert_array_equal(masks[1].ids, blocks(0, 2, 255))
    assert masks[0].names == {1: "300", 2: "600"}
    assert remarked(masks[0], "300 is 1, 600 is 2")


def test_wide_ids__too_many(tmp_path: Path) -> None:
    Image.fromarray(np.arange(300, dtype=np.uint16).repeat(4).reshape(30, 40)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="298 ids"):
        read_painted_mask(tmp_path / "m.png")


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_inverted__black_within_white_is_the_object(tmp_path: Path, mode: str) -> None:
    truth = cv2.circle(np.zeros((60, 80), np.uint8), (40, 30), 15, 1, -1)
    mask = read_painted_mask(save(tmp_path / "m.png", (1 - truth) * np.uint8(255), mode))
    np.testing.assert_array_equal(mask.ids, truth)
    assert remarked(mask, "invert the mask")


def test_compressed_ids__have_no_halos(tmp_path: Path) -> None:
    truth = scene()
    for quality in (85, 95):
        mask = read_painted_mask(save(tmp_path / "m.jpg", truth, quality=quality))
        require_objects(mask, truth, 0.02)
        assert remarked(mask, "save them as PNG")


def test_pages__are_objects(tmp_path: Path) -> None:
    truth = scene(120)
    pages = [Image.fromarray((truth == number) * np.uint8(255)) for number in (1, 2, 3)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    mask = read_painted_mask(tmp_path / "m.tif")
    np.testing.assert_array_equal(mask.ids, truth)
    assert remarked(mask, "The 3 pages are objects 1 to 3")


def test_pages__that_are_no_objects(tmp_path: Path) -> None:
    pages = [Image.fromarray(COLOURS[scene(60)]), Image.fromarray(COLOURS[3 - scene(60)])]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"Page 1 of .* has 4 colours"):
        read_painted_mask(tmp_path / "m.tif")
    pages[0].save(tmp_path / "m.gif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="animation of 2 pictures"):
        read_painted_mask(tmp_path / "m.gif")
    small = pages[0].resize((20, 20))
    pages[0].save(tmp_path / "n.tif", save_all=True, append_images=[small])
    require_objects(read_painted_mask(tmp_path / "n.tif"), scene(60), 0)


def test_tga__with_transparency_that_nobody_set(tmp_path: Path) -> None:
    truth = scene(60)
    path = save(tmp_path / "m.tga", with_alpha(COLOURS[truth], np.zeros_like(truth)))
    require_objects(read_painted_mask(path), truth, 0)


# Transparency, outlines, photographs.


def test_layer__of_black_and_white_paint(tmp_path: Path) -> None:
    truth = scene(120)
    table = np.array([(7, 7, 7), (0, 0, 0), (255, 255, 255), (200, 0, 0)], np.uint8)
    alpha = cv2.GaussianBlur((truth > 0) * np.uint8(255), (0, 0), 1)
    mask = read_painted_mask(save(tmp_path / "m.png", with_alpha(table[truth], alpha)))
    require_objects(mask, truth)


def photograph(height: int = 240, width: int = 320) -> np.ndarray:
    small = np.random.default_rng(3).integers(30, 220, (height // 8, width // 8, 3), dtype=np.uint8)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(4).integers(-9, 10, large.shape)
    return np.clip(large + noise, 0, 255).astype(np.uint8)


def objects_on(frame: np.ndarray) -> Ids:
    truth = np.zeros(frame.shape[:2], np.uint8)
    cv2.circle(truth, (90, 110), 50, 1, -1)
    cv2.rectangle(truth, (170, 60), (260, 180), 2, -1)
    return truth


def test_erased__the_hole_in_a_picture_is_the_object(tmp_path: Path) -> None:
    frame = photograph()
    truth = (objects_on(frame) > 0).astype(np.uint8)
    erased = read_painted_mask(save(tmp_path / "m.png", with_alpha(frame, (1 - truth) * np.uint8(255))))
    np.testing.assert_array_equal(erased.ids, truth)
    assert remarked(erased, "erased")
    cut_out = read_painted_mask(save(tmp_path / "n.png", with_alpha(frame, truth * np.uint8(255))))
    np.testing.assert_array_equal(cut_out.ids, truth)


@pytest.mark.parametrize("thickness", [1, 2, 4])
def test_outlines__are_filled(tmp_path: Path, thickness: int) -> None:
    truth = objects_on(photograph())
    drawn = np.zeros_like(truth)
    for identity in (1, 2):
        edge, _ = cv2.findContours(
            (truth == identity).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(drawn, edge, -1, identity, thickness)
    mask = read_painted_mask(save(tmp_path / "m.png", COLOURS[drawn]))
    require_objects(mask, truth, 0.02)
    assert remarked(mask, "filled")
    white = read_painted_mask(save(tmp_path / "w.png", (drawn > 0) * np.uint8(255)))
    require_objects(white, (truth > 0).astype(np.uint8), 0.02)
    # Ids are taken as they are.
    kept = read_painted_mask(save_indexed(tmp_path / "p.png", drawn, [tuple(c) for c in palette().tolist()]))
    np.testing.assert_array_equal(kept.ids, drawn)


def test_outlines__not_beside_what_is_filled(tmp_path: Path) -> None:
    ids = np.zeros((80, 120), np.uint8)
    cv2.circle(ids, (30, 40), 20, 1, 2)
    cv2.circle(ids, (90, 40), 20, 2, -1)
    mask = read_painted_mask(save(tmp_path / "m.png", COLOURS[ids]))
    require_objects(mask, ids, 0)


@pytest.mark.parametrize(("opacity", "name"), [(1, "m.png"), (0.5, "m.png"), (0.7, "m.png"), (1, "m.jpg")])
def test_photograph__paint_on_the_frame_is_the_difference(tmp_path: Path, opacity: float, name: str) -> None:
    frame = photograph()
    truth = objects_on(frame)
    paint = np.array([(0, 0, 0), (220, 30, 40), (40, 200, 60)], np.float32)[truth]
    painted = np.where(truth[..., None] > 0, opacity * paint + (1 - opacity) * frame, frame)
    path = save(tmp_path / name, np.rint(painted).astype(np.uint8), quality=92)
    (mask,) = read_painted_masks([path], size=truth.shape, frames=[lambda: frame])
    require_objects(mask, truth)
    assert remarked(mask, "It is the frame with paint on it")
    with pytest.raises(InputError, match="photograph"):
        read_painted_mask(path)


def test_photograph__nothing_painted_or_another_picture(tmp_path: Path) -> None:
    frame = photograph()
    with pytest.raises(InputError, match="nothing painted"):
        read_painted_masks([save(tmp_path / "m.png", frame)], frames=[lambda: frame])
    with pytest.raises(InputError, match="photograph"):
        read_painted_masks([save(tmp_path / "n.png", frame[::-1])], frames=[lambda: frame])


# Sizes.


@pytest.mark.parametrize("scale", [0.5, 2.0, 1.499])
def test_size__of_the_same_shape_is_brought_to_that_of_the_frames(tmp_path: Path, scale: float) -> None:
    truth = scene(240)[:135]
    size = (round(240 * scale), round(135 * scale))
    path = save(tmp_path / "m.png", cv2.resize(COLOURS[truth], size, interpolation=cv2.INTER_NEAREST))
    (mask,) = read_painted_masks([path], size=truth.shape)
    require_objects(mask, truth, 0.02)
    assert remarked(mask, f"It has {size[0]}×{size[1]} pixels")
    with pytest.raises(InputError, match=f"has {size[0]}×{size[1]} pixels, but the frames have 240×135"):
        read_painted_masks([path], size=truth.shape, strict_size=True)


# A background that the file declares.


def _declared(path: Path, image: Image.Image, content: bytes) -> Path:
    """Save a PNG with a bKGD chunk, before its pixels."""
    image.save(path)
    stored = path.read_bytes()
    chunk = b"bKGD" + content
    at = stored.index(b"IDAT") - 4
    path.write_bytes(
        stored[:at]
        + len(content).to_bytes(4, "big")
        + chunk
        + zlib.crc32(chunk).to_bytes(4, "big")
        + stored[at:]
    )
    return path


def _three_colours() -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Return numbers whose 0 covers most of the border, and colours without black."""
    numbers = np.zeros((40, 60), np.uint8)
    numbers[20:] = 2
    numbers[5:15, 20:30] = 1
    numbers[:, 50:] = 0
    return numbers, [(40, 90, 200), (220, 30, 30), (240, 240, 60)]


@pytest.mark.parametrize("form", ["indexed", "rgb", "gif"])
def test_read_painted_mask__a_declared_background(tmp_path: Path, form: str) -> None:
    numbers, colours = _three_colours()
    image = Image.fromarray(numbers, "P")
    image.putpalette([value for colour in colours for value in colour])
    if form == "indexed":
        path = _declared(tmp_path / "m.png", image, b"\x02")
    elif form == "rgb":
        content = b"".join(value.to_bytes(2, "big") for value in colours[2])
        path = _declared(tmp_path / "m.png", image.convert("RGB"), content)
    else:
        path = tmp_path / "m.gif"
        image.save(path, background=2)
    mask = read_painted_mask(path)
    assert ((mask.ids == 0) == (numbers == 2)).all()
    assert set(np.unique(mask.ids[numbers == 0])) == {1}
    assert any("declares" in remark for remark in mask.remarks)


def test_read_painted_mask__black_counts_whatever_is_declared(tmp_path: Path) -> None:
    numbers, colours = _three_colours()
    image = Image.fromarray(numbers, "P")
    image.putpalette([0, 0, 0, *(value for colour in colours[1:] for value in colour)])
    mask = read_painted_mask(_declared(tmp_path / "m.png", image, b"\x02"))
    assert ((mask.ids == 0) == (numbers == 0)).all()
