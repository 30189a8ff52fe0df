"""The networks and settings of a run, resolved from what the user chose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sfc_cli.core.encoders import EncoderSource, find_encoder, load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.manifest import sha256_of
from sfc_cli.core.propagation import backend_for
from sfc_cli.core.propagation.matching import require_reachable
from sfc_cli.core.ranks import Ranks
from sfc_cli.core.trunk import STRIDE
from sfc_cli.errors import UsageError
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.video import Size, VideoPropagator
from sfc_cli.settings.locations import checkpoints_folder
from sfc_cli.settings.propagation import Backend, Precision, PropagationSettings, preset_for

DEFAULT_ENCODER = "mini"


@dataclass(frozen=True, kw_only=True)
class NetworkChoice:
    """What decides a run's labels besides its data, as the user gave it.

    Args:
        fine_grained: The network of ``--fc``; the bundled ``mini`` if no network is named at all.
        semantic: The network of ``--semantic``.
        checkpoints: Their folder; None for the default.
        chosen: Settings that the user chose; None values leave the preset's.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: See ``propagate_labels``.
        precision: See ``FeatureExtractor``.
    """

    fine_grained: str | None = None
    semantic: str | None = None
    checkpoints: Path | None = None
    chosen: Mapping[str, Any]
    device: str = "auto"
    backend: Backend = "auto"
    precision: Precision = "exact"

    def resolve(self) -> Networks:
        """Settle names, settings and files; nothing is loaded yet.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If a checkpoint is missing.
        """
        fine_grained = self.fine_grained or (None if self.semantic else DEFAULT_ENCODER)
        settings = replace(
            preset_for(fine_grained, self.semantic),
            **{name: value for name, value in self.chosen.items() if value is not None},
        )
        folder = checkpoints_folder(self.checkpoints)
        options = (("fc", fine_grained), ("semantic", self.semantic))
        return Networks(
            choice=self,
            fine_grained=fine_grained,
            settings=settings,
            folder=folder,
            sources={option: find_encoder(name, folder) for option, name in options if name},
        )


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks and settings that have been found.

    Args:
        choice: What the user gave.
        fine_grained: The fine-grained network's name or path.
        settings: The resolved settings.
        folder: The folder of checkpoints.
        sources: Where each option's network comes from.
    """

    choice: NetworkChoice
    fine_grained: str | None
    settings: PropagationSettings
    folder: Path
    sources: Mapping[str, EncoderSource]

    @property
    def names(self) -> list[str]:
        """The networks' names, the fine-grained one first."""
        return [name for name in (self.fine_grained, self.choice.semantic) if name]

    def require_reachable(self, sizes: Iterable[Size]) -> None:
        """Make sure that frames of these heights and widths have cells enough for ``top_k`` votes.

        Raises:
            UsageError: If one has not.
        """
        for height, width in set(sizes):
            require_reachable(-(-height // STRIDE), -(-width // STRIDE), self.settings)

    def load(self, ranks: Ranks) -> VideoPropagator:
        """Load the networks onto their device.

        Args:
            ranks: This process among those that share a machine's cards.

        Raises:
            UsageError: If the device is not there.
            InputError: If a checkpoint is damaged.
        """
        place = choose_device(self.choice.device, ranks)
        trunks = [
            load_encoder(name, checkpoints=self.folder, batchnorm=self.settings.batchnorm)
            for name in self.names
        ]
        extractor = FeatureExtractor(
            trunks,
            fusion_weight=self.settings.fusion_weight,
            device=place,
            precision=self.choice.precision,
        )
        return VideoPropagator(extractor, self.settings, backend=backend_for(self.choice.backend, place))

    def record(
        self,
        propagator: VideoPropagator,
        *,
        dataset: str,
        data: Path,
        input_size: Size | None,
        clip: dict[str, Any] | None = None,
    ) -> RunRecord:
        """Begin the record of a run with these networks; see ``RunRecord``."""
        place = propagator.extractor.device
        return RunRecord(
            dataset=dataset,
            data=data,
            fine_grained=self.fine_grained,
            semantic=self.choice.semantic,
            settings=self.settings,
            precision=self.choice.precision,
            input_size=input_size,
            clip=clip,
            checkpoints={option: _checkpoint_entry(source) for option, source in self.sources.items()},
            device=torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
            backend=propagator.backend,
        )


def choose_device(name: str, ranks: Ranks) -> torch.device:
    """Resolve ``auto``, ``cpu`` or ``cuda``; several processes on a machine take its cards in turn.

    Raises:
        UsageError: If CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "--device cuda, but PyTorch finds no CUDA device.", "Use --device cpu, or check the driver."
        )
    if name == "cpu" or not available:
        return torch.device("cpu")
    return torch.device("cuda", ranks.local_rank % torch.cuda.device_count())


def default_output(dataset: str, networks: Networks) -> Path:
    """Return ``results/<dataset>/<fc>+<semantic>``, with a checkpoint's path standing in by its stem."""
    return Path("results") / dataset / "+".join(Path(name).stem for name in networks.names)


def _checkpoint_entry(source: EncoderSource) -> dict[str, str | None]:
    if source.path is None:
        return {"file": None, "sha256": None}
    return {"file": source.path.name, "sha256": sha256_of(source.path)}
