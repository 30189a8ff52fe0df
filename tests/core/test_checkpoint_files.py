import argparse
import contextlib
import io
import pickle
import struct
import tarfile
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.encoders import load_encoder
from sfc_cli.errors import InputError
from tests.core import published


class _Executes:
    """Unpickling this writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def _zip(content: object, path: Path) -> None:
    torch.save(content, path)


def _legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _plain_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("hidden_in", ["weights", "arguments", "top"])
@pytest.mark.parametrize("save", [_zip, _legacy, _plain_pickle])
def test_read_checkpoint__malicious_pickle_does_not_execute(
    tmp_path: Path, save: Callable[[object, Path], None], hidden_in: str
) -> None:
    marker, path = tmp_path / "executed", tmp_path / "bad.pth"
    evil = _Executes(marker)
    content: object = {
        "weights": {"model": {"online_encoder.conv1.weight": evil}},
        "arguments": {"model": {}, "args": argparse.Namespace(hook=evil)},
        "top": evil,
    }[hidden_in]
    save(content, path)
    # The file does execute where nothing holds it back.
    if save is _plain_pickle:
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert marker.exists()
    marker.unlink()
    with pytest.raises(InputError) as caught:
        read_checkpoint(path)
    assert not marker.exists()
    assert str(path) in caught.value.message
    if save is not _plain_pickle:
        assert "exec" in caught.value.message


def test_read_checkpoint__namespace_is_read(tmp_path: Path) -> None:
    torch.save({"args": argparse.Namespace(lr=0.5, inner=argparse.Namespace(depth=18))}, tmp_path / "a.pth")
    arguments = read_checkpoint(tmp_path / "a.pth")["args"]
    assert (arguments.lr, arguments.inner.depth) == (0.5, 18)
    # The exception is made for one read only.
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def test_read_checkpoint__any_other_class_is_refused(tmp_path: Path) -> None:
    torch.save({"args": types.SimpleNamespace(lr=0.5)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="SimpleNamespace"):
        read_checkpoint(tmp_path / "a.pth")


def test_read_checkpoint__saved_on_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        torch.save({"w": torch.arange(3.0)}, path)
    assert b"cuda:0" in path.read_bytes()
    weights = read_checkpoint(path)["w"]
    assert weights.device.type == "cpu"
    assert weights.tolist() == [0, 1, 2]


def _truncated(share: float) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": {"online_encoder.conv1.weight": torch.rand(64, 3, 7, 7)}}, buffer)
    content = buffer.getvalue()
    return content[: int(len(content) * share)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"<!DOCTYPE html><html><body>404</body></html>", "HTML", id="html"),
        pytest.param(b"\n  <html>", "HTML", id="html-after-blanks"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "truncated or not", id="text"),
        pytest.param(bytes(range(256)) * 9, "truncated or not", id="noise"),
        pytest.param(b"\x80\x02", "truncated or not", id="pickle-start"),
        pytest.param(b"PK\x03\x04", "truncated or not", id="zip-start"),
        pytest.param(_truncated(0.99), "truncated or not", id="truncated-late"),
        pytest.param(_truncated(0.5), "truncated or not", id="truncated"),
        pytest.param(_truncated(0.01), "truncated or not", id="truncated-early"),
    ],
)
def test_read_checkpoint__what_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_checkpoint(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_read_checkpoint__truncated_legacy_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    _legacy({"w": torch.rand(100)}, path)
    content = path.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 40):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="truncated or not"):
            read_checkpoint(path)


def test_read_checkpoint__missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth is missing"):
        read_checkpoint(tmp_path / "none.pth")


def test_read_checkpoint__a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], "text"], ids=["tensor", "list", "text"])
def test_read_checkpoint__no_mapping(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match="not a mapping"):
        read_checkpoint(tmp_path / "a.pth")


def _state() -> dict[str, Tensor]:
    return dict(published.constants("resnet18", 1.0))


def test_read_checkpoint__numpy_numbers_are_read(tmp_path: Path) -> None:
    torch.save({"lr": np.float64(0.5), "step": np.int64(3), "half": np.float32(2)}, tmp_path / "a.pth")
    content = read_checkpoint(tmp_path / "a.pth")
    assert (content["lr"], content["step"], content["half"]) == (0.5, 3, 2)


def test_read_checkpoint__safetensors(tmp_path: Path) -> None:
    save_file({"w": torch.arange(3.0)}, tmp_path / "a.safetensors")
    assert read_checkpoint(tmp_path / "a.safetensors")["w"].tolist() == [0, 1, 2]
    # A file is what it contains, whatever it is called.
    (tmp_path / "a.safetensors").rename(tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth")["w"].tolist() == [0, 1, 2]


def _write_legacy_tar(path: Path, name: str, tensor: Tensor) -> None:
    """Write PyTorch 0.1's format: storages, tensors and the pickle that names them, in one tar."""
    storages = io.BytesIO()
    for content in (1, (11, "cpu", torch.FloatStorage)):
        pickle.dump(content, storages, protocol=2)
    storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
    pickle.dump([], storages, protocol=2)
    tensors = io.BytesIO()
    for content in (1, (22, 11, torch.FloatTensor)):
        pickle.dump(content, tensors, protocol=2)
    shape = (*tensor.shape, *tensor.stride())
    tensors.write(struct.pack(f"<ii{len(shape)}qq", tensor.dim(), 0, *shape, 0))

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: object) -> int | None:
            return 22 if isinstance(thing, Tensor) else None

    named = io.BytesIO()
    Pickler(named, protocol=2).dump({name: tensor})
    with tarfile.open(path, "w") as archive:
        for member, file in (("storages", storages), ("tensors", tensors), ("pickle", named)):
            info = tarfile.TarInfo(member)
            info.size = len(file.getvalue())
            file.seek(0)
            archive.addfile(info, file)


