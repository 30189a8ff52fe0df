"""``sfc propagate`` beside its masks: overlays, films, cut-outs, soft labels."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import read_ids
from sfc_cli.data.soft_labels import enlarge_to_mask, read_soft_labels
from tests.commands.footage import read_video
from tests.commands.running import masks_in, propagate_data, refused, run_propagation, stamped_files_in

pytestmark = pytest.mark.usefixtures("networks_built_once")
MakeDavis = Callable[..., Path]


def test_propagate__overlay(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 3})
    propagate_data(data, "out", "--overlay", "frames")
    for t in range(3):
        picture = cv2.imread(f"out/overlay/only/{t:05d}.jpg")
        frame = cv2.imread(str(data / "JPEGImages" / "480p" / "only" / f"{t:05d}.jpg"))
        assert picture.shape == frame.shape
        mask = read_ids(Path(f"out/only/{t:05d}.png"))
        changed = np.abs(picture.astype(int) - frame).max(-1)
        assert changed[mask != 0].mean() > 3 * changed[mask == 0].mean()


def test_propagate__overlay_of_complete_results(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    before = masks_in("out")
    result = propagate_data(data, "out", "--overlay", "frames")
    assert "2 sequences are complete already" in result.stderr
    assert len(list(Path("out/overlay").rglob("*.jpg"))) == 7
    assert masks_in("out") == before


@pytest.mark.parametrize("bare", [("--overlay", "--cutout"), ("--cutout", "--overlay")])
def test_propagate__bare_overlay_is_a_film(make_davis: MakeDavis, bare: tuple[str, ...]) -> None:
    propagate_data(make_davis(), "out", *bare)
    assert sorted(path.name for path in Path("out/overlay").iterdir()) == ["first.mp4", "second.mp4"]
    assert len(read_video(Path("out/overlay/first.mp4"))) == 4
    assert len(list(Path("out/cutout").rglob("*.png"))) == 7


def test_propagate__films_and_cut_outs_of_complete_results(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    before = stamped_files_in("out")
    result = propagate_data(data, "out", "--overlay=gif", "--cutout")
    assert "2 sequences are complete already" in result.stderr
    after = stamped_files_in("out")
    kept = before.keys() - {"run.json"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    Path("out/cutout/first/00002.png").unlink()
    propagate_data(data, "out", "--overlay", "gif", "--cutout")
    assert stamped_files_in("out").keys() == after.keys()
    with Image.open("out/overlay/second.gif") as image:
        assert image.n_frames == 3


def test_propagate__soft_labels_need_the_propagation_again(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out", "--overlay")
    before = stamped_files_in("out")
    assert "complete already" not in propagate_data(data, "out", "--soft").stderr
    after = stamped_files_in("out")
    # The masks come out as they were, so what was made from them stays.
    assert {name: after[name][0] for name in before if name != "run.json"} == {
        name: content for name, (content, _) in before.items() if name != "run.json"
    }
    assert "2 sequences are complete already" in propagate_data(data, "out", "--soft", "--overlay").stderr
    assert stamped_files_in("out").keys() == after.keys()
    for path in sorted(Path("out/soft").rglob("*.npz")):
        labels, objects, (height, width) = read_soft_labels(path)
        mask = enlarge_to_mask(labels, objects, height, width)
        stored = read_ids(Path("out") / path.relative_to("out/soft").with_suffix(".png"))
        # The first mask was painted, not enlarged.
        assert (mask == stored).mean() > (0.9 if path.stem == "00000" else 0.995)
    assert len(list(Path("out/soft").rglob("*.npz"))) == 7


def test_propagate__extras_of_masks_that_change_are_not_left(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 3})
    propagate_data(data, "out", "--overlay", "--cutout")
    Path("out/only/00001.png").unlink()
    propagate_data(data, "out")
    assert not [name for name in stamped_files_in("out") if "overlay" in str(name) or "cutout" in str(name)]


def test_propagate__gif_of_a_long_sequence_is_refused_before_anything_is_done(make_davis: MakeDavis) -> None:
    data = make_davis({"long": 301}, size=(16, 24))
    options = ("--data", data, "--fc", "random18", "-o", "out", "--overlay", "gif")
    refused(
        run_propagation(*options),
        2,
        "GIF of long would have 301 frames",
        "300 are the most",
        "--overlay video",
    )
    assert not Path("out").exists()
