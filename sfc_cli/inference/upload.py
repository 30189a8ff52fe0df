"""Frames on their way to the device that the networks run on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sfc_cli.data.frames import Frame


class FrameUpload:
    """Brings batches of frames to a device, as bytes: a card normalises them itself.

    To a card they go through pinned memory, in a stream of their own: the copy runs while the networks still
    work on the batch before, and nobody waits for it but the networks. On a CPU they stay where they are.

    Args:
        device: Where the networks run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        # While one is copied from, the next batch is gathered in the other.
        self._buffers: list[_Buffer | None] = [None, None]

    def __call__(self, frames: list[Frame]) -> Tensor:
        """Return frames of one size as a batch on the device, uint8 [B, H, W, 3]; not waited for there."""
        if self._stream is None:
            return torch.from_numpy(np.stack(frames))
        buffer = self._next_buffer(len(frames) * frames[0].size)
        shape = (len(frames), *frames[0].shape)
        gathered = buffer.memory[: len(frames) * frames[0].size].view(shape)
        np.stack(frames, out=gathered.numpy())
        with torch.cuda.stream(self._stream):
            batch = torch.empty(shape, dtype=torch.uint8, device=self._device)
            batch.copy_(gathered, non_blocking=True)
            buffer.is_copied.record()
        current = torch.cuda.current_stream(self._device)
        current.wait_event(buffer.is_copied)
        # The batch belongs to the stream of its copy: its memory must not be used again too early.
        batch.record_stream(current)
        return batch

    def _next_buffer(self, size: int) -> _Buffer:
        """Return pinned memory of at least so many bytes that nothing is copied from any more."""
        self._buffers.reverse()
        buffer = self._buffers[0]
        if buffer is not None:
            buffer.is_copied.synchronize()
        if buffer is None or len(buffer.memory) < size:
            buffer = self._buffers[0] = _Buffer(size)
        return buffer


class _Buffer:
    """Pinned memory, and when the last copy from it is done.

    Args:
        size: In bytes.
    """

    def __init__(self, size: int) -> None:
        self.memory = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        self.is_copied = torch.cuda.Event()
