"""The stream of a clip's frames through the networks, or past finished masks, into files."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from sfc_cli.data.videos import FrameStamp, Selection, Video, VideoFrame
from sfc_cli.errors import InputError
from sfc_cli.inference.clips.both_ways import Stamped, run_both_ways, run_forwards
from sfc_cli.inference.concurrency import ReadAhead, WriteBehind
from sfc_cli.inference.outputs import SequenceOutputs, with_stored_mask
from sfc_cli.inference.painting import PaintedMasks
from sfc_cli.inference.runner import Observer
from sfc_cli.inference.video import Size, VideoPropagator
from sfc_cli.settings.propagation import OutputChoice

logger = logging.getLogger(__name__)

# Frames of own footage may be large: a bounded number of bytes waits on either side of the networks.
_BYTES_WAITING = 1 << 27
_MOST_WAITING = 16
_WRITERS = 2


@dataclass(frozen=True, kw_only=True)
class ClipExecution:
    """A clip on its way from frames to files.

    Args:
        clip: The footage.
        selection: Which of its frames.
        stamps: These frames, where they were counted beforehand; needed for both ways.
        painted: The masks by place among the frames.
        both_ways: Propagate to earlier frames too.
        input_size: Height and width for the networks; None for the clip's own.
        frames_per_second: Of overlays that move.
        output: The results folder.
        observer: Hears of the progress.
    """

    clip: Video
    selection: Selection
    stamps: list[FrameStamp] | None
    painted: PaintedMasks
    both_ways: bool
    input_size: Size | None
    frames_per_second: float
    output: Path
    observer: Observer

    def propagate(self, propagator: VideoPropagator, choice: OutputChoice) -> int:
        """Propagate the masks and write everything; where a card is too small, with fewer frames at once.

        Returns:
            How many frames have a mask.

        Raises:
            InputError: If a frame cannot be read, a file not written, or nothing fits into the card's memory.
        """
        while True:
            try:
                return self._write(partial(self._propagated, propagator), choice, masks=True)
            except torch.OutOfMemoryError:
                # Outside of this block the error no longer holds the frames' tensors.
                pass
            torch.cuda.empty_cache()
            if not propagator.use_less_memory():
                raise InputError(
                    f"{self.clip.source} does not fit into the card's memory.",
                    "Use a smaller --size, --device cpu, or fewer --context-frames.",
                )
            logger.warning("%s: out of memory on the card, fewer frames at once", self.clip.name)

    def add_extras(self, choice: OutputChoice) -> int:
        """Write what masks on disk are enough for.

        Returns:
            How many frames have a mask.
        """
        return self._write(self._from_masks, choice, masks=False)

    def mask_file(self, stamp: FrameStamp) -> Path:
        """Return where a frame's mask lies."""
        return self.output / self.clip.name / f"{stamp.name}.png"

    def _write(self, make_stream: Callable[[], Stamped], choice: OutputChoice, *, masks: bool) -> int:
        writing = WriteBehind(_WRITERS, self._frames_waiting())
        try:
            outputs = SequenceOutputs(
                self.output,
                self.clip.name,
                choice,
                writing,
                objects=self.painted.objects,
                frames_per_second=self.frames_per_second,
                masks=masks,
            )
            with contextlib.closing(make_stream()) as stream:
                return self._feed(outputs, stream)
        finally:
            writing.close()

    def _feed(self, outputs: SequenceOutputs, stream: Stamped) -> int:
        count = 0
        try:
            for stamp, labelled in stream:
                outputs.add(stamp.name, labelled, number=stamp.number, seconds=stamp.seconds)
                count += 1
                self.observer.frame()
            outputs.finish()
        except BaseException:
            outputs.abandon()
            raise
        return count

    def _propagated(self, propagator: VideoPropagator) -> Stamped:
        with self._ahead(self.clip.frames(self.selection)) as frames:
            if not self.both_ways:
                yield from run_forwards(propagator, frames, self.painted, self.input_size)
                return
            assert self.stamps is not None  # both ways: frames were counted
            earlier = self.stamps[: self.painted.last + 1]
            with self._ahead(self.clip.backwards(earlier)) as backwards:
                yield from run_both_ways(
                    propagator,
                    frames,
                    backwards,
                    len(earlier),
                    self.painted,
                    self.input_size,
                    self.output,
                    self.observer.frame,
                )

    def _from_masks(self) -> Stamped:
        with self._ahead(self.clip.frames(self.selection)) as frames:
            for clip_frame in frames:
                path = self.mask_file(clip_frame.stamp)
                if path.is_file():
                    yield clip_frame.stamp, with_stored_mask(clip_frame.frame, path)

    @contextmanager
    def _ahead(self, frames: Iterable[VideoFrame]) -> Iterator[Iterable[VideoFrame]]:
        reader = ReadAhead(frames, self._frames_waiting())
        try:
            yield reader
        finally:
            reader.close()

    def _frames_waiting(self) -> int:
        height, width = self.clip.size
        return max(2, min(_MOST_WAITING, _BYTES_WAITING // (3 * height * width)))
