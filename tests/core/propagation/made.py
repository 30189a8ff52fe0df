"""Made features for the tests of propagation."""

import torch
from torch import Tensor


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
