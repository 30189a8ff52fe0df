"""Reads masks painted in any program: colours, grey levels, transparency and soft edges become ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sfc_cli.data.colour_index import Integers
from sfc_cli.data.colours import Colours
from sfc_cli.data.mask_kinds import BLACK_AND_WHITE, COLOURS, TRANSPARENCY, MaskKind
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.flattening import Colour
from sfc_cli.data.painting.numbering import number_masks
from sfc_cli.data.painting.outlines import fill_outlines
from sfc_cli.data.painting.paintings import Fitting, Painting, in_pixels, read_painting
from sfc_cli.data.painting.stored_ids import Numbered
from sfc_cli.errors import InputError

# A smaller object, in pixels or as a share of the image, is likely a slip of the brush.
_STRAY_PIXELS, _STRAY_SHARE = 4, 1e-5
_MOST_STRAY_REMARKS = 5
_BLACK_OR_WHITE = ({(0, 0, 0)}, {(255, 255, 255)})
# Kinds that a person draws, in lines perhaps; stored ids are taken as they are.
_DRAWN_KINDS = {COLOURS, TRANSPARENCY, BLACK_AND_WHITE}


@dataclass(frozen=True, kw_only=True)
class PaintedMask:
    """A painted mask as ids.

    Args:
        path: The file that it was read from.
        ids: uint8 [H, W], 0 is background and 255 void.
        legend: The colour (red, green, blue) of each object, as its painter sees it.
        kind: What in the file stands for the objects, see ``mask_kinds``.
        remarks: Sentences about what was decided for the user.
        names: What the file calls an object, where that is no id.
    """

    path: Path
    ids: Ids
    legend: dict[int, Colour]
    kind: MaskKind
    remarks: tuple[str, ...]
    names: Mapping[int, str] = field(default_factory=dict)


def read_painted_mask(path: Path, *, size: tuple[int, int] | None = None) -> PaintedMask:
    """Read one mask, see ``read_painted_masks``."""
    return read_painted_masks([path], size=size)[0]


def read_painted_masks(
    paths: Sequence[Path],
    *,
    size: tuple[int, int] | None = None,
    strict_size: bool = False,
    frames: Sequence[Callable[[], Colours]] = (),
) -> list[PaintedMask]:
    """Read the masks of a sequence, which share a legend: a colour is the same object in all of them.

    Numbers that a file stores are its ids: those of an indexed file, and grey levels, where 255 is void
    beside other objects and object 1 if no mask has others. Colours have the ids of the DAVIS palette if they
    are all in it, otherwise 1, 2, … by falling area; the background is black, or what surrounds the objects.
    What is not transparent is object 1. The pixels of smoothed and compressed edges get one of the clean
    colours beside them; without such edges every pixel keeps its colour.

    Args:
        paths: The files.
        size: Height and width of the frames in pixels; None accepts any size.
        strict_size: Refuse a mask of another size, even if the shape is the same.
        frames: Gives the frame of each mask, uint8 [H, W, 3], for masks that were painted on one.

    Returns:
        The masks in the order of ``paths``.

    Raises:
        InputError: If a file is missing, damaged, of another size, not a mask or without objects.
    """
    given: list[Callable[[], Colours] | None] = [*frames] or [None] * len(paths)
    paintings = [
        read_painting(path, Fitting(size=size, is_strict=strict_size, frame=frame))
        for path, frame in zip(paths, given, strict=True)
    ]
    numbered, _ = number_masks(paintings)
    masks = [_finish(*pair) for pair in zip(paintings, numbered, strict=True)]
    for mask in masks:
        if not mask.legend:
            raise _no_object(mask)
    return masks


class PaintedSequence:
    """The masks of a whole sequence, read one by one with a shared legend; some may have no objects.

    Args:
        paths: The files. Each is read now for the legend, and again for its mask.

    Raises:
        InputError: If a file is missing, damaged or not a mask.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        seen: list[Painting] = []
        for path in self._paths:
            painting = read_painting(path)
            seen.append(dataclasses.replace(painting, flat=painting.flat.without_pixels()))
        self._numbered, self._given = number_masks(seen)

    @property
    def numbered(self) -> dict[int, Colour]:
        """The colours that were given ids, by id; empty if the files store ids."""
        return dict(self._given)

    def read(self, index: int) -> PaintedMask:
        """Read the mask at an index of ``paths``.

        Raises:
            InputError: If the file has been removed since.
        """
        numbered = self._numbered[index]
        return _finish(read_painting(self._paths[index]), numbered)


def _finish(painting: Painting, numbered: Numbered) -> PaintedMask:
    flat, ids_of_colours = painting.flat, numbered.ids
    counts = np.bincount(ids_of_colours, weights=flat.counts, minlength=VOID + 1).astype(np.int64)
    legend = {
        int(identity): flat.colour(number)
        for number, identity in enumerate(ids_of_colours)
        if identity not in (0, VOID) and flat.counts[number]
    }
    ids: Ids = ids_of_colours[flat.numbers]
    remarks = (*painting.remarks, *numbered.remarks, *_stray_remarks(ids, counts, legend))
    is_drawn = painting.kind in _DRAWN_KINDS or painting.has_own_palette
    if is_drawn or (set(legend.values()) in _BLACK_OR_WHITE and not numbered.names):
        ids, filled = fill_outlines(ids, sorted(legend))
        if filled:
            remarks = (*remarks, _outlines_remark(filled))
    return PaintedMask(
        path=painting.path,
        ids=ids,
        legend=dict(sorted(legend.items())),
        kind=painting.kind,
        remarks=remarks,
        names=numbered.names,
    )


def _outlines_remark(filled: list[int]) -> str:
    what = (
        f"Object {filled[0]} is an outline and was"
        if len(filled) == 1
        else "All objects are outlines and were"
    )
    return f"{what} filled. If the line itself is meant, save the mask with ids (indexed)."


def _stray_remarks(ids: Ids, counts: Integers, legend: dict[int, Colour]) -> list[str]:
    """Say which objects are so much smaller than others that they may be there by mistake."""
    limit = max(_STRAY_PIXELS, _STRAY_SHARE * ids.size)
    strays = [identity for identity in sorted(legend) if counts[identity] < limit]
    if len(strays) == len(legend):
        return []
    remarks = []
    for identity in strays[:_MOST_STRAY_REMARKS]:
        y, x = np.unravel_index(int((ids == identity).argmax()), ids.shape)
        remarks.append(
            f"Object {identity}, colour {legend[identity]}, has only {in_pixels(int(counts[identity]))}, "
            f"at x {x}, y {y}: is it a slip?"
        )
    if len(strays) > _MOST_STRAY_REMARKS:
        remarks.append(f"{len(strays) - _MOST_STRAY_REMARKS} more objects are as small.")
    return remarks


def _no_object(mask: PaintedMask) -> InputError:
    if mask.kind == TRANSPARENCY:
        return InputError(
            f"No objects in {mask.path}: every pixel is transparent.",
            "Save the layer with the painted objects.",
        )
    void = " apart from void (255)" if (mask.ids == VOID).any() else ""
    return InputError(
        f"No objects in {mask.path}: every pixel is background{void}.",
        "Paint at least one object, in a colour of its own on black, or with an id from 1 to 254.",
    )
