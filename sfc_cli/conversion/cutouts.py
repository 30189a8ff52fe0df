"""Reads cut-outs: pictures of objects whose transparency, not their colours, tells where the objects are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfc_cli.conversion.image_files import mode_of
from sfc_cli.conversion.sources import MaskSource
from sfc_cli.data.masks import Ids, open_image

# What `sfc propagate` calls their folder.
_FOLDER = "cutout"
# Of the neighbouring opaque pixels of a painted mask nearly all are equal, of a photograph few.
_LEAST_FLAT = 0.5
# Pixels below half of full opacity are background.
OPAQUE = 128


def are_cutouts(masks: Sequence[MaskSource]) -> bool:
    """Tell whether a sequence's files are cut-outs: their folder says so, or opaque pixels show a picture."""
    if any(mode_of(mask.path) != "RGBA" for mask in masks):
        return False
    if any(_FOLDER in (folder.name for folder in list(mask.path.absolute().parents)[:2]) for mask in masks):
        return True
    return any(_is_cutout(mask.path) for mask in masks)


def read_cutout(path: Path) -> Ids:
    """Return 1 where a cut-out is opaque and 0 elsewhere, uint8 [H, W]."""
    alpha = np.asarray(open_image(path).getchannel("A"))
    return (alpha >= OPAQUE).astype(np.uint8)


def _is_cutout(path: Path) -> bool:
    pixels = np.asarray(open_image(path))
    alpha = pixels[..., 3]
    if alpha.min() >= OPAQUE:
        return False
    packed = pixels.view(np.uint32)[..., 0]
    both = (alpha[:, 1:] == 255) & (alpha[:, :-1] == 255)
    equal = both & (packed[:, 1:] == packed[:, :-1])
    return bool(both.any() and equal.sum() < _LEAST_FLAT * both.sum())
