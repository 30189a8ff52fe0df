import math

import pytest
import torch

from sfc_cli.core.propagation.matching import reach, require_reachable
from sfc_cli.core.propagation.reference import within_radius
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import PropagationSettings

RADII = (0.3, 1.0, 1.2, math.sqrt(2), 2.0, 2.5, math.sqrt(5), 3.0, 5.0, 12.0, 15.0, 40.0)


@pytest.mark.parametrize("radius", RADII)
def test_reach__strictly_below_radius(radius: float) -> None:
    for offset in range(18):
        inside = [e for e in range(60) if e * e + offset * offset < radius * radius]
        assert reach(radius, offset) == max(inside, default=-1)


def test_within_radius__boundary_is_outside() -> None:
    near = within_radius(7, 7, 5.0)
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
    scarcest = int(within_radius(*size, radius).sum(1).min())
    most = cells + context_frames * scarcest
    require_reachable(*size, _settings(most, radius, context_frames))
    with pytest.raises(UsageError, match=rf"only\s+{most} context cells"):
        require_reachable(*size, _settings(most + 1, radius, context_frames))


def _settings(top_k: int, radius: float, context_frames: int) -> PropagationSettings:
    return PropagationSettings(top_k=top_k, radius=radius, context_frames=context_frames)
