from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation import propagate_labels
from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask
from sfc_cli.errors import InputError
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.propagator import VideoPropagator, _affordable_patch, _warn_once
from sfc_cli.settings.propagation import PropagationSettings

SETTINGS = PropagationSettings(top_k=4, radius=3.0, temperature=0.1, context_frames=3)


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor([load_encoder("random18")])


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (7, 41, 54, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def first_mask() -> np.ndarray:
    mask = np.zeros((41, 54), np.uint8)
    mask[5:25, 5:20], mask[20:40, 30:50], mask[:3] = 4, 90, 255
    return mask


def test_run__equals_its_parts(
    extractor: FeatureExtractor, frames: list[np.ndarray], first_mask: np.ndarray
) -> None:
    found = [labelled.mask() for labelled in VideoPropagator(extractor, SETTINGS).run(frames, first_mask)]
    assert len(found) == len(frames)
    np.testing.assert_array_equal(found[0], first_mask)
    features = torch.cat([extractor(torch.from_numpy(frame[None])) for frame in frames])
    objects = np.array([4, 90], np.uint8)
    first = torch.from_numpy(shrink_mask(first_mask, objects, *features.shape[2:]))
    soft = propagate_labels(
        features, first, top_k=4, radius=3.0, temperature=0.1, context_frames=3, backend="windowed"
    )
    for t in range(1, len(frames)):
        expected = enlarge_to_mask(soft[t].numpy(), objects, 41, 54)
        np.testing.assert_array_equal(found[t], expected, err_msg=str(t))


def test_run__masks_may_be_made_late_and_in_any_order(
    extractor: FeatureExtractor, frames: list[np.ndarray], first_mask: np.ndarray
) -> None:
    propagator = VideoPropagator(extractor, SETTINGS)
    early = [labelled.mask() for labelled in propagator.run(frames, first_mask)]
    late = list(propagator.run(frames, first_mask))
    for t in reversed(range(len(frames))):
        np.testing.assert_array_equal(late[t].mask(), early[t])


class _Counted:
    """Counts what passes through an extractor."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor
        self.device, self.precision = extractor.device, extractor.precision
        self.count = 0

    def __call__(self, frames: Tensor, types: list[torch.dtype] | None = None) -> Tensor:
        self.count += len(frames)
        return self._extractor(frames, types)


def test_run__features_of_a_frame_are_computed_once_and_in_time(
    extractor: FeatureExtractor, frames: list[np.ndarray], first_mask: np.ndarray
) -> None:
    def stream() -> Iterator[np.ndarray]:
        for frame in frames:
            taken.append(frame)
            yield frame

    taken: list[np.ndarray] = []
    counted = _Counted(extractor)
    run = VideoPropagator(counted, SETTINGS).run(stream(), first_mask)  # type: ignore[arg-type]
    for number, _ in enumerate(run, start=1):
        # On a CPU frames are taken one at a time: a video never lies in memory whole.
        assert len(taken) == number
    assert counted.count == len(frames)


def test_run__frame_of_another_size(
    extractor: FeatureExtractor, frames: list[np.ndarray], first_mask: np.ndarray
) -> None:
    propagator = VideoPropagator(extractor, SETTINGS)
    with pytest.raises(InputError, match="Frame 0 has 54×40 pixels"):
        list(propagator.run([frames[0][:-1]], first_mask))
    with pytest.raises(InputError, match="Frame 2 has 50×41 pixels, the first mask 54×41"):
        list(propagator.run([*frames[:2], frames[2][:, :50]], first_mask))


def test_run__no_frame(extractor: FeatureExtractor, first_mask: np.ndarray) -> None:
    with pytest.raises(InputError, match="no frames"):
        list(VideoPropagator(extractor, SETTINGS).run([], first_mask))


def test_track__batches_end_where_something_is_painted(
    extractor: FeatureExtractor,
    frames: list[np.ndarray],
    first_mask: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = np.zeros_like(first_mask)
    later[8:30, 20:44] = 90
    masks = MaskAnchors({1: first_mask, 4: later})
    propagator = VideoPropagator(extractor, SETTINGS)

    def labels() -> list[np.ndarray | None]:
        found = list(propagator.track(frames, masks))
        assert [tracked.index for tracked in found] == list(range(len(frames)))
        return [None if tracked.labels is None else tracked.labels() for tracked in found]

    one_by_one = labels()
    monkeypatch.setattr(propagator, "_frames_at_once", lambda *_: 2)
    for single, batched in zip(one_by_one, labels(), strict=True):
        if single is None or batched is None:
            assert single is batched
        else:
            np.testing.assert_allclose(batched, single, atol=2e-5)
    assert one_by_one[0] is None
    assert one_by_one[1] is not None


@pytest.mark.parametrize(
    ("objects", "cells", "patch"),
    [(1, 6420, 8), (30, 6420, 8), (100, 6420, 8), (254, 6420, 4), (254, 32400, 2), (254, 129600, 1)],
)
def test_affordable_patch__bounds_the_memory(
    objects: int, cells: int, patch: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = PropagationSettings(whitening=0.5, label_patch=8)
    _warn_once.cache_clear()
    # Asked before a run and on each of its ways.
    for _ in range(3):
        found = _affordable_patch(settings, cells, 1 + objects)
    assert found == patch
    assert 2 * 21 * cells * (1 + objects) * found**2 < 3e9
    # Narrower patches are told, with what the wide ones would have taken.
    assert caplog.text.count("planes of labels: a cell carries") == (patch < 8)


def test_affordable_patch__a_long_memory_counts() -> None:
    settings = PropagationSettings(label_patch=8, long_memory=5)
    assert _affordable_patch(settings, 6420, 101) == 4
