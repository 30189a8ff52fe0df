"""Reads masks that were saved as NumPy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.annotations.shapes import AnnotatedImage, Annotations, Area, Remarked, Shape
from sfc_cli.errors import InputError

_HALF = 0.5
# The arrays in a file of soft labels.
SOFT_LABELS = frozenset({"labels", "objects", "size"})


def read_array_file(path: Path, remarks: Remarked) -> Annotations:
    """Read ``.npy`` or ``.npz``: ids [H, W], [T, H, W], or masks of objects [K, H, W], [T, K, H, W].

    An ``.npz`` has an array for each frame, by its name, or one for all.

    Raises:
        InputError: If it is damaged or of another shape.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = (
            {path.stem: loaded} if isinstance(loaded, np.ndarray) else {k: loaded[k] for k in loaded.files}
        )
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"{path} cannot be read as a NumPy array: {error}.", "Save it again.") from None
    if arrays.keys() >= SOFT_LABELS:
        raise InputError(
            f"{path} has soft labels of `sfc propagate --soft`.", "Give their folder to `sfc convert`."
        )
    images: list[AnnotatedImage] = []
    for name, array in arrays.items():
        images += _images_of(path, path.stem if len(arrays) == 1 else name, array, remarks)
    if not images:
        raise InputError(f"No arrays in {path}.", "Save ids as an array [H, W] of whole numbers.")
    return Annotations(path=path, images=images)


def _images_of(path: Path, name: str, array: npt.NDArray[Any], remarks: Remarked) -> list[AnnotatedImage]:
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise InputError(
            f"{path} has an array {list(array.shape)} of {array.dtype}, which are no masks.",
            "Expected ids [H, W] or [T, H, W], or masks of objects [K, H, W], true or false.",
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    are_masks = array.dtype.kind in "bf"
    if array.dtype.kind == "f":
        array = _of_floats(path, array)
        are_masks = array.dtype.kind == "b"
    if array.ndim == 2:
        return [_image(path, name, array)]
    if array.ndim == 3 and are_masks:
        remarks.add(f"{path.name}: the {len(array)} masks are objects of one frame.")
        return [_image_of_objects(path, name, array)]
    if array.ndim == 3:
        remarks.add(f"{path.name}: the {len(array)} arrays are frames, from 0 on.")
        return [_image(path, f"{number:05d}", ids) for number, ids in enumerate(array)]
    remarks.add(f"{path.name}: {array.shape[0]} frames, from 0 on, with {array.shape[1]} objects each.")
    return [_image_of_objects(path, f"{number:05d}", masks) for number, masks in enumerate(array != 0)]


def _of_floats(path: Path, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return floating numbers as ids if they are whole, and as masks if they are shares."""
    if not np.isfinite(array).all():
        raise InputError(f"{path} has values that are NaN or infinite.", "Save ids as whole numbers.")
    if (array == np.floor(array)).all():
        return array.astype(np.int64) if array.max(initial=0) > 1 else array > 0
    if array.min() >= 0 and array.max() <= 1:
        return array > _HALF
    raise InputError(
        f"{path} has values from {array.min():g} to {array.max():g}, which are neither ids nor masks.",
        "Save ids as whole numbers, or masks as true and false.",
    )


def _image(path: Path, name: str, ids: npt.NDArray[Any]) -> AnnotatedImage:
    values = ids.astype(np.int64)
    found = [int(value) for value in np.unique(values) if value]
    # Black and white alone is one object.
    tracks = {255: 1} if found == [255] else {value: value for value in found}
    shapes = [
        Shape(area=Area(values == value), track=tracks[value], title=f"Object {value}") for value in found
    ]
    height, width = ids.shape
    return AnnotatedImage(path=path, sequence="", stem=name, size=(height, width), shapes=shapes)


def _image_of_objects(path: Path, name: str, masks: npt.NDArray[Any]) -> AnnotatedImage:
    shapes = [
        Shape(area=Area(mask != 0), track=number, title=f"Object {number}")
        for number, mask in enumerate(masks, start=1)
    ]
    height, width = masks.shape[1:]
    return AnnotatedImage(path=path, sequence="", stem=name, size=(height, width), shapes=shapes)
