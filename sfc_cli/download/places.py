"""Where each download lies in the end, and what is known of what lies there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.core import manifest
from sfc_cli.data.davis import DavisDataset
from sfc_cli.download.catalogue import Entry
from sfc_cli.download.locks import FileLock
from sfc_cli.download.part import Part
from sfc_cli.download.progress import in_bytes
from sfc_cli.download.verification import verify
from sfc_cli.errors import InputError
from sfc_cli.settings.locations import read_config

BY_HAND = "put there by hand"


@dataclass(frozen=True, kw_only=True)
class Places:
    """The two folders that downloads go to.

    Args:
        checkpoints: The folder of checkpoints.
        data: The folder of data sets, if the user chose one.
    """

    checkpoints: Path
    data: Path | None = None

    def target(self, entry: Entry) -> Path:
        """Return the final place: a checkpoint's file, or the folder of a data set, where --data finds it."""
        if entry.folder is None:
            return self.checkpoints / entry.file
        if self.data is not None:
            return self.data.expanduser() / entry.folder
        configured = (read_config().get("data") or {}).get(entry.folder)
        if configured is not None:
            return Path(configured)
        return Path(os.environ.get("SFC_DATA") or "data").expanduser() / entry.folder

    def received(self, entry: Entry) -> Path:
        """Return the place of the file itself, which for a data set is a zip beside its folder."""
        return self.target(entry).with_name(entry.file)


def remember(path: Path, entry: Entry, source: str, sha256: str) -> None:
    """Write a verified checkpoint into the manifest of its folder.

    Raises:
        InputError: If the manifest cannot be read or written.
    """
    with FileLock(path.with_name(manifest.MANIFEST_NAME)):
        manifest.record(path, name=entry.name, source=source, sha256=sha256)


def confirm(entry: Entry, target: Path, *, thorough: bool = False) -> str:
    """Make sure that what lies at ``target`` is right, and return a few words on how that was seen.

    A checkpoint that the manifest knows is compared with it; one that was put there by hand is verified and
    recorded. A data set must have frames and annotations for every sequence of its lists.

    Args:
        entry: What should lie there.
        target: Its place, where something lies.
        thorough: Whether to read a checkpoint again in any case, whatever the manifest says of it.

    Raises:
        InputError: Saying what is wrong.
    """
    if entry.is_data:
        return _confirm_data(entry, target)
    known = manifest.read_manifest(target.parent).get(target.name)
    if known is not None and known.looks_like(target) and not thorough:
        return "already there and verified"
    manifest.check(target)
    try:
        sha256 = verify(target, entry)
    except InputError as error:
        raise InputError(error.message, f"Type `sfc download {entry.name} --force` to replace it.") from None
    if known is not None and sha256 != known.sha256:
        raise InputError(
            f"{target} has changed since it was verified, although its size and date are the same.",
            f"Type `sfc download {entry.name} --force`.",
        )
    try:
        remember(target, entry, known.source if known else BY_HAND, sha256)
    except InputError as error:
        return f"verified now (but not recorded: {error.message})"
    return "verified now"


def _confirm_data(entry: Entry, target: Path) -> str:
    missing = [path for path in entry.contains if not (target / path).is_dir()]
    if missing:
        raise InputError(
            f"{target} lacks {', '.join(missing)}.",
            f"Type `sfc download {entry.name} --force`; what lies there is moved aside, not deleted.",
        )
    if not (target / "ImageSets" / "2017").is_dir():
        return f"already there: {len(list(target.iterdir()))} items"
    dataset = DavisDataset(root=target)
    count = 0
    for split in sorted(path.stem for path in (target / "ImageSets" / "2017").glob("*.txt")):
        for sequence in dataset.sequences(split):
            frames, annotations = len(dataset.frames(sequence)), len(dataset.annotations(sequence))
            if frames != annotations:
                raise InputError(
                    f"Sequence {sequence} in {target} has {frames} frames, but {annotations} annotations.",
                    f"Type `sfc download {entry.name} --force`; what lies there is moved aside, not deleted.",
                )
            count += 1
    return f"already there and complete, {count} sequence{'s' if count != 1 else ''}"


def describe(entry: Entry, places: Places) -> tuple[str, str]:
    """Return the size and the state of a download for the table, without opening or hashing a large file."""
    target, part = places.target(entry), Part(places.received(entry))
    if entry.is_data and target.is_dir():
        whole = all((target / path).is_dir() for path in entry.contains)
        return "", "unpacked" if whole else "incomplete"
    if not entry.is_data and target.is_file():
        known = manifest.read_manifest(target.parent).get(target.name)
        size = in_bytes(target.stat().st_size)
        if known is None:
            return size, "not verified"
        return size, "verified" if known.looks_like(target) else "changed"
    origin = part.origin()
    declared = origin.total if origin is not None else entry.size
    size = in_bytes(declared) if declared is not None else "?"
    return size, f"{in_bytes(part.size)} so far" if part.size else "missing"
