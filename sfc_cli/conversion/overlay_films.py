"""Films of masks over their video, made again from masks on disk: those corrected by hand too."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sfc_cli.conversion.mask_folders import open_folder
from sfc_cli.conversion.mask_sources import MaskInput, MaskSource, Remarks
from sfc_cli.data.film import FilmBasis, FilmKind, FilmWriter
from sfc_cli.data.overlay import blend
from sfc_cli.data.sequence_names import in_short
from sfc_cli.data.videos import Video, open_video
from sfc_cli.errors import InputError
from sfc_cli.files import refuse_overwriting

_KINDS: dict[str, FilmKind] = {".mp4": "mp4", ".webm": "webm"}


class Rendered(NamedTuple):
    """A film that was made: its path, its frames, and what the user should know of it."""

    path: Path
    frames: int
    remarks: tuple[str, ...]


def is_clip(data: str) -> bool:
    """Return whether a typed path is a video, a folder of images or a pattern, not a data set."""
    path = Path(data).expanduser()
    if path.is_dir():
        return not (path / "JPEGImages").is_dir() and any(entry.is_file() for entry in path.iterdir())
    return path.is_file() or glob.has_magic(data) or "%" in path.name


def render_film(source: Path, output: Path, clip: str) -> Rendered:
    """Blend the masks of a video with its frames, at the frames' times; frames without a mask are left out.

    Args:
        source: A results folder, or a folder of masks named after frames, in any colours.
        output: The film, ``.mp4`` or ``.webm``; or the folder to write ``<video>.mp4`` to.
        clip: The video, see ``open_video``.

    Raises:
        InputError: If the video or a mask cannot be read, or no mask belongs to a frame.
        UsageError: If the film would be written over what is read.
    """
    remarks = Remarks()
    found = open_folder(source, None, "", remarks)
    video = open_video([clip])
    kind = _KINDS.get(output.suffix.lower())
    path = output if kind is not None else output / f"{video.name}.mp4"
    refuse_overwriting(path, {*video.files, *(mask.path for mask in found.masks)})
    masks = {mask.stem: mask for mask in _masks_of(video, found, source)}
    read = found.reader(list(masks.values()), None)
    basis = FilmBasis(frames_per_second=video.frames_per_second, pixel_aspect=video.pixel_aspect)
    film, count = FilmWriter(path, kind or "mp4", basis), 0
    try:
        for stamp, frame in ((one.stamp, one.frame) for one in video.frames()):
            mask = masks.get(stamp.name)
            if mask is None:
                continue
            ids = read(mask)
            if ids.shape != frame.shape[:2]:
                raise InputError(
                    f"{mask.path} has {ids.shape[1]}×{ids.shape[0]} pixels, the frames of {video.source} "
                    f"{frame.shape[1]}×{frame.shape[0]}.",
                    "Masks need the size of their frames.",
                )
            film.add(blend(frame, ids), stamp.seconds)
            count += 1
        if not count:
            raise InputError(
                f"No mask in {source} is named after a frame of {video.source}, such as "
                f"{video.stamps()[0].name}.png.",
                "Are these the masks of another video?",
            )
        film.finish()
    except BaseException:
        film.abandon()
        raise
    return Rendered(path, count, remarks.lines())


def _masks_of(video: Video, found: MaskInput, source: Path) -> Sequence[MaskSource]:
    """Return the masks of the sequence that is named like the video, or of the only one."""
    names = dict.fromkeys(mask.sequence for mask in found.masks)
    if video.name not in names and len(names) > 1:
        raise InputError(
            f"{source} has masks of {len(names)} sequences ({in_short(list(names))}), none of them named "
            f"{video.name} as the video is.",
            "Give the folder of the video's own masks.",
        )
    name = video.name if video.name in names else next(iter(names))
    return [mask for mask in found.masks if mask.sequence == name]
