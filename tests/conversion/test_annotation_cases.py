"""Annotations as their tools wrote them: ``../shared/cases/conversion``, where it is present."""

from pathlib import Path

import numpy as np
import pytest

from sfc_cli.conversion import convert_masks
from sfc_cli.data.masks import open_image, read_ids
from sfc_cli.errors import InputError
from tests.conftest import SHARED

CASES = SHARED / "cases" / "conversion"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")


def _truth() -> list[np.ndarray]:
    frames = sorted((CASES / "perobj" / "car" / "001").glob("*.png"))
    masks = []
    for frame in frames:
        second = CASES / "perobj" / "car" / "002" / frame.name
        masks.append(
            np.where(np.asarray(open_image(second)) > 0, 2, np.asarray(open_image(frame)) > 0).astype(
                np.uint8
            )
        )
    return masks


@pytest.mark.parametrize(
    "name", ["coco_poly.json", "cvat_mixed.json", "ytvis.json", "labelme", "yolo", "perobj"]
)
def test_convert_masks__every_tool(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pycocotools")
    truth = _truth()
    convert_masks(CASES / name, tmp_path / "out", size=(240, 426))
    found = sorted((tmp_path / "out").rglob("*.png"))
    assert len(found) == len(truth)
    for path, expected in zip(found, truth, strict=True):
        assert (read_ids(path) != expected).mean() < 0.01, path


def test_convert_masks__via_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No images in"):
        convert_masks(CASES / "via.json", tmp_path / "out")
