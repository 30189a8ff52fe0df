import numpy as np
import pytest

from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import SoftLabels, shrink_mask
from sfc_cli.inference.anchors import MaskAnchors

HEIGHT, WIDTH = 16, 24


def _mask(**boxes: tuple[int, int, int, int]) -> Ids:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for name, (top, bottom, left, right) in boxes.items():
        mask[top:bottom, left:right] = int(name[1:])
    return mask


FIRST = _mask(o4=(0, 8, 0, 8), o90=(8, 16, 16, 24))
LATER = _mask(o7=(0, 8, 4, 12))


def _labels(masks: MaskAnchors, mask: Ids) -> SoftLabels:
    return shrink_mask(mask, masks.objects, HEIGHT // 8, WIDTH // 8)


def test_objects__of_all_masks_in_rising_order() -> None:
    masks = MaskAnchors({5: LATER, 0: FIRST})
    assert masks.objects.tolist() == [4, 7, 90]
    assert masks.label_count == 4
    anchors = masks.starts()
    assert {index: anchor.planes for index, anchor in anchors.items()} == {0: (1, 3), 5: (2,)}
    assert anchors[5].labels(2, 3).shape == (2, 2, 3)


def test_resolve__a_mask_of_all_objects_stands_as_it_is() -> None:
    first = FIRST.copy()
    first[15, 0] = 255
    masks = MaskAnchors({0: first})
    found = masks.resolve(0, lambda: _labels(masks, first))
    np.testing.assert_array_equal(found.mask, first)
    assert (found.confidence == 1).all()


def test_resolve__a_later_object_covers_what_was_there_and_the_rest_stays() -> None:
    masks = MaskAnchors({0: FIRST, 5: LATER})
    arrived = _labels(masks, FIRST)
    arrived[2] = 0.2  # whatever is said of the painted object elsewhere does not count
    found = masks.resolve(5, lambda: arrived)
    np.testing.assert_array_equal(found.mask == 7, LATER == 7)
    assert (found.mask[12:, 18:] == 90).all(), "the other objects are still there"
    assert (found.mask[:4, :3] == 4).all()
    assert (found.confidence[LATER == 7] == 1).all()


def test_resolve__void_stays_void_on_a_mask_of_some_objects() -> None:
    later = LATER.copy()
    later[0, 23] = later[15, 23] = 255
    masks = MaskAnchors({0: FIRST, 5: later})
    found = masks.resolve(5, lambda: _labels(masks, FIRST)).mask
    assert found[0, 23] == 255
    assert found[15, 23] == 90, "it says nothing of an object that the mask does not show"


def test_shares__fall_from_the_earlier_mask_to_the_later() -> None:
    both = _mask(o4=(0, 8, 0, 8), o7=(0, 8, 12, 20))
    masks = MaskAnchors({2: FIRST, 6: both})
    # Objects 4, 7, 90: the first on both masks, the second only later, the third only earlier.
    assert masks.shares(3).tolist() == pytest.approx([0.75, 0, 1])
    assert masks.shares(5).tolist() == pytest.approx([0.25, 0, 1])
    assert masks.shares(0).tolist() == pytest.approx([0, 0, 0])
    assert masks.shares(9).tolist() == pytest.approx([1, 1, 1])
    assert masks.shares(6).tolist() == pytest.approx([1, 1, 1])


def test_reversed__the_same_frames_backwards() -> None:
    masks = MaskAnchors({0: FIRST, 5: LATER}).reversed(8)
    assert sorted(masks.starts()) == [2, 7]
    assert masks.starts()[7].planes == (1, 3)
