"""The networks and settings of a run, resolved from what the user chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from sfc_cli.core.devices import describe_device, require_device_name, resolve_device
from sfc_cli.core.encoder_table import ENCODERS
from sfc_cli.core.encoders import EncoderSource, NetworkOptions, find_encoder, load_source
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.manifest import sha256_of
from sfc_cli.core.network_table import STRIDE
from sfc_cli.core.precision import default_precision
from sfc_cli.core.propagation import backend_for
from sfc_cli.core.ranks import Ranks
from sfc_cli.errors import UsageError, require_choice
from sfc_cli.inference.propagator import Size, VideoPropagator
from sfc_cli.inference.record import RunRecord
from sfc_cli.settings.locations import checkpoints_folder
from sfc_cli.settings.propagation import (
    Backend,
    Precision,
    PropagationSettings,
    Protocol,
    SettingsChoice,
    improved,
    patch_for,
    preset_for,
)

DEFAULT_NETWORK = "mini"


@dataclass(frozen=True, kw_only=True)
class NetworkChoice:
    """What decides a run's labels besides its data, as the user gave it.

    Args:
        fine_grained: The fine-grained network's name or path; the bundled ``mini`` if no network is named.
        semantic: The semantic network's name or path.
        checkpoints: The folder of the named networks; None for the default.
        settings: Settings that differ from the preset's.
        protocol: ``published`` or ``improved``; None for ``published`` if every network is a published one
            and runs on a data set, so that numbers compare, and for ``improved`` everywhere else.
        device: See ``resolve_device``.
        backend: See ``propagate_labels``.
        precision: See ``FeatureExtractor``; None for ``tf32`` on a CUDA device and ``exact`` elsewhere.
        options: Of networks that sfc has no name for: torchvision's, timm's, and files.

    Raises:
        UsageError: If no device has such a name.
    """

    fine_grained: str | None = None
    semantic: str | None = None
    checkpoints: Path | None = None
    settings: SettingsChoice = field(default_factory=SettingsChoice)
    protocol: Protocol | None = None
    device: str = "auto"
    backend: Backend = "auto"
    precision: Precision | None = None
    options: NetworkOptions = field(default_factory=NetworkOptions)

    def __post_init__(self) -> None:
        require_device_name(self.device)
        require_choice("protocol", self.protocol or "improved", get_args(Protocol))
        require_choice("precision", self.precision or "exact", get_args(Precision))

    def resolve(self, *, on_dataset: bool) -> Networks:
        """Settle names, settings and files; nothing is loaded yet.

        Args:
            on_dataset: Whether they run on a data set, and not on a video of the user's own.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If a checkpoint is missing.
        """
        fine_grained = self.fine_grained or (None if self.semantic else DEFAULT_NETWORK)
        folder = checkpoints_folder(self.checkpoints)
        roles = (("fc", fine_grained), ("semantic", self.semantic))
        preset = preset_for(fine_grained, self.semantic)
        sources = {role: find_encoder(name, folder, self.options) for role, name in roles if name}
        _require_use(self.options, [source.name for source in sources.values()])
        compares = on_dataset and all(_is_published(source) for source in sources.values())
        protocol: Protocol = self.protocol or ("published" if compares else "improved")
        if protocol == "improved":
            preset = improved(preset)
            stride = _grid_stride(sources)
            if preset.label_patch > 1 and stride != STRIDE:
                # One label a pixel, whatever a cell is.
                preset = dataclasses.replace(preset, label_patch=patch_for(stride))
        return Networks(
            choice=dataclasses.replace(self, fine_grained=fine_grained),
            protocol=protocol,
            settings=self.settings.over(preset),
            folder=folder,
            sources=sources,
        )


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks and settings that have been found.

    Args:
        choice: What the user gave, with the default network where none was named.
        protocol: ``published`` or ``improved``.
        settings: The resolved settings.
        folder: The folder of checkpoints.
        sources: Where the network of each role comes from, the fine-grained one first.
    """

    choice: NetworkChoice
    protocol: Protocol
    settings: PropagationSettings
    folder: Path
    sources: Mapping[str, EncoderSource]

    @property
    def names(self) -> list[str]:
        """The networks' names, the fine-grained one first."""
        return [source.name for source in self.sources.values()]

    def load(self, ranks: Ranks) -> VideoPropagator:
        """Load the networks onto their device.

        Args:
            ranks: This process among those that share a machine's cards.

        Raises:
            UsageError: If the device is not there.
            InputError: If a checkpoint is damaged.
        """
        device = resolve_device(self.choice.device, ranks)
        trunks = [load_source(source, batchnorm=self.settings.batchnorm) for source in self.sources.values()]
        extractor = FeatureExtractor(
            trunks,
            fusion_weight=self.settings.fusion_weight,
            device=device,
            precision=self.choice.precision or default_precision(device),
            shallow_weight=self.settings.shallow_weight,
            stride=_grid_stride(self.sources),
        )
        return VideoPropagator(extractor, self.settings, backend=backend_for(self.choice.backend, device))

    def record(
        self,
        propagator: VideoPropagator,
        *,
        dataset: str,
        data: Path,
        input_size: Size | int | None,
        video: dict[str, Any] | None = None,
        folders: dict[str, str] | None = None,
    ) -> RunRecord:
        """Begin the record of a run with these networks; see ``RunRecord``."""
        return RunRecord(
            dataset=dataset,
            data=data,
            fine_grained=self.choice.fine_grained,
            semantic=self.choice.semantic,
            protocol=self.protocol,
            settings=self.settings,
            precision=propagator.extractor.precision,
            data_type=propagator.extractor.data_type,
            input_size=input_size,
            video=video,
            folders=folders or {},
            checkpoints={role: _checkpoint_entry(source) for role, source in self.sources.items()},
            device=describe_device(propagator.extractor.device),
            backend=propagator.backend,
        )


def _is_published(source: EncoderSource) -> bool:
    entry = ENCODERS.get(source.name)
    return entry is not None and entry.is_published


def _grid_stride(sources: Mapping[str, EncoderSource]) -> int:
    """Return the pixels per cell of the grid on which two networks meet: the finer one's."""
    return min(source.stride for source in sources.values())


def _require_use(options: NetworkOptions, names: Sequence[str]) -> None:
    if not options.is_empty and all(name in ENCODERS for name in names):
        given = next(name for name, value in dataclasses.asdict(options).items() if value is not None)
        raise UsageError(
            f"`{given}` has no effect on {' and '.join(names)}.",
            "It is for networks of torchvision and timm, and for files.",
        )


def _checkpoint_entry(source: EncoderSource) -> dict[str, str | None]:
    # What a run of an earlier version could not choose is written where it was chosen.
    cut = {} if source.name in ENCODERS else source.cut()
    if source.path is None:
        return {"file": None, "sha256": None, **cut}
    return {"file": source.path.name, "sha256": sha256_of(source.path), **cut}
