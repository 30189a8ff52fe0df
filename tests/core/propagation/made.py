"""Made features for the tests of propagation, and the oracle's labels to compare a matcher's with."""

import torch
from torch import Tensor

from sfc_cli.core.propagation.matching import slot_of, window_frames
from sfc_cli.core.propagation.reference import propagate_frame
from sfc_cli.settings.propagation import PropagationSettings


def exact_features(
    frames: int, channels: int, height: int, width: int, *, seed: int, levels: int = 1 << 20
) -> Tensor:
    """Return features [T, C, h, w] whose dot products float32 holds exactly, in whatever order it sums.

    Few ``levels`` make many exact ties; the default makes next to none.
    """
    # Products of two numbers of b bits, summed over C, must fit in the 24 bits of a float32.
    bits = (24 - channels.bit_length()) // 2
    most = min(levels // 2, (1 << bits) - 1)
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randint(-most, most + 1, (frames, channels, height, width), generator=generator)
    return whole.float() / (1 << max(0, most.bit_length()))


def oracle_labels(features: Tensor, target: int, memory: Tensor, settings: PropagationSettings) -> Tensor:
    """Return the labels [N, K] that the oracle gives a frame when the context has those of a memory.

    Args:
        features: Of all frames, [T, C, h, w].
        target: The frame.
        memory: Any labels, [(1+F)·N, K], in the slots that the matchers' sources refer to.
        settings: How labels travel.
    """
    size = features.shape[2:]
    context = [0, *window_frames(target, settings.context_frames)]
    slots = [slot_of(frame, settings.context_frames) for frame in context]
    labels = memory.unflatten(0, (-1, *size))[slots].permute(0, 3, 1, 2)  # [1+F, K, h, w]
    return propagate_frame(features[target], features[context], labels, settings).flatten(1).T


def mixed(weights: Tensor, sources: Tensor, memory: Tensor) -> Tensor:
    """Return the labels [B, N, K] that a matcher's votes make of a memory [(1+F)·N, K]."""
    return (memory[sources] * weights[..., None]).sum(2)
