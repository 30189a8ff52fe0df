from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.data.davis import DavisDataset
from sfc_cli.errors import InputError

MakeDavis = Callable[..., Path]


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A data set of empty files: nothing here is decoded."""
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        for name in ("zebra", "ant", "mole"):
            folder = tmp_path / kind / "480p" / name
            folder.mkdir(parents=True)
            for stem in ("00002", "00000", "00010"):
                (folder / f"{stem}.{suffix}").touch()
    _write_split(tmp_path, "val", "zebra\nant\n")
    _write_split(tmp_path, "train", "mole\n")
    return tmp_path


def _write_split(root: Path, name: str, text: str, year: str = "2017") -> Path:
    path = root / "ImageSets" / year / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_sequences__order_of_the_list(layout: Path) -> None:
    assert DavisDataset(root=layout).sequences() == ["zebra", "ant"]
    assert DavisDataset(root=layout).sequences("train") == ["mole"]


def test_sequences__chosen_keep_the_order_of_the_list(layout: Path) -> None:
    dataset = DavisDataset(root=layout)
    assert dataset.sequences(chosen=["ant", "zebra"]) == ["zebra", "ant"]
    assert dataset.sequences(chosen=["ant"]) == ["ant"]


@pytest.mark.parametrize("text", ["zebra\r\n\r\n ant \r\n", "\ufeffzebra\nant", "zebra\nant\nzebra\n"])
def test_sequences__lists_of_other_editors(layout: Path, text: str) -> None:
    _write_split(layout, "val", text)
    assert DavisDataset(root=layout).sequences() == ["zebra", "ant"]


def test_sequences__all_is_every_annotated_one(layout: Path) -> None:
    assert DavisDataset(root=layout).sequences("all") == ["ant", "mole", "zebra"]
    _write_split(layout, "all", "mole\n")
    assert DavisDataset(root=layout).sequences("all") == ["mole"]


def test_sequences__pairs_of_files_in_lists_of_2016(layout: Path) -> None:
    lines = [
        f"/JPEGImages/480p/{name}/{t:05d}.jpg /Annotations/480p/{name}/{t:05d}.png"
        for name in ("mole", "ant")
        for t in (0, 2)
    ]
    _write_split(layout, "val", "\n".join(lines), year="2016")
    assert DavisDataset(root=layout, year="2016").sequences() == ["mole", "ant"]


def test_sequences__missing_root(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path / "none")):
        DavisDataset(root=tmp_path / "none").sequences()


def test_sequences__missing_split_lists_the_others(layout: Path) -> None:
    with pytest.raises(InputError) as caught:
        DavisDataset(root=layout).sequences("test-dev")
    assert str(layout / "ImageSets" / "2017" / "test-dev.txt") in caught.value.message
    assert "train, val" in caught.value.hint


def test_sequences__no_lists_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"val\.txt is missing") as caught:
        DavisDataset(root=tmp_path).sequences()
    assert "DAVIS layout" in caught.value.hint


def test_sequences__empty_list(layout: Path) -> None:
    path = _write_split(layout, "val", "\n \n")
    with pytest.raises(InputError, match="No sequences in") as caught:
        DavisDataset(root=layout).sequences()
    assert str(path) in caught.value.message


def test_sequences__list_that_is_no_text(layout: Path) -> None:
    (layout / "ImageSets" / "2017" / "val.txt").write_bytes(b"\xff\xfe\x00z\x80")
    with pytest.raises(InputError, match=r"val\.txt"):
        DavisDataset(root=layout).sequences()


@pytest.mark.parametrize("name", ["../ant", "ant/../../x", "/ant"])
def test_sequences__names_that_lead_elsewhere(layout: Path, name: str) -> None:
    path = _write_split(layout, "val", f"zebra\n{name}\n")
    with pytest.raises(InputError, match="leads out of its folder") as caught:
        DavisDataset(root=layout).sequences()
    assert str(path) in caught.value.message
    assert name in caught.value.message


def test_sequences__chosen_are_unknown(layout: Path) -> None:
    with pytest.raises(InputError, match="No sequence cat, dog in") as caught:
        DavisDataset(root=layout).sequences(chosen=["ant", "cat", "dog"])
    assert "zebra, ant" in caught.value.hint


def test_sequences__chosen_are_none(layout: Path) -> None:
    with pytest.raises(InputError, match="names no sequence"):
        DavisDataset(root=layout).sequences(chosen=[])


def test_frames__in_order_of_names(layout: Path) -> None:
    frames = DavisDataset(root=layout).frames("ant")
    assert [frame.name for frame in frames] == ["00000.jpg", "00002.jpg", "00010.jpg"]


def test_frames__only_images_that_are_not_hidden(layout: Path) -> None:
    folder = layout / "JPEGImages" / "480p" / "ant"
    for name in ("._00000.jpg", "Thumbs.db", "notes.txt", "00003.PNG", "00004.jpeg"):
        (folder / name).touch()
    names = [frame.name for frame in DavisDataset(root=layout).frames("ant")]
    assert names == ["00000.jpg", "00002.jpg", "00003.PNG", "00004.jpeg", "00010.jpg"]


def test_frames__two_of_one_name(layout: Path) -> None:
    (layout / "JPEGImages" / "480p" / "ant" / "00000.png").touch()
    with pytest.raises(InputError, match="share a name"):
        DavisDataset(root=layout).frames("ant")


def test_frames__missing_or_empty(layout: Path) -> None:
    folder = layout / "JPEGImages" / "480p"
    with pytest.raises(InputError, match=str(folder / "cat")):
        DavisDataset(root=layout).frames("cat")
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=f"No frames in {folder / 'empty'}"):
        DavisDataset(root=layout).frames("empty")


def test_annotations__in_order_of_names(layout: Path) -> None:
    paths = DavisDataset(root=layout).annotations("ant")
    assert [path.name for path in paths] == ["00000.png", "00002.png", "00010.png"]


def test_annotations__missing_or_empty(layout: Path) -> None:
    folder = layout / "Annotations" / "480p"
    with pytest.raises(InputError, match=str(folder / "cat")):
        DavisDataset(root=layout).annotations("cat")
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=f"No annotations in {folder / 'empty'}"):
        DavisDataset(root=layout).annotations("empty")
    (folder / "empty" / "00000.PNG").touch()
    with pytest.raises(InputError) as caught:
        DavisDataset(root=layout).annotations("empty")
    assert "00000.PNG" in (caught.value.hint or "")


def test_first_annotation__of_the_first_frame(layout: Path) -> None:
    dataset = DavisDataset(root=layout)
    path = dataset.first_annotation("ant", dataset.frames("ant")[0])
    assert path == layout / "Annotations" / "480p" / "ant" / "00000.png"
    path.unlink()
    with pytest.raises(InputError, match="No annotation for the first frame of sequence ant") as caught:
        dataset.first_annotation("ant", dataset.frames("ant")[0])
    assert str(path) in caught.value.message
