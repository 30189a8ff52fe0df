from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfc_cli.download.addresses import address_of
from sfc_cli.download.catalogue import Entry, read_catalogue
from sfc_cli.errors import InputError, UsageError


def write_config(content: Any) -> None:
    Path("sfc.yaml").write_text(yaml.safe_dump({"download": content}))


def test_read_catalogue__serves_every_encoder() -> None:
    from sfc_cli.core.encoders import ENCODERS

    catalogue = read_catalogue()
    for name, encoder in ENCODERS.items():
        if encoder.file is None:
            continue
        assert encoder.download is not None
        fitting = [entry for entry in catalogue.select([encoder.download]) if entry.file == encoder.file]
        assert [(entry.trunk, entry.layout) for entry in fitting] == [
            (encoder.architecture, encoder.layout)
        ], name
    assert {entry.file for entry in catalogue.select(["all"])} == {
        encoder.file for encoder in ENCODERS.values() if encoder.file is not None
    }


def test_read_catalogue__torchvision_agrees() -> None:
    for entry in read_catalogue().select(["imagenet"]):
        address = address_of(entry.sources[0])
        assert address.endswith(f"/{entry.file}")
        assert entry.file.endswith(f"-{entry.sha256}.pth"), (
            "torchvision's file names end in the sum's first digits"
        )


def test_read_catalogue__loads_no_torch() -> None:
    program = (
        "import sys; from sfc_cli.download.catalogue import read_catalogue; read_catalogue(); "
        "print('torch' in sys.modules, 'timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_select__groups_and_repetitions() -> None:
    catalogue = read_catalogue()
    names = [entry.name for entry in catalogue.select(["vfs", "imagenet", "imagenet50", "davis"])]
    assert names == ["vfs", "imagenet18", "imagenet50", "davis"]
    assert "davis" not in [entry.name for entry in catalogue.select(["all"])]


def test_select__unknown_name() -> None:
    with pytest.raises(UsageError, match=r"'mocco'.*Names: fc, crw, moco, .*imagenet, all"):
        read_catalogue().select(["fc", "mocco"])


def test_read_catalogue__own_entries_and_changes() -> None:
    write_config(
        {
            "mine": {"file": "mine.pth", "sources": "https://example.org/mine.pth", "size": 7},
            "fc": {"sources": ["https://example.org/fc.pth"]},
        }
    )
    entries = read_catalogue().entries
    assert entries["mine"] == Entry(
        name="mine", file="mine.pth", sources=("https://example.org/mine.pth",), size=7
    )
    assert entries["fc"].sources == ("https://example.org/fc.pth",)
    assert entries["fc"].layout == "sfc"
    assert "mine" in [entry.name for entry in read_catalogue().select(["all"])]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "C:\\x", "C:x", "\\x", "..", ""])
@pytest.mark.parametrize("field", ["file", "folder", "contains"])
def test_read_catalogue__names_never_lead_out(field: str, name: str) -> None:
    entry = {"file": "m.zip", "folder": "m", "contains": ["JPEGImages/480p"]}
    write_config({"mine": entry})
    assert read_catalogue().entries["mine"].contains == ("JPEGImages/480p",)
    write_config({"mine": {**entry, field: [name] if field == "contains" else name}})
    with pytest.raises(InputError, match=f"`{field}` of download entry 'mine' is"):
        read_catalogue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "`download` in sfc.yaml is a list"),
        ({"mine": 5}, "not a mapping of fields"),
        ({"mine": {"sources": []}}, "has no `file`"),
        ({"mine": {"file": "m.pth", "url": "x"}}, "unknown field url.*Fields: archive, contains, .*file"),
        ({"mine": {"file": "../m.pth"}}, "`file` of download entry 'mine' is '../m.pth'"),
        ({"mine": {"file": "a\\m.pth"}}, "plain name"),
        ({"mine": {"file": "/m.pth"}}, "plain name"),
        ({"mine": {"file": "manifest.json"}}, "plain name"),
        ({"mine": {"file": ".hidden"}}, "plain name"),
        ({"mine": {"file": 5}}, "`file` of download entry 'mine' is 5"),
        ({"mine": {"file": "m.zip", "folder": ".."}}, "`folder`"),
        ({"mine": {"file": "m.zip", "folder": "m", "contains": ["../x"]}}, "`contains`"),
        ({"mine": {"file": "m.pth", "sha256": "xyzxyz"}}, "hexadecimal digits"),
        ({"mine": {"file": "m.pth", "sha256": 12345678}}, "Write text, in quotes"),
        ({"mine": {"file": "m.pth", "md5": "0" * 33}}, "6 to 32"),
        ({"mine": {"file": "m.pth", "size": "big"}}, "number of bytes"),
        ({"mine": {"file": "m.pth", "trunk": "resnet20"}}, "Trunks: resnet18, resnet34"),
        (
            {"mine": {"file": "m.pth", "sources": ["file:///etc/passwd"]}},
            "source 'file:///etc/passwd'.*`given`",
        ),
        ({"mine": {"file": "m.pth", "sources": [3]}}, "`sources`"),
        ({"all": {"file": "m.pth"}}, "stands for several"),
        ({"imagenet": {"file": "m.pth"}}, "stands for several"),
    ],
)
def test_read_catalogue__refuses(content: Any, message: str) -> None:
    write_config(content)
    with pytest.raises(InputError, match=message):
        read_catalogue()


@pytest.mark.parametrize("name", ["youtube-vos", "mose", "lvos"])
def test_select__data_sets_that_are_fetched_by_hand(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is to be fetched by hand, from https://"):
        read_catalogue().select([name])
