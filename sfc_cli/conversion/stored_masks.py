"""Reads masks from files: ids, the palette's colours, cut-outs, soft labels, whatever somebody painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.conversion.mask_sources import MaskSource, Reader, Reference, Remarks
from sfc_cli.data.annotations.shapes import MOST_PIXELS
from sfc_cli.data.colours import Colours, Legend, pack, palette_legend, palette_spellings
from sfc_cli.data.mask_files import open_image
from sfc_cli.data.mask_kinds import (
    COLOURS,
    GREY,
    HALF_OPAQUE,
    INDEXED,
    STORES_IDS,
    TRANSPARENCY,
    colours_on_black,
    has_cut_out_picture,
    has_known_palette,
    judge_mask,
    soft_grey_levels,
    stored_kind_of,
)
from sfc_cli.data.masks import Ids, read_ids, stored_palette
from sfc_cli.data.painted_masks import PaintedSequence
from sfc_cli.data.results import CUTOUT_FOLDER
from sfc_cli.data.sequence_names import in_short
from sfc_cli.data.soft_labels import enlarge_to_mask, read_soft_labels
from sfc_cli.errors import InputError

# Of masks in the palette's colours, so many others and such a share of the objects' pixels are an accident.
_MOST_STRAYS = 7
_STRAY_SHARE = 0.02


@dataclass(frozen=True)
class StoredMasks:
    """Masks in image files.

    Args:
        masks: The files.
        remarks: Told what was decided about painted masks.
        are_raw: They are the released script's, whose colours are those of the annotation or a mistake.
    """

    masks: Sequence[MaskSource]
    remarks: Remarks
    are_raw: bool

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
        """See ``MaskInput``. Where a sequence's grey masks hold 0 and 255 alone, 255 is object 1."""
        paths = [mask.path for mask in masks]
        if _are_cutouts(paths):
            return _read_cutout
        found = _certain_reader(paths, reference)
        if not isinstance(found, InputError):
            return found
        # Neither ids nor known colours: a person painted them, in one program or another.
        if self.are_raw or _have_strays(paths):
            raise found
        return _painted_reader(masks, self.remarks)


@dataclass(frozen=True)
class SoftMasks:
    """Soft labels in NumPy files."""

    masks: Sequence[MaskSource]

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:  # noqa: ARG002
        """See ``MaskInput``. Each pixel takes its strongest label."""
        return _read_soft


