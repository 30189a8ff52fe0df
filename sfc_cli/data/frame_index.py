"""The index of a training set: which folder is a video, and which of its frames can be used.

Knows YouTube-VOS with its index file, DAVIS, and any folder tree of images and video files. The data set is
never written to.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sfc_cli.data.image_formats import add_installed_formats, is_image_name, is_video_name
from sfc_cli.data.video_frames import extract_frames, frames_folder
from sfc_cli.errors import InputError
from sfc_cli.files import is_inside_name, is_same_or_below, require_inside_name, write_text
from sfc_cli.progress import Progress, Silent
from sfc_cli.settings.locations import user_cache_folder

INDEX_NAME = "ytvos.csv"
PUBLISHED_VIDEOS = 3471

_VERSION = 2
_DAVIS_RESOLUTIONS = ("480p", "Full-Resolution", "1080p")
# The full training set comes first: `train` holds every fifth frame only.
_YOUTUBE_VOS_FOLDERS = ("train_all_frames/JPEGImages", "JPEGImages", "train/JPEGImages")

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_TAIL = 4096
_THREADS = 8
_PART = "frames of videos"

# A video's name, and the names of its frames.
_Listed = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Video:
    """One folder of frames, or one video file.

    Args:
        name: Its path below the index's root.
        frames: File names in order.
        folder: Where the frames of a video file lie, outside the data set; empty for a folder.
    """

    name: str
    frames: tuple[str, ...]
    folder: str = ""


@dataclass(frozen=True)
class FrameIndex:
    """All usable frames of a training set.

    Args:
        root: The folder that the videos' names start from.
        kind: ``YouTube-VOS``, ``DAVIS`` or ``folders``.
        videos: The folders and video files with at least one usable frame, in order.
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
        """Return the file of a frame by the indices of its video and of itself in that video."""
        entry = self.videos[video]
        return Path(entry.folder or self.root / entry.name) / entry.frames[frame]

    def fingerprint(self) -> str:
        """Return a digest of all names: equal for equal sets wherever they lie."""
        digest = hashlib.sha256()
        for video in self.videos:
            digest.update("\0".join((video.name, *video.frames, "\n")).encode())
        return digest.hexdigest()[:16]


def index_frames(root: Path, progress: Progress | None = None) -> FrameIndex:
    """Index a training set: a YouTube-VOS or DAVIS root, or any folder tree of images and video files.

    The first time every file's header is read, and frames of every video file are written to the user's cache
    folder; the result is kept there and taken from there until a folder, a video file or the index file
    changes.

    Args:
        root: The data set.
        progress: Hears of the video files.

    Raises:
        InputError: If the folder is missing or has no usable image or video.
    """
    if not root.is_dir():
        raise InputError(f"{root} is missing or not a folder.", "Check `data`.")
    root = root.resolve()
    kind, base, source = _recognise(root)
    cached = _read_cache(root, base)
    if cached is not None:
        return cached
    listed = read_index(source) if source else list(_listed_below(base))
    files = [] if source else _video_files_below(base)
    count = sum(len(frames) for _, frames in listed) + len(files)
    if not count:
        raise InputError(
            f"No images below {base}, and no video files.",
            "Each folder of images and each video file there becomes a video.",
        )
    index = _with_video_files(_usable(base, kind, listed, str(source or "")), files, progress or Silent())
    if not index.videos:
        path, problem = index.unreadable[0]
        raise InputError(
            f"None of the {count} images{' and videos' if files else ''} below {base} can be read; "
            f"the first, {path}, is {problem}.",
            "Check `data`.",
        )
    _write_cache(root, index, _stamps(root, [*files, *([source] if source else [])]))
    return index


def has_images(folder: Path) -> bool:
    """Return whether a folder, or any folder below it, has images, readable or not."""
    return next(_listed_below(folder), None) is not None


