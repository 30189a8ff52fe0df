"""The windowed path against the oracle, cell by cell."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from sfc_cli.core.propagation.matching import Matcher, pairs_within_radius, slot_of, window_frames
from sfc_cli.core.propagation.windowed import WindowedMatcher
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import exact_features, mixed, oracle_labels

SIZES = ((1, 1), (1, 17), (23, 1), (1, 40), (2, 3), (3, 2), (7, 13), (31, 4), (20, 30))
# Cells × candidates × frames that an example may cost the oracle.
BUDGET = 2_000_000
_TIES_LOOKED_AT = 4


@st.composite
def _cases(draw: st.DrawFn) -> tuple[tuple[int, int], int, int, int, float, int, int]:
    size = draw(st.sampled_from(SIZES) | st.tuples(st.integers(1, 9), st.integers(1, 15)))
    cells = size[0] * size[1]
    context = draw(st.integers(1, 25))
    most = max(2, min(30, BUDGET // (cells * cells * (1 + context))))
    frames = draw(st.integers(2, most))
    radius = draw(st.sampled_from([0.4, 1.0, 1.5, 2.0, 2**0.5, 5.0, 12.0, 60.0]) | st.floats(0.2, 20))
    corner = int(pairs_within_radius(*size, radius).sum(1).min())
    # Beyond a group of frame 0, beyond frame 0 itself, up to every cell that the scarcest cell reaches.
    top_k = draw(st.integers(1, min(80, cells + context * corner)))
    channels = draw(st.integers(1, 6))
    return size, frames, context, top_k, radius, channels, draw(st.integers(0, 2**31))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(case=_cases(), levels=st.sampled_from([3, 9, 1 << 20]), threads=st.sampled_from([1, 2]))
def test_advance__same_votes_as_the_oracle(
    case: tuple[tuple[int, int], int, int, int, float, int, int], levels: int, threads: int
) -> None:
    size, frames, context, top_k, radius, channels, seed = case
    features = exact_features(frames, channels, *size, seed=seed, levels=levels)
    chosen = PropagationSettings(top_k=top_k, radius=radius, temperature=0.2, context_frames=context)
    windowed = WindowedMatcher(features[0], chosen, threads=threads)
    _require_same_votes(features, chosen, windowed, at_once=1 + seed % 3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("size", "channels", "top_k", "radius", "context", "frames"),
    [
        # Several tiles in both directions, more channels than the large tiles are for, and k beyond a group.
        pytest.param((32, 14), 3, 10, 6.5, 3, 6, id="tiles"),
        pytest.param((22, 9), 520, 15, 4.0, 2, 4, id="many-channels"),
        pytest.param((9, 14), 4, 70, 3.0, 8, 12, id="k-beyond-a-group"),
        pytest.param((5, 6), 4, 6, 2.5, 25, 30, id="long-context"),
        pytest.param((6, 7), 4, 5, 1.0, 4, 9, id="radius-1"),
        pytest.param((6, 7), 4, 5, 0.5, 4, 9, id="radius-below-1"),
        pytest.param((2, 2), 4, 4, 1e-200, 2, 5, id="radius-that-reaches-nothing"),
        pytest.param((6, 7), 4, 90, 99.0, 2, 6, id="radius-beyond-the-map"),
    ],
)
def test_advance__same_votes_as_the_oracle_in_corners(
    size: tuple[int, int], channels: int, top_k: int, radius: float, context: int, frames: int, threads: int
) -> None:
    features = exact_features(frames, channels, *size, seed=1)
    chosen = PropagationSettings(top_k=top_k, radius=radius, temperature=0.2, context_frames=context)
    _require_same_votes(features, chosen, WindowedMatcher(features[0], chosen, threads=threads), at_once=1)


def test_advance__frames_of_equal_features() -> None:
    # Every affinity ties with those of the same cell in all other frames.
    features = exact_features(1, 4, 6, 8, seed=2).expand(9, -1, -1, -1)
    chosen = PropagationSettings(top_k=7, radius=3.0, temperature=0.2, context_frames=3)
    _require_same_votes(features, chosen, WindowedMatcher(features[0], chosen), at_once=2)


def test_advance__negative_affinities_only() -> None:
    # What is padded or out of reach must never win, however low the real affinities are.
    features = torch.ones(5, 2, 3, 5) * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])[:, None, None, None]
    chosen = PropagationSettings(top_k=18, radius=1.5, temperature=0.2, context_frames=2)
    _require_same_votes(features, chosen, WindowedMatcher(features[0], chosen), at_once=1)


def test_advance__threads_change_nothing() -> None:
    features = exact_features(6, 5, 20, 30, seed=5)
    chosen = PropagationSettings(top_k=9, radius=4.5, context_frames=3)
    one, two = (WindowedMatcher(features[0], chosen, threads=threads) for threads in (1, 2))
    for frame in features[1:, None]:
        a, b = one.advance(frame), two.advance(frame)
        assert torch.equal(a.weights, b.weights)
        assert torch.equal(a.sources, b.sources)


def test_advance__writes_all_of_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    # Uninitialised memory full of NaN must show nowhere.
    def empty_of_nan(*args: object, **kwargs: object) -> Tensor:
        tensor = plain_empty(*args, **kwargs)
        return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor.fill_(-(2**40))

    def new_empty_of_nan(self: Tensor, *args: object, **kwargs: object) -> Tensor:
        return plain_new_empty(self, *args, **kwargs).fill_(float("nan"))

    plain_empty, plain_new_empty = torch.empty, Tensor.new_empty
    monkeypatch.setattr(torch, "empty", empty_of_nan)
    monkeypatch.setattr(Tensor, "new_empty", new_empty_of_nan)
    features = exact_features(7, 3, 5, 14, seed=6)
    chosen = PropagationSettings(top_k=60, radius=2.5, context_frames=3)
    _require_same_votes(features, chosen, WindowedMatcher(features[0], chosen), at_once=1)


def test_windowed_matcher__top_k_beyond_reach() -> None:
    chosen = PropagationSettings(top_k=10, radius=1.0, context_frames=1)
    with pytest.raises(UsageError, match="`top_k` is 10"):
        WindowedMatcher(torch.ones(2, 2, 4), chosen)


def _require_same_votes(
    features: Tensor, chosen: PropagationSettings, windowed: Matcher, *, at_once: int
) -> None:
    """Compare what a matcher's votes make of random labels with the oracle, for every frame after the first.

    Where candidates tie for the last vote any of them will do, so there the labels may differ.
    """
    slots = (1 + chosen.context_frames) * features[0, 0].numel()
    memory = torch.rand(slots, 4, generator=torch.Generator().manual_seed(0))
    target = 0
    for batch in features[1:].split(at_once):
        for weights, sources in zip(*windowed.advance(batch), strict=True):  # [N, k] each
            target += 1
            torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
            affinity = _affinities(features, target, chosen)  # [S, N]
            reached = affinity.T.gather(1, sources) > -torch.inf
            assert reached[weights > 0].all(), "a vote from beyond the reach"
            found = mixed(weights[None], sources[None], memory)[0]
            differs = ((found - oracle_labels(features, target, memory, chosen)).abs() > 1e-5).any(1)
            for query in differs.nonzero().flatten().tolist()[:_TIES_LOOKED_AT]:
                # A plane for each candidate above the last vote, and one for all that tie with it.
                last = affinity[sources[query, weights[query] > 0], query].min()
                above = affinity[:, query] > last
                planes = torch.eye(slots)[:, above] if above.any() else torch.zeros(slots, 0)
                planes = torch.cat([planes, (affinity[:, query] == last)[:, None]], dim=1)
                expected = oracle_labels(features, target, planes, chosen)[query]
                votes = mixed(weights[None], sources[None], planes)[0, query]
                torch.testing.assert_close(votes, expected, rtol=0, atol=1e-5)


def _affinities(features: Tensor, target: int, chosen: PropagationSettings) -> Tensor:
    """Return the affinity of every row of the label memory to every query, −inf out of reach: [S, N]."""
    cells = features[0, 0].numel()
    query = features[target].flatten(1)
    near = pairs_within_radius(*features.shape[2:], chosen.radius)
    affinity = torch.full(((1 + chosen.context_frames) * cells, cells), -torch.inf)
    for frame in set(window_frames(target, chosen.context_frames)) - {0}:
        slot = slot_of(frame, chosen.context_frames)
        part = features[frame].flatten(1).T @ query
        affinity[slot * cells : (slot + 1) * cells] = part.masked_fill(~near, -torch.inf)
    # Frame 0 as the long memory counts at any distance.
    affinity[:cells] = features[0].flatten(1).T @ query
    return affinity
