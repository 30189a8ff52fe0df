"""Names that lead out of a folder, small data sets that use them, and what must stay as it is around them.

Every data set also has real frames and masks wherever such a name leads to: whoever follows it finds all that
a sequence needs, so that nothing but the name itself can stop a command.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from typer.main import get_command

from sfc_cli.data.masks import encode_mask
from sfc_cli.main import app

FRAMES = 3
# The fourth becomes an absolute path of the test's own.
LEADING_OUT = ["..", "../x", "a/../../b", "/abs", "C:\\x", "..\\x", ".", "a\0b"]
# Those that a file or folder can have, on systems where a backslash is a letter like any other.
FILE_NAMES = ["C:\\x", "a\\..\\..\\x", "\\x"]
RESERVED = ["overlay", "cutout", "soft", ".resume", "run.json", "objects.csv"]


# Made once: Typer's own runner reads all options of all commands again at each call.
command = functools.cache(lambda: get_command(app))


def sfc(*arguments: object) -> tuple[object, str]:
    """Run a command in this process; return its exit code and what it wrote to standard error."""
    written = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(written):
        try:
            command()([str(argument) for argument in arguments], prog_name="sfc")
        except SystemExit as end:
            return end.code, written.getvalue()
    return 0, written.getvalue()


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Return everything below a folder: contents of files, targets of links, and folders."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        # Locks are empty files that may stay.
        if path.suffix != ".lock":
            content = str(path.readlink()) if path.is_symlink() else "folder" if path.is_dir() else None
            found[str(path.relative_to(folder))] = path.read_bytes() if content is None else content
    return found


def refuse(root: Path, *arguments: object) -> str:
    """Run a command that must end with an error of one line and change nothing below ``root``.

    Returns:
        The line.
    """
    before = snapshot(root)
    code, said = sfc(*arguments)
    assert code in (2, 3), f"{code}: {said}"
    lines = said.splitlines()
    assert lines[-1].startswith("error: "), said
    # What is to be done may be said before.
    assert not any("error" in line or "Traceback" in line for line in lines[:-1]), said
    assert snapshot(root) == before
    return lines[-1]


@functools.cache
def picture(suffix: str) -> bytes:
    """Return a small photograph, as a file of this kind."""
    rng = np.random.default_rng(0)
    pixels = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (64, 48))
    return cv2.imencode(suffix, pixels)[1].tobytes()


@functools.cache
def mask() -> bytes:
    ids = np.zeros((48, 64), np.uint8)
    ids[8:40, 12:44] = 1
    return encode_mask(ids)


@functools.cache
def joint_positions() -> bytes:
    from scipy.io import savemat

    positions = np.zeros((2, 15, FRAMES))
    positions[0] = np.linspace(10, 50, 15)[:, None]
    positions[1] = np.linspace(5, 40, 15)[:, None]
    file = io.BytesIO()
    savemat(file, {"pos_img": positions})
    return file.getvalue()


Fill = Callable[[Path], None]


def jpegs(folder: Path) -> None:
    for index in range(FRAMES):
        write(folder / f"{index:05d}.jpg", picture(".jpg"))


def pngs(folder: Path) -> None:
    for index in range(FRAMES):
        write(folder / f"{index:05d}.png", picture(".png"))


def masks(folder: Path) -> None:
    for index in range(FRAMES):
        write(folder / f"{index:05d}.png", mask())


def joints(folder: Path) -> None:
    write(folder / "joint_positions.mat", joint_positions())


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fill(folder: Path, name: str, fill_one: Fill) -> None:
    """Fill the folder to which a name leads."""
    if "\0" not in name:
        if name.startswith("a/"):
            (folder / "a").mkdir(parents=True, exist_ok=True)
        (folder / name).mkdir(parents=True, exist_ok=True)
        fill_one(folder / name)


@dataclass(frozen=True)
class Layout:
    """A data set's layout.

    Args:
        benchmark: What scores its results.
        folders: The folders of sequences, and what fills a sequence in them.
        list_file: The list of sequences; None if the folders are listed.
        line: A line of that list.
        options: What a command needs to know beside the data set.
        split: The split that is taken if none is named.
    """

    benchmark: str
    folders: tuple[tuple[str, Fill], ...]
    list_file: str | None = None
    line: str = "{}"
    options: tuple[str, ...] = ()
    split: str = "val"

    def write(self, root: Path, *names: str) -> Path:
        """Write a data set of the sequence `first` and of these, which are all that its list has."""
        for folder, fill_one in self.folders:
            for name in ("first", *names):
                fill(root / folder, name, fill_one)
        if self.list_file is not None:
            write(
                root / self.list_file, "".join(f"{self.line.format(name)}\n" for name in names or ["first"])
            )
        return root

    def write_results(self, folder: Path, *names: str) -> Path:
        """Write masks for the sequence `first` and for these."""
        for name in ("first", *names):
            fill(folder, name, masks)
        return folder

    def is_list(self) -> bool:
        return self.list_file is not None


_DAVIS = (("JPEGImages/480p", jpegs), ("Annotations/480p", masks))
_VIP = (("Images", jpegs), ("Annotations/Category_ids", masks))
_JHMDB = (("Rename_Images/walk", pngs), ("joint_positions/walk", joints))
_PAIR = "/JPEGImages/480p/{0}/00000.jpg /Annotations/480p/{0}/00000.png"

LAYOUTS = {
    "davis": Layout("davis", _DAVIS, "ImageSets/2017/val.txt"),
    "davis-pairs": Layout("davis", _DAVIS, "ImageSets/2017/val.txt", _PAIR),
    "davis-all": Layout("davis", _DAVIS, options=("--split", "all")),
    "jhmdb": Layout("jhmdb", _JHMDB, "splits/walk_test_split1.txt", "{}.avi 2", split="1"),
    "vip": Layout("vip", _VIP, "lists/val_videos.txt"),
    "vip-folders": Layout("vip", _VIP),
    "youtube-vos": Layout(
        "youtube-vos", (("valid/Annotations", masks), ("valid/JPEGImages", jpegs)), split="valid"
    ),
    "folder": Layout("folder", ((".", masks),)),
}
LISTS = [name for name, layout in LAYOUTS.items() if layout.is_list()]
FOLDERS = [name for name, layout in LAYOUTS.items() if not layout.is_list()]
# Those that `sfc propagate` takes.
PROPAGATED = [name for name in LAYOUTS if name != "folder"]
# Where a split's list or folder lies.
SPLITS = {
    "davis": "ImageSets/2017/{}.txt",
    "jhmdb": "splits/walk_test_split{}.txt",
    "vip": "lists/{}_videos.txt",
    "youtube-vos": "{}/Annotations",
}
