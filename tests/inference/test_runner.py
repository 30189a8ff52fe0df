"""What becomes of a run when a card's memory is too small; the rest is tested through the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import read_ids
from sfc_cli.errors import InputError
from sfc_cli.inference.jobs import Job, prepare_jobs
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.runner import run_jobs
from sfc_cli.inference.video import Labelled, VideoPropagator
from sfc_cli.settings import PropagationSettings

MakeDavis = Callable[..., Path]


class Silent:
    def plan(self, frames: int) -> None: ...
    def sequence(self, name: str, frames: int) -> None: ...
    def frame(self) -> None: ...
    def finished(self, name: str, frames: int, seconds: float) -> None: ...
    def skipped(self, name: str) -> None: ...


class SmallCard(VideoPropagator):
    """Runs out of memory in the middle of a sequence until at most ``fits`` frames are worked on at once."""

    def __init__(self, fits: int, only: int) -> None:
        settings = PropagationSettings()
        super().__init__(FeatureExtractor([load_encoder("random18")]), settings)
        self._most_at_once = 8
        self.fits, self.only = fits, only
        self.tries: list[int] = []

    def run(self, frames, first_mask, **options) -> Iterator[Labelled]:  # type: ignore[no-untyped-def, override]
        self.tries.append(self._most_at_once)
        for number, labelled in enumerate(super().run(frames, first_mask, **options)):
            if number == 1 and self._most_at_once > self.fits and len(self.tries) >= self.only:
                raise torch.OutOfMemoryError("the card is full")
            yield labelled


def _run(data: Path, output: Path, propagator: VideoPropagator) -> RunRecord:
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
    jobs: list[Job] = prepare_jobs(DavisDataset(root=data), ["first", "second"])
    run_jobs(jobs, propagator, output, record, Silent())
    return record


def test_run_jobs__begins_again_with_fewer_frames_at_once(make_davis: MakeDavis, tmp_path: Path) -> None:
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


def test_run_jobs__too_small_a_card_names_the_sequence_and_keeps_the_others(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    card = SmallCard(fits=0, only=2)
    with pytest.raises(InputError, match="Sequence second \\(64×48\\) does not fit") as caught:
        _run(make_davis(), tmp_path / "out", card)
    assert "--device cpu" in caught.value.hint
    assert card.tries == [8, 8, 4, 2, 1]
    assert len(list((tmp_path / "out" / "first").glob("*.png"))) == 4
