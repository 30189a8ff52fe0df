"""What names that lead out are tried on, and where files cannot have them."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.surroundings import LAYOUTS, LEADING_OUT, PROPAGATED, mask, refuse

RUN = ("--fc", "random18", "-o", "out", "--overwrite")
needs_odd_files = pytest.mark.skipif(sys.platform == "win32", reason="files cannot have such names there")
every_name = pytest.mark.parametrize("name", LEADING_OUT, indirect=True)


def drive(root: Path, layout: str, *options: str) -> None:
    """Propagate and evaluate the data set `data`, neither of which may do anything."""
    chosen = LAYOUTS[layout]
    options = (*chosen.options, *options)
    if layout in PROPAGATED:
        refuse(root, "propagate", "--data", "data", *RUN, *options)
    refuse(root, "evaluate", chosen.benchmark, "--data", "data", "--results", "out", *options)


def write_zip(path: Path, *members: str) -> Path:
    path.unlink(missing_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo()
            # Set later, because ZipInfo would cut the name at a NUL.
            info.filename = member
            archive.writestr(info, mask())
    return path
