import gc
from types import FunctionType, ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation import LabelPropagator, backend_for, propagate_labels
from sfc_cli.core.propagation.long_memory import LongMemory
from sfc_cli.core.propagation.matching import pairs_within_radius
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import exact_features

BACKENDS = ("reference", "windowed")
SETTINGS = PropagationSettings(top_k=6, radius=3.0, temperature=0.1, context_frames=4)


@pytest.fixture(scope="module")
def features() -> Tensor:
    return functional.normalize(exact_features(12, 5, 6, 9, seed=11), dim=1)


@pytest.fixture(scope="module")
def first_labels() -> Tensor:
    labels = torch.rand(3, 6, 9, generator=torch.Generator().manual_seed(12))
    return labels / labels.sum(0)


def _propagate(features: Tensor, first_labels: Tensor, backend: str = "auto") -> Tensor:
    return propagate_labels(
        features,
        first_labels,
        top_k=SETTINGS.top_k,
        radius=SETTINGS.radius,
        temperature=SETTINGS.temperature,
        context_frames=SETTINGS.context_frames,
        backend=backend,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__first_frame_is_untouched(
    features: Tensor, first_labels: Tensor, backend: str
) -> None:
    soft = _propagate(features, first_labels, backend)
    assert soft.shape == (12, 3, 6, 9)
    assert soft.dtype == torch.float32
    assert torch.equal(soft[0], first_labels)


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__labels_of_a_cell_still_sum_to_one(
    features: Tensor, first_labels: Tensor, backend: str
) -> None:
    soft = _propagate(features, first_labels, backend)
    torch.testing.assert_close(soft.sum(1), torch.ones(12, 6, 9), rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__distinct_cells_keep_their_labels(backend: str) -> None:
    # Each cell has a direction of its own in all frames: with one vote it can only be its own.
    frame = torch.eye(20).view(20, 4, 5)
    first = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(1))
    soft = propagate_labels(frame.expand(9, -1, -1, -1), first, top_k=1, context_frames=3, backend=backend)  # type: ignore[arg-type]
    torch.testing.assert_close(soft, first.expand(9, -1, -1, -1))


def test_propagate_labels__backends_agree(features: Tensor, first_labels: Tensor) -> None:
    reference, windowed = (_propagate(features, first_labels, backend) for backend in BACKENDS)
    torch.testing.assert_close(windowed, reference, rtol=0, atol=1e-5)
    assert torch.equal(_propagate(features, first_labels, "auto"), windowed)


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__one_frame(features: Tensor, first_labels: Tensor, backend: str) -> None:
    assert torch.equal(_propagate(features[:1], first_labels, backend), first_labels[None])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_propagate_labels__other_precisions_become_float32(
    features: Tensor, first_labels: Tensor, backend: str, dtype: torch.dtype
) -> None:
    soft = _propagate(features.to(dtype), first_labels.to(dtype), backend)
    assert soft.dtype == torch.float32
    expected = _propagate(features.to(dtype).float(), first_labels.to(dtype).float(), backend)
    torch.testing.assert_close(soft, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__any_memory_layout(features: Tensor, first_labels: Tensor, backend: str) -> None:
    strided = features.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
    assert not strided.is_contiguous()
    soft = _propagate(strided, first_labels.transpose(1, 2).contiguous().transpose(1, 2), backend)
    torch.testing.assert_close(soft, _propagate(features, first_labels, backend), rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__keeps_no_graph(features: Tensor, first_labels: Tensor, backend: str) -> None:
    assert not _propagate(features.clone().requires_grad_(), first_labels, backend).requires_grad


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_labels__inputs_are_left_alone(
    features: Tensor, first_labels: Tensor, backend: str
) -> None:
    copies = features.clone(), first_labels.clone()
    _propagate(*copies, backend)
    assert torch.equal(copies[0], features)
    assert torch.equal(copies[1], first_labels)


@pytest.mark.parametrize(
    ("shape", "labels_shape"),
    [
        ((4, 8, 5, 6), (2, 6, 5)),
        ((4, 8, 5, 6), (5, 6)),
        ((8, 5, 6), (2, 5, 6)),
        ((0, 8, 5, 6), (2, 5, 6)),
        ((4, 8, 0, 6), (2, 0, 6)),
        ((4, 8, 5, 6), (0, 5, 6)),
    ],
)
def test_propagate_labels__shapes_that_do_not_belong_together(
    shape: tuple[int, ...], labels_shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="features"):
        propagate_labels(torch.zeros(shape), torch.zeros(labels_shape))


@pytest.mark.parametrize(
    "choice",
    [
        {"top_k": 0},
        {"top_k": -3},
        {"radius": 0.0},
        {"radius": float("nan")},
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"context_frames": -1},
        {"top_k": 100_000},
        {"backend": "quick"},
    ],
    ids=str,
)
def test_propagate_labels__settings_out_of_range(
    features: Tensor, first_labels: Tensor, choice: dict[str, float]
) -> None:
    with pytest.raises(UsageError, match=f"`{next(iter(choice))}`"):
        propagate_labels(features, first_labels, **choice)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("sizes", [(1,) * 11, (11,), (3, 1, 6, 1), (5, 6)], ids=str)
def test_step__streaming_equals_the_whole(
    features: Tensor, first_labels: Tensor, backend: str, sizes: tuple[int, ...]
) -> None:
    propagator = LabelPropagator(features[0], first_labels, SETTINGS, backend=backend)  # type: ignore[arg-type]
    parts = [propagator.step(batch) for batch in features[1:].split(sizes)]
    assert [len(part) for part in parts] == list(sizes)
    torch.testing.assert_close(torch.cat(parts), _propagate(features, first_labels, backend)[1:])


@pytest.mark.parametrize("backend", BACKENDS)
def test_step__returned_labels_are_not_overwritten(
    features: Tensor, first_labels: Tensor, backend: str
) -> None:
    propagator = LabelPropagator(features[0], first_labels, SETTINGS, backend=backend)  # type: ignore[arg-type]
    early = propagator.step(features[1:2])
    copy = early.clone()
    for frame in features[2:, None]:
        propagator.step(frame)
    assert torch.equal(early, copy)


@pytest.mark.parametrize("backend", BACKENDS)
def test_step__memory_is_independent_of_length(first_labels: Tensor, backend: str) -> None:
    frame_bytes = 64 * 6 * 9 * 4
    propagator = LabelPropagator(torch.rand(64, 6, 9), first_labels, SETTINGS, backend=backend)  # type: ignore[arg-type]
    held = []
    for _ in range(6 * SETTINGS.context_frames):
        propagator.step(torch.rand(1, 64, 6, 9))
        held.append(_bytes_held_by(propagator))
    assert held[-1] > SETTINGS.context_frames * frame_bytes
    # From the second window on every slot has been filled and filled again.
    assert held[-1] - held[2 * SETTINGS.context_frames] < frame_bytes


@pytest.mark.parametrize("backend", BACKENDS)
def test_step__holds_no_more_frames_than_the_context(first_labels: Tensor, backend: str) -> None:
    # So many channels that score buffers and labels are less than one frame.
    frame_bytes = 4096 * 6 * 9 * 4
    propagator = LabelPropagator(torch.rand(4096, 6, 9), first_labels, SETTINGS, backend=backend)  # type: ignore[arg-type]
    for _ in range(3 * SETTINGS.context_frames):
        propagator.step(torch.rand(1, 4096, 6, 9))
    assert _bytes_held_by(propagator) < (SETTINGS.context_frames + 3) * frame_bytes


def test_backend_for__auto_on_a_cpu() -> None:
    assert backend_for("auto", torch.device("cpu")) == "windowed"
    assert backend_for("reference", torch.device("cpu")) == "reference"


def _bytes_held_by(owner: object) -> int:
    """Return the bytes of all tensors that can be reached from an object."""
    storages: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [owner]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        else:
            waiting.extend(gc.get_referents(thing))
    return sum(storages.values())


def _continued_labels(features: Tensor, first: Tensor, backend: str, at: int, whole: Tensor) -> Tensor:
    """Propagate from frame ``at`` on, with a context that is remembered instead of matched."""
    skipped = max(0, at - 1 - CONTINUED.context_frames)
    propagator = LabelPropagator(features[0], first, CONTINUED, backend=backend, skipped=skipped)  # type: ignore[arg-type]
    for index in range(1 + skipped, at):
        propagator.remember(features[index], whole[index])
    return propagator.step(features[at:])


CONTINUED = PropagationSettings(top_k=5, radius=3.0, temperature=0.1, context_frames=3)


@pytest.mark.parametrize("patch", [1, 2, 8])
@pytest.mark.parametrize("at", range(1, 11))
@pytest.mark.parametrize("backend", ["reference", "windowed"])
def test_remember__the_rest_of_a_video_to_the_bit(backend: str, at: int, patch: int) -> None:
    features = exact_features(11, 8, 7, 9, seed=4)
    first = torch.rand(3, 7 * patch, 9 * patch, generator=torch.Generator().manual_seed(5))
    propagator = LabelPropagator(features[0], first, CONTINUED, backend=backend)  # type: ignore[arg-type]
    whole = torch.cat([first[None], propagator.step(features[1:])])
    assert torch.equal(_continued_labels(features, first, backend, at, whole), whole[at:])


@pytest.mark.parametrize("patch", [2, 4, 8])
@pytest.mark.parametrize("backend", ["reference", "windowed"])
def test_label_propagator__patches_are_planes_of_their_own(backend: str, patch: int) -> None:
    features = exact_features(7, 8, 5, 6, seed=4)
    fine = torch.rand(3, 5 * patch, 6 * patch, generator=torch.Generator().manual_seed(5))
    propagator = LabelPropagator(features[0], fine, CONTINUED, backend=backend)  # type: ignore[arg-type]
    found = propagator.step(features[1:])
    assert found.shape == (6, 3, 5 * patch, 6 * patch)
    # Each pixel of a patch travels as a plane of labels with one value a cell, half a patch before its cell.
    half = patch // 2
    whole = torch.cat([fine[None], found])
    centred = functional.pad(whole, (half, 0, half, 0), mode="replicate")[..., :-half, :-half]
    coarse = functional.pixel_unshuffle(centred, patch)
    for target in range(1, 7):
        plain = LabelPropagator(features[0], coarse[0], CONTINUED, backend=backend)  # type: ignore[arg-type]
        for index in range(1, target):
            plain.remember(features[index], coarse[index])
        expected = functional.pixel_shuffle(plain.step(features[target][None]), patch)[0]
        torch.testing.assert_close(
            whole[target, :, :-half, :-half], expected[:, half:, half:], atol=2e-3, rtol=0
        )
    # What no patch reaches repeats the last pixels.
    torch.testing.assert_close(found[:, :, -1], found[:, :, -1 - half])


def test_label_propagator__long_memory_votes_as_a_dense_context_would() -> None:
    settings = PropagationSettings(top_k=5, radius=2.0, temperature=0.1, context_frames=3, long_memory=2)
    features = exact_features(11, 8, 7, 9, seed=4)
    first = torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(5))
    propagator = LabelPropagator(features[0], first, settings, backend="windowed")
    found = torch.cat([first[None], propagator.step(features[1:])])
    near, wide = pairs_within_radius(7, 9, 2.0), pairs_within_radius(7, 9, 4.0)  # [N, N]
    for target in range(1, 11):
        window = [max(0, frame) for frame in range(target - 3, target)]
        older = list(range(2, target - 3, 2))
        masks = [torch.ones_like(near)] + [near] * len(window) + [wide] * len(older)
        context = [0, *window, *older]
        affinity = torch.einsum("fcp,cq->fpq", features[context].flatten(2), features[target].flatten(1))
        for one, mask in zip(affinity, masks, strict=True):
            one.masked_fill_(~mask, float("-inf"))
        best, sources = affinity.flatten(0, 1).topk(5, dim=0)  # [k, N]
        rows = found[context].flatten(2).transpose(1, 2).flatten(0, 1)
        expected = (torch.softmax(best / 0.1, 0)[..., None] * rows[sources]).sum(0).T.view(3, 7, 9)
        torch.testing.assert_close(found[target], expected, atol=1e-5, rtol=0)


def test_label_propagator__long_memory_is_bounded() -> None:
    settings = PropagationSettings(top_k=3, radius=2.0, context_frames=2, long_memory=1)
    features = exact_features(60, 4, 4, 5, seed=4)
    propagator = LabelPropagator(features[0], torch.rand(2, 4, 5), settings, backend="windowed")
    propagator.step(features[1:])
    kept = sorted(propagator._long._kept)  # type: ignore[union-attr]
    assert len(kept) <= 12
    # Thinned out evenly, over the whole video.
    assert kept == list(range(kept[0], kept[-1] + 1, kept[1] - kept[0]))
    assert kept[-1] > 45
    with pytest.raises(UsageError, match="`long_memory` needs"):
        LabelPropagator(features[0], torch.rand(2, 4, 5), settings, backend="reference")


def test_label_propagator__long_memory_of_fewer_cells_than_votes() -> None:
    settings = PropagationSettings(top_k=5, radius=4.0, context_frames=3, long_memory=1)
    features = exact_features(9, 8, 1, 4, seed=4)
    propagator = LabelPropagator(features[0], torch.rand(2, 1, 4), settings, backend="windowed")
    assert propagator.step(features[1:]).isfinite().all()


def test_long_memory__votes_of_weight_0_do_not_count() -> None:
    settings = PropagationSettings(top_k=2, radius=1.0, context_frames=1, long_memory=1)
    features = functional.normalize(torch.rand(3, 4, 2, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    memory = LongMemory(features[0], settings)
    rows = torch.rand(12, 2, generator=torch.Generator().manual_seed(1))
    memory.replace(1, 1, features[1], rows[6:])
    memory.replace(1, 2, features[2], rows[6:])
    # Sources of such votes exist, but mean nothing.
    weights = torch.tensor([[1.0, 0.0]]).repeat(6, 1)
    sources = torch.stack([torch.arange(6), torch.full((6,), 7)], dim=1)
    found = memory.labels(features[0], weights, sources, rows)
    sources[:, 1] = 9
    assert torch.equal(found, memory.labels(features[0], weights, sources, rows))  # type: ignore[arg-type]
