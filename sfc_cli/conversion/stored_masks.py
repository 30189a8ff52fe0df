"""Reads masks from files: ids, the palette's colours, cut-outs, soft labels, whatever somebody painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from sfc_cli.conversion.mask_sources import MOST_PIXELS, MaskSource, Reader, Reference, Remarks
from sfc_cli.data.colours import Colours, Legend, pack, palette_legend, palette_spellings, stored_palette
from sfc_cli.data.masks import Ids, open_image, read_ids, refuse_soft_edges
from sfc_cli.data.painted_masks import PaintedSequence
from sfc_cli.data.results import CUTOUT_FOLDER
from sfc_cli.data.sequence_names import in_short
from sfc_cli.data.soft_files import read_soft_labels
from sfc_cli.data.soft_labels import enlarge_to_mask
from sfc_cli.errors import InputError

# Of masks in the palette's colours, so many others and such a share of the objects' pixels are an accident.
_MOST_STRAYS = 7
_STRAY_SHARE = 0.02
# Of the neighbouring opaque pixels of a painted mask nearly all are equal, of a photograph few.
_LEAST_FLAT = 0.5
# Pixels below half of full opacity are background.
_OPAQUE = 128


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
        if _are_cutouts(masks):
            return _read_cutout
        try:
            return _plain_reader(masks, reference)
        except InputError:
            # Neither ids nor known colours: a person painted them, in one program or another.
            if self.are_raw or _have_strays(masks):
                raise
            return _painted_reader(masks, self.remarks)


@dataclass(frozen=True)
class SoftMasks:
    """Soft labels in NumPy files."""

    masks: Sequence[MaskSource]

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:  # noqa: ARG002
        """See ``MaskInput``. Each pixel takes its strongest label."""
        return _read_soft


def format_and_mode(path: Path) -> tuple[str, str]:
    """Return an image file's format, such as ``PNG``, and its mode, such as ``P`` for indexed.

    Raises:
        InputError: If the file is missing or not an image.
    """
    try:
        with Image.open(path) as image:
            return image.format or "unknown", image.mode
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}.", "Replace the file.") from None


def choose_legend(masks: Iterable[tuple[Path, Colours]], annotation: Path, truth: Ids) -> Legend:
    """Find out in which channel order a sequence's colours name the ids of its first annotation.

    The released script's files hold the annotation's palette with red and blue exchanged. An order fits if it
    knows every colour of the masks; if both fit, the one that agrees better with the first annotation.

    Args:
        masks: The sequence's masks as colours [H, W, 3], the first frame's first.
        annotation: The first annotation's file.
        truth: Its ids [H, W].

    Raises:
        InputError: If neither order fits.
    """
    import cv2

    seen: npt.NDArray[np.int64] = np.empty(0, np.int64)
    first: Colours | None = None
    some_path = annotation
    for path, colours in masks:
        first = colours if first is None else first
        some_path = path
        seen = np.union1d(seen, np.unique(pack(colours)))
    table = stored_palette(annotation)
    fitting = []
    for swapped in (False, True):
        legend = palette_legend(table, swapped=swapped)
        if first is not None and legend.knows(seen).all():
            ids = legend.read(first, some_path)
            same_size = cv2.resize(ids, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            fitting.append((int(((same_size == truth) & (truth != 0)).sum()), not swapped, legend))
    if not fitting:
        known = palette_legend(table)
        colour = int(seen[~known.knows(seen)][0])
        raise InputError(
            f"The masks beside {some_path} use the colour "
            f"({colour >> 16}, {colour >> 8 & 255}, {colour & 255}), which {annotation} does not have.",
            "Check that `data` is the data set that the masks were made from.",
        )
    return max(fitting, key=lambda item: item[:2])[2]


def _mode_of(path: Path) -> str:
    return format_and_mode(path)[1]


def _plain_reader(masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
    """Return the reader of masks whose ids are certain.

    Raises:
        InputError: If those of a mask are not.
    """
    paths = [mask.path for mask in masks]
    is_binary = _are_binary(paths)
    legend = _legend_of(paths, reference)

    def read(mask: MaskSource) -> Ids:
        colours = _read_colours(mask.path)
        if colours is not None:
            return legend.read(colours, mask.path)
        ids = read_ids(mask.path)
        return ids // 255 if is_binary and _mode_of(mask.path) == "L" else ids

    return read


def _are_binary(paths: Iterable[Path]) -> bool:
    """Return whether a sequence's grey masks hold 0 and 255 alone: then 255 is an object, not void.

    Raises:
        InputError: If one of them holds more grey levels than ids.
    """
    found: set[int] = set()
    for path in paths:
        if _mode_of(path) == "L":
            values = read_ids(path)
            found.update(np.unique(values).tolist())
            refuse_soft_edges(values, path)
    return 255 in found and found <= {0, 255}


def _legend_of(paths: Sequence[Path], reference: Reference | None) -> Legend:
    """Return what the colours of a sequence mean.

    Raises:
        InputError: If that is not certain for one of them.
    """
    coloured = ((path, colours) for path in paths if (colours := _read_colours(path)) is not None)
    if reference is None:
        legend = palette_legend()
        for path, colours in coloured:
            legend.read(colours, path)
        return legend
    first = next(coloured, None)
    if first is None:
        return palette_legend()
    return choose_legend(chain([first], coloured), reference.annotation, reference.truth)


def _read_colours(path: Path) -> Colours | None:
    """Return the colours [H, W, 3] of an RGB file, black where it is transparent; None for one of ids.

    Raises:
        InputError: If the file has another mode, or transparency alone tells black objects from background.
    """
    mode = _mode_of(path)
    if mode in {"P", "L", "1"}:
        return None
    if mode not in {"RGB", "RGBA"}:
        raise InputError(f"{path} is an image of mode {mode}, whose colours may mean anything.")
    colours: Colours = np.asarray(open_image(path))
    if mode == "RGBA":
        opaque = colours[..., 3] >= _OPAQUE
        if not opaque.all() and (opaque & ~colours[..., :3].any(axis=2)).any():
            raise InputError(f"{path} shows black objects on a transparent ground.")
        colours = colours[..., :3] * opaque[..., None]
    return colours


def _have_strays(masks: Sequence[MaskSource]) -> bool:
    """Return whether a sequence's masks are in the palette's colours but for some accident.

    Numbering all colours because of it would exchange objects. Smoothed masks have many foreign colours.
    """
    legend = palette_legend()
    known = unknown = 0
    foreign: npt.NDArray[np.int64] = np.empty(0, np.int64)
    for mask in masks:
        if _mode_of(mask.path) != "RGB":
            continue
        found, counts = np.unique(pack(np.asarray(open_image(mask.path))), return_counts=True)
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


def _are_cutouts(masks: Sequence[MaskSource]) -> bool:
    """Return whether the files of a sequence show their objects by transparency, whatever the colours.

    Their folder says so, or the opaque pixels of one show a picture.
    """
    if any(_mode_of(mask.path) != "RGBA" for mask in masks):
        return False
    folders = (folder.name for mask in masks for folder in list(mask.path.absolute().parents)[:2])
    return CUTOUT_FOLDER in folders or any(_shows_picture(mask.path) for mask in masks)


def _shows_picture(path: Path) -> bool:
    pixels = np.asarray(open_image(path))
    alpha = pixels[..., 3]
    if alpha.min() >= _OPAQUE:
        return False
    packed = pixels.view(np.uint32)[..., 0]
    both = (alpha[:, 1:] == 255) & (alpha[:, :-1] == 255)
    equal = both & (packed[:, 1:] == packed[:, :-1])
    return bool(both.any() and equal.sum() < _LEAST_FLAT * both.sum())


def _read_cutout(mask: MaskSource) -> Ids:
    """Return 1 where a cut-out is opaque and 0 elsewhere, uint8 [H, W]."""
    alpha = np.asarray(open_image(mask.path).getchannel("A"))
    return (alpha >= _OPAQUE).astype(np.uint8)


def _read_soft(mask: MaskSource) -> Ids:
    labels, objects, (height, width) = read_soft_labels(mask.path)
    if height * width > MOST_PIXELS:
        raise InputError(f"{mask.path} is of a frame too large: {width}×{height} pixels.", "Remove it.")
    return enlarge_to_mask(labels, objects, height, width)
