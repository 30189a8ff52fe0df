from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from sfc_cli.data.frames import read_frame
from sfc_cli.data.videos import open_video, parse_moment
from sfc_cli.data.videos.images import natural_order
from sfc_cli.data.videos.selection import Selection
from sfc_cli.errors import InputError, UsageError
from tests.data.videos.support import picture, write_images


def names(folder: Path) -> list[str]:
    return [stamp.name for stamp in open_video([str(folder)]).stamps()]


@pytest.mark.parametrize(
    "ordered",
    [
        ["img1", "img2", "img10", "img010b"],
        ["1", "2", "03", "10", "100"],
        ["apple", "Banana", "cherry"],
        ["a1b2", "a1b10", "a2b1", "a10"],
        ["shot-2024-9-1", "shot-2024-10-1"],
        ["é1", "é2", "猫1", "猫12"],
        ["7", "x", "x7"],
        ["frame_-2", "frame_-1", "frame_0", "frame_1", "frame_10"],
        ["-3", "-1", "0", "2"],
        ["1700000000.100", "1700000000.133", "1700000000.2", "1700000000.233"],
        ["t0.25", "t0.5", "t1.0", "t10.0"],
        ["2024.9.1", "2024.9.12", "2024.10.1"],
        ["a-1", "a-2", "a-10"],
    ],
)
def test_natural_order__numbers_count(ordered: list[str]) -> None:
    paths = [Path(f"{name}.png") for name in ordered]
    shuffled = paths[::-1]
    assert sorted(shuffled, key=natural_order) == paths


def test_image_series__sorts_naturally_and_reads(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "Mé shots", ["f10.png", "f2.PNG", "f1.bmp"])
    video = open_video([str(folder)])
    taken = list(video.frames())
    assert [frame.stamp.name for frame in taken] == ["f1", "f2", "f10"]
    assert [frame.stamp.number for frame in taken] == [0, 1, 2]
    assert [frame.stamp.seconds for frame in taken] == [0, 1 / 24, 2 / 24]
    for frame, number in zip(taken, (2, 1, 0), strict=True):
        np.testing.assert_array_equal(frame.frame, picture(number)[..., ::-1])
    assert (video.name, video.source, video.size, video.count, video.is_exact) == (
        "Mé shots",
        folder,
        (48, 64),
        3,
        True,
    )


def test_image_series__stamps_and_backwards_follow_frames(tmp_path: Path) -> None:
    video = open_video([str(write_images(tmp_path, [f"{n}.png" for n in range(12)]))], frames_per_second=10)
    selection = Selection(start=parse_moment("0.2s", "start"), every=parse_moment("3", "every"))
    forward = list(video.frames(selection))
    assert [frame.stamp.number for frame in forward] == [2, 5, 8, 11]
    assert video.stamps(selection) == [frame.stamp for frame in forward]
    backward = list(video.backwards(video.stamps(selection)))
    assert [frame.stamp for frame in backward] == [frame.stamp for frame in reversed(forward)]
    for one, other in zip(backward, reversed(forward), strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)


def test_image_series__start_past_the_end(tmp_path: Path) -> None:
    video = open_video([str(write_images(tmp_path, ["0.png", "1.png"]))])
    with pytest.raises(InputError, match=r"which has 2 frames \(0\.08 s\)"):
        video.stamps(Selection(start=parse_moment("2", "start")))


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_image_series__refuses_impossible_rates(tmp_path: Path, rate: float) -> None:
    write_images(tmp_path, ["0.png", "1.png"])
    with pytest.raises(UsageError, match=r"A rate of .* is not above 0"):
        open_video([str(tmp_path)], frames_per_second=rate)


