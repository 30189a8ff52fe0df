"""What becomes of a run when a card's memory is too small; the rest is tested through the command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.masks import read_ids
from sfc_cli.data.results import ResultsFolder
from sfc_cli.errors import InputError
from sfc_cli.inference import sequence_run, streams
from sfc_cli.inference.concurrency import WriteBehind
from sfc_cli.inference.propagator import Tracked, VideoPropagator
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.run import Run
from sfc_cli.inference.sequences import list_sequences
from sfc_cli.progress import Progress, Silent
from sfc_cli.settings import PropagationSettings

MakeDavis = Callable[..., Path]


class SmallCard(VideoPropagator):
    """Runs out of memory in the middle of a sequence until at most ``fits`` frames are worked on at once."""

    def __init__(self, fits: int, only: int) -> None:
        settings = PropagationSettings()
        super().__init__(FeatureExtractor([load_encoder("random18")]), settings)
        self._most_at_once = 8
        self.fits, self.only = fits, only
        self.tries: list[int] = []

    def track(self, *inputs: Any, **options: Any) -> Iterator[Tracked]:
        self.tries.append(self._most_at_once)
        for number, tracked in enumerate(super().track(*inputs, **options)):
            if number == 1 and self._most_at_once > self.fits and len(self.tries) >= self.only:
                raise torch.OutOfMemoryError("the card is full")
            yield tracked


def _run(
    data: Path,
    output: Path,
    propagator: VideoPropagator,
    names: Sequence[str] = ("first", "second"),
    progress: Progress | None = None,
) -> RunRecord:
    record = RunRecord(
        dataset="made",
        data=data,
        fine_grained="random18",
        semantic=None,
        settings=propagator.settings,
        precision="exact",
        checkpoints={},
        device="cpu",
        backend="windowed",
    )
    run = Run(
        sequences=list_sequences(data, None, list(names)),
        subject="made",
        results=ResultsFolder(output),
        record=record,
        propagator=propagator,
        ranks=Ranks(),
    )
    run.execute(progress or Silent())
    return record


def test_propagate__begins_again_with_fewer_frames_at_once(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    card = SmallCard(fits=2, only=1)
    record = _run(data, tmp_path / "small", card)
    assert card.tries == [8, 4, 2, 2]
    assert list(record.sequences) == ["first", "second"]
    _run(data, tmp_path / "large", VideoPropagator(card.extractor, card.settings))
    masks = sorted((tmp_path / "large").rglob("*.png"))
    assert len(masks) == 7
    for path in masks:
        small = tmp_path / "small" / path.relative_to(tmp_path / "large")
        assert (read_ids(path) == read_ids(small)).all()


def test_propagate__too_small_a_card_names_the_sequence_and_keeps_the_others(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    card = SmallCard(fits=0, only=2)
    with pytest.raises(InputError, match="Sequence second \\(64×48\\) does not fit") as caught:
        _run(make_davis(), tmp_path / "out", card)
    assert "`device` cpu" in caught.value.hint
    assert card.tries == [8, 8, 4, 2, 1]
    assert len(list((tmp_path / "out" / "first").glob("*.png"))) == 4


@pytest.mark.parametrize(("patch", "expected"), [(1, 9), (8, 2)])
def test_propagate__labels_of_pixels_wait_in_bounded_memory(
    make_davis: MakeDavis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch: int, expected: int
) -> None:
    waiting = []

    def write_behind(threads: int, most: int) -> WriteBehind:
        waiting.append(most)
        return WriteBehind(threads, most)

    monkeypatch.setattr(sequence_run, "WriteBehind", write_behind)
    monkeypatch.setattr(streams, "_BYTES_WAITING", 10 * 3 * 48 * 64)
    settings = PropagationSettings(label_patch=patch)
    propagator = VideoPropagator(FeatureExtractor([load_encoder("random18")]), settings)
    _run(make_davis({"first": 2, "second": 2}), tmp_path / "out", propagator)
    assert waiting == [expected, expected]


class Turns(Silent):
    """Notes whose frame was handed over."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def advance(self, part: str, *_: object, **__: object) -> None:
        self.names.append(part)


