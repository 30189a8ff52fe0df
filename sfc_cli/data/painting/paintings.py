"""Reads a painted mask's file as a mask of clean colours, whatever part of it stands for the objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sfc_cli.data.colour_index import Flags, index_colours
from sfc_cli.data.colours import Colours, palette_spellings
from sfc_cli.data.mask_files import declared_background, open_upright
from sfc_cli.data.mask_kinds import (
    COLOURS,
    ERASED_SHARE,
    FAINTEST_PAINT,
    GREY,
    INDEXED,
    TRANSPARENCY,
    JudgedMask,
    MaskKind,
    are_small_ids,
    border_of,
    has_cut_out_picture,
    judge_mask,
)
from sfc_cli.data.masks import VOID
from sfc_cli.data.painting.flattening import Colour, FlatMask, PhotographError, flatten
from sfc_cli.data.painting.pictures import covered, nearest_numbers, on_key, painted_over, rims
from sfc_cli.data.painting.stored_numbers import (
    WideIds,
    in_order,
    read_pages,
    read_wide_levels,
    without_halos,
)
from sfc_cli.errors import InputError

# Smoothing and compression leave a colour no farther from itself, in any channel.
SAME_PAINT = 12


@dataclass(frozen=True, kw_only=True)
class Painting:
    """What a file shows, before its objects have their ids.

    Args:
        path: The file.
        kind: Which part of it stands for the objects.
        flat: Its clean colours; for a grey mask shades of grey. Where the file stores ids, those number them.
        remarks: What was decided so far.
        is_rgb: A grey mask in a file that has room for colours.
        has_own_palette: See ``JudgedMask``.
        background: The colour of the background, where it is known; otherwise it is to be found.
        declared: What the file declares to be the background, which counts where nothing is black.
        wide: The ids that the colours number, where some may be above 255.
    """

    path: Path
    kind: MaskKind
    flat: FlatMask
    remarks: tuple[str, ...] = ()
    is_rgb: bool = False
    has_own_palette: bool = False
    background: Colour | None = None
    declared: Colour | None = None
    wide: WideIds | None = None


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What a mask has to fit.

    Args:
        size: The height and width of the frames in pixels; None accepts any.
        is_strict: A mask of another size is refused, even if the shape is the same.
        frame: Gives the frame that the mask is for, uint8 [H, W, 3].
    """

    size: tuple[int, int] | None = None
    is_strict: bool = False
    frame: Callable[[], Colours] | None = None


ANY_SIZE = Fitting()


def read_painting(path: Path, fitting: Fitting = ANY_SIZE) -> Painting:
    """Read what a mask's file shows.

    Args:
        path: The file.
        fitting: What it has to fit.

    Raises:
        InputError: If it is missing, damaged, of another size or not a mask.
    """
    images, remarks = open_upright(path, fitting.size)
    image, pages = images[0], None
    if len(images) > 1:
        image, pages, remark = read_pages(path, images)
        remarks = (*remarks, remark)
    size = None
    if fitting.size is not None and image.size != fitting.size[::-1]:
        require_shape(path, image.size[::-1], fitting.size, is_strict=fitting.is_strict)
        size = fitting.size
        remarks = (
            *remarks,
            f"It has {image.width}×{image.height} pixels and was brought to the size of the frames.",
        )
    if pages is not None:
        found = Painting(path=path, kind=INDEXED, flat=pages)
    else:
        found = _read_image(path, image, fitting.frame)
        found = dataclasses.replace(found, declared=declared_background(path, image))
    flat = found.flat if size is None else found.flat.resized(size)
    return dataclasses.replace(found, flat=flat, remarks=(*remarks, *found.remarks))


# How far the proportions of a resized mask may be from those of the frames.
_MOST_ROUNDING = 0.03


def require_shape(path: Path, own: tuple[int, int], size: tuple[int, int], *, is_strict: bool) -> None:
    """Make sure that a mask has the shape of the frames, rounded to whole pixels, if not their size.

    Args:
        path: The mask's file, for the error.
        own: Its height and width.
        size: Those of the frames.
        is_strict: Refuse every other size.

    Raises:
        InputError: If it does not, or has another size where that is not allowed.
    """
    (height, width), (frame_height, frame_width) = own, size
    # Of a few pixels a whole one is not rounding.
    is_alike = abs(width * frame_height / (frame_width * height) - 1) <= _MOST_ROUNDING and (
        abs(width * frame_height / frame_width - height) <= 1
        or abs(height * frame_width / frame_height - width) <= 1
    )
    if is_alike and not is_strict:
        return
    raise InputError(
        f"{path} has {width}×{height} pixels, but the frames have {frame_width}×{frame_height}.",
        "Paint the mask on a frame in its full size."
        if not is_alike
        else "Leave `strict_size` out to have it brought to that size.",
    )


