"""The oracle: label propagation as the paper has it, slow and large; the backends are tested against it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation.matching import (
    is_remembered,
    memory_frame,
    pairs_within_radius,
    window_frames,
)
from sfc_cli.settings.propagation import PropagationSettings

_QUERIES_AT_ONCE = 64


def propagate(features: Tensor, first_labels: Tensor, settings: PropagationSettings) -> Tensor:
    """Carry the labels of frame 0 through a video, frame by frame.

    Args:
        features: Unit features of all frames, [T, C, h, w], float32.
        first_labels: Soft labels of frame 0, [K, h, w], float32.
        settings: ``top_k``, ``radius``, ``temperature``, ``context_frames`` and ``memory_frames`` are used.

    Returns:
        Soft labels of all frames, [T, K, h, w].
    """
    labels = [first_labels]
    for target in range(1, len(features)):
        # Frame 0 is the long memory; copies of it also fill a window that the video has not filled yet.
        context = [*long_memory_of(target, settings), *window_frames(target, settings.context_frames)]
        context_labels = torch.stack([labels[frame] for frame in context])  # [1+F, K, h, w]
        labels.append(propagate_frame(features[target], features[context], context_labels, settings))
    return torch.stack(labels)


def long_memory_of(target: int, settings: PropagationSettings) -> list[int]:
    """Return the frames that vote for frame ``target`` from any distance: frame 0, and the named ones.

    A named frame that has not left the window is one more copy of frame 0.
    """
    named = (
        memory_frame(frame) if is_remembered(frame, target, settings.context_frames) else 0
        for frame in settings.memory_frames
    )
    return [0, *named]


def propagate_frame(
    query: Tensor, context_features: Tensor, context_labels: Tensor, settings: PropagationSettings
) -> Tensor:
    """Label one frame from its context: y(q) = Σ_p softmax_p(f_q · f_p / τ) y(p), over the top k cells p.

    The k cells are chosen from all context frames together. At 480p (N = 6420) the affinities against 21
    frames take 3.5 GB.

    Args:
        query: Unit features of the frame, [C, h, w].
        context_features: Those of the long memory (frame 0 and each of ``memory_frames``) and of the windowed
            frames, [L+F, C, h, w].
        context_labels: Their soft labels, [L+F, K, h, w].
        settings: ``top_k``, ``radius``, ``temperature`` and ``memory_frames`` are used.

    Returns:
        [K, h, w].
    """
    _, height, width = query.shape
    near = pairs_within_radius(height, width, settings.radius, query.device)  # [N, N]
    affinity = torch.einsum("fcp,cq->fpq", context_features.flatten(2), query.flatten(1))  # [L+F, N, N]
    # The long memory votes from any distance, a windowed frame from within the radius only.
    affinity[1 + len(settings.memory_frames) :].masked_fill_(~near, float("-inf"))

    rows = context_labels.flatten(2).transpose(1, 2).flatten(0, 1)  # [(L+F)·N, K]
    labels = []
    # The selection copies what it selects from: some queries at a time bound its memory.
    for part in affinity.flatten(0, 1).split(_QUERIES_AT_ONCE, dim=1):  # [(L+F)·N, q]
        best, sources = part.topk(settings.top_k, dim=0)  # [k, q] each
        weights = torch.softmax(best / settings.temperature, dim=0)  # [k, q]
        # embedding_bag is the weighted sum of the rows that `sources` names, without a copy of them.
        labels.append(functional.embedding_bag(sources.T, rows, mode="sum", per_sample_weights=weights.T))
    return torch.cat(labels).T.reshape(-1, height, width)  # [K, h, w]
