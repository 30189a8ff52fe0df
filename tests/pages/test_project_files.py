"""What strangers meet besides the program: metadata, workflows, the Dockerfile, the recipe, and the links."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import sfc_cli
from hatch_build import with_absolute_links
from tests.pages.blocks import PAGES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
_LINK = re.compile(r"\]\((?!https?://|#)([^)\s#]+)")


def _repository() -> str:
    found = re.search(r'^repository = "(.+)"$', PYPROJECT, re.MULTILINE)
    assert found
    return found[1]


def _dependencies() -> dict[str, str]:
    listed = PYPROJECT.split("\ndependencies = [")[1].split("]")[0]
    return dict(re.findall(r'"([\w-]+)(>=[\d.]+)"', listed))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links__lead_to_files_that_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in _LINK.findall(text):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme__on_the_package_index_has_no_relative_link() -> None:
    shown = with_absolute_links(README, "https://example.org/x")
    outside = re.sub(r"```.*?```|`[^`]*`", "", shown, flags=re.DOTALL)
    assert not _LINK.findall(outside)
    assert "](https://example.org/x/raw/main/docs/footage.jpg)" in shown
    assert "](https://example.org/x/blob/main/docs/index.md)" in shown
    assert shown.count("](") == README.count("](")


def test_repository__is_written_in_one_place() -> None:
    listed = subprocess.run(
        ["git", "grep", "-l", "-F", _repository()], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert listed in ([], ["pyproject.toml"])
    assert "repository" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_version__is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    released = re.findall(
        r"^## \[([\d.]+)\] ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert citation["version"] == recipe["context"]["version"] == sfc_cli.__version__ == released[0]


def _schema_check(*arguments: str) -> None:
    # Its schemas come with it: nothing is fetched.
    pytest.importorskip("check_jsonschema")
    script = str(Path(sys.executable).with_name("check-jsonschema"))
    done = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["tests.yml", "docs.yml"])
def test_workflows__match_the_schema(name: str) -> None:
    _schema_check("--builtin-schema", "vendor.github-workflows", str(ROOT / ".github" / "workflows" / name))


def test_workflow__of_the_tests_has_three_systems() -> None:
    content = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    systems = content["jobs"]["tests"]["strategy"]["matrix"]["os"]
    assert {system.split("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}


def test_recipe__has_the_package_s_dependencies() -> None:
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    wanted = dict(line.split(" ") for line in recipe["requirements"]["run"])
    names = {"torch": "pytorch", "opencv-python": "py-opencv", "zlib-ng": "python-zlib-ng"}
    for name, bound in _dependencies().items():
        assert wanted.pop(names.get(name, name)) == bound, name
    assert wanted == {"python": ">=3.10"}


def test_dockerfile__is_linted() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dockerfile__copies_only_what_the_context_has() -> None:
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"
    }
    names = {name for line in copied for name in line.split()}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker")
def test_dockerfile__builds() -> None:
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine runs")
    subprocess.run(["docker", "build", "-t", "sfc-test", str(ROOT)], check=True)
    subprocess.run(["docker", "run", "--rm", "sfc-test", "--version"], check=True)
