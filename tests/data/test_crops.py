from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sfc_cli.data.crops import CropBox, draw_crop, normalise


@given(size=st.tuples(st.integers(2, 3000), st.integers(2, 3000)), seed=st.integers(0, 10_000))
@settings(max_examples=300, deadline=None)
def test_draw_crop__lies_in_the_image(size: tuple[int, int], seed: int) -> None:
    crop = draw_crop(size, np.random.default_rng(seed))
    assert crop.width >= 1
    assert crop.height >= 1
    assert 0 <= crop.left <= size[0] - crop.width
    assert 0 <= crop.top <= size[1] - crop.height
    left, top, right, bottom = crop.in_image(size)
    assert 0 <= left <= right <= 1
    assert 0 <= top <= bottom <= 1


def test_draw_crop__has_uniform_area_and_log_uniform_aspect() -> None:
    rng = np.random.default_rng(0)
    crops = [draw_crop((1000, 1000), rng, (0.0, 0.5)) for _ in range(3000)]
    shares = np.array([crop.width * crop.height / 1e6 for crop in crops])
    aspects = np.log([crop.width / crop.height for crop in crops if crop.height > 100])
    # Quartiles of uniform distributions on 0…0.5 and on ±log(4/3).
    np.testing.assert_allclose(np.quantile(shares, [0.25, 0.5, 0.75]), [0.125, 0.25, 0.375], atol=0.02)
    np.testing.assert_allclose(
        np.quantile(aspects, [0.25, 0.5, 0.75]), np.log(4 / 3) * np.array([-0.5, 0, 0.5]), atol=0.02
    )


def test_draw_crop__reaches_every_border() -> None:
    rng = np.random.default_rng(1)
    crops = [draw_crop((12, 10), rng) for _ in range(2000)]
    assert {crop.left for crop in crops} >= {0, 11}
    assert {crop.top for crop in crops} >= {0, 9}
    assert any(crop.left + crop.width == 12 for crop in crops)
    assert any(crop.top + crop.height == 10 for crop in crops)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 30), CropBox(left=480, top=0, width=40, height=30)),
        ((30, 1000), CropBox(left=0, top=480, width=30, height=40)),
    ],
)
def test_draw_crop__falls_back_to_the_largest_centre_crop(size: tuple[int, int], expected: CropBox) -> None:
    # An area share near 1 with a bounded aspect fits no such narrow image.
    assert draw_crop(size, np.random.default_rng(0), (0.99, 1.0)) == expected


def test_draw_crop__is_drawn_again_from_the_same_seed() -> None:
    first, second = (draw_crop((640, 480), np.random.default_rng((7, 1, 2, 3))) for _ in range(2))
    assert first == second


def test_in_image__puts_the_last_pixel_at_one() -> None:
    assert CropBox(left=0, top=0, width=5, height=3).in_image((5, 3)) == (0, 0, 1, 1)
    assert CropBox(left=1, top=1, width=1, height=1).in_image((5, 3)) == (0.25, 0.5, 0.25, 0.5)


def test_normalise__uses_the_published_statistics() -> None:
    views = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    expected = [
        (-0.4914 / 0.2023, -0.4822 / 0.1994, -0.4465 / 0.2010),
        (0.5086 / 0.2023, 0.5178 / 0.1994, 0.5535 / 0.2010),
    ]
    torch.testing.assert_close(normalise(views)[:, :, 0, 0], torch.tensor(expected))
