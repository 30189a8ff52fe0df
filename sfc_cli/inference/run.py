"""The one run: sequences of a data set or a video of the user's own, propagated into one results folder."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sfc_cli.core.ranks import Ranks, gathered, joined, read_ranks
from sfc_cli.data.results import ResultsFolder, default_output, find_overwritten, overlaps
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.files import is_same_or_below
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.chosen_data import DataChoice
from sfc_cli.inference.networks import NetworkChoice, Networks
from sfc_cli.inference.outputs import require_gif_length
from sfc_cli.inference.own_video import OwnVideo
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.inference.record import RunRecord, open_results
from sfc_cli.inference.revision import SequenceRevision
from sfc_cli.inference.sequence_run import SequenceRun, Steps
from sfc_cli.inference.sequences import FrameSequence, share_of
from sfc_cli.progress import Progress
from sfc_cli.settings.propagation import MASKS_ALONE, OutputChoice
from sfc_cli.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that has passed every check that can be made before it begins; nothing is written yet.

    Args:
        sequences: What is propagated.
        subject: Describes it in a few words.
        results: The results folder.
        record: What run.json will say.
        propagator: Networks and settings.
        ranks: This process among those that share the sequences.
        read: Folders that are read besides the record's ``data``.
    """

    sequences: list[FrameSequence]
    subject: str
    results: ResultsFolder
    record: RunRecord
    propagator: VideoPropagator
    ranks: Ranks
    read: tuple[Path, ...] = ()

    @classmethod
    def over_dataset(cls, choice: DataChoice, *, output: Path | None = None, networks: NetworkChoice) -> Run:
        """Prepare a run over a data set: names resolved, sequences checked, networks loaded.

        Args:
            choice: Which data set, and what of it.
            output: The results folder; None for the default.
            networks: Networks and settings as the user chose them.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If a file is missing or damaged.
        """
        found, data = networks.resolve(on_dataset=True), choice.resolve()
        listed = data.sequences
        frames = sum(sequence.expected or 0 for sequence in listed)
        ranks = read_ranks()
        propagator = _load(found, listed, ranks)
        return cls(
            sequences=listed,
            subject=f"{data.name}: {counted(len(listed), 'sequence')}, {counted(frames, 'frame')}",
            results=ResultsFolder(output or default_output(data.name, found.names, found.protocol)),
            record=found.record(
                propagator,
                dataset=data.name,
                data=data.root,
                input_size=choice.size or listed[0].resized,
                folders=data.folders,
            ),
            propagator=propagator,
            ranks=ranks,
            read=tuple(data.read),
        )

    @classmethod
    def over_video(cls, own: OwnVideo, *, output: Path | None = None, networks: NetworkChoice) -> Run:
        """Prepare a run over a video of the user's own.

        Args:
            own: The video with its masks.
            output: The results folder; None for the default.
            networks: Networks and settings as the user chose them.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If a checkpoint is missing or damaged.
        """
        ranks = read_ranks()
        if ranks.world > 1:
            raise UsageError(
                f"{ranks.world} processes for one video.",
                "A video is the work of one process: leave torchrun out.",
            )
        found = networks.resolve(on_dataset=False)
        propagator = _load(found, [own.sequence], ranks)
        record = found.record(
            propagator,
            dataset=own.video.name,
            data=own.video.source,
            input_size=own.sequence.resized,
            video=own.identity,
        )
        for mask in own.masks:
            record.legend.update({**mask.legend, **mask.names})
        return cls(
            sequences=[own.sequence],
            subject=own.describe(),
            results=ResultsFolder(output or default_output(own.video.name, found.names, found.protocol)),
            record=record,
            propagator=propagator,
            ranks=ranks,
        )

    def describe(self) -> str:
        """Return in one line what will be done."""
        return self.record.describe(self.subject)

    def kept(self) -> str:
        """Return in one line what an interrupt leaves behind, and how to go on."""
        masks = [path for one in self.sequences for path in self.results.masks(one.name).glob("[!.]*.png")]
        what = (
            f"{counted(len(masks), 'mask')} kept in {self.results.root}" if masks else "no mask is done yet"
        )
        again = " (the unfinished sequence begins again)" if self.record.settings.long_memory else ""
        return f"{what}; to go on{again}, type the same command without `overwrite`"

    def execute(
        self,
        progress: Progress,
        choice: OutputChoice = MASKS_ALONE,
        *,
        overwrite: bool = False,
        revises: bool = False,
    ) -> None:
        """Open the results folder and propagate every sequence, or only what complete ones still lack.

        A sequence that fails does not stop the others.

        Args:
            progress: Receives the progress.
            choice: What to write beside the masks.
            overwrite: Replace other results; propagate complete sequences again.
            revises: Masks are changed and propagated again and again: compute only what differs, and keep on
                disk what that takes, see ``SequenceRevision``.

        Raises:
            UsageError: If the sequences cannot have what is to be written, or the folder has other results.
            InputError: If sequences failed: the first failure, and how many more there are.
        """
        self._refuse_overwriting()
        for sequence in self.sequences:
            self._require_possible(sequence, choice)
        with joined(self.ranks, torch.device("cpu")):
            self._open(overwrite, revises)
            failures = self._propagate_share(progress, choice, overwrite=overwrite, revises=revises)
            for entries in gathered(self.record.sequences, self.ranks):
                self.record.sequences.update(entries)
            if self.ranks.leads:
                self.record.write(self.results)
                self.results.remove_empty_resume()
        if failures:
            more = f" {len(failures) - 1} more sequences failed." if len(failures) > 1 else ""
            rest = " All other sequences are complete." if len(self.sequences) > 1 else ""
            raise InputError(failures[0].message, f"{failures[0].hint}{more}{rest}".strip())

    def _refuse_overwriting(self) -> None:
        """Make sure that no result will replace a file that is read, whatever links lead there.

        Raises:
            UsageError: If one would.
        """
        output, read = self.results.root, (self.record.data, *self.read)
        for data in read:
            if is_same_or_below(output, data):
                raise UsageError(
                    f"`output` {output} lies inside {data}, where the frames are.",
                    "Results never go there: choose another.",
                )
        outputs = {sequence.name: self.results.outputs_of(sequence.name) for sequence in self.sequences}
        for (name, paths), data in itertools.product(outputs.items(), read):
            if overlaps(paths, data):
                raise UsageError(
                    f"The results of {name} in `output` {output} would lie over {data}, which is read.",
                    "Choose another `output`.",
                )
        inputs = (path for sequence in self.sequences for path in sequence.inputs)
        if path := find_overwritten(itertools.chain.from_iterable(outputs.values()), inputs):
            raise UsageError(
                f"{path} lies among the results that this run writes.",
                "Copy it to another folder first, or choose another `output`.",
            )

    def _require_possible(self, sequence: FrameSequence, choice: OutputChoice) -> None:
        if not isinstance(sequence.anchors, MaskAnchors) and not choice.is_empty:
            raise UsageError(
                f"{self.record.dataset} has joints, not masks.", "Leave out `overlay`, `cutout` and `soft`."
            )
        if choice.audio and choice.overlay not in ("video", "webm"):
            raise UsageError("`audio` needs a film.", "Set `overlay` to mp4 or webm.")
        if choice.audio and sequence.basis.sound is None:
            raise UsageError(f"{self.record.dataset} has no sound.", "Leave out `audio`.")
        if choice.overlay == "gif":
            # What a container announces is not enough to refuse a GIF, or to begin one in vain.
            require_gif_length(sequence.name, sequence.frames.count() - sequence.without_result)

    def _open(self, overwrite: bool, revises: bool) -> None:
        """Let the first process open the results folder; all of them stop if it cannot."""
        failure: SfcError | None = None
        if self.ranks.leads:
            names = [sequence.name for sequence in self.sequences]
            try:
                open_results(self.results, self.record, names, overwrite=overwrite, revises=revises)
            except SfcError as error:
                failure = error
        failed = gathered(failure is not None, self.ranks)
        if failure is not None:
            raise failure
        if any(failed):
            raise UsageError("The first process could not open the results folder.")

    def _propagate_share(
        self, progress: Progress, choice: OutputChoice, *, overwrite: bool, revises: bool
    ) -> list[InputError]:
        """Do this process's share of the sequences; return what failed."""
        todo: list[SequenceRun] = []
        complete: list[SequenceRun] = []
        kind = SequenceRevision if revises else SequenceRun
        for sequence in share_of(self.sequences, self.ranks.rank, self.ranks.world):
            run = kind(
                sequence=sequence,
                results=self.results,
                record=self.record,
                choice=choice,
                progress=progress,
            )
            names = [] if overwrite else run.finished_frames()
            lacks = self.results.lacking(sequence.name, names, choice)
            if names and not lacks.needs_labels:
                complete.append(dataclasses.replace(run, choice=lacks))
                continue
            # Complete masks come out the same; beside them only what they lack is written.
            todo.append(dataclasses.replace(run, choice=lacks) if names else run)
        return self._do_all(progress, complete, todo)

    def _do_all(
        self, progress: Progress, complete: list[SequenceRun], todo: list[SequenceRun]
    ) -> list[InputError]:
        if complete:
            what = f"{counted(len(complete), 'sequence')} {'is' if len(complete) == 1 else 'are'}"
            progress.say(
                f"{what} complete already (`overwrite` does it all again)",
                complete=[run.name for run in complete],
            )
        for run in complete:
            logger.info("%s: complete already", run.name)
        with_extras = [run for run in complete if not run.choice.is_empty]
        totals = [run.sequence.expected for run in with_extras] + [run.sequence.steps for run in todo]
        progress.plan(None if None in totals else sum(total or 0 for total in totals), "frames")
        failures: list[InputError] = []
        for run in complete:
            try:
                run.add_extras()
            except InputError as error:
                failures.append(error)
        return [*failures, *self._propagate_in_turn(todo)]

    def _propagate_in_turn(self, todo: Sequence[SequenceRun]) -> list[InputError]:
        """Propagate sequences, the small ones on a card several at once, a frame of each in turn."""
        failures: list[InputError] = []
        waiting = deque(todo)
        under_way: deque[tuple[SequenceRun, Steps[None]]] = deque()
        try:
            while waiting or under_way:
                while waiting and len(under_way) < self._at_once(waiting[0]):
                    run = waiting.popleft()
                    if self.record.sequences.pop(run.name, None):
                        self._keep_record()
                    under_way.append((run, run.steps(self.propagator)))
                run, steps = under_way[0]
                try:
                    next(steps)
                except StopIteration:
                    self._keep_record()
                except InputError as error:
                    failures.append(error)
                else:
                    under_way.append((run, steps))
                under_way.popleft()
        finally:
            for _, steps in under_way:
                steps.close()
        return failures

    def _at_once(self, run: SequenceRun) -> int:
        return self.propagator.sequences_at_once(run.sequence.input_size)

    def _keep_record(self) -> None:
        # Of several processes the first writes the record, once all are done.
        if self.ranks.world == 1:
            self.record.write(self.results)


def _load(networks: Networks, sequences: Sequence[FrameSequence], ranks: Ranks) -> VideoPropagator:
    propagator = networks.load(ranks)
    for size in {sequence.input_size for sequence in sequences}:
        propagator.require_reachable(size)
    return propagator
