from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.frames import read_frame
from sfc_cli.errors import InputError


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC)


def _jpeg(picture: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(".jpg", picture, options)[1].tobytes()


def test_read_frame__rgb_as_opencv_decodes_it(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "f.jpg"
    path.write_bytes(_jpeg(picture))
    frame = read_frame(path)
    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, cv2.imread(str(path))[..., ::-1])


def test_read_frame__png(tmp_path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "f.png"), picture)
    np.testing.assert_array_equal(read_frame(tmp_path / "f.png"), picture[..., ::-1])


def test_read_frame__grey_becomes_rgb(tmp_path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "f.png"), picture[..., 0])
    np.testing.assert_array_equal(read_frame(tmp_path / "f.png"), np.stack([picture[..., 0]] * 3, axis=-1))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((cv2.IMWRITE_JPEG_PROGRESSIVE, 1), id="progressive"),
        pytest.param((cv2.IMWRITE_JPEG_RST_INTERVAL, 2), id="restart-markers"),
        pytest.param((cv2.IMWRITE_JPEG_QUALITY, 100), id="finest"),
        pytest.param((cv2.IMWRITE_JPEG_OPTIMIZE, 1), id="optimised"),
    ],
)
def test_read_frame__every_kind_of_jpeg(
    tmp_path: Path, picture: np.ndarray, options: tuple[int, ...]
) -> None:
    (tmp_path / "f.jpg").write_bytes(_jpeg(picture, *options))
    assert read_frame(tmp_path / "f.jpg").shape == (96, 128, 3)


def test_read_frame__trailing_data_is_no_damage(tmp_path: Path, picture: np.ndarray) -> None:
    # Phones append a short film, cameras pad to a whole block.
    (tmp_path / "f.jpg").write_bytes(_jpeg(picture) + bytes(10_000))
    assert read_frame(tmp_path / "f.jpg").shape == (96, 128, 3)


@pytest.mark.parametrize("progressive", [0, 1])
def test_read_frame__truncated_anywhere(tmp_path: Path, picture: np.ndarray, progressive: int) -> None:
    path = tmp_path / "f.jpg"
    content = _jpeg(picture, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    for length in (3, 30, len(content) // 4, len(content) // 2, len(content) - 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="truncated") as caught:
            read_frame(path)
        assert str(path) in caught.value.message


def test_read_frame__truncated_behind_an_embedded_preview(tmp_path: Path, picture: np.ndarray) -> None:
    # The preview's own end marker must not pass for the picture's.
    preview = b"Exif\0\0" + _jpeg(picture[:16, :16])
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    content = _jpeg(picture)
    whole = content[:2] + segment + content[2:]
    path = tmp_path / "f.jpg"
    path.write_bytes(whole)
    assert read_frame(path).shape == (96, 128, 3)
    path.write_bytes(whole[: len(segment) + 800])
    with pytest.raises(InputError, match="truncated"):
        read_frame(path)


def test_read_frame__overwritten_in_the_middle(tmp_path: Path, picture: np.ndarray) -> None:
    content = _jpeg(picture)
    middle = len(content) // 2
    path = tmp_path / "f.jpg"
    path.write_bytes(content[:middle] + bytes(range(256)) + b"\xff\x10" + content[middle + 258 :])
    with pytest.raises(InputError, match=r"f\.jpg is a damaged JPEG"):
        read_frame(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"text", "cannot be decoded"), (b"\x89PNG\r\n\x1a\n", "cannot be decoded")],
)
def test_read_frame__no_image(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "f.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_frame(path)
    assert str(path) in caught.value.message


def test_read_frame__missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jpg: No such file"):
        read_frame(tmp_path / "none.jpg")
