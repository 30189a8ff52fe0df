from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfc_cli.core import manifest
from sfc_cli.download import addresses
from tests.commands.downloads import FILE, Command, serve_downloads
from tests.download.loopback import (
    Answer,
    checkpoint,
    davis_zip,
    in_turn,
    page,
    redirect,
    reset,
    send,
    status,
    trickle,
    truncated,
    visible,
    whole,
)


@pytest.fixture
def sfc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with serve_downloads(tmp_path, monkeypatch) as command:
        yield command


@pytest.fixture(scope="session")
def right() -> bytes:
    return checkpoint(layout="sfc", filler=300_000)


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


def test_download__again_asks_nobody(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    assert sfc("fc") == "fc: already there and verified: checkpoints/pretrained_fc.pth\n"
    assert len(sfc.loopback.seen) == 1


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


def test_download__another_sum_than_at_first(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    sfc.target.unlink()
    other = checkpoint(layout="sfc", filler=10)
    sfc.source("fc", whole(other))
    sfc("fc")
    assert sfc.code == 4
    assert "was recorded when it was first fetched" in sfc.err
    assert not sfc.target.exists()
    sfc("fc", "--force")
    assert sfc.code == 0
    assert "replacing that record, as forced" in sfc.err
    assert sfc.target.read_bytes() == other


def test_download__changed_file_is_neither_trusted_nor_replaced(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    sfc.target.write_bytes(right[:5000])
    sfc("fc")
    assert sfc.code == 3
    assert "is no longer the file that was verified" in sfc.err
    assert "`sfc download fc --force`" in sfc.err
    sfc("fc", "--force")
    assert sfc.code == 0
    assert sfc.target.read_bytes() == right


def test_download__file_put_there_by_hand(sfc: Command, right: bytes) -> None:
    sfc.source("fc", status(404))
    sfc.checkpoints.mkdir()
    sfc.target.write_bytes(b"<html>not found</html>")
    sfc("fc")
    assert sfc.code == 3
    assert "is a web page, saved instead of the file. Type `sfc download fc --force`" in sfc.err
    sfc.target.write_bytes(right)
    assert sfc("fc") == "fc: verified now: checkpoints/pretrained_fc.pth\n"
    assert sfc.loopback.seen == []
    assert manifest.read_manifest(sfc.checkpoints)[FILE].sha256 == hashlib.sha256(right).hexdigest()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_download__from(sfc: Command, right: bytes, kind: str) -> None:
    by_hand = sfc.folder / "by hand"
    by_hand.mkdir()
    (by_hand / FILE).write_bytes(right)
    sfc("fc", "--from", str(by_hand / FILE if kind == "file" else by_hand))
    assert sfc.code == 0, sfc.err
    assert sfc.out.startswith(f"fc: taken from {by_hand / FILE} and verified")
    assert sfc.target.read_bytes() == right
    assert sfc.leftovers() == ["manifest.json", FILE]
    assert (by_hand / FILE).exists()


def test_download__from_a_wrong_file(sfc: Command) -> None:
    wrong = sfc.folder / "wrong.pth"
    wrong.write_bytes(checkpoint("resnet50", "sfc"))
    sfc("fc", "--from", str(wrong))
    assert sfc.code == 3
    assert sfc.err == f"error: fc: {wrong} has a resnet50, but a resnet18 is needed. Is it the right file?\n"
    assert sfc.leftovers() == []


def test_download__from_another_file_than_at_first(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    sfc.target.unlink()
    Path("other.pth").write_bytes(checkpoint(layout="sfc", filler=10))
    sfc("fc", "--from", "other.pth")
    assert sfc.code == 3
    assert "was recorded when it was first fetched" in sfc.err
    assert sfc.leftovers() == ["manifest.json"]


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


def test_download__from_the_file_itself(sfc: Command, right: bytes) -> None:
    sfc.checkpoints.mkdir()
    sfc.target.write_bytes(right)
    sfc("fc", "--from", str(sfc.target), "--force")
    assert sfc.code == 0, sfc.err
    assert sfc.target.read_bytes() == right
    assert FILE in manifest.read_manifest(sfc.checkpoints)


def test_download__verify(sfc: Command, right: bytes) -> None:
    assert sfc("--verify") == "nothing to verify: no known file in checkpoints\n"
    assert sfc.code == 0
    sfc("--verify", "fc")
    assert sfc.code == 3
    assert "checkpoints/pretrained_fc.pth is missing. Type `sfc download fc`." in sfc.err
    sfc.checkpoints.mkdir()
    sfc.target.write_bytes(right)
    assert sfc("--verify") == "fc: verified now: checkpoints/pretrained_fc.pth\n"
    assert sfc("--verify") == "fc: already there and verified: checkpoints/pretrained_fc.pth\n"
    assert sfc("--verify", "--force", "all") == "fc: verified now: checkpoints/pretrained_fc.pth\n"
    sfc.target.write_bytes(right[:-1])
    sfc("--verify")
    assert sfc.code == 3
    assert f"it has {len(right) - 1} bytes instead of {len(right)}" in sfc.err
    assert sfc.loopback.seen == []


def test_download__verify_thoroughly_sees_what_size_and_date_hide(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    before = sfc.target.stat()
    changed = bytearray(right)
    changed[len(right) // 2] ^= 1
    sfc.target.write_bytes(bytes(changed))
    os.utime(sfc.target, ns=(before.st_atime_ns, before.st_mtime_ns))
    sfc("--verify")
    assert sfc.code == 0
    sfc("--verify", "--force")
    assert sfc.code == 3
    assert "has changed since it was verified, although its size and date are the same" in sfc.err


def test_download__list(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    sfc.source("crw", truncated(checkpoint(filler=300_000), 100_000))
    sfc("crw")
    sfc.checkpoints.joinpath("checkpoint_0099.pth.tar").write_bytes(b"x" * 2000)
    rows = {line.split()[0]: line for line in sfc("--list").splitlines()}
    assert sfc.code == 0
    assert "verified" in rows["fc"]
    assert "100.0 kB so far" in rows["crw"]
    assert "not verified" in rows["simsiam"]
    assert "2.0 kB" in rows["simsiam"]
    assert "missing" in rows["vfs"]
    for part in (FILE, "127.0.0.1", "see its project", "ECCV 2022"):
        assert part in rows["fc"]
    sfc.target.write_bytes(b"changed")
    assert "changed" in sfc("--list", "fc")


def test_download__davis(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip()))
    assert sfc("davis") == "davis: unpacked: data/davis\n"
    assert Path("data/davis/JPEGImages/480p/bear/00000.jpg").read_bytes() == b"frame 0"
    assert visible(Path("data")) == ["davis"]
    assert sfc("davis") == "davis: already there and complete, 1 sequence: data/davis\n"
    assert "unpacked" in sfc("--list", "davis")
    Path("data/davis/Annotations/480p/bear/00001.png").unlink()
    sfc("davis", "--verify")
    assert sfc.code == 3
    assert "Sequence bear in data/davis has 2 frames, but 1 annotation." in sfc.err


def test_download__davis_goes_where_it_will_be_found(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip()))
    sfc("davis", "--data", "sets")
    assert Path("sets/davis/ImageSets/2017/val.txt").is_file()
    sfc("davis", SFC_DATA="others")
    assert Path("others/davis/ImageSets/2017/val.txt").is_file()


def test_download__davis_with_a_path_out_of_the_folder(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip({"DAVIS/../../evil": b"x"})))
    sfc("davis")
    assert sfc.code == 4
    assert "the received file is refused: its member 'DAVIS/../../evil' would be written outside" in sfc.err
    assert visible(Path("data")) == []
    Path("evil.zip").write_bytes(davis_zip({"/evil": b"x"}))
    sfc("davis", "--from", "evil.zip")
    assert sfc.code == 3
    assert visible(Path("data")) == []
    assert not list(sfc.folder.rglob("*evil"))


def test_download__davis_from_a_zip(sfc: Command) -> None:
    Path("got.zip").write_bytes(davis_zip())
    sfc("davis", "--from", "got.zip")
    assert sfc.code == 0, sfc.err
    assert Path("data/davis/ImageSets/2017/val.txt").is_file()
    assert Path("got.zip").exists()


def test_download__davis_by_force_moves_the_old_folder_aside(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip()))
    sfc("davis")
    Path("data/davis/own.txt").write_text("mine")
    assert "what was there before is now data/davis.before-1" in sfc("davis", "--force")
    assert Path("data/davis.before-1/own.txt").read_text() == "mine"


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


def test_download__golden_files(sfc: Command, golden: Path) -> None:
    folder = golden / "checkpoints"
    sfc("fc", "crw", "simsiam", "--from", str(folder))
    assert sfc.code == 0, sfc.err
    sfc("vfs", "pixpro", "moco", "--from", str(folder))
    assert sfc.code == 3, "they carry the published names, but are not the published files"
    assert sfc.err.count("but the published one begins with") == 3
