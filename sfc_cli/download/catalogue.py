"""What can be downloaded: the package's catalogue, and the user's own entries over it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

import yaml

from sfc_cli.core.manifest import MANIFEST_NAME
from sfc_cli.core.network_table import RESNETS, read_table, shared_fields
from sfc_cli.download.addresses import check_source
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import is_inside_name
from sfc_cli.settings.locations import BY_HAND, assets_folder, read_config
from sfc_cli.wording import did_you_mean

CATALOGUE_NAME = "catalogue.yaml"
CONFIG_KEY = "download"
ALL = "all"
TRUNKS = RESNETS


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file that can be fetched: a checkpoint, or a zipped data set if ``folder`` is given.

    Args:
        name: What the command line calls it.
        file: The file name, as published.
        sources: Where to fetch it, the best first; empty if it can only be given by hand.
        layout: The layout that a checkpoint must have; None to recognise it.
        trunk: The trunk that a checkpoint must hold; None to recognise it.
        network: The network of another library whose weights these are, such as ``timm:NAME``.
        archive: The zip in which the sources have the file, if they do.
        member: What the file may be called in that zip, as patterns, the best first.
        size: The exact size in bytes, if it is known.
        sha256: The sum's first hexadecimal digits that are known, or all; may be empty.
        md5: The same for MD5.
        licence: Under what terms it is published.
        paper: The paper to cite.
        cost: Parameters, and multiplications for a frame.
        page: Where weights are had that must be asked for.
        folder: Where a data set is unpacked, below the folder of data sets.
        top: The single folder inside the zip that is left out of the unpacked paths.
        contains: What an unpacked data set must hold.
    """

    name: str
    file: str
    sources: tuple[str, ...] = ()
    layout: str | None = None
    trunk: str | None = None
    network: str | None = None
    archive: str | None = None
    member: tuple[str, ...] = ()
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    licence: str = ""
    paper: str = ""
    cost: str = ""
    page: str = ""
    folder: str | None = None
    top: str = ""
    contains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could not work or could write outside the folder.

        Raises:
            InputError: Naming the entry, the field and the value.
        """
        for field, value in (("file", self.file), ("folder", self.folder), ("archive", self.archive)):
            if value is not None and not _is_plain_name(value):
                raise self._wrong(field, value, "It must be a plain name without folders.")
        for part in self.contains:
            if not is_inside_name(part):
                raise self._wrong("contains", part, "It must be a path below the data set's folder.")
        for field, value in (("sha256", self.sha256), ("md5", self.md5)):
            longest = 64 if field == "sha256" else 32
            if value and not re.fullmatch(rf"[0-9a-f]{{6,{longest}}}", value):
                raise self._wrong(
                    field, value, f"Write 6 to {longest} lower-case hexadecimal digits in quotes."
                )
        if self.trunk is not None and self.trunk not in TRUNKS:
            raise self._wrong("trunk", self.trunk, f"Trunks: {', '.join(TRUNKS)}.")
        for source in self.sources:
            check_source(source, f"Entry {self.name!r}")

    @property
    def is_data(self) -> bool:
        """Whether this is a data set and not a checkpoint."""
        return self.folder is not None

    def _wrong(self, field: str, value: object, hint: str) -> InputError:
        return InputError(f"`{field}` of download entry {self.name!r} is {value!r}.", hint)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All entries by name, and the names that stand for several."""

    entries: Mapping[str, Entry]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> list[str]:
        """Every name that ``sfc download`` takes."""
        return [*self.entries, *self.groups, ALL]

    def select(self, names: Sequence[str]) -> list[Entry]:
        """Return the entries that names stand for, each once, in the order given.

        ``all`` stands for every checkpoint of the published systems; data sets and networks of other
        libraries are large and must be named. ``timm:NAME`` and ``torchvision:NAME`` need no entry.

        Raises:
            UsageError: If a name is unknown.
        """
        foreign = {name: entry for name in names if (entry := _foreign_entry(name)) is not None}
        unknown = [name for name in names if name not in self.names and name not in foreign]
        if unknown and unknown[0] in BY_HAND:
            raise UsageError(
                f"{unknown[0]} is to be fetched by hand, from {BY_HAND[unknown[0]]}.",
                f"Unpack it to data/{unknown[0]}, or name its folder under `data` in sfc.yaml.",
            )
        if unknown:
            raise UsageError(
                f"No download named {', '.join(repr(name) for name in unknown)}.",
                f"{did_you_mean(unknown[0], self.names)}Names: {', '.join(self.names)}.",
            )
        chosen: list[str] = []
        for name in names:
            if name == ALL:
                chosen += [
                    entry.name
                    for entry in self.entries.values()
                    if not entry.is_data and entry.network is None
                ]
            else:
                chosen += self.groups.get(name, (name,))
        return [foreign.get(name) or self.entries[name] for name in dict.fromkeys(chosen)]


