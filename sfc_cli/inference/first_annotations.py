"""Where the objects of a data set's sequence start: each from the first annotation that shows it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.data.masks import VOID, Ids, read_first_mask, read_given_mask
from sfc_cli.errors import InputError

logger = logging.getLogger(__name__)

_READERS = 4
_READ_AHEAD = 16
# Of its pixels and those of the frame before, an object shares more than so many from frame to frame.
_SAME = 0.5


@dataclass(frozen=True, kw_only=True)
class GivenMasks:
    """The masks that a sequence starts from.

    Args:
        masks: Ids [H, W] by the index of their frame. The first one as it is stored; a later one has only the
            objects that none before it shows.
        paths: Their files.
    """

    masks: dict[int, Ids]
    paths: tuple[Path, ...]


def find_given_masks(sequence: str, frames: Sequence[Path], annotations: Sequence[Path]) -> GivenMasks:
    """Read the annotations of a sequence and find where each object starts.

    What later annotations show of objects that are known is truth, not given: it is passed over. Where every
    frame is annotated, an annotation after the first that cannot be read as ids is only warned of, since
    nobody but an evaluation needs it.

    Args:
        sequence: The sequence's name, for errors.
        frames: All its frames in order.
        annotations: The masks of some of them in order, at least one.

    Raises:
        InputError: If a mask cannot be read or belongs to no frame, or none shows an object.
    """
    indices = {path.stem: index for index, path in enumerate(frames)}
    is_dense = len(annotations) >= len(frames)
    known: set[int] = set()
    masks: dict[int, Ids] = {}
    paths: list[Path] = []
    unread: list[str] = []
    before: tuple[Ids, set[int]] | None = None
    for path, ids in _read_all(annotations, is_dense, unread):
        # Of bytes, counting is faster than sorting, and there may be thousands of masks.
        shown = set(np.flatnonzero(np.bincount(ids.ravel())).tolist()) - {0, VOID}
        new = shown - known
        if new and before is not None and is_dense:
            known |= _renumbered(new, ids, shown, *before, path)
            new -= known
        before = ids, shown
        if not new:
            continue
        if path.stem not in indices:
            raise InputError(
                f"{path} is the first annotation of {_objects(new)}, but {frames[0].parent} has no frame "
                f"{path.stem}.",
                "Frames and masks need the same names: 00005.jpg and 00005.png.",
            )
        masks[indices[path.stem]] = ids if not known else np.where(np.isin(ids, list(new)), ids, 0)
        paths.append(path)
        known |= new
    if unread:
        more = f" (and {len(unread) - 1} more annotations of {sequence})" if len(unread) > 1 else ""
        logger.warning("%s%s: objects that enter there are not propagated", unread[0], more)
    if not masks:
        # Says what is wrong with the mask that should show one.
        read_first_mask(annotations[0])
    return GivenMasks(masks=dict(sorted(masks.items())), paths=tuple(paths))


def _renumbered(
    new: set[int], ids: Ids, shown: set[int], ids_before: Ids, shown_before: set[int], path: Path
) -> set[int]:
    """Return those of the new objects that are known ones under another number.

    Such an object lies where another one lay in the frame before, which is gone.
    """
    found = set()
    for gone in shown_before - shown if ids.shape == ids_before.shape else ():
        there = ids_before == gone
        for identity in new:
            here = ids == identity
            if (there & here).sum() >= _SAME * (there | here).sum():
                found.add(identity)
                logger.warning(
                    "%s: object %d lies where object %d was in the frame before, which is gone: taken for "
                    "the same one, so that it keeps its first number",
                    path,
                    identity,
                    gone,
                )
    return found


def _read_all(paths: Sequence[Path], is_dense: bool, unread: list[str]) -> Iterator[tuple[Path, Ids]]:
    """Read the masks in order, some ahead; describe those that may be passed over in ``unread``."""

    def read(path: Path) -> Ids | InputError:
        try:
            return read_given_mask(path)
        except InputError as error:
            return error

    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(paths), _READ_AHEAD):
            part = paths[start : start + _READ_AHEAD]
            for path, found in zip(part, pool.map(read, part), strict=True):
                if not isinstance(found, InputError):
                    yield path, found
                elif path != paths[0] and is_dense:
                    unread.append(found.message.removesuffix("."))
                else:
                    raise found


def _objects(identities: set[int]) -> str:
    listed = ", ".join(map(str, sorted(identities)))
    return f"object {listed}" if len(identities) == 1 else f"objects {listed}"
