"""Reading a checkpoint's file safely: PyTorch's formats and safetensors, whole, without running code."""

from __future__ import annotations

import argparse
import re
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfc_cli.core import legacy_tar
from sfc_cli.errors import InputError

# What a file is that begins so, where it is not a checkpoint.
_OTHER_FILES = {
    b"\x89HDF": "an HDF5 file (Keras or h5py)",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "compressed with gzip: unpack it",
    b"GGUF": "a GGUF file",
    b"7z\xbc\xaf": "compressed with 7-Zip: unpack it",
}
_LONGEST_HEADER = 100_000_000


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint safely: tensors, plain Python values, NumPy's numbers and ``argparse.Namespace``.

    PyTorch's zip, pickle and old tar formats and safetensors are read. Of a zip every byte is compared with
    its CRC first, which PyTorch does not do.

    Returns:
        The stored mapping, with every tensor on the CPU.

    Raises:
        InputError: If the file is missing, damaged, compressed, no checkpoint, or asks to execute anything.
    """
    start = _refuse_other_files(path)
    try:
        # Remarks on deprecated formats are PyTorch's own affair.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = _reader(start)(path)
    except InputError:
        raise
    except OSError as error:
        if error.errno is not None and error.filename is not None:
            raise InputError(f"Cannot read checkpoint {path}: {error.strerror or error}.") from None
        raise _damaged(path) from None
    except Exception as error:
        # Whatever a damaged file makes a reader stumble over: struct.error, AssertionError, RecursionError …
        forbidden = re.search(r"(?:GLOBAL|global)\s+([\w.]+)", str(error))
        if forbidden and "Weights" in str(error):
            raise InputError(
                f"{path} is refused: it asks for the Python object {forbidden[1]}, which could execute code.",
                "Only load files whose source you trust, saved as plain tensors: "
                "`torch.save(model.state_dict(), …)`.",
            ) from None
        raise _damaged(path) from None
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path} contains a {type(content).__name__}, not a mapping of weights.", "Is it the right file?"
        )
    return content


def _reader(start: bytes) -> Callable[[Path], object]:
    if start[:4] == b"PK\x03\x04":
        return _read_zip
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < _LONGEST_HEADER:
        return _read_safetensors
    if start[257:262] == b"ustar":
        return _read_tar
    return _load


def _load(path: Path) -> object:
    with torch.serialization.safe_globals(_permitted()):
        return torch.load(path, map_location="cpu", weights_only=True)


def _permitted() -> list[Any]:
    """Return the classes that files may ask for: published ones store command lines and NumPy's numbers."""
    numbers = [type(np.dtype(code)) for code in ("?bhilqBHILQefd")]
    return [
        argparse.Namespace,
        (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
        (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
        np.dtype,
        *numbers,
    ]


def _read_zip(path: Path) -> object:
    """Read PyTorch's zip format after looking at the archive itself.

    Raises:
        InputError: If it is a TorchScript program, compressed or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(re.search(r"(^|/)(constants\.pkl$|code/)", member.filename) for member in members):
            raise InputError(
                f"{path} is a TorchScript program, which contains code.",
                "Load it in PyTorch and save `model.state_dict()`.",
            )
        packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise InputError(
                f"{path} is a compressed zip file ({packed[0]}), which no checkpoint is.",
                "Unpack it and give the file inside, or save the weights again with torch.save.",
            )
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise _damaged(path)
        if damaged := archive.testzip():
            raise InputError(
                f"{path} is damaged: the bytes of {damaged} do not match their checksum.",
                "Download it again.",
            )
        if not any(member.filename.endswith("data.pkl") for member in members):
            inside = ", ".join(member.filename for member in members[:3]) or "nothing"
            raise InputError(
                f"{path} is a zip file, but not a checkpoint: it contains {inside}.", "Is it the right file?"
            )
    return _load(path)


def _read_safetensors(path: Path) -> object:
    from safetensors.torch import load_file

    return load_file(path, device="cpu")


def _read_tar(path: Path) -> object:
    with tarfile.open(path) as archive:
        names = archive.getnames()
        if legacy_tar.MEMBERS.issubset(names):
            return legacy_tar.read(archive)
    raise InputError(
        f"{path} is a tar archive of {', '.join(names[:3]) or 'nothing'}.",
        "Unpack it and give the checkpoint inside.",
    )


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path} ({path.stat().st_size} bytes) is truncated or not a PyTorch checkpoint.",
        "Download it again.",
    )


def _refuse_other_files(path: Path) -> bytes:
    """Return a file's first bytes, or say what it is if it cannot be a checkpoint."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except FileNotFoundError:
        raise InputError(
            f"Checkpoint {path} is missing.", "Check the path, or type `sfc download --list`."
        ) from None
    except OSError as error:
        raise InputError(f"Cannot read checkpoint {path}: {error.strerror or error}.") from None
    if not start:
        raise InputError(f"Checkpoint {path} is empty (0 bytes).", "Download it again.")
    if start.lstrip()[:1] == b"<":
        raise InputError(
            f"{path} is an HTML or XML page, not a checkpoint: an error page was saved instead.",
            "Delete it and download it again.",
        )
    for signature, what in _OTHER_FILES.items():
        if start.startswith(signature):
            raise InputError(f"{path} is {what}.", "sfc reads PyTorch's checkpoints and safetensors.")
    return start
