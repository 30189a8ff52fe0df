"""Which sequences of a data set are meant, and the files of a folder; no unsafe name gets past here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from sfc_cli.data.videos.images import natural_order
from sfc_cli.errors import InputError
from sfc_cli.files import inside, require_inside_name
from sfc_cli.wording import did_you_mean

_MOST_LISTED = 20


def choose_sequences(
    names: Iterable[str], chosen: Sequence[str] | None, source: Path, *, what: str = "sequence"
) -> list[str]:
    """Return the chosen ones of a data set's sequences, or all of them, in the data set's order.

    Args:
        names: All sequences, as a list or a folder names them; a repeated one counts once.
        chosen: Only these; None for all.
        source: The list or folder that the names come from.
        what: What the data set calls a sequence.

    Raises:
        InputError: If there are none, a name leads out of its folder, or a chosen one is not among them.
    """
    known = list(dict.fromkeys(require_inside_name(name, source) for name in names))
    if not known:
        raise InputError(f"No {what}s in {source}.", "Check `data` and `split`.")
    if chosen is None:
        return known
    unknown = [name for name in dict.fromkeys(chosen) if name not in known]
    if unknown or not chosen:
        problem = (
            f"No {what} {', '.join(unknown)} in {source}." if unknown else f"`sequences` names no {what}."
        )
        meant = did_you_mean(unknown[0], known) if unknown else ""
        raise InputError(problem, f"{meant}Choose from: {in_short(known)}.")
    return [name for name in known if name in set(chosen)]


def read_list(path: Path) -> list[str]:
    """Return the lines of a list of names that are not empty, without surrounding spaces.

    Raises:
        InputError: If the list cannot be read.
    """
    try:
        # Editors on Windows may put a byte order mark before the first name.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {path}: {error}.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def require_split(split: str) -> str:
    """Return a split's name, which becomes part of the path of a list or folder.

    Raises:
        InputError: If that would lie outside of its folder.
    """
    return require_inside_name(split, "`split`")


def files_in(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return a folder's files without hidden ones, 2 before 10; none if it is missing.

    Args:
        folder: The folder.
        suffixes: What the names end in, such as ``.png``.

    Raises:
        InputError: If a name would lead out of a folder that is written, where it names a result.
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    named = (path for path in paths if path.suffix in suffixes and path.name[0] != ".")
    # Numbers that are not padded would otherwise come as 0, 1, 10, 2.
    found = sorted(named, key=natural_order)
    for path in found:
        require_inside_name(path.name, folder)
    return found


def some_files_in(folder: Path, suffixes: Collection[str], what: str, expected: str) -> list[Path]:
    """Return a folder's files like ``files_in``, at least one.

    Args:
        folder: The folder.
        suffixes: What the names end in.
        what: What the files are, for the error, in the plural.
        expected: What they should be named like.

    Raises:
        InputError: If there are none, or a name is unsafe.
    """
    found = files_in(folder, suffixes)
    if not found:
        hint = f"Expected {expected}."
        others = [path.name for path in folder.glob("[!.]*.*") if path.suffix.lower() in suffixes]
        if others:
            hint += f" There is {min(others)}, whose suffix counts only in lower case: rename such files."
        raise InputError(f"No {what} in {folder}.", hint)
    return found


def first_annotation_in(root: Path, sequence: str, frame: Path) -> Path:
    """Return the annotation of a sequence's first frame, ``<root>/<sequence>/<frame>.png``.

    Raises:
        InputError: If it is missing, or a name leads out of the folder.
    """
    path = inside(root, sequence) / f"{frame.stem}.png"
    if not path.is_file():
        raise InputError(
            f"No annotation for the first frame of sequence {sequence}: {path} is missing.",
            "Label propagation starts from the first frame's mask; put it there.",
        )
    return path


def in_short(names: Sequence[str], most: int = _MOST_LISTED) -> str:
    """Return the first names, separated by commas, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
