"""Whether the truth is whole, and whether the results' frames are those of the truth.

Half a data set gives a number like the whole one. How many frames there are is known from the frames
themselves, from the data set's own lists, from gaps in the annotations' numbers and from the results.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sfc_cli.data.results import EXTRA_FOLDERS
from sfc_cli.data.sequence_folders import FRAME_SUFFIXES
from sfc_cli.data.sequence_names import files_in, in_short
from sfc_cli.data.videos.images import natural_order
from sfc_cli.evaluation.sequence_plan import Problems, SequencePlan
from sfc_cli.evaluation.whereabouts import misnamed

MOST_LISTED = 5
_NUMBER = re.compile(r"^(.*?)(\d+)$")


@dataclass(frozen=True, kw_only=True)
class KnownFrames:
    """The frames of a sequence as different sources know them, each by names without suffixes, in order.

    Args:
        annotated: Those with an annotation.
        pictured: Those of the sequence's folder of frames; empty if it is not there.
        listed: Those that the data set's own list says are annotated; empty if it has none.
        results: Those with a result.
    """

    annotated: Sequence[str]
    pictured: Sequence[str] = ()
    listed: Sequence[str] = ()
    results: Sequence[str] = ()

    @property
    def all(self) -> list[str]:
        """All frames that the sequence has as far as the data set knows, in order."""
        return in_order({*self.annotated, *self.pictured, *self.listed})

    def without_truth(self, *, is_dense: bool, trusts_results: bool) -> list[str]:
        """Return the frames that should have an annotation and do not.

        Args:
            is_dense: Whether every frame is annotated by the rules of the data set. If not, annotations in
                every fifth frame, for instance, are whole as long as none is left out.
            trusts_results: Whether results after the last annotation show that annotations are missing, where
                nothing else tells how many frames there are.
        """
        annotated = set(self.annotated)
        if lacking := [name for name in self.listed if name not in annotated]:
            return lacking
        if annotated.isdisjoint(self.pictured):
            return self._lacking_by_number(trusts_results=trusts_results)
        if is_dense:
            return [name for name in self.pictured if name not in annotated]
        at = [index for index, name in enumerate(self.pictured) if name in annotated]
        step = min((after - before for before, after in pairwise(at)), default=1)
        return [name for name in self.pictured[at[0] % step :: step] if name not in annotated]

    def _lacking_by_number(self, *, trusts_results: bool) -> list[str]:
        """Return what gaps between the annotations' numbers, or results around them, say is missing."""
        numbers = {name: number for name in self.annotated if (number := number_of(name)) is not None}
        if len(numbers) < 2 or len(numbers) < len(self.annotated):
            return []
        values = sorted(numbers.values())
        step = min(after - before for before, after in pairwise(values)) or 1
        present = set(values)
        named = {number: name for name in self.results if (number := number_of(name)) is not None}
        like = self.annotated[0]
        gaps = [number for number in range(values[0], values[-1], step) if number not in present]
        around = [
            number
            for number in named
            if (number - values[0]) % step == 0
            and (number < values[0] or (trusts_results and number > values[-1]))
        ]
        if number_shift(self) is not None:
            around = []
        return in_order({named.get(number) or numbered_like(like, number) for number in (*gaps, *around)})

    def beyond(self, *, every_frame_is_known: bool) -> list[str]:
        """Return the frames of the results that the data set does not have.

        Args:
            every_frame_is_known: Whether a frame without annotation is none of the data set even where there
                is no folder of frames.
        """
        if not self.pictured and not every_frame_is_known:
            return []
        known = set(self.all)
        return [name for name in self.results if name not in known]


def number_shift(frames: KnownFrames) -> int | None:
    """Return by how much the results' numbers are too high or low; None if they are not.

    Results that are numbered from 1 lack the first frame and have one too many at the end.
    """
    own = [number for name in frames.results if (number := number_of(name)) is not None]
    right = [number for name in frames.all if (number := number_of(name)) is not None]
    if len(own) < len(frames.results) or len(own) < 2 or len(right) < 2:
        return None
    first, last = min(own) - min(right), max(own) - max(right)
    return first if first == last != 0 else None


def number_of(name: str) -> int | None:
    """Return the number at the end of a frame's name; None if there is none."""
    found = _NUMBER.match(name)
    return None if found is None else int(found[2])


def numbered_like(name: str, number: int) -> str:
    """Return a frame's name with another number, filled up with zeros to the same length."""
    found = _NUMBER.match(name)
    return str(number) if found is None else f"{found[1]}{number:0{len(found[2])}d}"


def in_order(names: Collection[str]) -> list[str]:
    """Return names in natural order: 2 before 10."""
    return [path.name for path in sorted((Path(name) for name in names), key=natural_order)]


