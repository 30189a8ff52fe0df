"""Words of messages: numbers with nouns, and what was probably meant."""

from pathlib import Path

import pytest

from sfc_cli.errors import InputError, UsageError, require_choice
from sfc_cli.wording import counted, did_you_mean


@pytest.mark.parametrize(
    ("number", "word", "text"),
    [
        (0, "frame", "0 frames"),
        (1, "frame", "1 frame"),
        (2000, "mask", "2,000 masks"),
        (2, "process", "2 processes"),
    ],
)
def test_counted__number_and_noun(number: int, word: str, text: str) -> None:
    assert counted(number, word) == text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("davos", "Did you mean davis? "), ("DAVIS", "Did you mean davis? "), ("zebra", ""), ("", "")],
)
def test_did_you_mean__the_nearest_or_nothing(typed: str, meant: str) -> None:
    assert did_you_mean(typed, ["sample", "davis", "mose"]) == meant


def test_require_choice__asks_what_was_meant() -> None:
    with pytest.raises(UsageError, match=r"Did you mean fast\? Choose one of: exact, fast"):
        require_choice("precision", "fats", ("exact", "fast"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SFC_DATA", raising=False)
    return tmp_path


def test_find_data__asks_what_was_meant(here: Path) -> None:
    from sfc_cli.settings.locations import find_data

    (here / "data" / "holiday").mkdir(parents=True)
    for typed, meant in (("davsi", "davis"), ("holidays", "holiday"), ("youtubevos", "youtube-vos")):
        with pytest.raises(InputError, match=rf"Did you mean {meant}\?"):
            find_data(typed)
    # What is known and only missing is not asked for.
    for name in ("davis", "mose", "elsewhere/davsi"):
        with pytest.raises(InputError) as missing:
            find_data(name)
        assert "Did you mean" not in str(missing.value)


def test_find_encoder__asks_what_was_meant(here: Path) -> None:
    from sfc_cli.core.encoders import find_encoder

    with pytest.raises(UsageError, match=r"Did you mean mocov1\?"):
        find_encoder("mocov2", here)
    with pytest.raises(UsageError, match=r"Did you mean dinov2:s\?"):
        find_encoder("dinov2:x", here)


def test_splits_and_sequences__ask_what_was_meant(here: Path) -> None:
    from sfc_cli.data.davis import DavisDataset
    from sfc_cli.data.sequence_names import choose_sequences
    from sfc_cli.data.vos import open_vos

    (here / "ImageSets" / "2017").mkdir(parents=True)
    (here / "ImageSets" / "2017" / "val.txt").write_text("camel\n")
    with pytest.raises(InputError, match=r"Did you mean val\?"):
        DavisDataset(root=here).sequences("vall")
    with pytest.raises(InputError, match=r"Did you mean camel\?"):
        choose_sequences(["camel", "cows"], ["cammel"], here)
    (here / "vos" / "valid" / "JPEGImages").mkdir(parents=True)
    with pytest.raises(InputError, match=r"Did you mean valid\?"):
        open_vos(here / "vos", "vaild")


@pytest.mark.usefixtures("here")
def test_benchmarks_and_downloads__ask_what_was_meant() -> None:
    from sfc_cli.download.catalogue import read_catalogue
    from sfc_cli.evaluation.benchmarks import require_benchmark
    from sfc_cli.evaluation.scoring_protocols import ScoringChoice

    with pytest.raises(UsageError, match=r"Did you mean davis\?"):
        require_benchmark("davi")
    with pytest.raises(UsageError, match=r"Did you mean simsiam\?"):
        read_catalogue().select(["simsam"])
    with pytest.raises(UsageError, match=r"Did you mean first\?"):
        ScoringChoice(skip=["frist"])
