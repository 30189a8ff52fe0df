"""``sfc download`` where files are already: recorded, changed, fetched by hand, verified, listed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sfc_cli.core import manifest
from tests.commands.downloads import FILE, Command
from tests.download.loopback import checkpoint, status, truncated, whole


def test_download__again_asks_nobody(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc("fc")
    assert sfc("fc") == "fc: already there and verified: checkpoints/pretrained_fc.pth\n"
    assert len(sfc.loopback.seen) == 1


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


def test_download__golden_files(sfc: Command, golden: Path) -> None:
    folder = golden / "checkpoints"
    sfc("fc", "crw", "simsiam", "--from", str(folder))
    assert sfc.code == 0, sfc.err
    sfc("vfs", "pixpro", "moco", "--from", str(folder))
    assert sfc.code == 3, "they carry the published names, but are not the published files"
    assert sfc.err.count("but the published one begins with") == 3