def choose_legend(masks: Iterable[Colours], reference: Reference | None) -> Legend | None:
    """Find out which ids the colours of a sequence's masks name.

    Without a data set those of the DAVIS palette are known. With one, its first annotation may have a palette
    of its own, which the released script's files hold with red and blue exchanged. An order fits if it knows
    every colour of the masks; if both fit, the one that agrees better with the first annotation.

    Args:
        masks: The sequence's masks as colours [H, W, 3], the first frame's first.
        reference: The first annotation, if there is a data set.

    Returns:
        What each colour stands for; None if a colour is unknown.
    """
    import cv2

    seen: npt.NDArray[np.int64] = np.empty(0, np.int64)
    first: Colours | None = None
    for colours in masks:
        first = colours if first is None else first
        seen = np.union1d(seen, np.unique(pack(colours)))
    if first is None or reference is None:
        legend = palette_legend()
        return legend if legend.knows(seen).all() else None
    table = stored_palette(reference.annotation)
    fitting = []
    for swapped in (False, True):
        legend = palette_legend(table, swapped=swapped)
        if legend.knows(seen).all():
            truth, ids = reference.truth, legend.read(first, reference.annotation)
            same_size = cv2.resize(ids, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            fitting.append((int(((same_size == truth) & (truth != 0)).sum()), not swapped, legend))
    return max(fitting, key=lambda item: item[:2])[2] if fitting else None


def _certain_reader(paths: Sequence[Path], reference: Reference | None) -> Reader | InputError:
    """Return the reader of masks that all store ids or known colours; otherwise the reason why not."""
    if reference is None and _palettes_deny_ids(paths):
        return _doubt(paths[0], "is indexed, but its palette has an order of its own")
    grey: set[int] = set()
    coloured = []
    for path in paths:
        kind = stored_kind_of(path)
        if kind is None:
            return _doubt(path, "is an image of a kind whose colours may mean anything")
        if kind == GREY:
            values = read_ids(path)
            if levels := soft_grey_levels(values):
                return _doubt(path, f"has soft edges: {levels} grey levels between 0 and 255")
            grey.update(np.unique(values).tolist())
        if kind == TRANSPARENCY and colours_on_black(_pixels(path)) is None:
            return _doubt(path, "shows black objects on a transparent ground")
        if kind not in STORES_IDS:
            coloured.append(path)
    legend = choose_legend(map(_read_colours, coloured), reference)
    if legend is None:
        return _unknown_colour(coloured, reference)
    # Then 255 is an object, not void.
    is_binary = 255 in grey and grey <= {0, 255}

    def read(mask: MaskSource) -> Ids:
        kind = stored_kind_of(mask.path)
        if kind not in STORES_IDS:
            return legend.read(_read_colours(mask.path), mask.path)
        ids = read_ids(mask.path)
        return ids // 255 if is_binary and kind == GREY else ids

    return read


def _palettes_deny_ids(paths: Sequence[Path]) -> bool:
    """Return whether the palettes of indexed masks say that their numbers are no ids.

    A known palette says that they are. Another one may only stay where all files agree on the numbers.
    """
    pairs: set[tuple[int, tuple[int, ...]]] = set()
    for path in paths:
        if stored_kind_of(path) != INDEXED or has_known_palette(path):
            continue
        judged = judge_mask(path, open_image(path))
        if judged.kind not in STORES_IDS:
            return True
        if judged.table is not None:
            used = np.unique(judged.values).tolist()
            pairs |= {(number, tuple(judged.table[number].tolist())) for number in used}
    numbers, colours = {number for number, _ in pairs}, {colour for _, colour in pairs}
    return not len(numbers) == len(colours) == len(pairs)


def _doubt(path: Path, why: str) -> InputError:
    return InputError(f"{path} {why}.", "Save all masks as indexed PNGs, or in the palette's colours.")


def _unknown_colour(coloured: Sequence[Path], reference: Reference | None) -> InputError:
    """Say which colours of which mask are not in the palette."""
    legend = palette_legend(None if reference is None else stored_palette(reference.annotation))
    found = ((path, _read_colours(path)) for path in coloured)
    outside = ((path, colours[~legend.knows(pack(colours))]) for path, colours in found)
    path, unknown = next((path, unknown) for path, unknown in outside if unknown.size)
    red, green, blue = unknown[0]
    count = len(np.unique(pack(unknown)))
    found_colours = f"{count} colours" if count > 1 else "1 colour"
    if reference is None:
        where = "the DAVIS palette"
        hint = "Save masks without smoothing or lossy compression, in the palette's colours."
    else:
        where = f"the palette of {reference.annotation}"
        hint = "Check that `data` is the data set that the masks were made from."
    return InputError(
        f"{path} has {found_colours} outside {where}, the first is ({red}, {green}, {blue}).", hint
    )


def _pixels(path: Path) -> Colours:
    return np.asarray(open_image(path))


def _read_colours(path: Path) -> Colours:
    """Return the colours [H, W, 3] of a file, black where it is transparent."""
    pixels = _pixels(path)
    # Black objects on a transparent ground never come here.
    on_black = colours_on_black(pixels) if pixels.shape[2] == 4 else pixels
    return pixels[..., :3] if on_black is None else on_black


def _have_strays(paths: Sequence[Path]) -> bool:
    """Return whether a sequence's masks are in the palette's colours but for some accident.

    Numbering all colours because of it would exchange objects. Smoothed masks have many foreign colours.
    """
    legend = palette_legend()
    known = unknown = 0
    foreign: npt.NDArray[np.int64] = np.empty(0, np.int64)
    for path in paths:
        if stored_kind_of(path) != COLOURS:
            continue
        found, counts = np.unique(pack(_pixels(path)), return_counts=True)
        is_known = legend.knows(found)
        known += int(counts[is_known & (found != 0)].sum())
        unknown += int(counts[~is_known].sum())
        foreign = np.union1d(foreign, found[~is_known])
        if len(foreign) > _MOST_STRAYS:
            return False
    return 0 < unknown <= _STRAY_SHARE * known


def _painted_reader(masks: Sequence[MaskSource], remarks: Remarks) -> Reader:
    """Return the reader of a sequence's painted masks, in all of which a colour is the same object.

    Raises:
        InputError: If a file is not a mask.
    """
    painted = PaintedSequence([mask.path for mask in masks])
    index_of = {mask: index for index, mask in enumerate(masks)}
    _tell_legend(painted.numbered, masks[0].sequence, remarks)

    def read(mask: MaskSource) -> Ids:
        found = painted.read(index_of[mask])
        for remark in found.remarks:
            remarks.add_of_mask("/".join(filter(None, (mask.sequence, mask.path.name))), remark)
        return found.ids

    return read


def _tell_legend(numbered: dict[int, tuple[int, int, int]], sequence: str, remarks: Remarks) -> None:
    """Tell which id each colour was given, unless they are the ids that these colours have everywhere."""
    known = all(
        any(tuple(spelling[identity].tolist()) == colour for spelling in palette_spellings())
        for identity, colour in numbered.items()
    )
    if not known:
        legend = in_short([f"{identity} is {colour}" for identity, colour in sorted(numbered.items())])
        remarks.add(f"The colours{f' of {sequence}' if sequence else ''} were numbered: {legend}.")


def _are_cutouts(paths: Sequence[Path]) -> bool:
    """Return whether the files of a sequence show their object by transparency, whatever the colours.

    Their folder says so, or one of them shows a picture.
    """
    if any(stored_kind_of(path) != TRANSPARENCY for path in paths):
        return False
    folders = (folder.name for path in paths for folder in list(path.absolute().parents)[:2])
    return CUTOUT_FOLDER in folders or any(has_cut_out_picture(_pixels(path)) for path in paths)


def _read_cutout(mask: MaskSource) -> Ids:
    """Return 1 where a cut-out is opaque and 0 elsewhere, uint8 [H, W]."""
    opacity = np.asarray(open_image(mask.path).getchannel("A"))
    return (opacity >= HALF_OPAQUE).astype(np.uint8)


def _read_soft(mask: MaskSource) -> Ids:
    labels, objects, (height, width) = read_soft_labels(mask.path)
    if height * width > MOST_PIXELS:
        raise InputError(
            f"{mask.path} is for a frame that is too large: {width}×{height} pixels.", "Remove it."
        )
    return enlarge_to_mask(labels, objects, height, width)
