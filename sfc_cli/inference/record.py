"""run.json: what produced a folder of results, so that it can be read, compared and continued."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from sfc_cli import __version__
from sfc_cli.errors import InputError
from sfc_cli.files import write_text
from sfc_cli.settings.propagation import PropagationSettings

RECORD_NAME = "run.json"
_PACKAGES = ("torch", "torchvision", "opencv-python", "pillow", "numpy")


@dataclass(kw_only=True)
class RunRecord:
    """Everything that decides a run's masks, and what it took to make them.

    Args:
        dataset: The data set's name.
        data: Its folder.
        fine_grained: Name or path given to ``--fc``.
        semantic: Name or path given to ``--semantic``.
        settings: The resolved settings.
        precision: Of the computation.
        input_size: Height and width to which frames are brought for the networks; None for their own.
        clip: Of a run on somebody's own footage: which clip, which frames, which masks.
        legend: The colour of each object, where masks were painted in colours.
        checkpoints: File name and SHA-256 of each network's checkpoint, by option.
        device: Where it ran.
        backend: What computed the propagation.
        planned: The sequences that the run and those it continues set out to do.
        sequences: Frames, objects, seconds and frames per second of each finished sequence.
    """

    dataset: str
    data: Path
    fine_grained: str | None
    semantic: str | None
    settings: PropagationSettings
    precision: str
    input_size: tuple[int, int] | None = None
    clip: dict[str, Any] | None = None
    legend: dict[int, tuple[int, int, int]] = field(default_factory=dict)
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
            **({"clip": self.clip} if self.clip is not None else {}),
            "settings": {
                "fc": self.fine_grained,
                "semantic": self.semantic,
                **asdict(self.settings),
                "precision": self.precision,
                "input_size": list(self.input_size) if self.input_size else None,
            },
            "checkpoints": self.checkpoints,
        }

    def describe(self, data: str) -> str:
        """Say in one line what a run does with ``data``."""
        networks = " + ".join(name for name in (self.fine_grained, self.semantic) if name)
        settings = self.settings
        return (
            f"{networks} on {data}; k {settings.top_k}, radius {settings.radius:g}, "
            f"temperature {settings.temperature:g}, {settings.context_frames} context frames, "
            f"BatchNorm {settings.batchnorm}; {self.device}, {self.backend}"
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
                {"legend": {str(key): list(value) for key, value in self.legend.items()}}
                if self.legend
                else {}
            ),
            "planned": sorted(self.planned),
            "sequences": dict(sorted(self.sequences.items())),
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def write(self, folder: Path) -> None:
        """Write run.json into a results folder, whole or not at all."""
        write_text(folder / RECORD_NAME, self.to_json())


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read the run.json of a results folder; None if it has none.

    Raises:
        InputError: If the file is damaged.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}.", "Remove it, or choose another --output."
        ) from None
    parts = ("settings", "checkpoints", "sequences")
    if not isinstance(content, dict) or not all(isinstance(content.get(part, {}), dict) for part in parts):
        raise InputError(f"{path} is not a run's record.", "Remove it, or choose another --output.")
    return content


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say where a stored record differs from a run's identity, one phrase a setting."""
    found = []
    if old.get("data") != new["data"]:
        found.append(f"data {old.get('data')} → {new['data']}")
    old_clip, new_clip = old.get("clip") or {}, new.get("clip") or {}
    found += [
        f"{name} {old_clip.get(name)} → {new_clip.get(name)}"
        for name in sorted({*old_clip, *new_clip})
        if old_clip.get(name) != new_clip.get(name)
    ]
    old_settings = old.get("settings") or {}
    for name, value in new["settings"].items():
        if old_settings.get(name) != value:
            found.append(f"{name} {old_settings.get(name)} → {value}")
    if old.get("checkpoints") != new["checkpoints"] and not any(
        phrase.startswith(("fc ", "semantic ")) for phrase in found
    ):
        found.append("another checkpoint under the same name")
    return found


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
