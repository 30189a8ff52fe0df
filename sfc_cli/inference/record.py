"""The record of a run, ``run.json``: what made a results folder, so that it is continued or left alone."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from sfc_cli.data.results import RECORD_NAME, ResultsFolder, begun_in, read_record
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import write_text
from sfc_cli.settings.propagation import PropagationSettings, Protocol
from sfc_cli.version import __version__

# What a revision may change of a video's identity.
REVISED = ("masks", "both_ways", "backwards")
_PACKAGES = ("torch", "torchvision", "opencv-python", "pillow", "numpy")


@dataclass(kw_only=True)
class RunRecord:
    """Everything that decides a run's masks, and what it took to make them.

    Args:
        dataset: The data set's name.
        data: Its folder.
        fine_grained: Name or path of the fine-grained network.
        semantic: Name or path of the semantic network.
        protocol: ``published`` or ``improved``.
        settings: The resolved settings.
        precision: How the networks compute, see ``FeatureExtractor``.
        data_type: What that means on the device; a sequence in which it overflows names another.
        input_size: Height and width to which frames are resized for the networks, or their short side; None
            for their own.
        video: Of a run on a video of the user's own: which video, which frames, which masks.
        folders: Of a data set, which of its frames and masks, where that is not the layout's own choice.
        legend: The colour of each object, or its name where a file gave it one.
        checkpoints: File name and SHA-256 of each network's checkpoint, by role: ``fc``, ``semantic``.
        device: Where it ran.
        backend: What computed the propagation.
        planned: The sequences that the run and those it continues set out to do.
        sequences: Frames, objects, seconds and frames per second of each finished sequence.
    """

    dataset: str
    data: Path
    fine_grained: str | None
    semantic: str | None
    protocol: Protocol = "published"
    settings: PropagationSettings
    precision: str
    data_type: str = "float32"
    input_size: tuple[int, int] | int | None = None
    video: dict[str, Any] | None = None
    folders: dict[str, str] = field(default_factory=dict)
    legend: dict[int, tuple[int, int, int] | str] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, str | None]]
    device: str
    backend: str
    planned: list[str] = field(default_factory=list)
    sequences: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    def identity(self) -> dict[str, Any]:
        """Return what two runs must share to be parts of one."""
        return {
            "data": str(self.data.resolve()),
            **({"clip": self.video} if self.video is not None else {}),
            **({"folders": self.folders} if self.folders else {}),
            "settings": {
                "fc": self.fine_grained,
                "semantic": self.semantic,
                "protocol": self.protocol,
                **_stored(self.settings),
                "precision": self.precision,
                "data_type": self.data_type,
                "input_size": list(self.input_size)
                if isinstance(self.input_size, tuple)
                else self.input_size,
            },
            "checkpoints": self.checkpoints,
        }

    def describe(self, data: str) -> str:
        """Return in one line what the run does with ``data``."""
        networks = " + ".join(name for name in (self.fine_grained, self.semantic) if name)
        settings = self.settings
        named = ",".join(map(str, (0, *settings.memory_frames)))
        memory = f", long memory {named}" if settings.memory_frames else ""
        return (
            f"{networks} on {data}; k {settings.top_k}, radius {settings.radius:g}, "
            f"temperature {settings.temperature:g}, {settings.context_frames} context frames{memory}, "
            f"BatchNorm {settings.batchnorm}; {self.protocol} protocol; {self.device}, {self.backend}"
            f"{'' if self.data_type == 'float32' else f', {self.data_type}'}"
        )

    def to_json(self) -> str:
        """Return the record as JSON."""
        content = {
            "sfc": __version__,
            "command": "propagate",
            "started": self.started,
            "dataset": self.dataset,
            **self.identity(),
            "device": self.device,
            "backend": self.backend,
            "versions": {"python": platform.python_version(), **_package_versions()},
            **(
                {
                    "legend": {
                        str(key): value if isinstance(value, str) else list(value)
                        for key, value in self.legend.items()
                    }
                }
                if self.legend
                else {}
            ),
            "planned": sorted(self.planned),
            "sequences": dict(sorted(self.sequences.items())),
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def write(self, results: ResultsFolder) -> None:
        """Write run.json into a results folder, whole or not at all."""
        write_text(results.record, self.to_json())


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return where a stored record differs from a run's identity, one phrase a setting."""
    found = []
    if old.get("data") != new["data"]:
        found.append(_change("data", old.get("data"), new["data"]))
    for part in ("clip", "folders"):
        was, becomes = old.get(part) or {}, new.get(part) or {}
        for name in sorted({*was, *becomes}):
            if was.get(name) != becomes.get(name):
                found += (
                    _changed_masks(was, becomes)
                    if name == "masks"
                    else [_change(name, was.get(name), becomes.get(name))]
                )
    stored = old.get("settings") or {}
    # Records of earlier versions lack some of it; their `fast` was bfloat16 on a card.
    was_half = stored.get("precision") == "fast" and old.get("device") != "cpu"
    data_type = "bfloat16" if was_half else "float32"
    usual = {"protocol": "published", "data_type": data_type, **_stored(PropagationSettings())}
    old_settings = {**usual, **stored}
    for name, value in new["settings"].items():
        if old_settings.get(name) != value:
            found.append(_change(name, old_settings.get(name), value))
    if old.get("checkpoints") != new["checkpoints"] and not any(
        phrase.startswith(("fc ", "semantic ")) for phrase in found
    ):
        found.append("another checkpoint under the same name")
    return found


