"""``sfc propagate`` on files that cannot be used or written: what is told, and what is done all the same."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli import files
from sfc_cli.data.masks import palette, read_ids, write_mask
from tests.commands.running import masks_in, propagate_data, record_in, refused, run_propagation
from tests.core import published

pytestmark = pytest.mark.usefixtures("networks_built_once")
MakeDavis = Callable[..., Path]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _shrink(path: Path) -> None:
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:-8])


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_truncate, "truncated"), (_empty, "empty"), (_shrink, "64×40 pixels")],
    ids=["truncated", "empty", "another-size"],
)
def test_propagate__bad_frame_in_the_middle(
    make_davis: MakeDavis, damage: Callable[[Path], None], said: str
) -> None:
    data = make_davis({"a": 3, "b": 5, "c": 3})
    propagate_data(data, "whole")
    frame = data / "JPEGImages" / "480p" / "b" / "00003.jpg"
    good = frame.read_bytes()
    damage(frame)
    result = run_propagation("--data", data, "--fc", "random18", "-o", "out")
    refused(result, 3, frame, said, "All other sequences are complete")
    assert set(record_in("out")["sequences"]) == {"a", "c"}
    whole, partial = masks_in("whole"), masks_in("out")
    assert {name for name in whole if name[0] != "b"} <= partial.keys()
    assert "b/00003.png" not in partial
    assert all(whole[name] == content for name, content in partial.items())
    # Repaired, the same command finishes the rest.
    frame.write_bytes(good)
    propagate_data(data, "out")
    assert masks_in("out") == whole


def test_propagate__two_bad_sequences_are_counted(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 3, "b": 3, "c": 3})
    for name in "ac":
        _truncate(data / "JPEGImages" / "480p" / name / "00001.jpg")
    result = run_propagation("--data", data, "--fc", "random18", "-o", "out")
    refused(result, 3, "a/00001.jpg", "1 more sequences failed")
    assert set(record_in("out")["sequences"]) == {"b"}


def _rgb(path: Path) -> None:
    Image.fromarray(palette()[read_ids(path)]).save(path)


def _soft(path: Path) -> None:
    Image.fromarray(cv2.GaussianBlur((read_ids(path) > 0).astype(np.uint8) * 255, (0, 0), 2)).save(path)


def _blank(path: Path) -> None:
    write_mask(path, np.zeros_like(read_ids(path)))


def _void(path: Path) -> None:
    write_mask(path, np.full_like(read_ids(path), 255))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(_rgb, "an RGB image with 3 colours", id="rgb"),
        pytest.param(_soft, "soft edges", id="soft-edges"),
        pytest.param(_blank, "No objects in", id="no-object"),
        pytest.param(_void, "No objects in", id="all-void"),
        pytest.param(Path.unlink, "missing", id="missing"),
        pytest.param(_truncate, "cannot be decoded", id="truncated"),
        pytest.param(_empty, "cannot be", id="empty"),
        pytest.param(
            lambda path: write_mask(path, read_ids(path)[:-8]), "64×40 pixels, its frame", id="another-size"
        ),
    ],
)
def test_propagate__bad_first_mask(make_davis: MakeDavis, damage: Callable[[Path], None], said: str) -> None:
    data = make_davis()
    path = data / "Annotations" / "480p" / "second" / "00000.png"
    damage(path)
    refused(run_propagation("--data", data, "--fc", "random18", "-o", "out"), 3, path, said)
    assert not Path("out").exists()
    propagate_data(data, "out", "--sequences", "first")


@pytest.mark.parametrize("damage", [_truncate, _empty])
def test_propagate__bad_first_frame(make_davis: MakeDavis, damage: Callable[[Path], None]) -> None:
    data = make_davis()
    frame = data / "JPEGImages" / "480p" / "second" / "00000.jpg"
    damage(frame)
    refused(run_propagation("--data", data, "--fc", "random18", "-o", "out"), 3, frame)


def test_propagate__one_frame(make_davis: MakeDavis) -> None:
    data = make_davis({"long": 3, "short": 1})
    refused(
        run_propagation("--data", data, "--fc", "random18", "-o", "out"),
        3,
        "short",
        "single frame",
        "--sequences",
    )
    propagate_data(data, "out", "--sequences", "long")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "sfc download fc", id="missing"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"<!DOCTYPE html>", "HTML", id="html"),
        pytest.param(b"not found", "truncated or not a PyTorch checkpoint", id="text"),
    ],
)
def test_propagate__bad_checkpoint(
    make_davis: MakeDavis, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "weights" / "pretrained_fc.pth"
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    result = run_propagation(
        "--data", make_davis(), "--fc", "fine-grained", "--checkpoints", path.parent, "-o", "out"
    )
    refused(result, 3, path, said)
    assert not Path("out").exists()


def test_propagate__checkpoint_truncated_lacking_keys_or_too_deep(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    options = ("--data", make_davis(), "--fc", "crw", "--checkpoints", tmp_path, "-o", "out")
    state = published.constants("resnet18", start=1.0)
    path = published.write(tmp_path, "crw", state)
    path.write_bytes(path.read_bytes()[:-1000])
    refused(run_propagation(*options), 3, path, "truncated")
    del state["layer2.1.bn1.bias"]
    published.write(tmp_path, "crw", state)
    refused(run_propagation(*options), 3, path, "layer2.1.bn1.bias")
    published.write(tmp_path, "crw", published.constants("resnet50", start=1.0))
    refused(run_propagation(*options), 3, path, "resnet50")
    published.write(tmp_path, "crw", published.constants("resnet101", start=1.0))
    refused(run_propagation(*options), 3, path, "has a resnet101")


def test_propagate__disk_becomes_full(make_davis: MakeDavis, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Path, content: bytes) -> int:
        if "00002.png" in self.name and self.parent.name == "first":
            raise OSError(28, "No space left on device", str(self))
        return plain(self, content)

    data = make_davis()
    plain = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(files.Path, "write_bytes", write)
        result = run_propagation("--data", data, "--fc", "random18", "-o", "out")
    refused(result, 3, "out/first/00002.png", "No space left on device")
    assert set(record_in("out")["sequences"]) == {"second"}
    assert Path("out/first/00001.png").is_file()
    assert not Path("out/first/00002.png").exists()
    assert not list(Path("out").rglob("*.part"))