def _recognise(root: Path) -> tuple[str, Path, Path | None]:
    """Return the kind of a set, the folder of its videos, and its index file if it has one."""
    for resolution in _DAVIS_RESOLUTIONS:
        if (root / "JPEGImages" / resolution).is_dir():
            return "DAVIS", root / "JPEGImages" / resolution, None
    frames_folder = find_frames_folder(root)
    if frames_folder is not None:
        return "YouTube-VOS", frames_folder, find_index(root, frames_folder)
    return "folders", root, None


def find_frames_folder(root: Path) -> Path | None:
    """Return the folder of video folders of a YouTube-VOS root; None if it has another layout."""
    for relative in _YOUTUBE_VOS_FOLDERS:
        folder = root / relative
        if folder.is_dir() and any(_has_frames(path) for path in sorted(folder.iterdir())[:3]):
            return folder
    return None


def _has_frames(folder: Path) -> bool:
    return folder.is_dir() and any(is_image_name(path.name) for path in folder.iterdir())


def find_index(root: Path, frames_folder: Path) -> Path | None:
    """Return the index file of a set: beside, in or above its folder of frames; None if absent."""
    for folder in (frames_folder.parent, frames_folder, root):
        if (folder / INDEX_NAME).is_file():
            return folder / INDEX_NAME
    return None


