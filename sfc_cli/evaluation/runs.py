"""Finding the results of a propagation and reading what it wrote about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sfc_cli.errors import InputError

RUN_FILE = "run.json"


def runs_of(data: str, root: Path) -> Path:
    """Return where `sfc propagate` puts the runs on a data set: ``results/<name>``.

    Args:
        data: The data set as the user names it.
        root: The folder that was found for it; the folder's own name stands in where a path was given.
    """
    return Path("results") / (root.resolve().name if Path(data).expanduser() == root else data)


def newest_run(folder: Path) -> Path:
    """Return the folder of the newest run below a folder: the one whose ``run.json`` was written last.

    Raises:
        InputError: If there is none.
    """
    found = [
        path for pattern in (RUN_FILE, f"*/{RUN_FILE}", f"*/*/{RUN_FILE}") for path in folder.glob(pattern)
    ]
    if not found:
        raise InputError(
            f"No run of `sfc propagate` below {folder}.",
            "Run `sfc propagate` first, or name a folder of masks with --results.",
        )
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.as_posix())).parent


def read_run(results: Path) -> dict[str, Any]:
    """Read what a run wrote about itself; empty if there is nothing readable."""
    try:
        content = json.loads((results / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
