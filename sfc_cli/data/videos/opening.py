"""From what a user typed to a clip: one video, a folder of images, a pattern or a list of images."""

from __future__ import annotations

import codecs
import glob
import re
from collections.abc import Sequence
from pathlib import Path

from sfc_cli.data.videos.clip import Video
from sfc_cli.data.videos.containers import Container, examine
from sfc_cli.data.videos.images import ImageSeries, is_image, is_passed_over
from sfc_cli.data.videos.video import VideoFile
from sfc_cli.errors import InputError, UsageError

_HEAD = 4096
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')


def open_video(
    sources: Sequence[str], *, frames_per_second: float | None = None, allow_truncated: bool = False
) -> Video:
    """Open footage: a video file, a folder of images, a pattern such as ``shots/*.jpg``, or several images.

    Args:
        sources: What was typed.
        frames_per_second: How fast images follow each other; 24 if None. A video brings its own rate.
        allow_truncated: Whether to open a video whose file ends too early, for its readable part.

    Raises:
        InputError: If the footage is missing, damaged, or no clip.
        UsageError: If several videos, or videos and images, or a rate for a video are given.
    """
    if not sources:
        raise UsageError("No clip is given.", "Name a video, a folder of images, or a pattern for images.")
    paths = list(dict.fromkeys(path for source in sources for path in _resolve(source)))
    if len(paths) > 1:
        return ImageSeries(
            _only_images(paths), name=_folder_name(paths[0].parent), frames_per_second=frames_per_second
        )
    path = paths[0]
    if path.is_dir():
        return ImageSeries(_listed(path), name=_folder_name(path), frames_per_second=frames_per_second)
    if is_image(path):
        return ImageSeries([path], name=_folder_name(path.parent), frames_per_second=frames_per_second)
    if frames_per_second is not None:
        raise UsageError(
            f"A frame rate ({frames_per_second:g}) is given for {path}, a video, which brings its own.",
            "Leave it out; it is for images alone.",
        )
    return _open_video(path, allow_truncated)


def _resolve(source: str) -> list[Path]:
    """Return the path typed, or what matches the pattern typed."""
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
    # A pattern may also name one folder: `take*`.
    found = files or [match for match in matches if match.is_dir()]
    if not found:
        raise InputError(f"No file matches {source}.", "Check the pattern and the folder it starts from.")
    return found


def _only_images(paths: Sequence[Path]) -> Sequence[Path]:
    """Return several paths if they can be one clip: images of one folder.

    Raises:
        UsageError: If they cannot.
    """
    if folders := [path for path in paths if path.is_dir()]:
        raise UsageError(
            f"{folders[0]} is a folder, and other things are given beside it.",
            "Name one folder, one video, or images alone.",
        )
    others = [path for path in paths if not is_image(path)]
    if len(others) == len(paths):
        raise UsageError(
            f"{len(paths)} files are given that are no images ({others[0].name}, {others[1].name}, …).",
            "A clip is one video or several images: take the videos one after the other.",
        )
    if others:
        raise UsageError(
            f"{others[0]} is no image, and images are given beside it.",
            "A clip is one video or several images: leave one or the other out.",
        )
    elsewhere = [path for path in paths if path.parent != paths[0].parent]
    if elsewhere:
        raise UsageError(
            f"Images of several folders are given: {paths[0].parent} and {elsewhere[0].parent}.",
            "The images of a clip lie in one folder.",
        )
    return paths


def _listed(folder: Path) -> list[Path]:
    """Return the images of a folder that holds nothing else, whatever their order."""
    try:
        files = [path for path in folder.iterdir() if not is_passed_over(path)]
    except OSError as error:
        raise InputError(f"Cannot read the folder {folder}: {error.strerror or error}.") from None
    if not files:
        raise InputError(
            f"{folder} holds no image.", "Sub-folders are not searched: name the folder of the frames itself."
        )
    for path in sorted(files):
        if not is_image(path):
            raise InputError(
                f"{folder} holds {path.name}, which is no image.",
                f"Move it away or name the frames with a pattern such as '{folder}/*.jpg'; "
                "a video is named by itself.",
            )
    return files


def _open_video(path: Path, allow_truncated: bool) -> VideoFile:
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
        clip = VideoFile(path, container, name=name)
    except InputError:
        clip = None
    if clip is not None and allow_truncated:
        return clip
    readable = "" if clip is None else ", or take the part that can be read with --end N"
    raise InputError(
        f"{path} is truncated: its container announces {container.announced} bytes, "
        f"the file has {container.size}.",
        f"Copy or download it again{readable}.",
    )


def _examine(path: Path) -> Container:
    """Look at a file before OpenCV does.

    Raises:
        InputError: If it cannot be read, is empty or text, or has a name that OpenCV cannot take.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        # OpenCV does not refuse such a name but brings down the whole process.
        raise InputError(f"The name {str(path)!a} is not valid UTF-8.", "Rename the file.") from None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        container = examine(path)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not head:
        raise InputError(f"{path} is empty (0 bytes).", "Copy or download it again.")
    if _is_text(head):
        # FFmpeg draws text files as if they were a terminal's, and follows playlists elsewhere.
        raise InputError(f"{path} is a text file, no video.", "Name a video or a folder of images.")
    return container


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        # A character may be cut at the end of the part read, which this decoder forgives.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _folder_name(folder: Path) -> str:
    return _safe_name(folder.name if folder.name not in ("", "..") else folder.resolve().name)


def _safe_name(name: str) -> str:
    """Make a name that is a folder's on every system."""
    return _UNSAFE.sub("_", name.encode("utf-8", "replace").decode()).strip(" .") or "clip"