def read_index(path: Path) -> list[_Listed]:
    """Read ``ytvos.csv``: rows of video, first frame number, number of frames.

    Returns:
        Each video's name and the names of its frames, numbered without gaps.

    Raises:
        InputError: If the file cannot be read, a row has another form, or a video's name leads out of the
            folder of frames; a heading is skipped.
    """
    videos: dict[str, tuple[str, ...]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                cells = [cell.strip() for cell in row]
                if not any(cells) or (number == 1 and not _is_number(cells[-1])):
                    continue
                videos.update([_read_row(cells, f"{path}, line {number},")])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Cannot read {path}: {error}.", "Remove it to have the folders listed.") from None
    if not videos:
        raise InputError(f"No videos in {path}.", "Remove it to have the folders listed.")
    return list(videos.items())


def _read_row(cells: list[str], source: str) -> _Listed:
    # A stray frame count of zero would silently drop the video.
    if len(cells) != 3 or not cells[0] or not all(map(_is_number, cells[1:])) or int(cells[2]) == 0:
        raise InputError(
            f"{source} has {', '.join(cells)!r} instead of `video, first frame, number of frames`.",
            "Correct the line, or remove the file to have the folders listed.",
        )
    first, count = int(cells[1]), int(cells[2])
    frames = tuple(f"{frame:05d}.jpg" for frame in range(first, first + count))
    return require_inside_name(cells[0], source), frames


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _video_files_below(base: Path) -> list[Path]:
    return [folder / name for folder, names in _walk(base) for name in sorted(names) if is_video_name(name)]


def _with_video_files(index: FrameIndex, files: list[Path], progress: Progress) -> FrameIndex:
    """Add video files to an index; one that cannot be decoded is listed as unreadable."""
    if not files:
        return index
    videos, unreadable = list(index.videos), list(index.unreadable)
    sizes = Counter({(width, height): count for width, height, count in index.sizes})
    progress.say(f"Frames of {len(files)} video files are taken once, to {frames_folder()}.")
    progress.plan(len(files), "videos")
    progress.begin(_PART, len(files))
    for path in files:
        name = path.relative_to(index.root).as_posix()
        try:
            folder = extract_frames(path)
            frames = tuple(sorted(one.name for one in folder.iterdir()))
            size, problem = probe_image(folder / frames[0]) if frames else (None, "without frames")
        except InputError as error:
            size, problem = None, f"a video that cannot be decoded: {error.message.rstrip('.')}"
        except OSError as error:
            size, problem = None, error.strerror or "not readable"
        if size is None:
            unreadable.append((name, problem))
        else:
            videos.append(Video(name, frames, str(folder)))
            sizes[size] += len(frames)
        progress.advance(_PART)
    progress.finish(_PART, "")
    return replace(
        index,
        videos=tuple(videos),
        unreadable=tuple(unreadable),
        sizes=tuple((width, height, count) for (width, height), count in sorted(sizes.items())),
    )


def _listed_below(base: Path) -> Iterator[_Listed]:
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


def _usable(base: Path, kind: str, listed: Iterable[_Listed], source: str) -> FrameIndex:
    """Look at every file of the list and keep the ones that can be used."""
    with ThreadPoolExecutor(_THREADS) as pool:
        probes = pool.map(probe_image, [base / name / frame for name, frames in listed for frame in frames])
        videos, unreadable = [], []
        sizes: Counter[tuple[int, int]] = Counter()
        for name, frames in listed:
            kept = []
            for frame in frames:
                size, problem = next(probes)
                if size is None:
                    unreadable.append(((Path(name) / frame).as_posix(), problem))
                else:
                    kept.append(frame)
                    sizes[size] += 1
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


def probe_image(path: Path) -> tuple[tuple[int, int] | None, str]:
    """Read a file's header and, for a JPEG, its end.

    Returns:
        Width and height, None if the file cannot be used; and why it cannot be used.
    """
    from PIL import Image

    add_installed_formats()
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = file.read(2)
            if not start:
                return None, "empty"
            if start == _JPEG_START:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                if _JPEG_END not in file.read():
                    return None, "truncated"
            file.seek(0)
            with Image.open(file) as image:
                size = image.size
    except FileNotFoundError:
        return None, "missing"
    except OSError as error:
        return None, error.strerror or "not an image"
    except (SyntaxError, ValueError, Image.DecompressionBombError):
        return None, "not an image"
    # A box in image coordinates needs two pixels a side.
    return (size, "") if min(size) >= 2 else (None, f"only {size[0]}×{size[1]} pixels")


def cache_file(root: Path) -> Path:
    """Return where the index of a data set is kept."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return user_cache_folder() / "frames" / f"{digest}.json"


def _stamps(root: Path, files: Iterable[Path]) -> dict[str, int]:
    """Return the times of change of all folders, which files added, removed or renamed leave behind.

    Args:
        root: The data set.
        files: Files whose own changes matter as well.
    """
    paths = [*(folder for folder, _ in _walk(root)), *files]
    return {str(path): path.stat().st_mtime_ns for path in paths}


def _write_cache(root: Path, index: FrameIndex, stamps: dict[str, int]) -> None:
    content = {"version": _VERSION, "stamps": stamps, "index": {**asdict(index), "root": str(index.root)}}
    # A read-only home must not stop a training: the set is then indexed at every start.
    try:
        write_text(cache_file(root), json.dumps(content))
    except InputError:
        return


def _read_cache(root: Path, base: Path) -> FrameIndex | None:
    try:
        content: dict[str, Any] = json.loads(cache_file(root).read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            return None
        if any(Path(path).stat().st_mtime_ns != stamp for path, stamp in content["stamps"].items()):
            return None
        stored = content["index"]
        videos = tuple(Video(one["name"], tuple(one["frames"]), one["folder"]) for one in stored["videos"])
        folders = [Path(video.folder) for video in videos if video.folder]
        if not all(is_same_or_below(one, frames_folder()) and one.is_dir() for one in folders):
            return None
        # As a set, because the frames of most videos have the same names. "." is the root itself.
        names = {name for video in videos for name in (video.name, *video.frames)} - {"."}
        if not all(map(is_inside_name, names)):
            return None
        return FrameIndex(
            root=base,
            kind=stored["kind"],
            videos=videos,
            unreadable=tuple((path, problem) for path, problem in stored["unreadable"]),
            sizes=tuple((width, height, count) for width, height, count in stored["sizes"]),
            source=stored["source"],
        )
    # Missing, half-written by another version, or of a set that has moved: index again.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
