from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sfc_cli.core import manifest
from sfc_cli.core.encoders import load_encoder
from sfc_cli.errors import InputError
from tests.download.loopback import checkpoint


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pretrained_fc.pth"
    path.write_bytes(b"weights")
    manifest.record(path, name="fc", source="https://a/b", sha256=manifest.hash_file(path))
    return path


def rewrite(path: Path, content: bytes) -> None:
    """Write, and make sure that the time of change differs."""
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_record__can_be_read_again(file: Path) -> None:
    status = file.stat()
    assert manifest.read_manifest(file.parent) == {
        "pretrained_fc.pth": manifest.Record(
            name="fc",
            sha256=hashlib.sha256(b"weights").hexdigest(),
            size=7,
            mtime_ns=status.st_mtime_ns,
            source="https://a/b",
        )
    }


def test_record__keeps_the_others(file: Path) -> None:
    other = file.with_name("other.pth")
    other.write_bytes(b"x")
    manifest.record(other, name="other", source="", sha256="0")
    assert list(manifest.read_manifest(file.parent)) == ["other.pth", "pretrained_fc.pth"]
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "manifest.json",
        "other.pth",
        "pretrained_fc.pth",
    ]


def test_check__untouched_file_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "hash_file", lambda _: pytest.fail("it was hashed"))
    manifest.check(file)


def test_check__copied_file_with_a_new_date(file: Path) -> None:
    rewrite(file, b"weights")
    manifest.check(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"weight", "it has 6 bytes instead of 7"), (b"Weights", "its SHA-256 is .*instead of")],
)
def test_check__changed_file(file: Path, content: bytes, message: str) -> None:
    rewrite(file, content)
    with pytest.raises(InputError, match=f"{message}.*`sfc download fc --force`"):
        manifest.check(file)


def test_check__unknown_file_and_no_manifest(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = file.with_name("other.pth")
    other.write_bytes(b"x")
    manifest.check(other)
    alone = tmp_path_factory.mktemp("alone") / "pretrained_fc.pth"
    alone.write_bytes(b"x")
    manifest.check(alone)


def test_sha256_of__uses_the_record_while_it_fits(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = hashlib.sha256(b"weights").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "hash_file", lambda _: pytest.fail("it was hashed"))
        assert manifest.sha256_of(file) == expected
    rewrite(file, b"Weights")
    assert manifest.sha256_of(file) == hashlib.sha256(b"Weights").hexdigest()


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"files": {"a": {"size": 1}}}'])
def test_read_manifest__damaged(file: Path, text: str) -> None:
    (file.parent / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"cannot be read as the record.*sfc download --verify"):
        manifest.read_manifest(file.parent)


@pytest.mark.parametrize("name", ["../x.pth", "a/../../x.pth", "/x.pth", "C:\\\\x.pth", "..", ""])
def test_read_manifest__name_outside_the_folder(file: Path, name: str) -> None:
    manifest_file = file.parent / "manifest.json"
    manifest_file.write_text(manifest_file.read_text().replace("pretrained_fc.pth", name))
    with pytest.raises(InputError, match=r"manifest.json names .*leads out of its folder"):
        manifest.read_manifest(file.parent)


def test_record__cannot_be_written(file: Path) -> None:
    before = manifest.read_manifest(file.parent)
    (file.parent / f".manifest.json.{os.getpid()}.part").mkdir()
    with pytest.raises(InputError, match=r"Cannot write .*manifest\.json: Is a directory"):
        manifest.record(file, name="fc", source="", sha256="0")
    assert manifest.read_manifest(file.parent) == before


def test_load_encoder__refuses_a_file_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "resnet18-f37072fd.pth"
    path.write_bytes(checkpoint())
    manifest.record(path, name="imagenet18", source="", sha256=manifest.hash_file(path))
    load_encoder("imagenet18", checkpoints=tmp_path, batchnorm="checkpoint")
    rewrite(path, checkpoint(filler=9))
    with pytest.raises(InputError, match=r"no longer the file that was verified.*imagenet18 --force"):
        load_encoder("imagenet18", checkpoints=tmp_path, batchnorm="checkpoint")
    with pytest.raises(InputError, match="no longer the file that was verified"):
        load_encoder(str(path), batchnorm="checkpoint")
