"""``sfc propagate CLIP``: films and what is said of them, from the first line to the last."""

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest

from sfc_cli.data.videos import open_video
from tests.commands.footage import FRAMES, make_frames, write_images, write_mask_of
from tests.commands.running import refused, run_propagation


@pytest.fixture
def clip() -> str:
    write_images(Path("walk"), make_frames())
    write_mask_of(Path("first.png"), 0)
    return "walk"


def test_propagate__films_are_listed_and_made_later(clip: str) -> None:
    command = [clip, "--mask", "first.png", "--fps", "12", "-o", "out"]
    result = run_propagation(*command, "--overlay", "mp4", "--cutout", "webm")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[0] == "Opening walk …"
    assert result.stdout.splitlines() == [
        "Masks: out/walk",
        "Overlay: out/overlay/walk.mp4",
        "Cut-outs: out/cutout/walk.webm",
        "Table of objects: out/objects.csv",
    ]
    times = [stamp.seconds for stamp in open_video(["out/overlay/walk.mp4"]).stamps()]
    assert times == pytest.approx([number / 12 for number in range(FRAMES)], abs=1e-3)
    with av.open("out/cutout/walk.webm") as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"
    # Complete masks get what they lack, and nothing else is said for scripts.
    later = run_propagation(*command, "--overlay", "webm", "--cutout", "prores", "--quiet")
    assert (later.exit_code, later.stdout, later.stderr) == (0, "", "")
    assert len(open_video(["out/overlay/walk.webm"]).stamps()) == FRAMES
    with av.open("out/cutout/walk.mov") as container:
        assert container.streams.video[0].codec_context.pix_fmt.startswith("yuva444p")
    last = json.loads(run_propagation(*command, "--cutout", "--json").stdout.splitlines()[-1])
    assert (last["masks"], last["cutout"]) == ("out/walk", "out/cutout/walk")
    # New masks: all of it goes.
    write_mask_of(Path("first.png"), 0, 1)
    assert run_propagation(*command, "--overwrite").exit_code == 0
    assert [path.name for path in Path("out").rglob("walk.*")] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "sfc convert walk first.png --to frame"),
        (("--mask", "C:\\masks\\a.png"), 2, "as Windows writes them"),
        (("--mask", "https://example.org/a.png"), 2, "is an address"),
        (("--mask", "3:https://example.org/a.png"), 2, "is an address"),
        (("--mask", "masks/*.png"), 2, "is a pattern"),
        (("--mask", "first.png", "--overlay", "--audio"), 2, "no sound. Leave out --audio"),
        (("--mask", "first.png", "--audio"), 2, "--audio needs a film"),
    ],
)
def test_propagate__says_what_to_do(clip: str, arguments: tuple[str, ...], code: int, said: str) -> None:
    refused(run_propagation(clip, *arguments), code, said)


def test_propagate__an_address_is_no_video() -> None:
    refused(run_propagation("https://example.org/clip.mp4", "--mask", "first.png"), 3, "is an address")


def test_propagate__first_line_before_anything_is_loaded() -> None:
    program = """
import sys, typer
def echo(text, err=False):
    print(text, [name for name in ("torch", "cv2", "numpy", "av", "PIL") if name in sys.modules])
    raise SystemExit
typer.echo = echo
from sfc_cli.main import app
app(["propagate", "walk", "--mask", "first.png"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "Opening walk … []\n"
