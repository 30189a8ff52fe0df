"""The tar format of PyTorch before 0.2, read without running code; PyTorch itself reads it only unsafely."""

from __future__ import annotations

import struct
import tarfile
from typing import IO, Any, Final

import torch
from torch import Tensor, _weights_only_unpickler

from sfc_cli.errors import InputError

MEMBERS: Final = frozenset({"storages", "tensors", "pickle"})


def read(archive: tarfile.TarFile) -> object:
    """Return what an archive with ``MEMBERS`` stores, its tensors on the CPU.

    Raises:
        InputError: If a member is no plain file.
        Exception: Of many kinds, if it is damaged.
    """
    storages = _read_storages(_member(archive, "storages"))
    tensors = _read_tensors(_member(archive, "tensors"), storages)
    unpickler = _weights_only_unpickler.Unpickler(_member(archive, "pickle"), encoding="utf-8")
    unpickler.persistent_load = lambda pid: tensors[int(pid)]  # type: ignore[method-assign]
    return unpickler.load()


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise InputError(f"Its member {name} is not a plain file.", "Is it the right file?")
    return file


def _load(file: IO[bytes]) -> Any:
    return _weights_only_unpickler.load(file, encoding="utf-8")


def _read_storages(file: IO[bytes]) -> dict[int, Tensor]:
    """Return the flat storages by their keys, and the views of them by theirs."""
    storages: dict[int, Tensor] = {}
    for _ in range(_load(file)):
        key, _location, kind = _load(file)
        (count,) = struct.unpack("<q", file.read(8))
        content = file.read(count * kind.dtype.itemsize)
        if count < 0 or len(content) != count * kind.dtype.itemsize:
            raise EOFError
        storages[key] = torch.frombuffer(bytearray(content), dtype=kind.dtype) if count else torch.empty(0)
    for key, root, offset, count in _load(file):
        storages[key] = storages[root][offset : offset + count]
    return storages


def _read_tensors(file: IO[bytes], storages: dict[int, Tensor]) -> dict[int, Tensor]:
    tensors: dict[int, Tensor] = {}
    for _ in range(_load(file)):
        key, storage, _kind = _load(file)
        (rank,) = struct.unpack("<i", file.read(4))
        file.read(4)  # the rank was once written in eight bytes
        shape = struct.unpack(f"<{rank}q", file.read(8 * rank))
        stride = struct.unpack(f"<{rank}q", file.read(8 * rank))
        (offset,) = struct.unpack("<q", file.read(8))
        tensors[key] = torch.as_strided(
            storages[storage], shape, stride, storages[storage].storage_offset() + offset
        )
    return tensors