def _change(name: str, was: object, becomes: object) -> str:
    """Return in words how a value differs."""
    before, after = (
        "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else value
        for value in (was, becomes)
    )
    return f"{name.replace('_', ' ') if isinstance(becomes, bool) else name} {before} → {after}"


def _changed_masks(was: dict[str, Any], becomes: dict[str, Any]) -> list[str]:
    """Return in words how the masks of a video differ, which a record knows by frame and sum."""
    before, after = (
        {int(index): digest for index, digest in (mask.split(":", 1) for mask in video.get("masks") or ())}
        for video in (was, becomes)
    )
    # Masks count the frames that are taken.
    taken = " of those taken" if becomes.get("start") or becomes.get("every") else ""
    found = []
    for index in sorted(index for index in {*before, *after} if before.get(index) != after.get(index)):
        kind = "another" if index in before and index in after else "no" if index in before else "a further"
        found.append(f"{kind} mask for frame {index}{taken}")
    return found


def _stored(settings: PropagationSettings) -> dict[str, Any]:
    """Return settings as JSON gives them back."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()
    }


def _with_masks_of(record: RunRecord, old: dict[str, Any]) -> dict[str, Any]:
    """Return a stored record as if it had been made with a run's masks, in its directions."""
    video = {name: value for name, value in (old.get("clip") or {}).items() if name not in REVISED}
    new = record.video or {}
    return {**old, "clip": {**video, **{name: new[name] for name in REVISED if name in new}}}


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def open_results(
    results: ResultsFolder,
    record: RunRecord,
    names: Collection[str],
    *,
    overwrite: bool,
    revises: bool = False,
) -> None:
    """Make a results folder ready: new, or continued if it belongs to the same run.

    Args:
        results: The folder.
        record: Of the run; takes over what the folder's record says of sequences that stay.
        names: The run's sequences.
        overwrite: Remove what these sequences have; everything, if it comes from other settings.
        revises: The same video with other masks is the same run.

    Raises:
        UsageError: If the folder has results of other settings.
        InputError: If the folder cannot be written to.
    """
    output = results.root
    if output.exists() and not output.is_dir():
        raise InputError(f"`output` {output} is a file.", "Name a folder.")
    old = read_record(output)
    stays: dict[str, dict[str, Any]] = {}
    begun = begun_in(old or {})
    if old is None:
        if not overwrite and output.is_dir() and any(path.name[0] != "." for path in output.iterdir()):
            raise UsageError(
                f"{output} is not empty and has no {RECORD_NAME}, so there is no run to continue.",
                "Choose another `output`, or pass `overwrite`.",
            )
    elif found := differences(_with_masks_of(record, old) if revises else old, record.identity()):
        if not overwrite:
            raise UsageError(
                f"{output} has results of other settings ({'; '.join(found)}).",
                "Choose another `output`, or pass `overwrite` to replace them.",
            )
    else:
        record.started = old.get("started", record.started)
        stays = dict(old.get("sequences", {}))
        record.planned += sorted(begun)
    if overwrite:
        others = {name for name in begun - set(record.planned) if results.has_inside(name)}
        for name in others.union(names):
            stays.pop(name, None)
            results.remove(name)
    record.planned = sorted({*names, *record.planned})
    record.sequences.update(stays)
    results.remove_parts()
    record.write(results)
