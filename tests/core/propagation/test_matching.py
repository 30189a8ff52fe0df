import math

import pytest
import torch

from sfc_cli.core.propagation.matching import (
    copies_of_first,
    pairs_within_radius,
    reach,
    require_reachable,
    slot_of,
    window_frames,
)
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import PropagationSettings

RADII = (0.3, 1.0, 1.2, math.sqrt(2), 2.0, 2.5, math.sqrt(5), 3.0, 5.0, 12.0, 15.0, 40.0)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (1, [0, 0, 0]),
        (2, [0, 0, 1]),
        (3, [0, 1, 2]),
        (4, [1, 2, 3]),
        (9, [6, 7, 8]),
    ],
)
def test_window_frames__literal(target: int, expected: list[int]) -> None:
    assert window_frames(target, 3) == expected


def test_window_frames__published_length() -> None:
    # With frame 0 as the long memory: 21 copies for target 1, two for target 20, one from target 21 on.
    in_all = [1 + window_frames(target, 20).count(0) for target in (1, 20, 21, 22)]
    assert in_all == [21, 2, 1, 1]


@pytest.mark.parametrize("context_frames", [1, 2, 7, 20])
def test_copies_of_first__counts_the_window(context_frames: int) -> None:
    for target in range(1, 30):
        expected = window_frames(target, context_frames).count(0)
        assert copies_of_first(target, context_frames) == expected


@pytest.mark.parametrize("context_frames", [1, 2, 7])
def test_slot_of__window_never_overlaps(context_frames: int) -> None:
    assert slot_of(0, context_frames) == 0
    for target in range(1, 30):
        window = set(window_frames(target, context_frames)) | {0}
        slots = [slot_of(frame, context_frames) for frame in window]
        assert len(set(slots)) == len(window)
        assert max(slots) <= context_frames


@pytest.mark.parametrize("radius", RADII)
def test_reach__strictly_below_radius(radius: float) -> None:
    for offset in range(18):
        inside = [e for e in range(60) if e * e + offset * offset < radius * radius]
        assert reach(radius, offset) == max(inside, default=-1)


def test_pairs_within_radius__boundary_is_outside() -> None:
    near = pairs_within_radius(7, 7, 5.0)
    corner = near[0].view(7, 7)
    # (3, 4) lies at distance 5 exactly, (4, 4) beyond, (3, 3) within.
    assert not corner[3, 4]
    assert not corner[5, 0]
    assert not corner[4, 4]
    assert corner[3, 3]
    assert corner[4, 2]
    assert torch.equal(near, near.T)


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (4, 6), (9, 2)])
def test_require_reachable__limit_is_the_scarcest_cell(size: tuple[int, int], radius: float) -> None:
    cells = size[0] * size[1]
    context_frames = 3
    scarcest = int(pairs_within_radius(*size, radius).sum(1).min())
    most = cells + context_frames * scarcest
    require_reachable(*size, _settings(most, radius, context_frames))
    with pytest.raises(UsageError, match=rf"only\s+{most} context cells"):
        require_reachable(*size, _settings(most + 1, radius, context_frames))


def _settings(top_k: int, radius: float, context_frames: int) -> PropagationSettings:
    return PropagationSettings(top_k=top_k, radius=radius, context_frames=context_frames)
