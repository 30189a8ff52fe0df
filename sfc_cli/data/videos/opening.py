"""From what a user typed to a video: one file, a folder of images, a pattern or a list of images."""

from __future__ import annotations

import codecs
import glob
import re
from collections.abc import Sequence
from pathlib import Path

from sfc_cli.data.videos.containers import Container, examine
from sfc_cli.data.videos.images import ImageSeries, is_image, is_passed_over
from sfc_cli.data.videos.selection import Video
from sfc_cli.data.videos.video_file import VideoFile
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import require_inside_name

_HEAD_BYTES = 4096
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# Results of a video whose name has no usable letter are named so.
_NAMELESS = "clip"


def open_video(
    sources: Sequence[str], *, frames_per_second: float | None = None, allow_truncated: bool = False
) -> Video:
    """Open a video: one file, a folder of images, a pattern such as ``shots/*.jpg``, or several images.

    Args:
        sources: Paths or patterns.
        frames_per_second: How fast images follow each other; 24 if None. A video file has its own rate.
        allow_truncated: Whether to open a video file that ends too early, for its readable part.

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
    if len(paths) > 1:
        return _open_images(_only_images(paths), path.parent, frames_per_second)
    if path.is_dir():
        return _open_images(_images_in(path), path, frames_per_second)
    if is_image(path):
        return _open_images([path], path.parent, frames_per_second)
    if frames_per_second is not None:
        raise UsageError(
            f"`frames_per_second` is {frames_per_second:g}, but {path} is a video file and has its own rate.",
            "Leave it out: it is only for images.",
        )
    return _open_file(path, allow_truncated)


def _resolve(source: str) -> list[Path]:
    """Return the path given, or what matches the pattern given."""
    path = Path(source)
    try:
        if source and path.exists():
            return [path]
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {source!a}: {getattr(error, 'strerror', None) or error}.") from None
    if not glob.has_magic(source):
        raise InputError(f"{source!r} is missing.", "Check the path.")
    # Path.glob takes no pattern that starts at the root.
    matches = [Path(match) for match in sorted(glob.glob(source, recursive=True))]  # noqa: PTH207
    files = [match for match in matches if not is_passed_over(match)]
    # A pattern may also match one folder: `take*`.
    found = files or [match for match in matches if match.is_dir()]
    if not found:
        raise InputError(f"No file matches {source}.", "Check the pattern and the folder it starts from.")
    return found


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


def _images_in(folder: Path) -> list[Path]:
    """Return the images of a folder that contains nothing else, in any order."""
    try:
        files = [path for path in folder.iterdir() if not is_passed_over(path)]
    except OSError as error:
        raise InputError(f"Cannot read the folder {folder}: {error.strerror or error}.") from None
    if not files:
        raise InputError(
            f"No images in {folder}.", "Sub-folders are not searched: give the folder of the frames itself."
        )
    for path in sorted(files):
        if not is_image(path):
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


def _open_file(path: Path, allow_truncated: bool) -> VideoFile:
    container = _examine(path)
    name = _safe_name(path.stem)
    if not container.has_index and container.announced is None:
        raise InputError(
            f"{path} has no index (moov box): its recording was cut off before it was finished.",
            "Copy it again from the camera, or repair it with the camera's own program.",
        )
    if container.announced is None:
        return VideoFile(path, container, name=name)
    try:
        readable = VideoFile(path, container, name=name)
    except InputError:
        readable = None
    if readable is not None and allow_truncated:
        return readable
    part = "" if readable is None else ", or pass `end` to take the part that can be read"
    raise InputError(
        f"{path} is truncated: its container announces {container.announced} bytes, "
        f"the file has {container.size}.",
        f"Copy or download it again{part}.",
    )


def _examine(path: Path) -> Container:
    """Look at a file before OpenCV does.

    Raises:
        InputError: If it cannot be read, is empty or text, or has a name that OpenCV cannot take.
    """
    _require_utf8(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        container = examine(path)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not head:
        raise InputError(f"{path} is empty (0 bytes).", "Copy or download it again.")
    if _is_text(head):
        # FFmpeg draws text files as a terminal would, and follows playlists to other files.
        raise InputError(f"{path} is a text file, not a video.", "Give a video file or a folder of images.")
    return container


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
    """Make sure that a path can be written to run.json, and that OpenCV does not end the process over it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"The name {str(path)!a} is not valid UTF-8.", "Rename the file.") from None


def _safe_name(name: str) -> str:
    """Turn a name into one that a folder can have on every system, and that stays inside its own."""
    return _UNSAFE.sub("_", name.encode("utf-8", "replace").decode()).strip(" .") or _NAMELESS
