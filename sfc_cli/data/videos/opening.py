"""From what a user typed to a video: one file, a folder of images, a pattern or a list of images."""

from __future__ import annotations

import codecs
import glob
import re
from collections.abc import Sequence
from pathlib import Path

from sfc_cli.data.videos.animation import Animation, is_animation
from sfc_cli.data.videos.images import ImageSeries, is_image, is_passed_over
from sfc_cli.data.videos.selection import Video
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import require_inside_name

_HEAD_BYTES = 4096
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# Results of a video whose name has no usable letter are named so.
_NAMELESS = "clip"
_COUNTER = re.compile(r"(?<!%)%(?P<zero>0)?(?P<width>\d*)d")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://", re.ASCII)


def open_video(
    sources: Sequence[str],
    *,
    frames_per_second: float | None = None,
    masks: Sequence[Path] = (),
    strict_video: bool = False,
) -> Video:
    """Open a video: one file, a folder of images, a pattern (``*.jpg``, ``%05d.png``), or several images.

    Args:
        sources: Paths or patterns.
        frames_per_second: How fast images follow each other; 24 if None. A video file has its own rate.
        masks: Files that are never frames, though they may lie among them.
        strict_video: Refuse a video file of which a part cannot be decoded.

    Raises:
        InputError: If the video is missing, damaged, or not a video.
        UsageError: If several videos, or videos and images, or a rate for a video file are given.
    """
    if not sources:
        raise UsageError(
            "No video is given.", "Give a video file, a folder of images, or a pattern for images."
        )
    paths = list(dict.fromkeys(path for source in sources for path in _resolve(source)))
    path = paths[0]
    if len(paths) == 1 and path.is_dir():
        return _open_images(_without(masks, _images_in(path, masks), path), path, frames_per_second)
    if len(paths) > 1 or (is_image(path) and not is_animation(path)):
        return _open_images(_without(masks, _only_images(paths), path.parent), path.parent, frames_per_second)
    if frames_per_second is not None:
        raise UsageError(
            f"`frames_per_second` is {frames_per_second:g}, but {path} is a video file and has its own rate.",
            "Leave it out: it is only for images.",
        )
    return _open_file(path, strict_video)


def _resolve(source: str) -> list[Path]:
    """Return the path given, or what matches the pattern given."""
    if address := _ADDRESS.match(source):
        raise InputError(
            f"{source} is an address ({address[0]}…), and videos are read from this machine.",
            "Download it first, then give the file.",
        )
    path = Path(source).expanduser()
    try:
        if source and path.exists():
            return [path]
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {source!a}: {getattr(error, 'strerror', None) or error}.") from None
    counted = _COUNTER.search(path.name)
    if not glob.has_magic(source) and counted is None:
        raise InputError(f"{source!r} is missing.", "Check the path.")
    if counted is not None:
        matches = _counted_files(path, counted)
    else:
        # Path.glob takes no pattern that starts at the root.
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
    files = [match for match in matches if not is_passed_over(match)]
    # A pattern may also match one folder: `take*`.
    found = files or [match for match in matches if match.is_dir()]
    if not found:
        raise InputError(f"No file matches {source}.", "Check the pattern and the folder it starts from.")
    return found


def _counted_files(path: Path, counter: re.Match[str]) -> list[Path]:
    """Return the files of a pattern such as ``%05d.png``, as FFmpeg writes it."""
    before, after = path.name[: counter.start()], path.name[counter.end() :]
    width = int(counter["width"] or 0)
    digits = rf"(?:\d{{{width}}}|[1-9]\d{{{width},}})" if counter["zero"] else r"(?:0|[1-9]\d*)"
    pattern = re.compile(re.escape(before.replace("%%", "%")) + digits + re.escape(after.replace("%%", "%")))
    try:
        return [entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name)]
    except OSError as error:
        raise InputError(f"Cannot read the folder {path.parent}: {error.strerror or error}.") from None


def _without(masks: Sequence[Path], files: Sequence[Path], folder: Path) -> Sequence[Path]:
    """Return the files that are not among the masks."""
    known = {mask.resolve() for mask in masks}
    frames = [path for path in files if path.resolve() not in known]
    if not frames:
        raise InputError(
            f"No images in {folder} but the mask {masks[0].name}.", "Give the folder of the frames."
        )
    return frames


def _only_images(paths: Sequence[Path]) -> Sequence[Path]:
    """Return several paths if they can be one video: images of one folder.

    Raises:
        UsageError: If they cannot.
    """
    if folders := [path for path in paths if path.is_dir()]:
        raise UsageError(
            f"{folders[0]} is a folder, but other files or folders are given too.",
            "Give one folder, one video file, or only images.",
        )
    others = [path for path in paths if not is_image(path)]
    if len(others) == len(paths):
        raise UsageError(
            f"{len(paths)} files are given that are not images ({others[0].name}, {others[1].name}, …).",
            "Give one video file at a time, or several images.",
        )
    if others:
        raise UsageError(
            f"{others[0]} is not an image, but images are given too.",
            "Give one video file or several images.",
        )
    elsewhere = [path for path in paths if path.parent != paths[0].parent]
    if elsewhere:
        raise UsageError(
            f"Images of several folders are given: {paths[0].parent} and {elsewhere[0].parent}.",
            "The images of a video must be in one folder.",
        )
    return paths


def _images_in(folder: Path, masks: Sequence[Path]) -> list[Path]:
    """Return the images of a folder that contains nothing else but masks, in any order."""
    known = {mask.resolve() for mask in masks}
    try:
        files = [path for path in folder.iterdir() if not is_passed_over(path)]
    except OSError as error:
        raise InputError(f"Cannot read the folder {folder}: {error.strerror or error}.") from None
    if not files:
        raise InputError(
            f"No images in {folder}.", "Sub-folders are not searched: give the folder of the frames itself."
        )
    for path in sorted(files):
        if not is_image(path) and path.resolve() not in known:
            raise InputError(
                f"{folder} contains {path.name}, which is not an image.",
                f"Move it away, or give the frames as a pattern such as '{folder}/*.jpg'. "
                "If it is the video, give its own path.",
            )
    return files


def _open_images(files: Sequence[Path], folder: Path, frames_per_second: float | None) -> ImageSeries:
    for path in files:
        _require_utf8(path)
        # The results of a frame are named after its file.
        require_inside_name(path.name, path.parent)
    name = folder.name if folder.name not in ("", "..") else folder.resolve().name
    return ImageSeries(files, name=_safe_name(name), frames_per_second=frames_per_second)


def _open_file(path: Path, strict_video: bool) -> Video:
    _require_utf8(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not head:
        raise InputError(f"{path} is empty (0 bytes).", "Copy or download it again.")
    if _is_text(head):
        # FFmpeg draws text files as a terminal would, and follows playlists to other files.
        raise InputError(f"{path} is a text file, not a video.", "Give a video file or a folder of images.")
    name = _safe_name(path.stem)
    if is_animation(path):
        return Animation(path, name=name)
    # PyAV takes its time to load.
    from sfc_cli.data.videos.video_file import VideoFile

    return VideoFile(path, name=name, strict=strict_video)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        # A character may be cut at the end of the part read, which this decoder accepts.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _require_utf8(path: Path) -> None:
    """Make sure that a path can be written to run.json."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"The name {str(path)!a} is not valid UTF-8.", "Rename the file.") from None


def _safe_name(name: str) -> str:
    """Turn a name into one that a folder can have on every system, and that stays inside its own."""
    return _UNSAFE.sub("_", name.encode("utf-8", "replace").decode()).strip(" .") or _NAMELESS
