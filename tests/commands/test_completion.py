"""What Tab offers, through the script that a shell calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sfc_cli.commands import completion


def _offered(line: str, folder: Path) -> list[str]:
    """Return what bash would be offered behind a line."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['sfc']; from sfc_cli.main import main; main()"],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(completion.__file__).parents[2]),
            "_SFC_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
        check=False,
    )
    return done.stdout.split()


@pytest.fixture
def home(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SFC_DATA", str(work / "sets"))
    (work / "sets" / "mine" / "ImageSets" / "2017").mkdir(parents=True)
    (work / "sets" / "mine" / "ImageSets" / "2017" / "train.txt").touch()
    (work / "sets" / "mine" / "valid" / "JPEGImages").mkdir(parents=True)
    (work / "sfc.yaml").write_text(yaml.safe_dump({"data": {"moves": "elsewhere"}}))
    return work


def test_complete__through_the_shell(home: Path) -> None:
    assert _offered("sfc propagate --fc cr", home) == ["crw"]
    assert set(_offered("sfc propagate --data m", home)) == {"mine", "moves"}
    assert _offered("sfc propagate --data mine --split ", home) == ["train", "valid"]


@pytest.mark.usefixtures("home")
def test_complete_networks__names_and_libraries() -> None:
    offered = completion.complete_networks("")
    assert {"mini", "fine-grained", "mocov1", "dinov2:s", "timm:", "torchvision:"} <= set(offered)
    assert completion.complete_networks("mo") == ["mocov1"]


@pytest.mark.usefixtures("home")
def test_complete_downloads__of_the_catalogue() -> None:
    assert {"fc", "all", "davis", "imagenet"} <= set(completion.complete_downloads(""))


@pytest.mark.usefixtures("home")
def test_complete__benchmarks_and_protocols() -> None:
    assert completion.complete_benchmarks("yo") == ["youtube-vos"]
    assert set(completion.complete_scoring("mose")) == {"mose", "mosev2"}


def test_complete__a_broken_config_offers_nothing(home: Path) -> None:
    (home / "sfc.yaml").write_text("data: 3\n")
    assert completion.complete_data("") == []
    assert completion.complete_downloads("") == []
