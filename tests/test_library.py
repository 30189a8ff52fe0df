"""``import sfc_cli`` as a library: what it promises in shapes and errors, and the README's own lines."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sfc_cli
from sfc_cli.errors import InputError, UsageError
from tests.commands.footage import FRAMES, HEIGHT, WIDTH, make_frames, mask_of

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture(scope="module")
def network() -> object:
    return sfc_cli.load_network("random18", device="cpu", protocol="published")


def test_propagate__masks_of_all_frames_follow_the_objects(network: object) -> None:
    frames = np.stack(make_frames())
    masks = sfc_cli.propagate(frames, mask_of(0), network=network)
    assert masks.dtype == np.uint8
    assert masks.shape == (FRAMES, HEIGHT, WIDTH)
    np.testing.assert_array_equal(masks[0], mask_of(0))
    scores = sfc_cli.evaluate(np.stack([mask_of(t) for t in range(FRAMES)]), masks)
    assert scores["global"]["J-Mean"] > 0.5
    assert list(scores["per_object"]) == ["1", "2"]


def test_propagate__what_the_command_writes(
    network: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from sfc_cli.data.masks import read_ids
    from sfc_cli.main import app
    from tests.commands.footage import write_images, write_mask_of

    monkeypatch.chdir(tmp_path)
    shots, first = write_images(Path("shots"), make_frames()), write_mask_of(Path("first.png"), 0)
    arguments = [
        "propagate",
        str(shots),
        "--mask",
        str(first),
        "--fc",
        "random18",
        "-o",
        "out",
        "--device",
        "cpu",
        "--protocol",
        "published",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    masks = sfc_cli.propagate(make_frames(), mask_of(0), network=network)
    for mask, path in zip(masks, sorted(Path("out/shots").glob("*.png")), strict=True):
        np.testing.assert_array_equal(mask, read_ids(path))


def test_propagate__masks_on_several_frames(network: object) -> None:
    masks = sfc_cli.propagate(make_frames(), {2: mask_of(2, 1), 5: mask_of(5, 2)}, network=network)
    assert not masks[:2].any(), "background before the first mask"
    assert set(np.unique(masks[3])) == {0, 1}
    assert set(np.unique(masks[5])) == {0, 1, 2}


def test_propagate_stream__one_frame_at_a_time(network: object) -> None:
    taken = 0

    def frames() -> object:
        nonlocal taken
        for frame in make_frames():
            taken += 1
            yield frame

    for number, mask in enumerate(sfc_cli.propagate_stream(frames(), mask_of(0), network=network), start=1):
        assert mask.shape == (HEIGHT, WIDTH)
        assert taken == number
    assert taken == FRAMES


@pytest.mark.parametrize(
    ("frames", "mask", "said"),
    [
        (np.zeros((3, 64, 96), np.uint8), mask_of(0), "uint8 [64, 96]"),
        (np.zeros((3, 64, 96, 3), np.float32), mask_of(0), "float32"),
        (make_frames(), mask_of(0).astype(np.int64), "int64 [64, 96]"),
        (make_frames(), make_frames()[0], "uint8 [64, 96, 3]"),
        (make_frames(), np.zeros((64, 96), np.uint8), "shows no object"),
        (make_frames(), np.full((64, 96), 255, np.uint8), "shows no object"),
        (make_frames(), {}, "has no masks"),
        (make_frames(), {0: mask_of(0), 1: mask_of(1)[:32]}, "several sizes"),
        (make_frames(), {"0": mask_of(0)}, "indices from 0"),
        ([None], mask_of(0), "of type NoneType"),
    ],
)
def test_propagate__arrays_of_another_kind(network: object, frames: object, mask: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        sfc_cli.propagate(frames, mask, network=network)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert caught.value.hint


def test_propagate__sizes_that_differ_and_no_frames(network: object) -> None:
    with pytest.raises(InputError, match="Frame 0 has 96×64 pixels, the first mask 48×64"):
        sfc_cli.propagate(make_frames(), mask_of(0)[:, :48], network=network)
    with pytest.raises(InputError, match="no frames"):
        sfc_cli.propagate([], mask_of(0), network=network)


@pytest.mark.parametrize("masks", [{FRAMES: mask_of(0)}, {0: mask_of(0), FRAMES: mask_of(1)}])
def test_propagate__mask_after_the_last_frame(network: object, masks: dict[int, np.ndarray]) -> None:
    with pytest.raises(InputError, match=rf"`mask` has one for frame {FRAMES}, but `frames` ends"):
        sfc_cli.propagate(make_frames(), masks, network=network)


@pytest.mark.parametrize("size", [0, -3])
def test_propagate__size_of_no_pixel(network: object, size: int) -> None:
    with pytest.raises(UsageError, match=f"`size` is {size}"):
        sfc_cli.propagate(make_frames(), mask_of(0), network=network, size=size)


def test_propagate_stream__masks_are_the_callers_own(network: object) -> None:
    mask = mask_of(0)
    next(sfc_cli.propagate_stream(make_frames(), mask, network=network)).fill(7)
    np.testing.assert_array_equal(mask, mask_of(0))


def test_load_network__errors_name_python() -> None:
    with pytest.raises(UsageError, match="`top_k` is 0"):
        sfc_cli.load_network("random18", top_k=0)
    with pytest.raises(UsageError, match="`device` 'tpu' is unknown"):
        sfc_cli.load_network("random18", device="tpu")
    with pytest.raises(UsageError, match="`top_k` is 500"):
        sfc_cli.propagate(
            np.zeros((2, 16, 16, 3), np.uint8),
            np.ones((16, 16), np.uint8),
            network=sfc_cli.load_network("random18", top_k=500, device="cpu"),
            size=None,
        )


def test_evaluate__folders_and_arrays(make_davis: object) -> None:
    data = make_davis({"a": 5})  # type: ignore[operator]
    report = sfc_cli.evaluate(data, data / "Annotations" / "480p")
    assert report["global"]["J&F-Mean"] == 1
    with pytest.raises(UsageError, match="both"):
        sfc_cli.evaluate(np.zeros((3, 4, 4), np.uint8), data)
    with pytest.raises(UsageError, match="both"):
        sfc_cli.evaluate([mask_of(0)] * 3, [mask_of(0)] * 3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="three frames"):
        sfc_cli.evaluate(np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(UsageError, match=r"\[3, 4, 5\]"):
        sfc_cli.evaluate(np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 5), np.uint8))
    with pytest.raises(InputError, match="shows no object"):
        sfc_cli.evaluate(np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4), np.uint8))


def test_evaluate__equals_the_folders_scores(tmp_path: Path) -> None:
    from sfc_cli.data.masks import write_mask

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (6, 40, 50), dtype=np.uint8)
    masks = np.where(rng.random(truth.shape) < 0.2, 0, truth).astype(np.uint8)
    (tmp_path / "davis" / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "davis" / "ImageSets" / "2017" / "val.txt").write_text("a\n")
    for t in range(6):
        write_mask(tmp_path / "davis" / "Annotations" / "480p" / "a" / f"{t:05d}.png", truth[t])
        write_mask(tmp_path / "out" / "a" / f"{t:05d}.png", masks[t])
    report = sfc_cli.evaluate(tmp_path / "davis", tmp_path / "out")
    assert sfc_cli.evaluate(truth, masks)["global"] == report["global"]


def test_import__is_light_and_lists_what_there_is() -> None:
    program = (
        "import sys, sfc_cli; assert 'propagate' in dir(sfc_cli); "
        "sys.exit(', '.join(name for name in ('torch', 'numpy', 'cv2') if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sfc_cli.nothing  # noqa: B018


def test_readme__its_lines_run_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert any("sfc_cli.propagate" in snippet for snippet in snippets)
    names: dict[str, object] = {}
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), names)
    assert 0.5 < float(capsys.readouterr().out.split()[-1]) <= 1
