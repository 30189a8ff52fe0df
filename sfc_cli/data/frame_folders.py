"""The index of a training set: which folder is a video and which of its frames can be used."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sfc_cli.data.probing import is_image_name, probe_images
from sfc_cli.data.youtube_vos import find_frames_folder, find_index, read_index
from sfc_cli.errors import InputError
from sfc_cli.files import write_text
from sfc_cli.settings.locations import user_cache_folder

_VERSION = 1
_DAVIS_RESOLUTIONS = ("480p", "Full-Resolution", "1080p")


@dataclass(frozen=True)
class Video:
    """One folder of frames.

    Args:
        name: Its path below the index's root.
        frames: File names in order.
    """

    name: str
    frames: tuple[str, ...]


@dataclass(frozen=True)
class FrameIndex:
    """All usable frames of a training set.

    Args:
        root: The folder that the videos' names start from.
        kind: ``YouTube-VOS``, ``DAVIS`` or ``folders``.
        videos: The folders with at least one usable frame, in order.
        unreadable: Paths below the root and what is wrong with each.
        sizes: How many frames have each width and height.
        source: The index file read; empty if the folders were listed.
    """

    root: Path
    kind: str
    videos: tuple[Video, ...]
    unreadable: tuple[tuple[str, str], ...]
    sizes: tuple[tuple[int, int, int], ...]
    source: str = ""

    @property
    def frame_count(self) -> int:
        """The number of usable frames."""
        return sum(len(video.frames) for video in self.videos)

    def path(self, video: int, frame: int) -> Path:
        """Return the file of a frame by the places of its video and itself in the index."""
        entry = self.videos[video]
        return self.root / entry.name / entry.frames[frame]

    def fingerprint(self) -> str:
        """Return a digest of all names: equal for equal sets wherever they lie."""
        digest = hashlib.sha256()
        for video in self.videos:
            digest.update("\0".join((video.name, *video.frames, "\n")).encode())
        return digest.hexdigest()[:16]


def index_frames(root: Path) -> FrameIndex:
    """Index a training set: a YouTube-VOS or DAVIS root, or any folder tree of images.

    The first time every file's header is read; the result is kept in the user's cache folder and taken
    from there until a folder or the index file changes. The data set itself is never written to.

    Raises:
        InputError: If the folder is missing or holds no usable image.
    """
    if not root.is_dir():
        raise InputError(f"{root} is missing or not a folder.", "Check --data.")
    root = root.resolve()
    cached = _read_cache(root)
    if cached is not None:
        return cached
    kind, base, source = _recognise(root)
    listed = list(_listed_in(source) if source else _listed_below(base))
    paths = [base / name / frame for name, frames in listed for frame in frames]
    if not paths:
        raise InputError(f"No images below {base}.", "Each folder of images there becomes a video.")
    index = _usable(base, kind, listed, paths, str(source or ""))
    if not index.videos:
        path, problem = index.unreadable[0]
        raise InputError(
            f"None of the {len(paths)} images below {base} can be read; the first, {path}, is {problem}.",
            "Check --data.",
        )
    _write_cache(root, index, _stamps(root, source))
    return index


def _recognise(root: Path) -> tuple[str, Path, Path | None]:
    for resolution in _DAVIS_RESOLUTIONS:
        if (root / "JPEGImages" / resolution).is_dir():
            return "DAVIS", root / "JPEGImages" / resolution, None
    frames_folder = find_frames_folder(root)
    if frames_folder is not None:
        return "YouTube-VOS", frames_folder, find_index(root, frames_folder)
    return "folders", root, None


def _listed_in(source: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from read_index(source)


def _listed_below(base: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for folder, names in _walk(base):
        images = tuple(sorted(name for name in names if is_image_name(name)))
        if images:
            yield folder.relative_to(base).as_posix(), images


def _walk(base: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield every folder at or below ``base`` in order, following links but no folder twice."""
    seen: set[str] = set()
    for folder, folders, names in os.walk(base, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(folder), names


def _usable(
    base: Path, kind: str, listed: list[tuple[str, tuple[str, ...]]], paths: list[Path], source: str
) -> FrameIndex:
    probes = iter(probe_images(paths))
    videos, unreadable = [], []
    sizes: Counter[tuple[int, int]] = Counter()
    for name, frames in listed:
        kept = []
        for frame in frames:
            probe = next(probes)
            if probe.size is None:
                unreadable.append(((Path(name) / frame).as_posix(), probe.problem))
            else:
                kept.append(frame)
                sizes[probe.size] += 1
        if kept:
            videos.append(Video(name, tuple(kept)))
    return FrameIndex(
        root=base,
        kind=kind,
        videos=tuple(videos),
        unreadable=tuple(unreadable),
        sizes=tuple((width, height, count) for (width, height), count in sorted(sizes.items())),
        source=source,
    )


def cache_file(root: Path) -> Path:
    """Return where the index of a data set is kept."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return user_cache_folder() / "frames" / f"{digest}.json"


def _stamps(root: Path, source: Path | None) -> dict[str, int]:
    """Return the times of change of all folders, which files added, removed or renamed leave behind."""
    stamps = {str(folder): folder.stat().st_mtime_ns for folder, _ in _walk(root)}
    if source is not None:
        stamps[str(source)] = source.stat().st_mtime_ns
    return stamps


def _write_cache(root: Path, index: FrameIndex, stamps: dict[str, int]) -> None:
    content = {"version": _VERSION, "stamps": stamps, "index": {**asdict(index), "root": str(index.root)}}
    # A read-only home must not stop a training: the index is then made at every start.
    try:
        write_text(cache_file(root), json.dumps(content))
    except InputError:
        return


def _read_cache(root: Path) -> FrameIndex | None:
    try:
        content: dict[str, Any] = json.loads(cache_file(root).read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            return None
        if any(Path(path).stat().st_mtime_ns != stamp for path, stamp in content["stamps"].items()):
            return None
        stored = content["index"]
        return FrameIndex(
            root=Path(stored["root"]),
            kind=stored["kind"],
            videos=tuple(Video(video["name"], tuple(video["frames"])) for video in stored["videos"]),
            unreadable=tuple((path, problem) for path, problem in stored["unreadable"]),
            sizes=tuple((width, height, count) for width, height, count in stored["sizes"]),
            source=stored["source"],
        )
    # Missing, half-written by another version, or of a set that has moved: make it anew.
    except (OSError, ValueError, KeyError, TypeError):
        return None