def test_image_series__skips_litter_and_subfolders(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._1.jpg"):
        (tmp_path / name).write_bytes(b"litter")
    write_images(tmp_path / "sub.jpg", ["3.jpg"])
    assert names(tmp_path) == ["1", "2"]


def test_image_series__refuses_what_is_not_an_image_by_name(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "2.jpg"])
    (tmp_path / "notes.txt").write_text("later")
    with pytest.raises(InputError, match=r"contains notes\.txt, which is not an image") as caught:
        open_video([str(tmp_path)])
    assert f"'{tmp_path}/*.jpg'" in caught.value.hint


def test_image_series__refuses_what_is_not_an_image_by_content(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.png", "2.png"])
    (tmp_path / "3.png").write_text("no picture")
    with pytest.raises(InputError, match=r"3\.png is not an image"):
        open_video([str(tmp_path)])
    (tmp_path / "3.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"3\.png is empty"):
        open_video([str(tmp_path)])


def test_image_series__refuses_mixed_sizes_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, ["1.png", "2.png", "10.png", "11.png"])
    write_images(tmp_path, ["9.png"], size=(30, 40))
    write_images(tmp_path, ["11.png"], size=(10, 10))
    monkeypatch.setattr("sfc_cli.data.videos.images.read_frame", lambda _: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"9\.png has 40×30 pixels, but 1\.png has 64×48"):
        open_video([str(tmp_path)])


def test_image_series__refuses_shared_stems(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "a.png", "b.png"])
    with pytest.raises(InputError, match=r"a\.jpg and a\.png .* would write results of the same name"):
        open_video([str(tmp_path)])


def test_image_series__refuses_fewer_than_two(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"])
    for source in (tmp_path, tmp_path / "a.jpg", tmp_path / "*.jpg"):
        with pytest.raises(InputError, match=r"a\.jpg is a single image") as caught:
            open_video([str(source)])
        assert "folder" in caught.value.hint
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match="No images in"):
        open_video([str(tmp_path)])


def test_image_series__notices_a_file_that_changes_its_size(tmp_path: Path) -> None:
    video = open_video([str(write_images(tmp_path, ["1.png", "2.png"]))])
    write_images(tmp_path, ["2.png"], size=(10, 20))
    with pytest.raises(InputError, match=r"2\.png has 20×10 pixels"):
        list(video.frames())


def rising(dtype: type[np.generic]) -> npt.NDArray[np.generic]:
    return (np.arange(24 * 32).reshape(24, 32) * np.iinfo(dtype).max // (24 * 32)).astype(dtype)


def write_kind(path: Path, kind: str) -> npt.NDArray[np.uint8]:
    """Write an image of a kind that a decoder could stumble over; return it as RGB."""
    grey = rising(np.uint8)
    colour = np.stack([grey, grey.T.reshape(24, 32), 255 - grey], axis=-1)
    if kind == "grey":
        Image.fromarray(grey).save(path)
        return np.stack([grey] * 3, axis=-1)
    if kind == "16-bit":
        assert cv2.imwrite(str(path), rising(np.uint16))
        return np.stack([(rising(np.uint16) >> 8).astype(np.uint8)] * 3, axis=-1)
    if kind == "transparent":
        Image.fromarray(np.concatenate([colour, grey[..., None]], axis=-1)).save(path)
        return colour
    Image.fromarray(colour).save(path, **({"lossless": True} if kind == "webp" else {}))
    return colour


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("grey", ".png"),
        ("16-bit", ".png"),
        ("16-bit", ".tiff"),
        ("transparent", ".png"),
        ("webp", ".webp"),
        ("colour", ".tif"),
        ("colour", ".bmp"),
    ],
)
def test_image_series__every_kind_becomes_rgb_bytes(tmp_path: Path, kind: str, suffix: str) -> None:
    expected = [write_kind(tmp_path / f"{number}{suffix}", kind) for number in range(2)]
    video = open_video([str(tmp_path)])
    for frame, wanted in zip(video.frames(), expected, strict=True):
        assert frame.frame.dtype == np.uint8
        np.testing.assert_allclose(frame.frame, wanted, atol=1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_series__size_is_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(2):
        image = Image.fromarray(picture(number))
        path = tmp_path / f"{number}{suffix}"
        if suffix == ".tif":
            image.save(path, tiffinfo={0x0112: orientation})
        else:
            image.save(path, exif=exif)
    video = open_video([str(tmp_path)])
    assert [frame.frame.shape[:2] for frame in video.frames()] == [video.size] * 2
    # OpenCV before 4.12 takes no notice of a WebP's orientation.
    if suffix != ".webp":
        assert video.size == ((48, 64) if orientation < 5 else (64, 48))


def test_read_frame__turns_a_photograph_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(0)).save(tmp_path / "f.png", exif=exif)
    np.testing.assert_array_equal(read_frame(tmp_path / "f.png"), np.rot90(picture(0), -1))


