"""``sfc download`` from servers of every kind: what comes, from where, and what is said if nothing does."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfc_cli.core import manifest
from sfc_cli.download import addresses
from tests.commands.downloads import FILE, Command
from tests.download.loopback import (
    Answer,
    checkpoint,
    in_turn,
    page,
    redirect,
    reset,
    send,
    status,
    trickle,
    truncated,
    whole,
)


def test_download__whole_way(sfc: Command, right: bytes) -> None:
    source = sfc.source("fc", whole(right))
    out = sfc("fc")
    sha256 = hashlib.sha256(right).hexdigest()
    assert sfc.code == 0
    assert out.startswith("fc: downloaded and verified: checkpoints/pretrained_fc.pth (")
    assert sha256[:16] in out
    assert f"fc: {len(right) / 1e3:.1f} kB\n" in sfc.err
    assert sfc.target.read_bytes() == right
    assert sfc.leftovers() == ["manifest.json", FILE]
    record = json.loads((sfc.checkpoints / "manifest.json").read_text())["files"][FILE]
    assert record == {
        "name": "fc",
        "sha256": sha256,
        "size": len(right),
        "mtime_ns": sfc.target.stat().st_mtime_ns,
        "source": source,
    }


class _Malicious:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


def _short_declaration(body: bytes) -> Answer:
    return lambda handler, _: send(handler, 200, body, declared=len(body) // 2)


FAULTS: dict[str, tuple[Callable[[bytes], Answer], dict[str, Any], str]] = {
    "truncated body": (lambda body: truncated(body, 1000), {}, "the connection broke"),
    "length declared too short": (_short_declaration, {}, "truncated or not a PyTorch checkpoint"),
    "length other than known": (whole, {"size": 12345}, "bytes, but the file has 12345"),
    "reset mid-way": (lambda body: reset(body, 1000), {}, "the connection broke"),
    "403": (lambda _: status(403), {}, "the server answers 403 Forbidden"),
    "404": (lambda _: status(404), {}, "the server answers 404 Not Found"),
    "429 for too long": (lambda _: status(429, {"Retry-After": "9999"}), {}, "asks to wait 9999 s"),
    "500": (lambda _: status(500), {}, "the server answers 500 Internal Server Error, 3 times"),
    "page with status 200": (lambda _: page("<title>Sorry</title>"), {}, "a web page titled 'Sorry'"),
    "page said to be a file": (
        lambda _: status(200, body=b"<!DOCTYPE html>"),
        {},
        "the received file is a web page",
    ),
    "slow trickle": (lambda body: trickle(body[:100], 0.05), {}, "bytes arrived in"),
    "redirect loop": (lambda _: redirect("/fc"), {}, "redirects in a circle"),
    "redirect to file://": (lambda _: redirect("file:///etc/passwd"), {}, "not an http(s) address"),
    "wrong sha256": (whole, {"sha256": "d7ce3ad0"}, "but the published one begins with d7ce3ad0"),
    "wrong md5": (whole, {"md5": "919c6612"}, "but the published one begins with 919c6612"),
    "other network": (
        lambda _: whole(checkpoint("resnet50", "sfc")),
        {},
        "has a resnet50, but a resnet18 is needed",
    ),
    "other layout": (lambda _: whole(checkpoint()), {}, "has the layout of torchvision, not of sfc"),
    "malicious pickle": (lambda _: whole(pickle.dumps({"model": _Malicious()}, protocol=2)), {}, "refused"),
    "empty file": (lambda _: whole(b""), {}, "is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_download__fault_of_the_only_source(sfc: Command, right: bytes, fault: str) -> None:
    answer, fields, reason = FAULTS[fault]
    source = sfc.source("fc", answer(right), **fields)
    sfc("fc")
    assert sfc.code == 4
    assert not sfc.target.exists()
    assert not Path("executed").exists()
    last = sfc.err.splitlines()[-1]
    assert last.startswith(f"error: fc: {FILE} could not be downloaded. Tried {source}: ")
    assert reason in last
    assert last.endswith(f"Download it by hand from {source} and run `sfc download fc --from FILE`.")


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in {"length other than known"}])
def test_download__after_a_fault_the_right_file_comes(sfc: Command, right: bytes, fault: str) -> None:
    answer, fields, _ = FAULTS[fault]
    sfc.source("fc", answer(right), **fields)
    sfc("fc")
    sfc.source("fc", whole(right))
    sfc("fc")
    assert sfc.code == 0, sfc.err
    assert sfc.target.read_bytes() == right
    assert sfc.leftovers() == ["manifest.json", FILE]


def test_download__429_then_success(sfc: Command, right: bytes) -> None:
    sfc.source("fc", in_turn(status(429, {"Retry-After": "17"}), whole(right)))
    sfc("fc")
    assert sfc.code == 0
    assert sfc.pauses == [17]
    assert "fc: the server answers 429 Too Many Requests; trying again in 17 s" in sfc.err


def test_download__drive_form_then_quota(sfc: Command, right: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "DRIVE_DOWNLOAD", sfc.loopback.url("/drive"))
    form = (
        '<form id="download-form" action="/confirmed"><input name="confirm" value="t">'
        '<input name="uuid" value="1"></form>'
    )
    sfc.loopback.serve("/drive", page(form))
    sfc.loopback.serve(
        "/confirmed", in_turn(whole(right), page("<title>Google Drive - Quota exceeded</title>"))
    )
    sfc.source("fc", status(404))
    config = {"download": {"fc": {"sources": ["drive:abc"]}}}
    Path("sfc.yaml").write_text(yaml.safe_dump(config))
    sfc("fc")
    assert sfc.code == 0, sfc.err
    assert sfc.target.read_bytes() == right
    sfc("fc", "--force")
    assert sfc.code == 4
    assert "Google Drive's download quota for this file is used up" in sfc.err
    assert "Download it by hand from https://drive.google.com/file/d/abc/view and run" in sfc.err
    assert sfc.target.read_bytes() == right, "the old file stays"


def test_download__one_failing_name_does_not_stop_the_others(sfc: Command) -> None:
    sfc.source("fc", status(404))
    sfc.source("moco", whole(checkpoint("resnet50", "moco")), md5="")
    sfc.source("vfs", status(403))
    sfc("fc", "moco", "vfs", "--jobs", "2")
    assert sfc.code == 4
    assert sfc.out.startswith("moco: downloaded and verified")
    errors = sorted(line.split(":")[1] for line in sfc.err.splitlines() if line.startswith("error"))
    assert errors == [" fc", " vfs"]


def test_download__second_source_after_the_first(sfc: Command, right: bytes) -> None:
    bad = sfc.source("crw", status(403))
    good = sfc.source("fc", whole(right))
    Path("sfc.yaml").write_text(yaml.safe_dump({"download": {"fc": {"sources": [bad, good]}}}))
    sfc("fc")
    assert sfc.code == 0
    assert manifest.read_manifest(sfc.checkpoints)[FILE].source == good
    assert f"fc: giving up on {bad}: the server answers 403 Forbidden" in sfc.err


@pytest.mark.parametrize("how", ["option", "variable"])
def test_download__mirrors_come_first(sfc: Command, right: bytes, how: str) -> None:
    sfc.source("fc", status(500))
    sfc.loopback.serve(f"/good/{FILE}", whole(right))
    empty, good = sfc.loopback.url("/empty/"), sfc.loopback.url("/good")
    if how == "option":
        sfc("fc", "--mirror", empty, "--mirror", good)
    else:
        sfc("fc", SFC_MIRROR=f"{empty} {good}")
    assert sfc.code == 0, sfc.err
    assert [path for path, _ in sfc.loopback.seen] == [f"/empty/{FILE}", f"/good/{FILE}"]


def test_download__mirror_that_lies_is_passed_over(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc.loopback.serve(f"/{FILE}", whole(checkpoint("resnet50", "sfc")))
    sfc("fc", "--mirror", sfc.loopback.url(""))
    assert sfc.code == 0
    assert "has a resnet50" in sfc.err
    assert sfc.target.read_bytes() == right


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fc", "--from", "nowhere"], 3, "--from nowhere: there is no such file or folder."),
        (
            ["imagenet", "--from", "one.pth"],
            2,
            "--from is one file, but imagenet18, imagenet50 were asked for",
        ),
        (["fc", "--from", "empty"], 3, f"No file empty/{FILE} for fc. Fetch https://github.com/"),
        (
            ["--verify", "--from", "one.pth"],
            2,
            "--verify and --from exclude each other. --from verifies what it takes.",
        ),
        (
            ["fc", "--mirror", "ftp://a/b"],
            2,
            "Mirror 'ftp://a/b' is not an http(s) address. For a folder, use --from.",
        ),
        (["fc", "--jobs", "0"], 2, "--jobs"),
        ([], 2, "Say what to download. Names: fc, crw, moco, simsiam, vfs, pixpro, imagenet18"),
        (["mocco"], 2, "No download named 'mocco'. Did you mean moco? Names: fc, crw"),
    ],
)
def test_download__usage(sfc: Command, arguments: list[str], code: int, message: str) -> None:
    Path("one.pth").write_bytes(b"x")
    Path("empty").mkdir()
    sfc(*arguments)
    assert sfc.code == code
    assert message in sfc.err
    assert sfc.loopback.seen == []


def test_download__entry_of_the_user(sfc: Command) -> None:
    content = checkpoint("resnet50", "moco")
    sfc.source("mine", whole(content), file="mine.pth", trunk="resnet50")
    sfc("mine")
    assert sfc.code == 0, sfc.err
    assert (sfc.checkpoints / "mine.pth").read_bytes() == content


def test_download__checkpoints_option(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc", "--checkpoints", "elsewhere/deep")
    assert (sfc.folder / "elsewhere" / "deep" / FILE).read_bytes() == right


def test_download__propagate_names_the_download(sfc: Command) -> None:
    from sfc_cli.core.encoders import ENCODERS, find_encoder
    from sfc_cli.download.catalogue import read_catalogue
    from sfc_cli.errors import InputError

    for name, encoder in ENCODERS.items():
        if encoder.file is None:
            continue
        with pytest.raises(InputError, match=f"Type `sfc download {encoder.download}`"):
            find_encoder(name, sfc.checkpoints)
        assert encoder.download in read_catalogue().names
