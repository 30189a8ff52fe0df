"""Decides whether a mask has soft edges: only then may a pixel lose the colour that it has."""

from __future__ import annotations

import numpy as np

from sfc_cli.data.painting.colour_index import ColourIndex, Flags, Integers, are_blends

# So many different mixed colours are smoothing, whatever else there is.
_SURE_MIXTURES = 8
# So many may be coincidence: they count if soft edges are longer than hard ones.
_LIKELY_MIXTURES = 3
# Grey levels below this are ids that a program wrote: nobody paints in shades of black.
_DARKEST_PAINT = 32
_MOST_OBJECTS = 255


def has_soft_edges(image: ColourIndex, *, lossy: bool = False) -> bool:
    """Tell whether smoothing or compression mixed colours that were not painted.

    Mixed colours fill no 3×3 square, and most of their pixels lie between two neighbours in colour. One or
    two of them may be a painted outline, so they make no soft edge, except in a grey mask beside white: there
    all that lies between 0 and 255 would be objects, and the white object void.

    Args:
        image: The mask.
        lossy: The file went through lossy compression, which mixes colours beside every edge.
    """
    thin = image.solid_counts == 0
    if not thin.any() or thin.all() or _are_small_ids(image):
        return False
    if lossy or len(image.colours) > _MOST_OBJECTS:
        return True
    places = image.where(thin)
    blends = are_blends(image, places)
    mixed = _mixed_colours(image, image.at(places)[blends]) & thin
    if mixed.sum() >= _SURE_MIXTURES:
        return True
    if _is_white_beside_mixtures(image, thin) and blends.mean() >= 0.5:
        return True
    return bool(mixed.sum() >= _LIKELY_MIXTURES and blends.sum() >= _hard_edges(image, thin))


def _mixed_colours(image: ColourIndex, blended: Integers) -> Flags:
    return np.bincount(blended, minlength=len(image.colours)) * 2 >= image.counts


def _are_small_ids(image: ColourIndex) -> bool:
    values = image.colours[(image.colours < 255).any(axis=1)]
    return bool((values == values[:, :1]).all() and (values < _DARKEST_PAINT).all())


def _is_white_beside_mixtures(image: ColourIndex, thin: Flags) -> bool:
    colours = image.colours
    if (colours != colours[:, :1]).any():
        return False
    between = (colours[:, 0] > 0) & (colours[:, 0] < 255)
    return bool(colours[-1, 0] == 255 and between.any() and thin[between].all())


def _hard_edges(image: ColourIndex, thin: Flags) -> int:
    """Count the neighbouring pixels of two different colours that both fill areas."""
    numbers = image.numbers
    solid = ~thin[image.flat_numbers].reshape(numbers.shape)
    across = (numbers[:, 1:] != numbers[:, :-1]) & solid[:, 1:] & solid[:, :-1]
    down = (numbers[1:] != numbers[:-1]) & solid[1:] & solid[:-1]
    return int(across.sum() + down.sum())
