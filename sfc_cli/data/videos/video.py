"""Clips kept as one video file, decoded by OpenCV's FFmpeg: forward as a stream, backwards in short runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos.capture import Capture
from sfc_cli.data.videos.clip import ALL_FRAMES, Video, VideoFrame, as_time
from sfc_cli.data.videos.containers import Container
from sfc_cli.data.videos.selection import FrameStamp, Selection
from sfc_cli.errors import InputError

logger = logging.getLogger(__name__)

# What a pass backwards may hold at once: one run of frames, decoded forward.
_RUN_BYTES = 128 * 2**20
_RUN_FRAMES = 64
# How far before a run to aim, in seconds: seeking lands late where the frame rate varies.
_LEADS = (0.0, 0.5, 2.0, 8.0)
# Times come from the same numbers on every pass; this only forgives their arithmetic.
_SAME_TIME = 1e-6
_DIGITS = 5


class VideoFile(Video):
    """A clip of one video file.

    Args:
        path: A video that is whole, or whose readable part is wanted.
        container: What the file says of itself.
        name: What the clip is called.

    Raises:
        InputError: If no frame of it can be decoded.
    """

    def __init__(self, path: Path, container: Container, *, name: str) -> None:
        self.name = name
        self.source = path
        self.is_exact = False
        with Capture(path) as capture:
            if not capture.is_open:
                raise _no_video(path, container)
            first_time = capture.grab()
            frame = None if first_time is None else capture.retrieve()
            if first_time is None or frame is None:
                raise _no_frame(path, capture)
            self._first_time = first_time
            self.size = (frame.shape[0], frame.shape[1])
            self.frames_per_second = capture.measure_rate()
            self.count = _likely_count(capture, container, self.frames_per_second)
        self._container = container
        self._digits = max(_DIGITS, len(str((self.count or 1) - 1)))

    def frames(self, selection: Selection = ALL_FRAMES) -> Iterator[VideoFrame]:
        """Decode the chosen frames in order, holding one at a time."""
        with Capture(self.source) as capture:
            for stamp in selection.choose(self._pass(capture), str(self.source)):
                yield VideoFrame(stamp=stamp, frame=self._pixels(capture, stamp))

    def stamps(self, selection: Selection = ALL_FRAMES) -> list[FrameStamp]:
        """List the chosen frames in one pass that keeps no pixels."""
        with Capture(self.source) as capture:
            return list(selection.choose(self._pass(capture), str(self.source)))

    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given frames, the last first, in runs of at most 128 MiB."""
        height, width = self.size
        length = max(1, min(_RUN_FRAMES, _RUN_BYTES // (3 * height * width)))
        with Capture(self.source) as capture:
            for end in range(len(stamps), 0, -length):
                run = stamps[max(0, end - length) : end]
                held = self._jump(capture, run) or self._decode_from_start(run)
                while held:
                    yield held.pop()

    def identity(self) -> dict[str, object]:
        """Return the file's place, its bytes and when it was changed."""
        state = self.source.stat()
        return {
            "kind": "video",
            "path": str(self.source.resolve()),
            "bytes": state.st_size,
            "modified": as_time(state.st_mtime),
        }

    def _pass(self, capture: Capture) -> Iterator[FrameStamp]:
        """Step through all frames; whoever holds the capture may retrieve each as it comes."""
        number, seconds = -1, 0.0
        while (time := capture.grab()) is not None:
            number, seconds = number + 1, max(0.0, time - self._first_time)
            yield FrameStamp(number=number, name=f"{number:0{self._digits}d}", seconds=seconds)
        self._note_end(number + 1, seconds)

    def _note_end(self, count: int, last: float) -> None:
        """Keep the true number of frames, and warn if the container announced more."""
        announced, self.count, self.is_exact = self.count, count, True
        if announced is None:
            return
        slack = max(2, 0.02 * announced)
        is_certain = self._container.counts_frames or self._container.announced is not None
        # Elsewhere the number was made from the duration, which in Matroska may begin before the frames do.
        is_early = last * self.frames_per_second + 1 < announced - slack
        if count < announced - slack and (is_certain or (is_early and self._container.kind == "other")):
            message = "%s announces %d frames, %d could be decoded: it was trimmed, or it is damaged."
            logger.warning(message, self.source, announced, count)

    def _jump(self, capture: Capture, run: Sequence[FrameStamp]) -> list[VideoFrame]:
        """Seek to a run and decode it; return nothing if its times are not met exactly."""
        aim = run[0].seconds + self._first_time
        for lead in _LEADS:
            capture.seek(aim - lead)
            time = capture.grab()
            if time is not None and time <= aim + _SAME_TIME:
                return self._collect(capture, time, run)
        return []

    def _collect(self, capture: Capture, time: float, run: Sequence[FrameStamp]) -> list[VideoFrame]:
        held = []
        grabbed: float | None = time
        for stamp in run:
            aim = stamp.seconds + self._first_time
            while grabbed is not None and grabbed < aim - _SAME_TIME:
                grabbed = capture.grab()
            if grabbed is None or grabbed > aim + _SAME_TIME:
                return []
            held.append(VideoFrame(stamp=stamp, frame=self._pixels(capture, stamp)))
        return held

    def _decode_from_start(self, run: Sequence[FrameStamp]) -> list[VideoFrame]:
        """Decode a run by counting frames from the first: slow, and right where seeking is not."""
        wanted = {stamp.number: stamp for stamp in run}
        held = []
        with Capture(self.source) as capture:
            for number in range(run[-1].number + 1):
                if capture.grab() is None:
                    raise _unreadable(self.source, run[-1])
                if stamp := wanted.get(number):
                    held.append(VideoFrame(stamp=stamp, frame=self._pixels(capture, stamp)))
        return held

    def _pixels(self, capture: Capture, stamp: FrameStamp) -> Frame:
        frame = capture.retrieve()
        if frame is None:
            raise _unreadable(self.source, stamp)
        if frame.shape[:2] != self.size:
            (height, width), (old_height, old_width) = frame.shape[:2], self.size
            raise InputError(
                f"{self.source} changes its size from {old_width}×{old_height} to {width}×{height} pixels "
                f"at frame {stamp.number}.",
                f"Convert it to one size, or stop before with --end {stamp.number}.",
            )
        return frame


def _likely_count(capture: Capture, container: Container, rate: float) -> int | None:
    """Return the announced number of frames; if it was made with a false rate, make it again."""
    count = capture.announced
    if count is None or container.counts_frames or rate == capture.announced_rate:
        return count
    return max(1, round(count * rate / capture.announced_rate)) if capture.announced_rate > 0 else None


def _unreadable(path: Path, stamp: FrameStamp) -> InputError:
    return InputError(
        f"Frame {stamp.number} of {path} can no longer be decoded.", "Was the file changed in the meantime?"
    )


def _no_video(path: Path, container: Container) -> InputError:
    if container.kind:
        return InputError(
            f"{path} holds no video that OpenCV's FFmpeg can read: it may hold sound alone, or pictures in a "
            "codec that is missing there, or be damaged.",
            "Choose the file that holds the pictures, or convert it to an MP4 with H.264.",
        )
    return InputError(
        f"{path} is in no video format that OpenCV's FFmpeg knows.",
        "Convert it to an MP4 with H.264, or extract its frames as images and name their folder.",
    )


def _no_frame(path: Path, capture: Capture) -> InputError:
    if not capture.announced:
        return InputError(f"{path} holds no frame.", "Record or export it again.")
    return InputError(
        f"{path} announces {capture.announced} frames, but not one could be decoded: it is damaged, or "
        f"OpenCV's FFmpeg lacks its codec ({capture.codec or 'unnamed'}).",
        "Convert it to an MP4 with H.264, or extract its frames as images and name their folder.",
    )