def _read_image(path: Path, image: Image.Image, frame: Callable[[], Colours] | None) -> Painting:
    judged = judge_mask(path, image)
    if judged.kind == TRANSPARENCY:
        return _read_transparency(path, judged.values)
    if judged.kind == GREY:
        return _read_grey(path, judged)
    if judged.kind == COLOURS:
        return _read_colours(path, judged, frame)
    assert judged.table is not None
    if judged.kind == INDEXED:
        return _read_indexed(path, judged)
    return Painting(path=path, kind=judged.kind, flat=FlatMask.of(judged.table, judged.values))


def _read_colours(path: Path, judged: JudgedMask, frame: Callable[[], Colours] | None) -> Painting:
    try:
        flat = flatten(judged.values, path, lossy=judged.is_lossy, coarse=judged.is_coarse)
    except PhotographError:
        if frame is None:
            raise
        found = _read_painted_over(path, judged, frame())
        if found is None:
            raise
        return found
    if judged.is_dithered:
        shown = flat.numbers != flat.border_counts.argmax()
        clean = nearest_numbers(flat.numbers, ~rims(flat.numbers, shown))
        flat = FlatMask.of(flat.colours, clean, changed=flat.changed)
    return Painting(
        path=path,
        kind=COLOURS,
        flat=flat,
        has_own_palette=judged.has_own_palette,
        remarks=(*judged.remarks, *_change_remarks(flat, lossy=judged.is_lossy)),
    )


