"""Ids in results that seem to mean other objects than in the truth: said, and scored as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import VOID, stored_palette
from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.scoring import SequenceScores
from sfc_cli.evaluation.sequence_plan import SequencePlan

_IDS = 256
_MOST_FRAMES = 5
_MOST_LISTED = 5
# An object that scores less is looked at: does another id of the results fit it?
_SUSPICIOUS = 0.5
# Another id fits if it overlaps so much, and so much more than the object's own.
_FITS = 0.5
_FITS_BETTER_BY = 0.3


def warnings_about_ids(plans: Sequence[SequencePlan], scores: Sequence[SequenceScores]) -> list[str]:
    """Return a sentence for each kind of id that seems to stand for another object.

    Only sequences with a low score are read again, a few frames of each.
    """
    binary, exchanged, painted = [], [], []
    for plan, found in zip(plans, scores, strict=True):
        if plan.results is None or plan.reading != "ids" or not found.present:
            continue
        if mapping := palette_mapping(plan):
            painted.append(f"{plan.name} ({_pairs(mapping)})")
        present = [index for index, identity in enumerate(plan.objects) if identity in found.present]
        if float(found.region[:, present].mean(axis=0).min()) >= _SUSPICIOUS:
            continue
        mapping = better_ids(plan)
        if VOID in mapping:
            binary.append(plan.name)
        elif mapping:
            exchanged.append(f"{plan.name} ({_pairs(mapping)})")
    sentences = (
        (
            binary,
            "The results have 255 where the truth has an object, as black-and-white masks do: {}. 255 is "
            "void and counts as background. `sfc convert RESULTS OUT` writes such masks as object 1.",
        ),
        (
            exchanged,
            "Ids of the results seem to be exchanged: {}. They are scored as they are stored; write the "
            "masks with the ids of the truth.",
        ),
        (
            painted,
            "The results' palette gives ids the colours that other ids have in the truth: {}. The stored ids "
            "are scored, not the colours; write the masks with the truth's palette and ids.",
        ),
    )
    return [text.format(in_short(names, _MOST_LISTED)) for names, text in sentences if names]


def better_ids(plan: SequencePlan) -> dict[int, int]:
    """Return ids of the results that fit another object of the truth much better, with that object.

    Args:
        plan: A sequence with results, whose numbers are read as they are stored.
    """
    counts = _pixel_counts(plan)
    areas = counts.sum(axis=1)
    either = areas[:, None] + counts.sum(axis=0) - counts
    overlap = counts / np.maximum(either, 1)
    mapping = {}
    for identity in plan.objects:
        # One colour may stand for all objects of a black-and-white mask.
        if VOID not in plan.objects and counts[identity, VOID] > _FITS * areas[identity]:
            mapping[VOID] = identity
            continue
        row = overlap[identity]
        best = int(row[1:].argmax()) + 1
        if best != identity and row[best] > _FITS and row[best] - row[identity] > _FITS_BETTER_BY:
            mapping[best] = identity
    return mapping


def _pixel_counts(plan: SequencePlan) -> npt.NDArray[np.int64]:
    """Count the pixels of a few frames by true and found id, [256, 256]."""
    counts = np.zeros((_IDS, _IDS), np.int64)
    paths = list(zip(plan.truth, plan.results or (), strict=True))
    for t in np.unique(np.linspace(0, len(paths) - 1, _MOST_FRAMES).round().astype(int)):
        truth, result = (decode_ids(path) for path in paths[t])
        pairs = truth.ravel().astype(np.int64) * _IDS + result.ravel()
        counts += np.bincount(pairs, minlength=_IDS * _IDS).reshape(_IDS, _IDS)
    return counts


def palette_mapping(plan: SequencePlan) -> dict[int, int]:
    """Return ids of the results whose colours belong to other ids of the truth, with these; empty if none do.

    The first masks are compared. Colours that the truth does not use say nothing.
    """
    if plan.results is None or len(plan.objects) < 2:
        return {}
    truth, results = (_colours(path, plan.objects) for path in (plan.truth[0], plan.results[0]))
    if not truth or set(truth.values()) != set(results.values()) or truth == results:
        return {}
    owners = {colour: identity for identity, colour in truth.items()}
    if len(owners) < len(truth):
        return {}
    return {identity: owners[colour] for identity, colour in results.items() if owners[colour] != identity}


def _colours(path: Path, objects: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
    try:
        palette = stored_palette(path)
    except InputError:
        return {}
    if palette is None or max(objects) >= len(palette):
        return {}
    return {identity: tuple(palette[identity].tolist()) for identity in objects}


def _pairs(mapping: Mapping[int, int]) -> str:
    return ", ".join(f"{own} is the truth's {true}" for own, true in sorted(mapping.items()))