def pictured_frames(folder: Path | None) -> tuple[str, ...]:
    """Return the names of the frames in a folder without suffixes, in order; none if it is missing."""
    if folder is None:
        return ()
    return tuple(dict.fromkeys(in_order({path.stem for path in files_in(folder, FRAME_SUFFIXES)})))


def known_frames(plan: SequencePlan) -> KnownFrames:
    """Find out which frames of a sequence the annotations, the frames themselves and the results have."""
    results = {path.stem for path in plan.folder.glob("*.png") if path.name[0] != "."}
    return KnownFrames(
        annotated=plan.annotated or plan.frames,
        pictured=pictured_frames(plan.pictures),
        listed=plan.listed,
        results=in_order(results),
    )


def note_lacking_truth(
    plans: Sequence[SequencePlan],
    known: Mapping[str, KnownFrames],
    problems: Problems,
    *,
    allow_missing: bool | None,
) -> dict[str, list[str]]:
    """Find the frames that should have an annotation and do not.

    Args:
        plans: The sequences.
        known: Their frames, by name, see ``known_frames``.
        problems: Where they are noted if they are not allowed.
        allow_missing: Whether they are; None if the benchmark has no such score.

    Returns:
        The allowed ones by sequence.
    """
    allowed: dict[str, list[str]] = {}
    for plan in plans:
        frames = known[plan.name]
        lacking = frames.without_truth(is_dense=plan.is_dense, trusts_results=plan.results_tell_length)
        if not lacking:
            continue
        if allow_missing:
            allowed[plan.name] = lacking
            continue
        folder = plan.truth[0].parent
        problems.add(
            "truth",
            plan.name,
            f"No annotation for {_frames(lacking)} of sequence {plan.name}: {folder} has "
            f"{len(frames.annotated)} of {len(frames.annotated) + len(lacking)}{misnamed(folder, lacking)}.",
            _remedy(frames, lacking, allow_missing),
        )
    return allowed


def _remedy(known: KnownFrames, lacking: Sequence[str], allow_missing: bool | None) -> str:
    if allow_missing is None:
        return "Unpack the truth again, or choose whole sequences with `sequences`."
    whole = "Unpack the truth again, or score what there is, with a note, with `allow_missing`."
    # Only results after the last annotation may as well be what is wrong.
    is_told_by_results = bool(known.results) and lacking[-1] == known.results[-1]
    if known.pictured or known.listed or not is_told_by_results:
        return whole
    return f"{whole} If the results are what is too long, remove their last frames."


def _frames(names: Sequence[str]) -> str:
    return f"{'frame' if len(names) == 1 else 'frames'} {in_short(names, MOST_LISTED)}"


def warnings_about_frames(plans: Sequence[SequencePlan], known: Mapping[str, KnownFrames]) -> list[str]:
    """Return a sentence for each way in which the results' frames are not those of the truth."""
    warnings = []
    beyond: list[str] = []
    for plan in plans:
        if plan.results is None:
            continue
        frames = known[plan.name]
        if (shift := number_shift(frames)) is not None:
            warnings.append(shift_sentence(plan, frames, shift))
        else:
            names = frames.beyond(every_frame_is_known=not plan.results_tell_length)
            beyond += [f"{plan.name}/{name}" for name in names]
    if beyond:
        warnings.append(
            f"Frames of the results that the truth does not have, which are not scored: "
            f"{in_short(beyond, MOST_LISTED)}. Check that results and truth belong together."
        )
    return warnings


def shift_sentence(plan: SequencePlan, frames: KnownFrames, shift: int) -> str:
    """Return what to say of results whose numbers are shifted."""
    first, wanted = frames.results[0], frames.all[0]
    return (
        f"The results of {plan.name} are numbered from {first}, its frames from {wanted}: each mask seems to "
        f"be compared with a neighbouring frame. If so, rename them: {first}.png to {wanted}.png, and so on "
        f"(by {-shift:+d})."
    )


def warnings_about_sequences(results: Path, known: Collection[str]) -> list[str]:
    """Return a sentence about folders of masks in the results that are no sequences of the data set.

    Args:
        results: The folder of results.
        known: All sequences of the data set, chosen or not.
    """
    tops = {name.split("/")[0] for name in known}
    extra = sorted(
        path.name
        for path in results.iterdir()
        if path.is_dir()
        and path.name not in {*tops, *EXTRA_FOLDERS}
        and path.name[0] != "."
        and any(path.glob("*.png"))
    )
    if not extra:
        return []
    return [
        f"Not scored, because the split does not have them: {in_short(extra, MOST_LISTED)}. "
        "Check the split and the results' folder."
    ]
