import logging
from pathlib import Path

import pytest

from sfc_cli.data.vos import open_vos, pair_folders, read_filelist
from sfc_cli.errors import InputError


def _fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def _split(base: Path, *sequences: str) -> Path:
    """Make a split of empty files: nothing here is decoded."""
    for name in sequences:
        _fill(base / "JPEGImages" / name, "00000.jpg", "00005.jpg", "00010.jpg")
        _fill(base / "Annotations" / name, "00000.png", "00005.png")
    return base


def test_open_vos__takes_the_split_that_is_shipped(tmp_path: Path) -> None:
    _split(tmp_path / "train", "a")
    assert open_vos(tmp_path).split == "train"
    _split(tmp_path / "test", "b")
    _split(tmp_path / "valid", "c", "d")
    dataset = open_vos(tmp_path)
    assert dataset.split == "valid"
    assert dataset.sequences() == ["c", "d"]
    assert dataset.sequences(chosen=["d"]) == ["d"]
    assert [path.name for path in dataset.frames("c")] == ["00000.jpg", "00005.jpg", "00010.jpg"]
    assert dataset.annotations("c")[1] == tmp_path / "valid" / "Annotations" / "c" / "00005.png"
    assert open_vos(tmp_path, "test").sequences() == ["b"]


def test_open_vos__the_folder_of_one_split(tmp_path: Path) -> None:
    base = _split(tmp_path / "valid", "a")
    assert open_vos(base).sequences() == ["a"]
    assert open_vos(base, "valid").sequences() == ["a"]
    with pytest.raises(InputError, match="No split 'test'"):
        open_vos(base, "test")


def test_open_vos__all_frames_start_from_the_masks_of_their_split(tmp_path: Path) -> None:
    _split(tmp_path / "valid", "a")
    _fill(tmp_path / "valid_all_frames" / "JPEGImages" / "a", *(f"{t:05d}.jpg" for t in range(11)))
    dataset = open_vos(tmp_path, "valid_all_frames")
    assert len(dataset.frames("a")) == 11
    assert dataset.annotations("a")[0] == tmp_path / "valid" / "Annotations" / "a" / "00000.png"
    assert open_vos(tmp_path).split == "valid"


def test_open_vos__lists(tmp_path: Path) -> None:
    _split(tmp_path, "a", "b", "c")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "val.txt").write_text("c\na\n")
    (tmp_path / "ImageSets" / "train.txt").write_text("b\n")
    assert open_vos(tmp_path).sequences() == ["c", "a"]
    assert open_vos(tmp_path, "train").sequences() == ["b"]
    assert open_vos(tmp_path, "all").sequences() == ["a", "b", "c"]
    with pytest.raises(InputError, match="No split 'test'") as caught:
        open_vos(tmp_path, "test")
    assert "train, val" in caught.value.hint


def test_open_vos__other_splits_are_named(tmp_path: Path) -> None:
    _split(tmp_path / "valid", "a")
    with pytest.raises(InputError) as caught:
        open_vos(tmp_path, "test")
    assert "valid" in caught.value.hint
    assert open_vos(tmp_path / "none") is None
    # Any folder may hold a data set: only splits are known by name.
    _split(tmp_path / "sets" / "mine", "a")
    assert open_vos(tmp_path / "sets") is None


def test_sequences__folders_without_masks_do_not_vanish(tmp_path: Path) -> None:
    _split(tmp_path, "a")
    _fill(tmp_path / "Annotations" / "b", "00000.PNG")
    dataset = open_vos(tmp_path)
    assert dataset.sequences() == ["a", "b"]
    with pytest.raises(InputError, match="No annotations in"):
        dataset.annotations("b")


def test_sequences__frames_without_masks_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _split(tmp_path, "a", "b")
    _fill(tmp_path / "JPEGImages" / "c", "00000.jpg")
    with caplog.at_level(logging.WARNING):
        assert open_vos(tmp_path).sequences() == ["a", "b"]
    assert "1 of 3 sequences in" in caplog.text
    assert "left out: c" in caplog.text


def test_pair_folders__any_two(tmp_path: Path) -> None:
    frames, masks = tmp_path / "shots", tmp_path / "painted"
    _fill(frames / "x" / "one", "1.jpg")
    _fill(frames / "two", "1.jpg")
    _fill(masks / "x" / "one", "1.png")
    _fill(masks / "two", "1.png")
    dataset = pair_folders(frames, masks)
    assert dataset.sequences() == ["two", "x/one"]
    assert dataset.frames("x/one") == [frames / "x" / "one" / "1.jpg"]
    alone = pair_folders(frames / "two", masks / "two")
    assert alone.sequences() == ["two"]
    assert alone.annotations("two") == [masks / "two" / "1.png"]
    with pytest.raises(InputError, match=str(tmp_path / "none")):
        pair_folders(frames, tmp_path / "none")


def _folders(root: Path, *names: str) -> None:
    for name in names:
        is_frames = "masks" not in name and not name.startswith("m/")
        _fill(root / name, "0.jpg" if is_frames else "0.png")


def test_read_filelist__a_folder_of_frames_and_one_of_masks_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    _folders(tmp_path, "f/zebra", "m/zebra", "home/f/ant", "m/my ant", "m/third", "f/third")
    path = tmp_path / "list.txt"
    path.write_text(f"f/zebra m/zebra\n\n~/f/ant\t{tmp_path}/m/my ant\nf/third m/third 25\n")
    dataset = read_filelist(path)
    # In the order of the list, which numbers the released code's results.
    assert dataset.sequences() == ["zebra", "ant", "third"]
    assert dataset.frames("ant") == [tmp_path / "home" / "f" / "ant" / "0.jpg"]
    assert dataset.annotations("ant") == [tmp_path / "m" / "my ant" / "0.png"]


def test_read_filelist__names_tell_all_apart(tmp_path: Path) -> None:
    _folders(tmp_path, "one/frames", "one/masks", "two/frames", "two/masks")
    path = tmp_path / "list.txt"
    path.write_text("one/frames one/masks\ntwo/frames two/masks\n")
    assert read_filelist(path).sequences() == ["one/frames", "two/frames"]
    path.write_text("one/frames one/masks\none/../one/frames two/masks\n")
    with pytest.raises(InputError, match="lines 1 and 2"):
        read_filelist(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("one/frames\n", "Line 1"), ("one/frames none\n", "none is missing"), ("\n", "No folders in")],
)
def test_read_filelist__lines_that_name_no_folders(tmp_path: Path, text: str, said: str) -> None:
    _folders(tmp_path, "one/frames")
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_filelist(path)
