"""A glance at how a network in training propagates the bundled sample's mask: a trend, not a benchmark."""

from __future__ import annotations

import numpy as np
import torch

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.trunk import Trunk
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import object_ids, read_first_mask, read_ids
from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask
from sfc_cli.settings.locations import SAMPLE_NAME, find_data
from sfc_cli.settings.propagation import PRESETS

_SPLIT = "val"


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
    sample = DavisDataset(root=find_data(SAMPLE_NAME))
    trunk = copy_trunk(model)
    sequences = sample.sequences(_SPLIT)
    scores = [score for sequence in sequences for score in _sequence_scores(sample, sequence, trunk)]
    return (
        f"quick check: J&F {100 * np.mean(scores):.1f} on the bundled sample ({', '.join(sequences)}) only, "
        "which is not the benchmark"
    )


def copy_trunk(model: Correspondence) -> Trunk:
    """Copy the online trunk up to ``layer3``, in evaluation mode with the statistics as they are."""
    trunk = Trunk(model.online_encoder.architecture)
    state = model.online_encoder.state_dict()
    trunk.load_state_dict({key: state[key] for key in trunk.state_dict()})
    return trunk.to(state["conv1.weight"].device).eval().requires_grad_(False)


@torch.no_grad()
def _sequence_scores(sample: DavisDataset, sequence: str, trunk: Trunk) -> list[float]:
    """Return J and F of every object in every scored frame of a sequence."""
    # Here, because training without a check needs neither.
    from sfc_cli.core.features import FeatureExtractor
    from sfc_cli.core.propagation import propagate_labels
    from sfc_cli.evaluation import boundary_accuracy, region_similarity

    paths = sample.frames(sequence)
    first = read_first_mask(sample.first_annotation(sequence, paths[0]))
    objects = object_ids(first)
    extractor = FeatureExtractor([trunk], device=next(trunk.parameters()).device)
    frames = (torch.from_numpy(read_frame(path))[None] for path in paths)  # [1, H, W, 3] each
    features = torch.cat([extractor(frame) for frame in frames])  # [T, C, h, w]
    first_labels = torch.from_numpy(shrink_mask(first, objects, *features.shape[2:]))  # [K, h, w]
    preset = PRESETS["single"]
    labels = propagate_labels(
        features,
        first_labels.to(features.device),
        top_k=preset.top_k,
        radius=preset.radius,
        temperature=preset.temperature,
        context_frames=preset.context_frames,
    )  # [T, K, h, w]
    found = []
    for path, soft in zip(paths[1:-1], labels[1:-1].cpu(), strict=True):
        truth = read_ids(sample.annotations_root / sequence / f"{path.stem}.png")
        mask = enlarge_to_mask(soft.contiguous().numpy(), objects, *truth.shape)
        for identity in objects:
            result, wanted = mask == identity, truth == identity
            found += [region_similarity(result, wanted), boundary_accuracy(result, wanted)]
    return found
