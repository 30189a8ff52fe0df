"""One run over a clip: everything checked before it begins, then done, or what of it still lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from sfc_cli.core.manifest import sha256_of
from sfc_cli.core.ranks import read_ranks
from sfc_cli.data.painted_masks import PaintedMask, read_painted_masks
from sfc_cli.data.videos import FrameStamp, Selection, Video, open_video
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.clips.execution import ClipExecution
from sfc_cli.inference.clips.masks import MaskOption, place_masks
from sfc_cli.inference.jobs import open_output
from sfc_cli.inference.networks import NetworkChoice, default_output
from sfc_cli.inference.outputs import (
    RESERVED_NAMES,
    holds_any,
    missing_outputs,
    places_of,
    remove_extras,
    require_possible,
)
from sfc_cli.inference.painting import PaintedMasks
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.runner import Observer
from sfc_cli.inference.video import Size, VideoPropagator
from sfc_cli.settings.propagation import OutputChoice


@dataclass(frozen=True, kw_only=True)
class ClipRun:
    """A run that has passed every check that can be made before it begins.

    Args:
        clip: The footage.
        selection: Which of its frames.
        stamps: These frames, where they had to be counted beforehand; None otherwise.
        masks: What was painted, in the order given.
        painted: The same by place among the frames.
        both_ways: Propagate to earlier frames too.
        input_size: Height and width for the networks; None for the clip's own.
        output: The results folder.
        record: What run.json will say.
        propagator: Networks and settings.
    """

    clip: Video
    selection: Selection
    stamps: list[FrameStamp] | None
    masks: list[PaintedMask]
    painted: PaintedMasks
    both_ways: bool
    input_size: Size | None
    output: Path
    record: RunRecord
    propagator: VideoPropagator

    @classmethod
    def prepare(
        cls,
        sources: Sequence[str],
        *,
        masks: Sequence[MaskOption],
        selection: Selection,
        both_ways: bool,
        size: int | None,
        frames_per_second: float | None,
        output: Path | None,
        networks: NetworkChoice,
    ) -> ClipRun:
        """Open the clip, read the masks and load the networks; nothing is written.

        Args:
            sources: The clip, see ``open_video``.
            masks: At least one.
            selection: Which frames.
            both_ways: Propagate to earlier frames too.
            size: The short side that frames are shrunk to for the networks, in pixels; None for their own.
            frames_per_second: Of images.
            output: The results folder; None for the default.
            networks: Networks and settings as the user chose them.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If the clip, a mask or a checkpoint is missing or damaged.
        """
        if not masks:
            raise UsageError("A clip needs a mask to start from.", "Give --mask FILE.")
        ranks = read_ranks()
        if ranks.world > 1:
            raise UsageError(
                f"{ranks.world} processes for one clip.",
                "A clip is the work of one process: leave torchrun out.",
            )
        found = networks.resolve()
        clip = open_video(
            sources, frames_per_second=frames_per_second, allow_truncated=selection.end is not None
        )
        if clip.name in RESERVED_NAMES:
            raise UsageError(
                f"A clip named {clip.name} would lie where results of another kind go.", "Rename it."
            )
        must_count = clip.is_exact or both_ways or len(masks) > 1 or masks[0].frame is not None
        stamps = clip.stamps(selection) if must_count else None
        if stamps is None and selection.start is not None:
            # A start beyond the end is found out before anything is overwritten.
            with contextlib.closing(clip.frames(selection)) as frames:  # type: ignore[type-var]
                next(frames)
        places = place_masks(masks, stamps, clip) if stamps is not None else [0]
        # Ids must not depend on the order of typing.
        places, masks = _in_order(places, masks)
        read = read_painted_masks([option.path for option in masks], size=clip.size)
        input_size = shrunken(clip.size, size)
        found.require_reachable([input_size or clip.size])
        propagator = found.load(ranks)
        record = found.record(
            propagator,
            dataset=clip.name,
            data=clip.source,
            input_size=input_size,
            clip={
                **clip.identity(),
                **_as_typed(selection),
                "masks": _fingerprints(masks, places),
                "both_ways": both_ways,
            },
        )
        for mask in read:
            record.legend.update(mask.legend)
        return cls(
            clip=clip,
            selection=selection,
            stamps=stamps,
            masks=read,
            painted=PaintedMasks({place: mask.ids for place, mask in zip(places, read, strict=True)}),
            both_ways=both_ways,
            input_size=input_size,
            output=output or default_output(clip.name, found),
            record=record,
            propagator=propagator,
        )

    def describe(self) -> str:
        """Say in one line what will be done."""
        expected = self._expected_frames()
        seen = f", seen at {_pixels(self.input_size)}" if self.input_size else ""
        return self.record.describe(
            f"{self.clip.source}: {'an unknown number of' if expected is None else expected} frames of "
            f"{_pixels(self.clip.size)}, {self.frames_per_second:.4g} a second{seen}"
        )

    def remarks(self) -> list[str]:
        """Return the legend of each mask and what was decided in reading it, one line each."""
        lines = []
        for mask in self.masks:
            colours = ", ".join(
                f"object {identity} #{red:02x}{green:02x}{blue:02x}"
                for identity, (red, green, blue) in sorted(mask.legend.items())
            )
            lines.append(f"{mask.path} ({mask.kind}): {colours}")
            lines += [f"{mask.path}: {remark}" for remark in mask.remarks]
        kinds = {mask.kind for mask in self.masks}
        shared = set.intersection(*(set(mask.legend) for mask in self.masks))
        if "indexed" in kinds and "colours" in kinds and not shared:
            lines.append(
                "The indexed and the coloured masks share no object: colours are matched with the palette's. "
                "To correct an earlier result, paint all masks in its colours, or all as indexed files."
            )
        return lines

    @property
    def frames_per_second(self) -> float:
        """How many of the chosen frames a second holds."""
        every = self.selection.every
        if every is None:
            return self.clip.frames_per_second
        rate = self.clip.frames_per_second
        return min(rate, 1 / every.value if every.in_seconds else rate / every.value)

    def execute(self, observer: Observer, choice: OutputChoice, *, overwrite: bool = False) -> None:
        """Propagate and write everything, or only what a complete run still lacks.

        Args:
            observer: Hears of the progress.
            choice: What to write beside the masks.
            overwrite: Replace other results; do a complete clip again.

        Raises:
            UsageError: If the folder holds other results, or the clip is too long for a GIF.
            InputError: If a frame cannot be read, or a file not written.
        """
        name = self.clip.name
        for mask in self.masks:
            if holds_any(places_of(self.output, name), mask.path):
                raise UsageError(
                    f"{mask.path} lies among the results that this run writes.",
                    "Copy it to another folder first.",
                )
        if choice.overlay == "gif" and not self.clip.is_exact:
            # What a container announces is not enough to refuse a GIF, or to begin one in vain.
            expected: int | None = len(self.clip.stamps(self.selection))
        else:
            expected = self._expected_frames()
        require_possible(choice, name, expected)
        open_output(self.output, self.record, [name], overwrite=overwrite)
        finished = [] if overwrite else self._finished_stems()
        if finished:
            choice = missing_outputs(self.output, name, finished, choice)
            if choice.is_empty:
                observer.skipped(name)
                observer.plan(0)
                return
        execution = ClipExecution(
            clip=self.clip,
            selection=self.selection,
            stamps=self.stamps,
            painted=self.painted,
            both_ways=self.both_ways,
            input_size=self.input_size,
            frames_per_second=self.frames_per_second,
            output=self.output,
            observer=observer,
        )
        again = not finished or choice.needs_labels
        observer.plan(self._steps(expected) if again else expected)
        observer.sequence(name, expected)
        started = perf_counter()
        if again:
            self.record.sequences.pop(name, None)
            self.record.write(self.output)
            if not finished:
                remove_extras(self.output, name)
            frames = execution.propagate(self.propagator, choice)
        else:
            frames = execution.add_extras(choice)
        seconds = perf_counter() - started
        observer.finished(name, frames, seconds)
        if again:
            self.record.sequences[name] = {
                "frames": frames,
                "objects": self.painted.objects.tolist(),
                "seconds": round(seconds, 3),
                "frames_per_second": round(frames / seconds, 3),
            }
            self.record.write(self.output)

    def frames_without_masks(self) -> int:
        """Return how many of the frames come before the first mask and get none."""
        return 0 if self.both_ways else self.painted.first

    def _finished_stems(self) -> list[str]:
        """Return the names of all masks of a run that ended well, in order; none if it did not."""
        entry = self.record.sequences.get(self.clip.name) or {}
        stems = sorted(path.stem for path in (self.output / self.clip.name).glob("[!.]*.png"))
        return stems if entry.get("frames") == len(stems) else []

    def _expected_frames(self) -> int | None:
        if self.stamps is not None:
            return len(self.stamps) - self.frames_without_masks()
        if self.clip.count is None:
            return None
        rate = self.clip.frames_per_second
        stamps = (
            FrameStamp(number=number, name="", seconds=number / rate) for number in range(self.clip.count)
        )
        try:
            return sum(1 for _ in self.selection.choose(stamps, self.clip.name))
        except InputError:
            # What a container announces may be wrong: reading the clip will tell.
            return None

    def _steps(self, expected: int | None) -> int | None:
        """Return how many frames go through the networks; some do twice on both ways."""
        return expected + self.painted.last + 1 if self.both_ways and expected is not None else expected


def shrunken(size: Size, short_side: int | None) -> Size | None:
    """Return the height and width with a given short side; None if the size is no larger than that already.

    Args:
        size: Height and width in pixels.
        short_side: In pixels; None for no limit.
    """
    if short_side is None or min(size) <= short_side:
        return None
    scale = short_side / min(size)
    return round(size[0] * scale), round(size[1] * scale)


def _as_typed(selection: Selection) -> dict[str, str | None]:
    parts = {"start": selection.start, "end": selection.end, "every": selection.every}
    return {name: None if moment is None else str(moment) for name, moment in parts.items()}


def _in_order(places: list[int], masks: Sequence[MaskOption]) -> tuple[list[int], list[MaskOption]]:
    pairs = sorted(zip(places, masks, strict=True), key=lambda pair: pair[0])
    return [place for place, _ in pairs], [mask for _, mask in pairs]


def _fingerprints(masks: Sequence[MaskOption], places: Sequence[int]) -> list[str]:
    """Tell masks apart by their place among the frames and the start of their file's SHA-256."""
    return [f"{place}:{sha256_of(mask.path)[:16]}" for place, mask in zip(places, masks, strict=True)]


def _pixels(size: Size) -> str:
    return f"{size[1]}×{size[0]}"
