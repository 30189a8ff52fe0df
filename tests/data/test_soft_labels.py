from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.soft_labels import enlarge_to_mask, read_soft_labels, shrink_mask, write_soft_labels
from sfc_cli.errors import InputError


@pytest.fixture
def mask() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.choice(np.array([0, 3, 9, 255], np.uint8), (9, 11))
    return cv2.resize(coarse, (83, 67), interpolation=cv2.INTER_NEAREST)


def test_shrink_mask__opencv_bilinear_of_one_hot_planes(mask: np.ndarray) -> None:
    objects = np.array([3, 9], np.uint8)
    labels = shrink_mask(mask, objects, 9, 11)
    assert labels.shape == (3, 9, 11)
    assert labels.dtype == np.float32
    ids = np.where(mask == 255, 0, mask)
    one_hot = np.stack([ids == identity for identity in (0, 3, 9)], axis=-1).astype(np.float32)
    expected = cv2.resize(one_hot, (11, 9), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(labels, expected.transpose(2, 0, 1), rtol=0, atol=1e-6)


def test_shrink_mask__void_counts_as_background(mask: np.ndarray) -> None:
    objects = np.array([3, 9], np.uint8)
    without_void = np.where(mask == 255, 0, mask).astype(np.uint8)
    np.testing.assert_array_equal(
        shrink_mask(mask, objects, 9, 11), shrink_mask(without_void, objects, 9, 11)
    )


def test_shrink_mask__planes_sum_to_one(mask: np.ndarray) -> None:
    labels = shrink_mask(mask, np.array([3, 9], np.uint8), 9, 11)
    np.testing.assert_allclose(labels.sum(0), np.ones((9, 11)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (6, 1), (9, 11)])
@pytest.mark.parametrize("ids", [[1], [4, 200], [1, 2, 3, 7, 254]], ids=str)
def test_enlarge_to_mask__argmax_of_all_planes(grid: tuple[int, int], ids: list[int]) -> None:
    rng = np.random.default_rng(len(ids))
    labels = rng.dirichlet(np.ones(1 + len(ids)), grid).astype(np.float32).transpose(2, 0, 1).copy()
    found = enlarge_to_mask(labels, np.array(ids, np.uint8), 67, 83)
    planes = np.stack([cv2.resize(p, (83, 67), interpolation=cv2.INTER_LINEAR) for p in labels])
    np.testing.assert_array_equal(found, np.array([0, *ids], np.uint8)[planes.argmax(0)])
    assert found.dtype == np.uint8


def test_enlarge_to_mask__first_of_equal_labels_wins() -> None:
    labels = np.full((3, 2, 2), 1 / 3, np.float32)
    assert not enlarge_to_mask(labels, np.array([5, 6], np.uint8), 8, 8).any()
    labels[0] = 0
    labels[1:] = 0.5
    assert (enlarge_to_mask(labels, np.array([5, 6], np.uint8), 8, 8) == 5).all()


def test_enlarge_to_mask__leaves_the_labels_alone() -> None:
    # At equal sizes a resize may hand back its input: the running maximum must not be taken in place.
    labels = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    copy = labels.copy()
    enlarge_to_mask(labels, np.array([1, 2], np.uint8), 4, 5)
    np.testing.assert_array_equal(labels, copy)


OBJECTS = np.array([3, 200], np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    planes = np.random.default_rng(0).random((3, 6, 9), dtype=np.float32)
    return planes / planes.sum(0)


def test_write_soft_labels__round_trip(tmp_path: Path, labels: np.ndarray) -> None:
    path = tmp_path / "soft" / "a b" / "ü 1.npz"
    write_soft_labels(path, labels, OBJECTS, (48, 70))
    read, objects, size = read_soft_labels(path)
    assert (read.dtype, objects.dtype, size) == (np.float32, np.uint8, (48, 70))
    # Half precision keeps eleven bits.
    np.testing.assert_allclose(read, labels, rtol=2**-11, atol=1e-7)
    np.testing.assert_array_equal(objects, OBJECTS)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_write_soft_labels__what_lies_in_the_file(tmp_path: Path, labels: np.ndarray) -> None:
    write_soft_labels(tmp_path / "a.npz", labels, OBJECTS, (48, 70))
    with np.load(tmp_path / "a.npz") as stored:
        assert {name: (stored[name].dtype, stored[name].shape) for name in stored} == {
            "labels": (np.float16, (3, 6, 9)),
            "objects": (np.uint8, (2,)),
            "size": (np.int32, (2,)),
        }


def test_write_soft_labels__background_alone(tmp_path: Path, labels: np.ndarray) -> None:
    write_soft_labels(tmp_path / "a.npz", labels[:1], OBJECTS[:0], (48, 70))
    assert read_soft_labels(tmp_path / "a.npz")[1].size == 0


def test_write_soft_labels__unwritable(tmp_path: Path, labels: np.ndarray) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_soft_labels(tmp_path / "file" / "a.npz", labels, OBJECTS, (48, 70))


GOOD = {
    "labels": np.zeros((3, 6, 9), np.float16),
    "objects": OBJECTS,
    "size": np.array([48, 70], np.int32),
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"labels": np.zeros((3, 6), np.float16)}, "float16 \\[3, 6\\], not float16 \\[K, h, w\\]"),
        ({"labels": np.zeros((3, 6, 9), np.float64)}, "float64"),
        ({"labels": np.zeros((0, 6, 9), np.float16)}, "\\[0, 6, 9\\]"),
        ({"objects": OBJECTS[:1]}, "3 planes need 2"),
        ({"objects": OBJECTS.astype(np.int64)}, "3 planes need 2 uint8"),
        ({"size": np.array([48, 0], np.int32)}, "not a height and a width"),
        ({"size": np.array([48], np.int32)}, "not a height and a width"),
        ({"size": np.array(["a", "b"])}, "not a height and a width"),
        ({"labels": None}, "labels"),
        ({"objects": np.array([None, 1])}, "cannot be read"),
    ],
)
def test_read_soft_labels__other_archives(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    content = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    np.savez(tmp_path / "a.npz", **content)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=says) as caught:
        read_soft_labels(tmp_path / "a.npz")
    assert "a.npz" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("length", [0, 1, 10, 100, 300, -30, -1])
def test_read_soft_labels__truncated(tmp_path: Path, length: int, labels: np.ndarray) -> None:
    path = tmp_path / "a.npz"
    write_soft_labels(path, labels, OBJECTS, (48, 70))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"a\.npz"):
        read_soft_labels(path)


def test_read_soft_labels__any_flipped_byte_is_read_right_or_refused(
    tmp_path: Path, labels: np.ndarray
) -> None:
    path = tmp_path / "a.npz"
    write_soft_labels(path, labels, OBJECTS, (48, 70))
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read = read_soft_labels(path)[0]
        except InputError:
            continue
        np.testing.assert_allclose(read, labels, rtol=2**-11, atol=1e-7)


def test_read_soft_labels__plain_array_text_or_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "b.npz").write_text("text")
    for name in ("a.npy", "b.npz", "absent.npz"):
        with pytest.raises(InputError, match=name):
            read_soft_labels(tmp_path / name)
