"""The fused backend against the oracle under Triton's interpreter, and what of it needs no Triton.

Triton looks for its interpreter once, when it is imported, so the parity tests run in a process of their
own: ``test_fused_matcher__equals_the_oracle`` starts it, and there this module offers ``TestInterpreted``.
"""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation import fused
from sfc_cli.core.propagation.fused import (
    Blocks,
    FusedMatcher,
    choose_blocks,
    reachable_boxes,
    reachable_cells,
    why_not_fused,
)
from sfc_cli.core.propagation.matching import Matcher, pairs_within_radius, slot_of
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import exact_features, mixed, oracle_labels

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
SETTINGS = PropagationSettings(top_k=3, radius=2, context_frames=2)
# One program of the interpreter takes as long whatever its size: few and large ones, but more than one.
LARGE = Blocks(tile_height=16, tile_width=16, keys=128, channels=16, warps=4, stages=2, voters=256, frames=4)
SMALL = replace(LARGE, tile_height=4, tile_width=8, keys=16, voters=32)
LARGE_BOXES = replace(LARGE, keys=256, boxes=True)
SMALL_BOXES = replace(SMALL, keys=32, boxes=True)


def unit_features(frames: int, channels: int, height: int, width: int, *, seed: int = 0) -> Tensor:
    """Return features [T, C, h, w] with a common part, as those of networks have it."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(frames, channels, height, width, generator=generator)
    return functional.normalize(own + 0.5, dim=1)


def mix(matcher: Matcher, features: Tensor, memory: Tensor) -> Tensor:
    """Return what the votes for frames 1 … make of a given label memory, [T−1, N, K]."""
    votes = matcher.advance(features)
    assert votes.weights.dtype == torch.float32
    assert votes.sources.dtype == torch.int64
    assert votes.sources.min() >= 0
    torch.testing.assert_close(votes.weights.sum(2), torch.ones(votes.weights.shape[:2]))
    return mixed(*votes, memory)


def errors(
    features: Tensor, settings: PropagationSettings, precision: fused.Precision, blocks: Blocks
) -> Tensor:
    """Return how far labels mixed by the fused backend are from the oracle's, for random labels."""
    cells = features[0, 0].numel()
    generator = torch.Generator().manual_seed(1)
    memory = torch.rand((1 + settings.context_frames) * cells, 4, generator=generator)
    frames = range(1, len(features))
    expected = torch.stack([oracle_labels(features, frame, memory, settings) for frame in frames])
    matcher = FusedMatcher(features[0], settings, precision, blocks=blocks)
    # Batches of uneven length, as a reader of videos may hand them on.
    parts = [mix(matcher, part, memory) for part in features[1:].split(blocks.frames + 1)]
    return (torch.cat(parts) - expected).abs()


def interpreter_loops() -> bool:
    """Return whether Triton's interpreter can loop up to a run-time number.

    Up to 3.6 it makes an int of a one-element array, which NumPy refuses from 2.4 on.
    """
    triton, numpy = (
        tuple(int(number) for number in importlib.metadata.version(name).split(".")[:2])
        for name in ("triton", "numpy")
    )
    return triton > (3, 6) or numpy < (2, 4)


@pytest.mark.skipif(INTERPRETED, reason="this is the process that the test starts")
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_fused_matcher__equals_the_oracle() -> None:
    if not interpreter_loops():
        pytest.skip("the interpreter of Triton 3.6 and older needs NumPy below 2.4")
    root = Path(__file__).parents[3]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "TestInterpreted", __file__],
        cwd=root,
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