def test_read_checkpoint__tar_of_old_pytorch(tmp_path: Path) -> None:
    path, tensor = tmp_path / "old.tar", torch.arange(6.0).reshape(2, 3)
    _write_legacy_tar(path, "w", tensor)
    assert torch.equal(torch.load(path, weights_only=False)["w"], tensor), "PyTorch reads it as the same"
    assert torch.equal(read_checkpoint(path)["w"], tensor)


def test_read_checkpoint__another_tar_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    with pytest.raises(InputError, match=r"is a tar archive of weights\.pth"):
        read_checkpoint(tmp_path / "a.tar")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_read_checkpoint__torchscript_is_named(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    with pytest.raises(InputError, match="is a TorchScript program"):
        read_checkpoint(tmp_path / "a.pt")


def test_read_checkpoint__compressed_zip_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(5_000_000)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as stored,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in stored.infolist():
            packed.writestr(member.filename, stored.read(member))
    assert (tmp_path / "b.pth").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"is a compressed zip file \(a/data\.pkl\)"):
        read_checkpoint(tmp_path / "b.pth")


def test_read_checkpoint__another_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("hvc_ytb.pth", b"weights")
    with pytest.raises(InputError, match=r"not a checkpoint: it contains hvc_ytb\.pth"):
        read_checkpoint(tmp_path / "a.pth")


def test_read_checkpoint__a_flipped_bit_of_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"w": torch.full((1000,), 1.5)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<f", 1.5) * 3) + 2001] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True)["w"], torch.full((1000,), 1.5)), (
        "PyTorch itself does not see it"
    )
    with pytest.raises(InputError, match="the bytes of a/data/0 do not match their checksum"):
        read_checkpoint(path)


def _mutations(content: bytes, seed: int, count: int) -> Iterator[bytes]:
    random = Random(seed)
    for _ in range(count):
        mutated = bytearray(content)
        for _ in range(random.choice((1, 1, 3, 20))):
            # Headers lie at the beginning and, of zips and pickles, at the end.
            index = random.choice(
                (random.randrange(2000), -1 - random.randrange(2000), random.randrange(len(content)))
            )
            index = index % len(mutated)
            match random.choice(("flip", "flip", "cut", "insert", "zero")):
                case "flip":
                    mutated[index] ^= 1 << random.randrange(8)
                case "cut":
                    del mutated[index : index + random.randrange(1, 200)]
                case "insert":
                    mutated[index:index] = random.randbytes(random.randrange(1, 40))
                case _:
                    mutated[index : index + 16] = bytes(len(mutated[index : index + 16]))
        yield bytes(mutated)


@pytest.mark.parametrize("kind", ["zip", "legacy", "tar", "safetensors"])
def test_load_encoder__mutated_files_end_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.pth"
    if kind == "safetensors":
        save_file({key: torch.full((16, 16), 0.5) for key in ("conv1.weight", "layer1.0.conv1.weight")}, path)
    elif kind == "tar":
        _write_legacy_tar(path, "conv1.weight", torch.rand(64, 3, 7, 7))
    else:
        (_zip if kind == "zip" else _legacy)(published.pack("fine-grained", _state()), path)
    said = []
    for content in _mutations(path.read_bytes(), seed=len(kind), count=15):
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            try:
                load_encoder(str(path))
            except InputError as error:
                said.append(str(error))
                raise
    assert len(said) >= 10
    assert all(str(path) in line and "\n" not in line for line in said)
