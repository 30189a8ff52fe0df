"""A glance at how a network in training propagates the bundled sample's mask: a trend, not a benchmark."""

from __future__ import annotations

import numpy as np

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.trunk import Trunk
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import read_ids
from sfc_cli.evaluation import boundary_accuracy, region_similarity
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.inference.sequences import FrameSequence, list_sequences
from sfc_cli.settings.locations import SAMPLE_NAME, find_data
from sfc_cli.settings.propagation import PRESETS


def quick_check(model: Correspondence) -> str:
    """Propagate the first masks of the bundled sample and score the result.

    The network is copied up to ``layer3``; training neither notices nor changes.

    Args:
        model: The network in training.

    Returns:
        A line with J&F over all objects and frames between the first and the last.

    Raises:
        InputError: If the sample is missing or damaged.
    """
    trunk = copy_trunk(model)
    extractor = FeatureExtractor([trunk], device=next(trunk.parameters()).device)
    propagator = VideoPropagator(extractor, PRESETS["single"])
    sample = DavisDataset(root=find_data(SAMPLE_NAME))
    sequences = list_sequences(sample.root, None, None)
    scores = [score for sequence in sequences for score in _scores(sample, sequence, propagator)]
    return (
        f"quick check: J&F {100 * np.mean(scores):.1f} on the bundled sample "
        f"({', '.join(sequence.name for sequence in sequences)}) only, which is not the benchmark"
    )


def copy_trunk(model: Correspondence) -> Trunk:
    """Copy the online trunk up to ``layer3``, in evaluation mode with the statistics as they are."""
    trunk = Trunk(model.online_encoder.architecture)
    state = model.online_encoder.state_dict()
    trunk.load_state_dict({key: state[key] for key in trunk.state_dict()})
    return trunk.to(state["conv1.weight"].device).eval().requires_grad_(False)


def _scores(sample: DavisDataset, sequence: FrameSequence, propagator: VideoPropagator) -> list[float]:
    """Return J and F of every object in every scored frame of a sequence."""
    frames = (video_frame.frame for video_frame in sequence.frames.read())
    labelled = propagator.run(frames, sequence.anchors)
    annotations = sample.annotations(sequence.name)
    found = []
    for one, annotation in list(zip(labelled, annotations, strict=True))[1:-1]:
        mask, truth = one.mask(), read_ids(annotation)
        for identity in sequence.anchors.objects:
            result, wanted = mask == identity, truth == identity
            found += [region_similarity(result, wanted), boundary_accuracy(result, wanted)]
    return found