class TestInterpreted:
    """Parity; collected in the process with the interpreter only."""

    __test__ = INTERPRETED

    @pytest.fixture(autouse=True)
    def _poisoned_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Fill what is not initialised, so that an entry that no kernel wrote shows."""
        allocate = torch.empty

        def poisoned(*args: object, **options: object) -> Tensor:
            tensor: Tensor = allocate(*args, **options)  # type: ignore[call-overload]
            return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor.fill_(-(2**30))

        monkeypatch.setattr(torch, "empty", poisoned)

    @pytest.mark.parametrize("precision", ["exact", "fast"])
    @pytest.mark.parametrize(
        ("shape", "context_frames", "radius", "top_k", "blocks"),
        [
            pytest.param((7, 16, 5, 7), 3, 2.5, 4, LARGE, id="start-of-a-video"),
            pytest.param((9, 16, 4, 5), 2, 1.5, 5, replace(LARGE, frames=2), id="table-used-again"),
            pytest.param((3, 40, 7, 11), 2, 3.0, 10, SMALL, id="several-tiles-blocks-and-steps"),
            pytest.param((3, 24, 1, 37), 2, 6.0, 3, SMALL, id="one-row"),
            pytest.param((3, 24, 19, 1), 2, 4.2, 3, SMALL, id="one-column"),
            pytest.param((3, 8, 1, 1), 4, 1.0, 4, LARGE, id="one-cell"),
            pytest.param((4, 16, 5, 6), 2, 0.3, 5, LARGE, id="radius-below-one"),
            pytest.param((4, 16, 3, 8), 2, 1e-200, 5, LARGE, id="radius-that-reaches-nothing"),
            pytest.param((4, 16, 5, 6), 2, 1e9, 32, SMALL, id="radius-beyond-the-map"),
            pytest.param((3, 13, 3, 3), 25, 1.0, 30, LARGE, id="fewer-cells-than-votes"),
            pytest.param((3, 300, 4, 4), 1, 2.0, 6, None, id="blocks-for-many-channels"),
            pytest.param((3, 9, 6, 9), 1, 2.0, 6, None, id="blocks-for-few-channels"),
        ],
    )
    def test_advance__mixes_as_the_oracle(
        self,
        shape: tuple[int, int, int, int],
        context_frames: int,
        radius: float,
        top_k: int,
        blocks: Blocks | None,
        precision: fused.Precision,
    ) -> None:
        settings = PropagationSettings(top_k=top_k, radius=radius, context_frames=context_frames)
        chosen = replace(choose_blocks(shape[2], shape[3], shape[1], 32), voters=64)
        error = errors(unit_features(*shape), settings, precision, blocks or chosen)
        if precision == "exact":
            assert error.max() < 1e-5
        else:
            # Another last vote changes random labels; only the mean is sure to stay small.
            assert error.mean() < 1e-3

    @pytest.mark.parametrize(
        ("shape", "context_frames", "radius", "top_k", "blocks"),
        [
            pytest.param((7, 16, 5, 7), 3, 2.5, 4, LARGE_BOXES, id="start-of-a-video"),
            pytest.param((9, 16, 4, 5), 2, 1.5, 5, replace(LARGE_BOXES, frames=2), id="used-again"),
            pytest.param((3, 40, 7, 11), 2, 3.0, 10, SMALL_BOXES, id="several-tiles-and-steps"),
            pytest.param((3, 24, 1, 19), 2, 6.0, 3, SMALL_BOXES, id="one-row"),
            pytest.param((3, 24, 11, 1), 2, 4.2, 3, SMALL_BOXES, id="one-column"),
            pytest.param((3, 8, 1, 1), 4, 1.0, 4, SMALL_BOXES, id="one-cell"),
            pytest.param((4, 16, 5, 6), 2, 0.3, 5, SMALL_BOXES, id="radius-below-one"),
            pytest.param((4, 16, 3, 8), 2, 1e-200, 5, SMALL_BOXES, id="radius-that-reaches-nothing"),
            pytest.param((4, 16, 5, 6), 2, 1e9, 32, SMALL_BOXES, id="radius-beyond-the-map"),
            pytest.param((3, 13, 3, 3), 25, 1.0, 30, LARGE_BOXES, id="fewer-cells-than-votes"),
        ],
    )
    def test_advance__keys_in_boxes(
        self,
        shape: tuple[int, int, int, int],
        context_frames: int,
        radius: float,
        top_k: int,
        blocks: Blocks,
    ) -> None:
        settings = PropagationSettings(top_k=top_k, radius=radius, context_frames=context_frames)
        assert errors(unit_features(*shape), settings, "exact", blocks).max() < 1e-5

    def test_advance__keys_in_boxes_and_fast(self) -> None:
        settings = PropagationSettings(top_k=4, radius=2.5, context_frames=2)
        assert errors(unit_features(4, 16, 4, 5), settings, "fast", SMALL_BOXES).mean() < 1e-3

    @pytest.mark.parametrize("seed", range(5))
    def test_advance__mixes_as_the_oracle_at_random(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        height, width = (int(n) for n in random.integers(2, 10, 2))
        settings = PropagationSettings(
            top_k=int(random.integers(1, height * width + 1) % 32 + 1),
            radius=float(random.uniform(1, 8)),
            temperature=float(random.uniform(0.03, 0.2)),
            context_frames=int(random.integers(1, 5)),
        )
        blocks = replace(
            LARGE,
            tile_width=int(random.choice([4, 16])),
            keys=int(random.choice([16, 32, 64])),
            frames=int(random.integers(1, 4)),
        )
        features = unit_features(3, int(random.integers(8, 70)), height, width, seed=seed)
        assert errors(features, settings, "exact", blocks).max() < 1e-5

    @pytest.mark.parametrize("at", [2, 3, 5, 7])
    def test_remember__the_rest_of_a_video_to_the_bit(self, at: int) -> None:
        features = exact_features(9, 16, 5, 6, seed=2)
        settings = PropagationSettings(top_k=4, radius=2.5, temperature=0.1, context_frames=2)
        whole = FusedMatcher(features[0], settings, blocks=replace(LARGE, frames=3)).advance(features[1:])
        continued = FusedMatcher(features[0], settings, blocks=replace(LARGE, frames=3))
        skipped = max(0, at - 1 - settings.context_frames)
        continued.skip(skipped)
        for index in range(1 + skipped, at):
            continued.remember(features[index])
        votes = continued.advance(features[at:])
        assert torch.equal(votes.weights, whole.weights[at - 1 :])
        assert torch.equal(votes.sources, whole.sources[at - 1 :])

    def test_advance__any_of_tied_candidates_will_do(self) -> None:
        height, width, settings = 5, 8, PropagationSettings(top_k=6, radius=3, context_frames=3)
        kinds = torch.arange(height * width) % 3
        vectors = unit_features(1, 16, 1, 3)[0, :, 0]  # [C, 3]
        features = vectors[:, kinds].unflatten(1, (height, width)).expand(5, -1, -1, -1)
        memory = functional.one_hot(kinds).float().repeat(1 + settings.context_frames, 1)
        mixed = mix(FusedMatcher(features[0], settings, blocks=LARGE), features[1:], memory)
        # Each cell has more than top_k others of its own kind in reach.
        torch.testing.assert_close(mixed, memory[: height * width].expand_as(mixed))

    @pytest.mark.golden
    @pytest.mark.parametrize(
        "name",
        [
            *("fractional-radius", "long-context", "one-row", "single-frame-context"),
            *("small", "tall", "wide-radius"),
        ],
    )
    def test_advance__golden(self, golden: Path, name: str) -> None:
        case = np.load(golden / "propagation" / f"{name}.npz")
        features = torch.from_numpy(case["features"]).transpose(0, 1)[:4].float()  # [T, C, h, w]
        settings = PropagationSettings(
            top_k=int(case["topk"]),
            radius=float(case["radius"]),
            temperature=float(case["temp"]),
            context_frames=int(case["n_context"]),
        )
        matcher = FusedMatcher(features[0], settings, blocks=replace(LARGE, tile_height=32))
        votes = matcher.advance(features[1:])
        first = torch.from_numpy(case["first_label"]).float().flatten(0, 1)  # [N, K]
        memory = first.new_zeros(1 + settings.context_frames, *first.shape)
        memory[0] = first
        for frame, (weights, sources) in enumerate(zip(*votes, strict=True), 1):
            labels = mixed(weights[None], sources[None], memory.flatten(0, 1))[0]
            memory[slot_of(frame, settings.context_frames)] = labels
            expected = torch.from_numpy(case["expected"][frame]).float().flatten(0, 1)
            torch.testing.assert_close(labels, expected, atol=1e-4, rtol=0)

    def test_fused_matcher__refuses_what_it_cannot_match(self) -> None:
        with pytest.raises(ValueError, match="2049 channels are more than 2048"):
            FusedMatcher(unit_features(1, 2049, 2, 2)[0], SETTINGS)


def test_why_not_fused__names_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    first = torch.zeros(8, 4, 4)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(fused, "find_spec", lambda _: object())
    assert why_not_fused(first, SETTINGS) is None
    assert "top_k 33 is above 32" in str(why_not_fused(first, replace(SETTINGS, top_k=33)))
    assert "2049 channels" in str(why_not_fused(torch.zeros(2049, 1, 1), SETTINGS))
    huge = torch.zeros(8, 1, 1).expand(8, 8192, 8192)
    assert why_not_fused(huge, replace(SETTINGS, context_frames=30)) is None
    assert "too many" in str(why_not_fused(huge, replace(SETTINGS, context_frames=31)))
    monkeypatch.delenv("TRITON_INTERPRET")
    assert "cpu" in str(why_not_fused(first, SETTINGS))
    monkeypatch.setattr(fused, "find_spec", lambda _: None)
    assert "not installed" in str(why_not_fused(first, SETTINGS))


def test_import__works_without_triton() -> None:
    lines = (
        "import sys; sys.modules['triton'] = None; import torch; "
        "from sfc_cli.core.propagation.fused import why_not_fused; "
        "from sfc_cli.settings.propagation import PropagationSettings; "
        "print(why_not_fused(torch.zeros(8, 2, 2), PropagationSettings()))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    run = subprocess.run([sys.executable, "-c", lines], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "Triton is not installed" in run.stdout


@pytest.mark.parametrize("radius", [1e-200, 0.5, 1.0, 2**0.5, 3.7, 5.0, 100.0])
@pytest.mark.parametrize("size", [(7, 11), (1, 9), (5, 1)])
def test_reachable_cells__are_those_near_any_cell_of_the_tile(size: tuple[int, int], radius: float) -> None:
    height, width = size
    tile_height, tile_width = 4, 2
    reachable, counts = reachable_cells(height, width, radius, tile_height, tile_width)
    near = pairs_within_radius(height, width, radius).unflatten(0, size)  # [h, w, N]
    tiles = [rows for band in near.split(tile_height) for rows in band.split(tile_width, dim=1)]
    assert len(tiles) == len(reachable) == len(counts)
    for tile, cells, count in zip(tiles, reachable, counts, strict=True):
        expected = tile.flatten(0, 1).any(0).nonzero().flatten()
        torch.testing.assert_close(cells[:count].sort().values.long(), expected)


def test_reachable_cells__nearest_first() -> None:
    reachable, counts = reachable_cells(9, 9, 4.0, 3, 3)
    centre = reachable[4, : counts[4]]
    distance = (centre // 9 - 4) ** 2 + (centre % 9 - 4) ** 2
    assert (distance.diff() >= 0).all()


@pytest.mark.parametrize("radius", [1e-200, 0.5, 1.0, 2**0.5, 3.7, 5.0, 100.0])
@pytest.mark.parametrize("size", [(7, 11), (1, 9), (5, 1)])
def test_reachable_boxes__hold_each_reachable_cell_once(size: tuple[int, int], radius: float) -> None:
    height, width = size
    tile_height, tile_width = 4, 2
    boxes, box_counts = reachable_boxes(height, width, radius, tile_height, tile_width)
    for tile, (cells, count) in enumerate(
        zip(*reachable_cells(*size, radius, tile_height, tile_width), strict=True)
    ):
        held = torch.zeros(height + tile_height, width + tile_width, dtype=torch.int32)
        for corner in boxes[tile, : box_counts[tile]].tolist():
            y, x = divmod(corner, width)
            held[y : y + tile_height, x : x + tile_width] += 1
        assert held.max() <= 1
        assert held[:height, :width].flatten()[cells[:count].long()].all()


def test_reachable_boxes__few_and_nearest_first() -> None:
    boxes, counts = reachable_boxes(60, 107, 15.0, 8, 16)
    _, cells = reachable_cells(60, 107, 15.0, 8, 16)
    assert counts.sum() * 8 * 16 < 1.5 * cells.sum()
    tile = 3 * 7 + 3
    corners = boxes[tile, : counts[tile]]
    distance = (corners // 107 - 24) ** 2 + (corners % 107 - 48) ** 2
    assert (distance.diff() >= 0).all()


@pytest.mark.parametrize("generation", [0, 8, 9, 10, 12])
@pytest.mark.parametrize("slots", [16, 32, 64])
def test_choose_blocks__fit_the_card(generation: int, slots: int) -> None:
    # What a program may take of a multiprocessor, of any card where it is not known.
    shared = 99 * 1024 if generation in (0, 8, 12) else 227 * 1024
    for channels in (64, 256, 1280):
        blocks = choose_blocks(60, 107, channels, slots, generation=generation)
        queries = blocks.tile_height * blocks.tile_width
        kept = 2 * blocks.channels * queries if channels <= 256 else 0
        loads = 2 * blocks.channels * (blocks.keys + (0 if kept else queries))
        # With few channels the list of keys takes one of the stages.
        assert kept + loads * (2 if kept else blocks.stages) <= shared
        # Accumulators and slots of 4 and 8 bytes, beside what else needs registers.
        assert queries * (4 * blocks.keys + 8 * slots) <= 0.8 * 255 * 4 * 32 * blocks.warps


@pytest.mark.parametrize("channels", [8, 256, 257, 2048])
@pytest.mark.parametrize("size", [(60, 107), (1, 500), (300, 1), (2, 2), (270, 480)])
def test_choose_blocks__fit_the_map(size: tuple[int, int], channels: int) -> None:
    blocks = choose_blocks(*size, channels, 32)
    assert blocks.tile_height * blocks.tile_width == (64 if channels <= 256 else 128)
    for number in (blocks.tile_height, blocks.tile_width, blocks.keys, blocks.channels):
        assert number & (number - 1) == 0
    # No side of a tile is twice as long as the map needs while the other could take more.
    assert blocks.tile_width < 2 * size[1]
    assert 1 <= blocks.frames <= 32


def test_choose_blocks__more_frames_of_small_maps() -> None:
    assert choose_blocks(60, 107, 256, 32).frames == 9
    assert choose_blocks(60, 107, 1280, 32).frames == 12
    assert choose_blocks(40, 40, 256, 32).frames == 32
