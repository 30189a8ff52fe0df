"""Where data sets and checkpoints lie: sfc.yaml, environment variables, and the folders beside the user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sfc_cli.errors import InputError, UsageError
from sfc_cli.wording import did_you_mean

CONFIG_NAME = "sfc.yaml"
SAMPLE_NAME = "sample"
DEFAULT_DATA = "davis"
# Data sets that ask for an account or a form, or may not be passed on: nobody can fetch them for you.
BY_HAND = {
    "youtube-vos": "https://youtube-vos.org",
    "mose": "https://mose.video",
    "lvos": "https://lingyihongfd.github.io/lvos.github.io",
}


def assets_folder() -> Path:
    """Return the folder of the files that come with the package."""
    return Path(__file__).resolve().parent.parent / "assets"


def user_config_folder() -> Path:
    """Return the folder of the user's own sfc.yaml, following the XDG base directories."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sfc"


def user_cache_folder() -> Path:
    """Return the folder for files that can be made again, following the XDG base directories."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sfc"


def config_files() -> tuple[Path, Path]:
    """Return the two files that sfc.yaml may be, the one that wins first."""
    return Path.cwd() / CONFIG_NAME, user_config_folder() / CONFIG_NAME


def read_config() -> dict[str, Any]:
    """Read sfc.yaml from the user's config folder and, over it, from the current folder.

    Returns:
        The merged mapping; one level below the top is merged key by key. Empty if there is no file. Paths
        under ``data`` and ``checkpoints`` are made absolute from the folder of their file.

    Raises:
        InputError: If a file is not YAML or not a mapping.
    """
    merged: dict[str, Any] = {}
    for path in reversed(config_files()):
        for key, value in _read_one_config(path).items():
            old = merged.get(key)
            merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _read_one_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    # Every command starts with this module, and few have such a file.
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path} is a {type(content).__name__}.",
            "It must be a mapping such as `data: {davis: /path}`.",
        )
    data = content.get("data")
    if data is not None:
        if not isinstance(data, dict):
            raise InputError(f"`data` in {path} is not a mapping.", "Write `data: {davis: /path/to/DAVIS}`.")
        content["data"] = {
            str(name): path.parent / Path(str(folder)).expanduser() for name, folder in data.items()
        }
    if content.get("checkpoints") is not None:
        content["checkpoints"] = path.parent / Path(str(content["checkpoints"])).expanduser()
    return content


def find_data(name: str, *, next_step: str = "") -> Path:
    """Find a data set by its name or path.

    A name is looked up among the bundled sets, in sfc.yaml (current folder, then the user's config folder),
    then in ``$SFC_DATA``, then in ``./data``. Anything else is taken as a path.

    Args:
        name: A name such as ``davis``, or a path.
        next_step: A sentence for the error, when the set is missing.

    Raises:
        UsageError: If the name is empty.
        InputError: If nothing is found; the message names every folder tried.
    """
    if not name:
        raise UsageError("`data` is empty.", "Give a data set's name or path.")
    tried: list[Path] = []
    in_config = ""
    if _is_name(name):
        if name == SAMPLE_NAME:
            return assets_folder() / SAMPLE_NAME
        configured = (read_config().get("data") or {}).get(name)
        if configured is not None:
            tried.append(Path(configured))
        else:
            in_config = f" (no entry in {' or '.join(str(path) for path in config_files())})"
        if os.environ.get("SFC_DATA"):
            tried.append(Path(os.environ["SFC_DATA"]).expanduser() / name)
        tried.append(Path("data") / name)
    tried.append(Path(name).expanduser())
    for folder in tried:
        if folder.is_dir():
            return folder
    folders = ", ".join(str(folder) for folder in tried)
    raise InputError(f"No data set {name!r}: looked in {folders}{in_config}.", next_step or _next_step(name))


def _next_step(name: str) -> str:
    """Return what to do where a data set of this name or path is missing."""
    if name in BY_HAND:
        return f"Get it by hand from {BY_HAND[name]}, and unpack it there or name its folder in sfc.yaml."
    if name == DEFAULT_DATA:
        return f"Type `sfc download {name}`, or give the folder as `data`."
    if not _is_name(name):
        return "Check the path."
    meant = did_you_mean(name, {*known_data(), *BY_HAND})
    return f"{meant}Give the folder as `data`, or add `data: {{{name}: /path}}` to sfc.yaml."


def known_data() -> list[str]:
    """Return the names of the data sets that are here: bundled, in sfc.yaml, ``$SFC_DATA`` or ``./data``."""
    found = {SAMPLE_NAME, DEFAULT_DATA, *map(str, read_config().get("data") or {})}
    for folder in (os.environ.get("SFC_DATA"), "data"):
        if folder and Path(folder).expanduser().is_dir():
            inside = Path(folder).expanduser().iterdir()
            found.update(path.name for path in inside if path.is_dir() and path.name[0] != ".")
    return sorted(found)


def _is_name(text: str) -> bool:
    separators = {os.sep, os.altsep or os.sep}
    return (
        not any(separator in text for separator in separators) and text not in {".", ".."} and text[0] != "~"
    )


def checkpoints_folder(chosen: Path | None) -> Path:
    """Return the checkpoints' folder: the chosen one, sfc.yaml's, ``$SFC_CHECKPOINTS``, ``./checkpoints``."""
    if chosen is not None:
        return chosen.expanduser()
    configured = read_config().get("checkpoints")
    if configured is not None:
        return Path(configured)
    if os.environ.get("SFC_CHECKPOINTS"):
        return Path(os.environ["SFC_CHECKPOINTS"]).expanduser()
    return Path("checkpoints")