def _read_painted_over(path: Path, judged: JudgedMask, frame: Colours) -> Painting | None:
    """Read a mask that was painted over the frame itself: what differs from it."""
    import cv2

    colours = judged.values
    if frame.shape != colours.shape:
        frame = np.asarray(cv2.resize(frame, colours.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    paint = painted_over(colours, frame)
    if paint is None:
        return None
    if not paint.shown.any():
        raise InputError(f"{path} is the frame itself, with nothing painted on it.", "Paint the objects.")
    if paint.colours is None:
        return None
    try:
        found = _on_background(path, on_key(paint.colours, paint.shown), paint.shown, (), lossy=True)
    except PhotographError:
        return None
    flat = found.flat
    numbers = nearest_numbers(flat.numbers, paint.shown & ~rims(flat.numbers, paint.shown))
    shown = covered(colours, frame, flat.colours[numbers], paint)
    numbers[~shown] = flat.numbers[~paint.shown][0]
    remark = f"It is the frame with paint on it: the {in_pixels(int(shown.sum()))} that differ count."
    return dataclasses.replace(found, flat=FlatMask.of(flat.colours, numbers), remarks=(remark,))


def _on_background(
    path: Path, colours: Colours, shown: Flags, remarks: tuple[str, ...], *, lossy: bool
) -> Painting:
    """Read colours [H, W, 3] on a background that is known: what is not shown [H, W]."""
    flat = flatten(colours, path, lossy=lossy)
    red, green, blue = (int(value) for value in colours[~shown][0])
    background = (red, green, blue)
    if (number := flat.number_of(background)) is not None:
        # What is shown is never background, even if smoothing made it so.
        wrong = shown & (flat.numbers == number)
        numbers = flat.numbers.copy()
        numbers[~shown] = number
        if wrong.any() and len(flat.colours) > 1:
            numbers[wrong] = nearest_numbers(numbers, shown & ~wrong)[wrong]
        flat = FlatMask.of(flat.colours, numbers, changed=flat.changed)
    return Painting(path=path, kind=COLOURS, flat=flat, remarks=remarks, background=background)


def _read_indexed(path: Path, judged: JudgedMask) -> Painting:
    ids, table = judged.values, judged.table
    assert table is not None
    remarks = judged.remarks
    used = np.unique(ids)
    void_colours = [tuple(spelling[VOID]) for spelling in palette_spellings()]
    if VOID in used and np.isin(used, [0, VOID]).all() and tuple(table[VOID]) not in void_colours:
        # Void alone says nothing, so 255 can only be meant as the object, unless it has the colour of void.
        ids = (ids == VOID).astype(np.uint8)
        table = table[[0, VOID]]
        remarks = (*remarks, "The number 255 stands alone, so it is object 1, not void.")
    elif 0 not in used:
        remarks = (
            *remarks,
            "No pixel has the number 0, so there is no background. If the order of the palette means "
            "nothing, save the mask as RGB.",
        )
    elif (arranged := in_order(ids)) is not None:
        ids, remark = arranged
        remarks = (*remarks, remark)
    flat = FlatMask.of(table, ids)
    return Painting(
        path=path, kind=INDEXED, flat=flat, remarks=remarks, has_own_palette=judged.has_own_palette
    )


def _read_grey(path: Path, judged: JudgedMask) -> Painting:
    """Read a grey mask, whose levels are ids or the black and white of one object."""
    levels, remarks = judged.values, judged.remarks
    if levels.dtype != np.uint8:
        wide = read_wide_levels(path, levels)
        if isinstance(wide, tuple):
            return Painting(path=path, kind=GREY, flat=wide[1], wide=wide[0])
        levels = wide
    if (
        judged.is_lossy
        and are_small_ids(np.unique(levels)[:, None].repeat(3, axis=1))
        and levels.max() < VOID
    ):
        levels, changed = without_halos(levels)
        remarks = (
            *remarks,
            *_changed_by(changed, "blurred by lossy compression went to the nearest id"),
            "Lossy compression may change ids as small as these: save them as PNG.",
        )
    flat = flatten(levels, path, lossy=judged.is_lossy)
    if flat.changed is not None:
        colours = np.where(flat.colours <= SAME_PAINT, 0, flat.colours)
        colours = np.where(colours >= 255 - SAME_PAINT, 255, colours).astype(np.uint8)
        flat = dataclasses.replace(flat, colours=colours)
    remarks = (*remarks, *_change_remarks(flat, lossy=judged.is_lossy))
    if judged.is_rgb and not are_small_ids(flat.colours):
        # Neither black and white nor ids: shades of grey are colours like all others.
        return Painting(path=path, kind=COLOURS, flat=flat, remarks=remarks)
    return Painting(path=path, kind=GREY, flat=flat, remarks=remarks, is_rgb=judged.is_rgb)


def _read_transparency(path: Path, rgba: Colours) -> Painting:
    """Read what is not transparent: a picture is one object, of flat paint each colour is one."""
    opacity = rgba[..., 3]
    # Paint may be half-transparent everywhere: an edge ends at half of its opacity.
    most = int(opacity.max())
    shown = opacity >= max((most + 1) // 2, FAINTEST_PAINT)
    table = np.zeros((2, 3), np.uint8)
    remarks = []
    if shown.any():
        is_picture = has_cut_out_picture(rgba)
        if is_picture and border_of(shown).mean() >= ERASED_SHARE and not shown.all():
            shown = ~shown
            remarks.append(
                "The transparent part was erased from a picture, so that part is the object. If it is the "
                "background, save the objects in flat colours on black."
            )
        found = index_colours(rgba[shown][:, None, :3])
        table[1] = found.colours[found.counts.argmax()]
        if not is_picture and len(found.colours) > 1 and not shown.all():
            painted = _read_layer(path, rgba, shown)
            if painted is not None:
                return painted
    soft = int(((opacity > 0) & (opacity < most)).sum())
    if soft:
        remarks.append(f"{in_pixels(soft)} of soft transparency went to what they are closer to.")
    flat = FlatMask.of(table, shown.astype(np.uint8))
    return Painting(path=path, kind=TRANSPARENCY, flat=flat, remarks=tuple(remarks))


def _read_layer(path: Path, rgba: Colours, shown: Flags) -> Painting | None:
    """Read a layer of flat paint on a transparent ground; None if it has one colour, or paint is not flat."""
    opacity = rgba[..., 3]
    full = opacity == opacity.max()
    soft = int(((opacity > 0) & ~full).sum())
    remarks = _changed_by(soft, "of soft transparency went to what they are closer to")
    try:
        # Programs differ in the colours that they keep where paint ends softly.
        found = _on_background(path, on_key(rgba[..., :3], full), full, remarks, lossy=False)
    except PhotographError:
        return None
    numbers = np.where(shown & ~full, nearest_numbers(found.flat.numbers, full), found.flat.numbers)
    flat = FlatMask.of(found.flat.colours, numbers, changed=found.flat.changed)
    return dataclasses.replace(found, flat=flat) if np.count_nonzero(flat.counts) > 2 else None


def _change_remarks(flat: FlatMask, *, lossy: bool) -> tuple[str, ...]:
    """Say how many pixels got a clean colour, if any did."""
    if not flat.changed:
        return ()
    what = "blurred by lossy compression" if lossy else "of soft edges"
    return _changed_by(flat.changed, f"{what} went to the nearest clean colour")


def _changed_by(count: int, what: str) -> tuple[str, ...]:
    return (f"{in_pixels(count)} {what}.",) if count else ()


def in_pixels(count: int) -> str:
    """Return a number of pixels in words."""
    return "1 pixel" if count == 1 else f"{count:,} pixels"