def test_identity__is_json_and_differs_between_videos(tmp_path: Path) -> None:
    first = open_video([str(write_images(tmp_path / "a", ["1.png", "2.png"]))]).identity()
    assert json.loads(json.dumps(first)) == first
    assert first == open_video([str(tmp_path / "a")]).identity()
    assert first != open_video([str(write_images(tmp_path / "b", ["1.png", "2.png"]))]).identity()
    assert first != open_video([str(write_images(tmp_path / "a", ["3.png"]))]).identity()


def test_image_series__numbers_of_12_bits_in_16(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for number in range(3):
        deep = picture(number).astype(np.uint16) * 16
        cv2.imwrite(str(tmp_path / "f" / f"{number}.png"), deep)
    video = open_video([str(tmp_path / "f")])
    assert video.remarks() == ["16-bit images hold 12-bit numbers (up to 4080) and are scaled by that."]
    for frame in video.frames():
        np.testing.assert_array_equal(frame.frame, picture(frame.stamp.number)[..., ::-1])
    deep[0, 0] = 65535
    cv2.imwrite(str(tmp_path / "f" / "2.png"), deep)
    video = open_video([str(tmp_path / "f")])
    assert video.remarks() == []
    np.testing.assert_array_equal(list(video.frames())[1].frame, picture(1)[..., ::-1] // 16)


def test_open_video__pattern_of_a_counter(tmp_path: Path) -> None:
    names = ["f0001.png", "f0002.png", "f0010.png", "f12345.png", "f1.png", "f00001.png", "g0001.png"]
    folder = write_images(tmp_path / "s", names)
    taken = [stamp.name for stamp in open_video([f"{folder}/f%04d.png"]).stamps()]
    assert taken == ["f0001", "f0002", "f0010", "f12345"]
    with pytest.raises(InputError, match=r"No file matches .*h%04d\.png"):
        open_video([f"{folder}/h%04d.png"])


def test_open_video__masks_are_no_frames(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "s", ["0.jpg", "1.jpg", "2.jpg"])
    mask = folder / "0.png"
    Image.new("P", (30, 20)).save(mask)
    (tmp_path / "link.png").symlink_to(mask)
    for given in (mask, tmp_path / "link.png"):
        for sources in ([str(folder)], [f"{folder}/*"], [str(path) for path in folder.iterdir()]):
            assert [stamp.name for stamp in open_video(sources, masks=[given]).stamps()] == ["0", "1", "2"]
    with pytest.raises(InputError, match="would write results of the same name"):
        open_video([str(folder)])


def test_image_series__avif_and_heic(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(2):
        Image.fromarray(picture(number)[..., ::-1].copy()).save(tmp_path / "a" / f"{number}.avif", quality=95)
    for frame in open_video([str(tmp_path / "a")]).frames():
        wanted = picture(frame.stamp.number)[..., ::-1].astype(int)
        assert np.abs(frame.frame - wanted).mean() < 6
    for number in range(2):
        (tmp_path / "a" / f"{number}.avif").rename(tmp_path / "a" / f"{number}.heic")
    if importlib.util.find_spec("pillow_heif") is None:
        with pytest.raises(InputError, match="is a HEIC image, which Pillow reads only with a plugin"):
            open_video([str(tmp_path / "a")])
