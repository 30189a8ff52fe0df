"""Masks as everyday programs save them: ``../shared/cases/masks``, where it is present."""

import cv2
import numpy as np
import pytest

from sfc_cli.data.masks import read_ids
from sfc_cli.data.painted_masks import read_painted_masks
from tests.conftest import SHARED

CASES = SHARED / "cases"
MASKS = CASES / "masks"
pytestmark = pytest.mark.skipif(not MASKS.is_dir(), reason="../shared/cases is not here")

# These show one object.
ONE_OBJECT = ("binary", "outline", "rgba_erased")
NAMES = sorted(path.name for path in MASKS.glob("*")) if MASKS.is_dir() else []


@pytest.mark.parametrize("name", NAMES)
def test_read_painted_masks__everyday_files(name: str) -> None:
    truth = read_ids(MASKS / "truth.png")
    frame = cv2.imread(str(min((CASES / "videos" / "base-frames").iterdir())))[..., ::-1]
    (mask,) = read_painted_masks([MASKS / name], size=truth.shape, frames=[lambda: frame])
    if name.startswith(ONE_OBJECT):
        truth = (truth > 0).astype(np.uint8)
    assert len(mask.legend) == truth.max()
    assert set(np.unique(mask.ids)) == {0, *mask.legend}
    # Up to the numbering.
    named = np.zeros_like(truth)
    for identity in mask.legend:
        named[mask.ids == identity] = np.bincount(truth[mask.ids == identity]).argmax()
    assert len(np.unique(named)) == 1 + truth.max()
    assert (named != truth).mean() < 0.01
