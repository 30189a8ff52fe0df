"""Results as `sfc propagate` writes them, for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import Ids, read_ids, write_mask


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def make_results(make_davis: Callable[..., Path]) -> Callable[..., tuple[Path, Path]]:
    """Make a data set, and results that are its annotations with everything that may lie beside them."""

    def make(*arguments: object, **settings: object) -> tuple[Path, Path]:
        data, results = make_davis(*arguments, **settings), Path("results")
        for path in (data / "Annotations" / "480p").rglob("*.png"):
            ids = read_ids(path)
            write_mask(results / path.parent.name / path.name, ids)
            colours = Image.fromarray(np.dstack([ids, ids, ids, ids]))
            for beside, suffix in (("overlay", "jpg"), ("cutout", "png")):
                picture = results / beside / path.parent.name / path.with_suffix(f".{suffix}").name
                picture.parent.mkdir(parents=True, exist_ok=True)
                colours.convert("RGB" if suffix == "jpg" else "RGBA").save(picture)
        (results / "run.json").write_text("{}")
        (results / "objects.csv").write_text("sequence,frame\n")
        (results / ".hidden").mkdir()
        (results / ".hidden" / "00000.png").write_bytes(b"")
        return data, results

    return make


def masks_below(folder: Path) -> dict[str, Ids]:
    """Return the masks below a folder by ``<sequence>/<frame>``."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): read_ids(path)
        for path in sorted(folder.rglob("*.png"))
    }


def truth_of(data: Path) -> dict[str, Ids]:
    """Return a data set's annotations by ``<sequence>/<frame>``."""
    return masks_below(data / "Annotations" / "480p")


def require_same(found: dict[str, Ids], expected: dict[str, Ids]) -> None:
    """Require the same names and the same ids."""
    assert set(found) == set(expected)
    for name, ids in expected.items():
        np.testing.assert_array_equal(found[name], ids, err_msg=name)
