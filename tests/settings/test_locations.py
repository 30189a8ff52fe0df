from pathlib import Path

import pytest

from sfc_cli.errors import InputError, UsageError
from sfc_cli.settings.locations import assets_folder, checkpoints_folder, find_data, read_config


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "config" / "sfc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SFC_DATA", "SFC_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)


def _here(text: str) -> None:
    Path("sfc.yaml").write_text(text)


def _user(tmp_path: Path, text: str) -> None:
    (tmp_path / "config" / "sfc" / "sfc.yaml").write_text(text)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_find_data__order_of_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # From the last place to the first: each new one wins over those before it.
    direct = _folder(Path("davis"))
    assert find_data("davis") == direct
    beside = _folder(Path("data/davis"))
    assert find_data("davis") == beside
    environment = _folder(tmp_path / "sets" / "davis")
    monkeypatch.setenv("SFC_DATA", str(tmp_path / "sets"))
    assert find_data("davis") == environment
    user = _folder(tmp_path / "of-user")
    _user(tmp_path, f"data: {{davis: {user}}}")
    assert find_data("davis") == user
    here = _folder(tmp_path / "of-folder")
    _here(f"data: {{davis: {here}}}")
    assert find_data("davis") == here


def test_find_data__relative_paths_start_at_their_file(tmp_path: Path) -> None:
    expected = _folder(tmp_path / "config" / "sfc" / "sets" / "mine")
    _user(tmp_path, "data: {mine: sets/mine}")
    assert find_data("mine").resolve() == expected


def test_find_data__home_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = _folder(tmp_path / "home" / "mine")
    _here("data: {mine: ~/mine}")
    assert find_data("mine") == expected
    assert find_data("~/mine") == expected


def test_find_data__both_files_are_merged(tmp_path: Path) -> None:
    a, b = _folder(tmp_path / "a"), _folder(tmp_path / "b")
    _here(f"data: {{a: {a}}}")
    _user(tmp_path, f"data: {{b: {b}}}")
    assert (find_data("a"), find_data("b")) == (a, b)


def test_find_data__sample_comes_with_the_package() -> None:
    _folder(Path("data/sample"))
    assert find_data("sample") == assets_folder() / "sample"
    assert (find_data("sample") / "ImageSets" / "2017" / "val.txt").is_file()


def test_find_data__a_path_is_no_name(tmp_path: Path) -> None:
    path = _folder(tmp_path / "davis")
    _folder(Path("data/davis"))
    assert find_data(str(path)) == path
    assert find_data("./data/davis") == Path("data/davis")
    assert find_data(".") == Path()


def test_find_data__missing_name_names_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFC_DATA", str(tmp_path / "sets"))
    with pytest.raises(InputError) as caught:
        find_data("mine")
    for place in (
        tmp_path / "work" / "sfc.yaml",
        tmp_path / "config" / "sfc" / "sfc.yaml",
        tmp_path / "sets" / "mine",
        "data/mine",
    ):
        assert str(place) in caught.value.message
    assert "sfc.yaml" in caught.value.hint


def test_find_data__entry_that_leads_nowhere_is_not_denied(tmp_path: Path) -> None:
    _here(f"data: {{mine: {tmp_path / 'moved-away'}}}")
    with pytest.raises(InputError, match=str(tmp_path / "moved-away")) as caught:
        find_data("mine")
    assert "no entry" not in caught.value.message


def test_find_data__davis_can_be_downloaded() -> None:
    with pytest.raises(InputError, match="sfc download davis"):
        find_data("davis")


def test_find_data__missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path / "none")):
        find_data(str(tmp_path / "none"))


def test_find_data__a_file_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=str(tmp_path / "file")):
        find_data(str(tmp_path / "file"))


def test_find_data__empty() -> None:
    with pytest.raises(UsageError, match="`data` is empty"):
        find_data("")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: [a, b]", "`data` in"),
        ("- a\n- b", "is a list"),
        ("data: {", "cannot be read as YAML"),
        ("\x00", "cannot be read as YAML"),
    ],
)
def test_read_config__bad_file(text: str, said: str) -> None:
    _here(text)
    with pytest.raises(InputError, match=said) as caught:
        read_config()
    assert str(Path("sfc.yaml").absolute()) in caught.value.message
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "data:\n"])
def test_read_config__nothing_said(text: str) -> None:
    _here(text)
    with pytest.raises(InputError, match="No data set 'mine'"):
        find_data("mine")


def test_checkpoints_folder__order_of_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkpoints_folder(None) == Path("checkpoints")
    monkeypatch.setenv("SFC_CHECKPOINTS", str(tmp_path / "environment"))
    assert checkpoints_folder(None) == tmp_path / "environment"
    _user(tmp_path, "checkpoints: weights")
    assert checkpoints_folder(None) == tmp_path / "config" / "sfc" / "weights"
    _here("checkpoints: here")
    assert checkpoints_folder(None).resolve() == tmp_path / "work" / "here"
    assert checkpoints_folder(Path("chosen")) == Path("chosen")
