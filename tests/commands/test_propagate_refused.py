"""``sfc propagate`` refuses places and options that cannot be meant, before anything is done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.errors import InputError
from tests.commands.running import refused, run_propagation, stamped_files_in

pytestmark = pytest.mark.usefixtures("networks_built_once")
MakeDavis = Callable[..., Path]
SETTINGS = ("top_k", "radius", "temperature", "context_frames", "fusion_weight")


def test_propagate__missing_places(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    options = ("--fc", "random18", "-o", "out")
    refused(run_propagation("--data", tmp_path / "none", *options), 3, tmp_path / "none")
    refused(run_propagation("--data", data, "--split", "test", *options), 3, "test.txt", "val")
    refused(
        run_propagation("--data", data, "--sequences", "first,third", *options), 3, "third", "first, second"
    )
    refused(run_propagation("--data", data, "--sequences", ",", *options), 3, "--sequences")
    shutil.rmtree(data / "JPEGImages" / "480p" / "second")
    refused(run_propagation("--data", data, *options), 3, data / "JPEGImages" / "480p" / "second")
    shutil.rmtree(data / "Annotations" / "480p" / "second")
    shutil.rmtree(data / "ImageSets")
    refused(run_propagation("--data", data, *options), 3, data / "ImageSets" / "2017" / "val.txt")
    assert not Path("out").exists()


def test_propagate__unknown_name_lists_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFC_DATA", str(tmp_path / "sets"))
    error = refused(run_propagation("--fc", "random18"), 3, "sfc download davis")
    for place in (
        tmp_path / "work" / "sfc.yaml",
        tmp_path / "config" / "sfc" / "sfc.yaml",
        tmp_path / "sets" / "davis",
        "data/davis",
    ):
        assert str(place) in error


def test_propagate__output_that_cannot_be_written(make_davis: MakeDavis) -> None:
    data = make_davis()
    Path("taken").write_text("a file")
    refused(run_propagation("--data", data, "--fc", "random18", "-o", "taken"), 3, "taken")
    refused(run_propagation("--data", data, "--fc", "random18", "-o", "taken/below"), 3, "taken/below")
    assert Path("taken").read_text() == "a file"


def test_propagate__output_inside_the_data(make_davis: MakeDavis) -> None:
    data = make_davis()
    before = stamped_files_in(data)
    for output in (data, data / "results", data / "Annotations" / "480p"):
        refused(
            run_propagation("--data", data, "--fc", "random18", "-o", output, "--overwrite"),
            2,
            "where the frames are",
        )
    Path("link").symlink_to(data)
    refused(
        run_propagation("--data", data, "--fc", "random18", "-o", "link/results"), 2, "where the frames are"
    )
    assert stamped_files_in(data) == before


# A window of no frames is one.
@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in SETTINGS for value in ("0", "-1") if (name, value) != ("context_frames", "0")],
)
def test_propagate__settings_that_are_not_positive(make_davis: MakeDavis, name: str, value: str) -> None:
    option = "--" + name.replace("_", "-")
    refused(
        run_propagation("--data", make_davis(), "--fc", "random18", "-o", "out", option, value),
        2,
        option,
        value,
    )
    assert not Path("out").exists()


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("name", ["radius", "temperature", "fusion_weight"])
def test_propagate__settings_that_are_not_finite(make_davis: MakeDavis, name: str, value: str) -> None:
    option = "--" + name.replace("_", "-")
    refused(
        run_propagation("--data", make_davis(), "--fc", "random18", "-o", "out", option, value),
        2,
        option,
        value,
    )


def test_propagate__top_k_beyond_reach_is_told_before_anything(make_davis: MakeDavis) -> None:
    result = run_propagation("--data", make_davis(), "--fc", "random18", "-o", "out", "--top-k", "100000")
    refused(result, 2, "--top-k is 100000", "6×8 feature grid")
    assert not Path("out").exists()


def test_propagate__unknown_network(make_davis: MakeDavis) -> None:
    data = make_davis()
    refused(run_propagation("--data", data, "--fc", "finegrained"), 2, "finegrained", "fine-grained")
    refused(run_propagation("--data", data, "--semantic", "weights/none.pth"), 3, "weights/none.pth")


@pytest.mark.parametrize("option", [("--top-k", "many"), ("--backend", "quick"), ("--batchnorm", "no")])
def test_propagate__options_that_cannot_be_read(option: tuple[str, str]) -> None:
    result = run_propagation("--fc", "random18", *option)
    assert result.exit_code == 2
    assert f"Invalid value for '{option[0]}'" in result.stderr


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cuda:-1", ""])
def test_propagate__unknown_device(device: str) -> None:
    # Told before any data is looked for.
    result = run_propagation("--fc", "random18", "--device", device)
    refused(result, 2, f"--device {device!r} is unknown", "cuda:N or mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_propagate__cuda_without_a_card(make_davis: MakeDavis) -> None:
    refused(
        run_propagation("--data", make_davis(), "--fc", "random18", "-o", "out", "--device", "cuda"),
        2,
        "--device is cuda",
    )


def test_propagate__debug_shows_the_error_itself(make_davis: MakeDavis) -> None:
    result = run_propagation("--data", make_davis(), "--fc", "crw", "-o", "out", "--debug")
    assert isinstance(result.exception, InputError)
