"""Scoring protocols by name: which frames count, from where an object counts, and how J and F are measured.

The same masks get other numbers from other tools, because these leave out other frames. A protocol says in
words what it counts, and every output repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import UsageError, require_choice
from sfc_cli.evaluation.measures import DEFAULT_BOUND, Bound
from sfc_cli.wording import did_you_mean

Skip = Literal["first", "last", "given", "gone"]
Start = Literal["sequence", "truth", "seen"]

_STARTS = {
    "sequence": "every object in all of them",
    "truth": "an object from the first that shows it on",
    "seen": "an object from the first on that shows it in truth or result",
}


@dataclass(frozen=True, kw_only=True)
class ScoringProtocol:
    """What counts, and how it is measured.

    Args:
        name: Its name in every output.
        objects: Which objects count, in words.
        object_source: Which frames of the truth name the objects: all of the ``sequence``, the ``first``, or
            the ``scored`` ones.
        skip: Frames that do not count: the sequence's ``first`` and ``last`` annotated one, and ``given``, an
            object's own first one, and ``gone``, an object's own last one and all after it.
        start: From where an object counts: the ``sequence``'s first scored frame, the first that shows it in
            the ``truth``, or the first in which it is ``seen`` in truth or result.
        void_counts: Whether id 255 is an object like any other.
        bound: The distance that F forgives, see ``boundary_accuracy``; ``object`` makes it a tenth of the
            square root of the object's area, at most 0.008 of the image diagonal.
        smooths_region: Whether J is (|∩| + 1) / (|∪| + 1), as MOSEv2 computes it.
        disappearance: Whether to measure J&F where an object is gone, and after it has come back.
        stability: Whether to measure T, the instability of the results' contours over time.
    """

    name: str
    objects: str = "every id of the sequence's truth"
    object_source: Literal["sequence", "first", "scored"] = "sequence"
    skip: frozenset[Skip] = frozenset()
    start: Start = "sequence"
    void_counts: bool = False
    bound: Bound = DEFAULT_BOUND
    smooths_region: bool = False
    disappearance: bool = False
    stability: bool = False

    @property
    def frames(self) -> str:
        """Which frames count, in words."""
        ends = [end for end in ("first", "last") if end in self.skip]
        which = f"annotated ones but the {' and the '.join(ends)}" if ends else "annotated ones"
        given = ", without the frame in which it is given" if "given" in self.skip else ""
        gone = ", up to the one before the last that shows it" if "gone" in self.skip else ""
        return f"{which}, {_STARTS[self.start]}{given}{gone}"

    @property
    def measures(self) -> str:
        """What is measured otherwise than by default, in words; empty if nothing is."""
        parts = []
        if self.bound == "object":
            parts.append("F within a tenth of the root of the object's area")
        elif self.bound != DEFAULT_BOUND:
            unit = " pixels" if self.bound >= 1 else " of the diagonal"
            parts.append(f"F within {self.bound:g}{unit}")
        if self.smooths_region:
            parts.append("J with 1 added to intersection and union")
        return "; ".join(parts)

    def described(self) -> str:
        """Return one sentence for people."""
        measures = f"; {self.measures}" if self.measures else ""
        return f"Scoring protocol {self.name}: frames: {self.frames}; objects: {self.objects}{measures}."

    def to_json(self) -> dict[str, Any]:
        """Return the same for programs."""
        return {
            "name": self.name,
            "frames": self.frames,
            "objects": self.objects,
            "skip": sorted(self.skip),
            "boundary": self.bound,
            **({"smoothed_region": True} if self.smooths_region else {}),
        }

    def kept(self, frames: Sequence[str], first: str, last: str) -> list[int]:
        """Return the indices of the frames that count.

        Args:
            frames: The annotated ones.
            first: The first frame of the sequence, annotated or not.
            last: Its last.
        """
        left_out = {name for end, name in (("first", first), ("last", last)) if end in self.skip}
        return [index for index, name in enumerate(frames) if name not in left_out]


DAVIS_2017 = ScoringProtocol(
    name="davis-2017",
    objects="1 to the highest id of the first annotation",
    object_source="first",
    skip=frozenset({"first", "last"}),
)
DAVIS_2016 = replace(DAVIS_2017, name="davis-2016", objects="all non-zero pixels as one")
DAVIS_UNSUPERVISED = ScoringProtocol(
    name="davis-unsupervised",
    objects="1 to the highest id of the first annotation, each with its best proposal",
)
EVERY_FRAME = ScoringProtocol(name="every-frame")
FROM_APPEARANCE = ScoringProtocol(name="from-appearance", start="truth")
VOS_BENCHMARK = ScoringProtocol(
    name="vos-benchmark",
    objects="every id in the scored frames of the truth",
    object_source="scored",
    skip=frozenset({"first", "last"}),
    start="seen",
    void_counts=True,
)
LVOS = ScoringProtocol(name="lvos", skip=frozenset({"given", "gone"}), start="truth")
MOSE = ScoringProtocol(name="mose", skip=frozenset({"first", "last"}))

# Those that can be chosen where the benchmark itself fixes none.
SCORING_PROTOCOLS = {
    each.name: each
    for each in (
        EVERY_FRAME,
        FROM_APPEARANCE,
        VOS_BENCHMARK,
        replace(VOS_BENCHMARK, name="vos-benchmark-d", skip=frozenset()),
        replace(DAVIS_2017, objects="every id of the first annotation"),
        LVOS,
        MOSE,
        replace(MOSE, name="mosev2", bound="object", smooths_region=True, disappearance=True),
    )
}


@dataclass(frozen=True, kw_only=True)
class ScoringChoice:
    """What a user asks for besides a benchmark's own rules.

    Args:
        scoring_protocol: The name of a protocol; None for the benchmark's own.
        skip: Frames that do not count, instead of the protocol's; None for these.
        boundary: The distance that F forgives; None for the protocol's.
        disappearance: Whether to measure J&F where an object is gone, and after it has come back.
        stability: Whether to measure T.

    Raises:
        UsageError: If a name is not known, or a bound is not positive.
    """

    scoring_protocol: str | None = None
    skip: Sequence[str] | None = None
    boundary: float | str | None = None
    disappearance: bool = False
    stability: bool = False

    def __post_init__(self) -> None:
        if self.scoring_protocol is not None:
            require_choice("scoring_protocol", self.scoring_protocol, tuple(SCORING_PROTOCOLS))
        choices = (*get_args(Skip), "none")
        if wrong := [word for word in self.skip or () if word not in choices]:
            raise UsageError(
                f"`skip` {wrong[0]!r} is not known.",
                f"{did_you_mean(wrong[0], choices)}Choose from: {', '.join(choices)}.",
            )
        if self.skip and "none" in self.skip and len(set(self.skip)) > 1:
            raise UsageError(f"`skip` has none beside {in_short([*self.skip], 3)}.", "Leave one out.")
        if isinstance(self.boundary, str):
            object.__setattr__(self, "boundary", _bound(self.boundary))
        elif self.boundary is not None:
            _bound(str(self.boundary))

    @property
    def chosen(self) -> list[str]:
        """The fields that ask for something."""
        return [each.name for each in fields(self) if getattr(self, each.name) not in (None, False)]

    @property
    def names_frames(self) -> bool:
        """Whether it says which frames count, which the DAVIS benchmarks fix themselves."""
        return self.scoring_protocol is not None or self.skip is not None

    def applied_to(self, own: ScoringProtocol) -> ScoringProtocol:
        """Return a benchmark's own protocol, or the chosen one, with what was asked for."""
        base = own if self.scoring_protocol is None else SCORING_PROTOCOLS[self.scoring_protocol]
        if self.skip is not None:
            chosen: frozenset[Any] = frozenset(self.skip) - {"none"}
            if chosen != base.skip:
                words = "+".join(sorted(chosen)) or "none"
                base = replace(base, name=f"{base.name}, skip {words}", skip=chosen)
        bound: Any = self.boundary
        return replace(
            base,
            bound=base.bound if bound is None else bound,
            disappearance=base.disappearance or self.disappearance,
            stability=self.stability,
        )


def _bound(text: str) -> Bound:
    if text == "object":
        return "object"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise UsageError(
            f"`boundary` is {text}.",
            "Give a share of the image diagonal such as 0.008, a number of pixels from 1 on, or object.",
        )
    return value
