"""The site builds, and every link on it leads somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.pages.blocks import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("mkdocs-material and mkdocstrings are not installed (extra docs)")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_site__every_page_is_in_it(site: Path) -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert pages <= {page.stem for page in site.glob("*.html")}


@pytest.mark.slow
def test_site__links_and_pictures_are_there(site: Path) -> None:
    broken = []
    for page in sorted(site.glob("*.html")):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            path, _, anchor = target.partition("#")
            if path.startswith(("http:", "https:", "data:", "mailto:")) or page.stem == "404":
                continue
            found = site / unquote(path) if path else page
            if not found.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and found.suffix == ".html":
                whole = found.read_text(encoding="utf-8")
                if f'id="{unquote(anchor)}"' not in whole and f'id="{anchor}"' not in whole:
                    broken.append(f"{page.name}: {target}")
    assert not broken


@pytest.mark.slow
def test_site__asks_nobody_else_for_anything(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'<(?:script|img)[^>]+src="https?://', text)
    assert not re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="https?://', text)


@pytest.mark.slow
def test_site__python_functions_have_their_docstrings(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in ("propagate", "propagate_stream", "load_network", "evaluate"):
        assert f'id="sfc_cli.library.{name}"' in text
    assert "What <code>propagate</code> takes as its <code>network</code>" in re.sub(r"\s+", " ", text)
