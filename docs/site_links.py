"""Lets pages link to files of the repository beside them, such as ../CONTRIBUTING.md, on the site too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_BESIDE = re.compile(r"\]\(\.\./([^)#\s]+)")


def _repository() -> str:
    # Without tomllib, which Python 3.10 lacks.
    found = re.search(
        r'^repository = "(.+)"$', (_ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise LookupError("pyproject.toml has no `repository`")
    return found[1]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links that leave the folder of pages into addresses of the repository.

    Raises:
        FileNotFoundError: If there is no such file.
    """

    def absolute(link: re.Match[str]) -> str:
        if not (_ROOT / link[1]).exists():
            raise FileNotFoundError(link[1])
        return f"]({_repository()}/blob/main/{link[1]}"

    return _BESIDE.sub(absolute, markdown)
