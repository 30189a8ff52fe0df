"""Frames on their way to a card while it is busy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sfc_cli.inference.upload import FrameUpload

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def test_frame_upload__right_frames_while_the_card_is_busy() -> None:
    random = np.random.default_rng(0)
    upload = FrameUpload(torch.device("cuda"))
    work = torch.randn(4096, 4096, device="cuda")
    given, arrived = [], []
    for length in (1, 8, 8, 8, 3, 8):
        frames = list(random.integers(0, 256, (length, 480, 854, 3), np.uint8))
        for _ in range(8):
            work = work @ work
        given.append(np.stack(frames))
        arrived.append(upload(frames).clone())
    for expected, found in zip(given, arrived, strict=True):
        np.testing.assert_array_equal(found.cpu().numpy(), expected)
