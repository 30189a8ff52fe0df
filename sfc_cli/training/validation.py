"""J&F of the network in training on any data set in the DAVIS layout, by the benchmark's definition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.trunk import Trunk
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import read_ids
from sfc_cli.errors import InputError
from sfc_cli.evaluation import boundary_accuracy, region_similarity
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.inference.sequences import FrameSequence, list_sequences
from sfc_cli.settings.propagation import PRESETS


class StoppedError(Exception):
    """Somebody asked to stop in the middle of a validation."""


class Validation:
    """Sequences with annotations to propagate the first mask of, and to score against the rest.

    Args:
        root: A data set in the DAVIS layout.
        split: A list of it, or ``all`` for every annotated sequence.

    Raises:
        InputError: If it has another layout, or a frame without an annotation.
    """

    def __init__(self, root: Path, split: str) -> None:
        self._dataset = DavisDataset(root=root)
        if not self._dataset.annotations_root.is_dir():
            raise InputError(
                f"{root} is not a data set in the DAVIS layout: {self._dataset.annotations_root} is missing.",
                "Give `validation` a folder with JPEGImages/480p and Annotations/480p.",
            )
        self.sequences: list[FrameSequence] = list_sequences(root, split, None)
        for sequence in self.sequences:
            frames = {path.stem for path in self._dataset.frames(sequence.name)}
            missing = frames - {path.stem for path in self._dataset.annotations(sequence.name)}
            if missing:
                raise InputError(
                    f"Frame {min(missing)} of sequence {sequence.name} has no annotation, so that a "
                    "validation cannot score it.",
                    "Give `validation` a data set in which every frame is annotated.",
                )

    def score(
        self, model: Correspondence, is_stopped: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """Propagate the first masks with a copy of the network, and score the result.

        Args:
            model: The network in training; it neither notices nor changes.
            is_stopped: Asked before every frame.

        Returns:
            J&F of each object, named ``<sequence>_<object>``; None if it was stopped.
        """
        trunk = copy_trunk(model)
        extractor = FeatureExtractor([trunk], device=next(trunk.parameters()).device)
        propagator = VideoPropagator(extractor, PRESETS["single"])
        found: dict[str, float] = {}
        try:
            for sequence in self.sequences:
                found |= self._score_sequence(sequence, propagator, is_stopped)
        except StoppedError:
            return None
        return found

    def _score_sequence(
        self, sequence: FrameSequence, propagator: VideoPropagator, is_stopped: Callable[[], bool]
    ) -> Mapping[str, float]:
        frames = (video_frame.frame for video_frame in sequence.frames.read())
        annotations = {path.stem: path for path in self._dataset.annotations(sequence.name)}
        stems = [path.stem for path in self._dataset.frames(sequence.name)]
        scores: dict[str, list[float]] = defaultdict(list)
        for labelled in propagator.run(frames, sequence.anchors):
            if is_stopped():
                raise StoppedError
            # The benchmark leaves out the first frame and the last.
            if not 0 < labelled.index < len(stems) - 1:
                continue
            mask, truth = labelled.mask(), read_ids(annotations[stems[labelled.index]])
            for identity in sequence.anchors.objects:
                result, wanted = mask == identity, truth == identity
                both = (region_similarity(result, wanted), boundary_accuracy(result, wanted))
                scores[f"{sequence.name}_{identity}"].append(sum(both) / 2)
        return {name: float(np.mean(each)) for name, each in scores.items()}


def copy_trunk(model: Correspondence) -> Trunk:
    """Copy the online trunk up to ``layer3``, in evaluation mode with the statistics as they are."""
    trunk = Trunk(model.online_encoder.architecture)
    state = model.online_encoder.state_dict()
    trunk.load_state_dict({key: state[key] for key in trunk.state_dict()})
    return trunk.to(state["conv1.weight"].device).eval().requires_grad_(False)