def read_catalogue() -> Catalogue:
    """Read the package's catalogue with the fields of ``download:`` in sfc.yaml over it.

    Raises:
        InputError: If a user's entry is not understood.
    """
    shipped = yaml.safe_load((assets_folder() / CATALOGUE_NAME).read_text(encoding="utf-8"))
    own = read_config().get(CONFIG_KEY) or {}
    if not isinstance(own, Mapping):
        raise InputError(
            f"`{CONFIG_KEY}` in sfc.yaml is a {type(own).__name__}.",
            "Write a mapping from names to entries: `download: {mine: {file: mine.pth, sources: [URL]}}`.",
        )
    merged = dict(shipped["entries"])
    for name, content in own.items():
        if name == ALL or name in shipped["groups"]:
            raise InputError(
                f"`{CONFIG_KEY}: {name}` in sfc.yaml takes a name that stands for several files."
            )
        if not isinstance(content, Mapping):
            raise InputError(f"`{CONFIG_KEY}: {name}` in sfc.yaml is {content!r}, not a mapping of fields.")
        merged[str(name)] = {**merged.get(str(name), {}), **content}
    entries = {name: _entry(name, content) for name, content in merged.items()}
    # What timm calls a file takes seconds to find out; for the list its name is enough.
    named = {name: _listed(name, fields) for name, fields in read_table().items()}
    return Catalogue(
        entries={**entries, **{name: entry for name, entry in named.items() if name not in entries}},
        groups={name: tuple(members) for name, members in shipped["groups"].items()},
    )


def _listed(name: str, fields: Mapping[str, Any]) -> Entry:
    """Return a network of networks.yaml as the list shows it."""
    target = str(fields["is"])
    fields = {**shared_fields(target), **fields}
    source, _, weights = target.partition(":")
    return Entry(
        name=name,
        file=f"{weights}.safetensors" if source == "timm" else weights,
        network=name,
        licence=str(fields.get("licence", "")),
        paper=str(fields.get("paper", "")),
        cost=str(fields.get("cost", "")),
        page=str(fields.get("page", "")),
    )


def _foreign_entry(name: str) -> Entry | None:
    """Return the weights of a network of torchvision or timm, or of a short name for one; else None."""
    if ":" not in name and name not in read_table():
        return None
    from sfc_cli.core.network_table import find_spec, stated_licence, weight_file

    spec = find_spec(name)
    if spec is None or spec.given:
        return None
    file, address = weight_file(spec)
    digits = re.search(r"-([0-9a-f]{8})\.pth$", file)
    fields = read_table().get(name, {})
    return Entry(
        name=name,
        file=file,
        sources=(address,) if address else (),
        network=name,
        sha256=digits[1] if digits else "",
        licence=stated_licence(spec),
        paper=str(fields.get("paper", "")),
        cost=str(fields.get("cost", "")),
        page=spec.page,
    )


def _entry(name: str, content: Mapping[str, Any]) -> Entry:
    known = {field.name: field for field in fields(Entry) if field.name != "name"}
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        raise InputError(
            f"Download entry {name!r} has the unknown field {', '.join(unknown)}.",
            f"Fields: {', '.join(sorted(known))}.",
        )
    if "file" not in content:
        raise InputError(f"Download entry {name!r} has no `file`.", "Give the file's name.")
    return Entry(name=name, **{key: _value(name, known[key], value) for key, value in content.items()})


def _value(name: str, field: Field[Any], value: Any) -> Any:
    """Return a field's value as ``Entry`` takes it, if it is of the right type."""
    if field.name in {"sources", "contains", "member"}:
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return tuple(texts)
    elif field.name == "size":
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    elif isinstance(value, str) or (value is None and field.default is None):
        return value
    raise InputError(
        f"`{field.name}` of download entry {name!r} is {value!r}.",
        "Write an exact number of bytes." if field.name == "size" else "Write text, in quotes.",
    )


def _is_plain_name(text: str) -> bool:
    """Return whether this names a file or folder right in its folder, neither hidden nor the manifest."""
    has_folders = "/" in text or "\\" in text
    return is_inside_name(text) and not has_folders and text[0] != "." and text != MANIFEST_NAME
