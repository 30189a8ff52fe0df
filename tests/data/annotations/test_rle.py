import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfc_cli.data.annotations.rle import decode_segmentation, encode_rle

coco = pytest.importorskip("pycocotools.mask")

masks = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(np.bool_, shape))


@given(masks)
def test_decode_segmentation__reads_what_pycocotools_writes(mask: np.ndarray) -> None:
    height, width = mask.shape
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    text = {"size": [height, width], "counts": encoded["counts"].decode()}
    np.testing.assert_array_equal(decode_segmentation(text, height, width), mask)


@given(masks)
def test_encode_rle__is_read_by_pycocotools(mask: np.ndarray) -> None:
    counts, box = encode_rle(mask)
    decoded = coco.decode({"size": list(mask.shape), "counts": counts.encode()})
    np.testing.assert_array_equal(decoded, mask)
    if mask.any():
        ys, xs = np.nonzero(mask)
        assert box == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]


def test_decode_segmentation__long_runs() -> None:
    # Runs beyond five, ten and fifteen bits, and differences of both signs.
    mask = np.zeros((1000, 1200), np.bool_)
    mask[3:5, 7], mask[:, 100:900], mask[40, 1000:1003] = True, True, True
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    np.testing.assert_array_equal(
        decode_segmentation({"counts": encoded["counts"].decode()}, *mask.shape), mask
    )


def test_decode_segmentation__plain_counts() -> None:
    found = decode_segmentation({"size": [2, 3], "counts": [1, 2, 3]}, 2, 3)
    # Down the columns: 0 1 | 1 0 | 0 0.
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("nested", [True, False])
def test_decode_segmentation__polygons(nested: bool) -> None:
    square = [2, 1, 6, 1, 6, 5, 2.0, 5]
    expected = np.zeros((8, 9), np.bool_)
    expected[1:5, 2:6] = True
    np.testing.assert_array_equal(decode_segmentation([square] if nested else square, 8, 9), expected)
    other = [7, 6, 9, 6, 9, 8, 7, 8]
    expected[6:8, 7:9] = True
    np.testing.assert_array_equal(decode_segmentation([square, other], 8, 9), expected)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [4, 4], "counts": ""},
        # Too short: pycocotools itself returns whatever lay in memory.
        {"size": [4, 4], "counts": "12"},
        {"size": [4, 4], "counts": "zzzz"},
        {"size": [4, 4], "counts": "`" * 30},
        {"size": [4, 4], "counts": "P" * 20},
        {"size": [4, 4], "counts": "é"},
        {"size": [4, 4], "counts": [3, 20]},
        {"size": [4, 4], "counts": [3, 4]},
        {"size": [4, 4], "counts": [-1, 17]},
        {"size": [4, 4], "counts": [1.5, 14.5]},
        {"size": [4, 4], "counts": None},
        {"size": [4, 5], "counts": [16]},
        {"size": [4, 4]},
        "text",
        [[1, 1, 2, 2]],
        [[1, 1, 3, 1, 3]],
        [["a"] * 6],
        [[float("nan")] * 6],
        [[1e9, 0, 1, 1, 0, 1]],
        [[1, 1, 2, 2, 3, 3], 4],
        [True] * 6,
    ],
)
def test_decode_segmentation__damaged(segmentation: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode_segmentation(segmentation, 4, 4)