class SeveralAtOnce(VideoPropagator):
    """Takes two sequences at once, as a card does those of small frames."""

    def sequences_at_once(self, size: tuple[int, int]) -> int:  # noqa: ARG002
        return 2


def test_execute__small_sequences_take_turns_and_come_out_the_same(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    data = make_davis({"first": 3, "second": 2, "third": 4})
    plain = VideoPropagator(FeatureExtractor([load_encoder("random18")]), PropagationSettings())
    turns, alone = Turns(), Turns()
    names = ["first", "second", "third"]
    record = _run(data, tmp_path / "turns", SeveralAtOnce(plain.extractor, plain.settings), names, turns)
    _run(data, tmp_path / "alone", plain, names, alone)
    # The longest first.
    assert "".join(name[0] for name in turns.names) == "tftftftss"
    assert "".join(name[0] for name in alone.names) == "ttttfffss"
    assert sorted(record.sequences) == names
    masks = sorted((tmp_path / "alone").rglob("*.png"))
    assert len(masks) == 9
    for path in masks:
        assert (read_ids(path) == read_ids(tmp_path / "turns" / path.relative_to(tmp_path / "alone"))).all()


def test_execute__a_sequence_that_fails_stops_none_of_those_beside_it(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    data = make_davis({"first": 3, "second": 3, "third": 3})
    broken = next(path for path in sorted(data.rglob("first/*.jpg")) if path.stem == "00001")
    broken.write_bytes(broken.read_bytes()[:-40])
    card = SeveralAtOnce(FeatureExtractor([load_encoder("random18")]), PropagationSettings())
    with pytest.raises(InputError, match="truncated"):
        _run(data, tmp_path / "out", card, ["first", "second", "third"])
    assert len(list((tmp_path / "out" / "second").glob("*.png"))) == 3
    assert len(list((tmp_path / "out" / "third").glob("*.png"))) == 3


def test_execute__interrupted_in_turn_leaves_what_is_gone_on_from(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    class Interrupted(Turns):
        def advance(self, part: str, *_: object, **__: object) -> None:
            super().advance(part)
            if len(self.names) == 5:
                raise KeyboardInterrupt

    data = make_davis({"first": 4, "second": 4})
    card = SeveralAtOnce(FeatureExtractor([load_encoder("random18")]), PropagationSettings())
    with pytest.raises(KeyboardInterrupt):
        _run(data, tmp_path / "out", card, ["first", "second"], Interrupted())
    assert not any(thread.name.startswith("sfc-") for thread in threading.enumerate())
    rest = Turns()
    _run(data, tmp_path / "out", card, ["first", "second"], rest)
    _run(data, tmp_path / "whole", card, ["first", "second"])
    for path in sorted((tmp_path / "whole").rglob("*.png")):
        assert (read_ids(path) == read_ids(tmp_path / "out" / path.relative_to(tmp_path / "whole"))).all()


def test_sequences_at_once__several_small_ones_on_a_card() -> None:
    propagator = VideoPropagator(FeatureExtractor([load_encoder("random18")]), PropagationSettings())
    assert propagator.sequences_at_once((240, 320)) == 1
    propagator.extractor.device = torch.device("cuda")
    assert propagator.sequences_at_once((240, 320)) == 4
    assert propagator.sequences_at_once((480, 854)) == 1


def test_frames_at_once__more_of_small_frames_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    propagator = VideoPropagator(FeatureExtractor([load_encoder("random18")]), PropagationSettings())
    propagator.extractor.device = torch.device("cuda")
    propagator._most_at_once = 8
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (80 << 30, 80 << 30))
    assert [propagator._frames_at_once(*size) for size in [(1080, 1920), (480, 854), (240, 320)]] == [
        8,
        8,
        32,
    ]
    assert propagator.use_less_memory()
    assert [propagator._frames_at_once(*size) for size in [(480, 854), (240, 320)]] == [4, 16]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 30, 80 << 30))
    assert propagator._frames_at_once(480, 854) == 3
