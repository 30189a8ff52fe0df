"""The one judge of mask files: which part of a file stands for objects, and the thresholds that this takes.

Data sets and `sfc convert` trust what a file stores, which its header tells: see ``stored_kind``. What a
person painted needs a look at the pixels, since programs save numbers as colours and colours as numbers: see
``judge_mask``. Both answer with a kind; what to accept is up to the caller.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from sfc_cli.data.colour_index import ColourIndex, Flags, Integers, are_blends, index_colours
from sfc_cli.data.colours import Colours, palette_spellings
from sfc_cli.errors import InputError

MaskKind = Literal["indexed", "grey", "black-and-white", "colours", "transparency"]
INDEXED: Final = "indexed"
GREY: Final = "grey"
BLACK_AND_WHITE: Final = "black-and-white"
COLOURS: Final = "colours"
TRANSPARENCY: Final = "transparency"
# The kinds whose stored numbers are ids.
STORES_IDS: frozenset[MaskKind] = frozenset({INDEXED, GREY, BLACK_AND_WHITE})

_KIND_OF_MODE: dict[str, MaskKind] = {
    "P": INDEXED,
    "L": GREY,
    "1": BLACK_AND_WHITE,
    "RGB": COLOURS,
    "RGBA": TRANSPARENCY,
}
_LOSSY_FORMATS = {"JPEG", "MPO", "AVIF"}

# There are ids from 1 to 254 for objects.
MOST_OBJECTS = 254
# A mask without soft edges has a colour for each object, and one for the background.
_MOST_FLAT_COLOURS = MOST_OBJECTS + 1

# Opacities, of 255. Paint may be half-transparent: what is fainter than this leaves its pixel empty.
FAINTEST_PAINT = 16
# A cut-out is a picture, whose objects are opaque: what is less than half opaque is not part of them.
HALF_OPAQUE = 128
# Of the neighbouring opaque pixels of a painted mask nearly all are equal, of a photograph few.
_LEAST_EQUAL_NEIGHBOURS = 0.5

# Fewer used entries of a palette are objects, whatever their colours.
_FEW_ENTRIES = 16
# A grey mask with more levels between black and white has soft edges; their number, not their brightness.
_MOST_GREY_IDS = 32
# Grey levels below this brightness are ids that a program wrote: nobody paints in shades of black.
_DARKEST_PAINT = 32
# So many different mixed colours are smoothing, whatever else there is.
_SURE_MIXTURES = 8
# So many may be coincidence: they count if soft edges are longer than hard ones.
_LIKELY_MIXTURES = 3


@contextlib.contextmanager
def opened_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file without decoding more of it than its header.

    Raises:
        InputError: If the file is missing or damaged.
    """
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}.", "Replace the file.") from None


def open_image(path: Path) -> Image.Image:
    """Open and fully decode an image file.

    Raises:
        InputError: If the file is missing or damaged.
    """
    with opened_image(path) as image:
        image.load()
        return image


def stored_kind(image: Image.Image) -> MaskKind | None:
    """Return what a file stores, from its header alone; None if only a look at its pixels can tell."""
    return _KIND_OF_MODE.get(image.mode)


def stored_kind_of(path: Path) -> MaskKind | None:
    """Return what the file at a path stores, see ``stored_kind``.

    Raises:
        InputError: If the file is missing or damaged.
    """
    with opened_image(path) as image:
        return stored_kind(image)


@dataclass(frozen=True, kw_only=True)
class JudgedMask:
    """What stands for objects in the file of a painted mask.

    Args:
        kind: The part of the file that counts.
        values: Ids or grey levels [H, W], colours [H, W, 3], or colours and transparency [H, W, 4]; uint8
            except for grey levels of more than 8 bits.
        table: The colours of ids, uint8 [n, 3]; None where values are no ids.
        is_lossy: The file went through lossy compression.
        is_rgb: The mask is grey, but its file has room for colours.
        remarks: Why another part counts than the file's format suggests.
    """

    kind: MaskKind
    values: npt.NDArray[Any]
    table: Colours | None = None
    is_lossy: bool = False
    is_rgb: bool = False
    remarks: tuple[str, ...] = ()


def judge_mask(path: Path, image: Image.Image) -> JudgedMask:
    """Judge a painted mask by its pixels.

    Args:
        path: Its file, for errors and the traces of compression.
        image: The file's image, decoded.

    Raises:
        InputError: If it is an image of a kind that cannot be read.
    """
    if image.mode in {"P", "PA"}:
        return _judge_indexed(image)
    if image.mode == "1":
        table = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)
        return JudgedMask(kind=BLACK_AND_WHITE, values=np.asarray(image, dtype=np.uint8), table=table)
    if image.mode in {"F", "I"} or image.mode.startswith("I;"):
        return JudgedMask(kind=GREY, values=np.asarray(image))
    if image.mode in {"LA", "RGBA"} or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        if rgba[..., 3].min() < FAINTEST_PAINT:
            return JudgedMask(kind=TRANSPARENCY, values=rgba)
    is_lossy = _is_lossy(path, image)
    if image.mode in {"L", "LA"}:
        return JudgedMask(kind=GREY, values=np.asarray(image.convert("L")), is_lossy=is_lossy)
    try:
        colours = np.asarray(image.convert("RGB"))
    except ValueError:
        raise InputError(
            f"{path} is an image of mode {image.mode}, which is not known here.", "Save it as an RGB PNG."
        ) from None
    if (colours == colours[..., :1]).all():
        levels = np.ascontiguousarray(colours[..., 0])
        return JudgedMask(kind=GREY, values=levels, is_lossy=is_lossy, is_rgb=True)
    return JudgedMask(kind=COLOURS, values=colours, is_lossy=is_lossy)


def _judge_indexed(image: Image.Image) -> JudgedMask:
    """Judge an indexed mask: its numbers are ids, unless its transparency or its palette says otherwise."""
    ids = np.asarray(image.getchannel(0) if image.mode == "PA" else image, dtype=np.uint8)
    if image.mode == "PA" or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        # A transparent background is a usual export of ids; other transparent entries mean nothing by number.
        if ((rgba[..., 3] < FAINTEST_PAINT) & (ids != 0)).any():
            return JudgedMask(kind=TRANSPARENCY, values=rgba)
    table = np.zeros((256, 3), np.uint8)
    own_palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    table[: len(own_palette)] = own_palette
    used = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
    if (table[used] == used[:, None]).all():
        # A grey mask that some program saved with a palette of greys.
        return JudgedMask(kind=GREY, values=ids)
    is_davis = any((table[used] == spelling[used]).all() for spelling in palette_spellings())
    if not is_davis and len(used) > _FEW_ENTRIES and has_soft_edges(index_colours(table[ids])):
        why = "The numbers of the palette are those of smoothed colours, not ids: the colours count."
        return JudgedMask(kind=COLOURS, values=table[ids], remarks=(why,))
    return JudgedMask(kind=INDEXED, values=ids, table=table)


def _is_lossy(path: Path, image: Image.Image) -> bool:
    if image.format == "WEBP":
        with path.open("rb") as file:
            return b"VP8L" not in file.read(64)
    return image.format in _LOSSY_FORMATS


def has_cut_out_picture(rgba: Colours) -> bool:
    """Return whether an image [H, W, 4] is a picture on a transparent ground.

    Its transparency alone tells where the objects are; the colours of a painted mask tell them apart.
    """
    opacity = rgba[..., 3]
    if opacity.min() >= HALF_OPAQUE:
        return False
    packed = rgba.view(np.uint32)[..., 0]
    both_opaque = (opacity[:, 1:] == 255) & (opacity[:, :-1] == 255)
    equal = both_opaque & (packed[:, 1:] == packed[:, :-1])
    return bool(both_opaque.any() and equal.sum() < _LEAST_EQUAL_NEIGHBOURS * both_opaque.sum())


def colours_on_black(rgba: Colours) -> Colours | None:
    """Return the colours [H, W, 3] of an image [H, W, 4], black where it is transparent.

    Returns:
        None if black objects lie on the transparent ground, so that colours cannot tell them from it.
    """
    opaque = rgba[..., 3] >= HALF_OPAQUE
    if not opaque.all() and (opaque & ~rgba[..., :3].any(axis=2)).any():
        return None
    on_black: Colours = rgba[..., :3] * opaque[..., None]
    return on_black


def soft_grey_levels(values: Colours, *, by_area: bool = False) -> int:
    """Count the levels of a grey mask [H, W] that are no ids but a smoothed edge between 0 and 255.

    Args:
        values: The mask, whose file stores ids.
        by_area: Count few levels too, if 255 stands beside them and none of them fills a 3×3 square. Right
            for a first mask, whose objects are to be seen; later ones may shrink to a line.

    Returns:
        All levels between 0 and 255 if there is such an edge, 0 if all are ids.
    """
    found = np.unique(values)
    between = found[(found > 0) & (found < 255)]
    if between.size > _MOST_GREY_IDS:
        return int(between.size)
    if not by_area or 255 not in found or min(values.shape) < 3:
        return 0
    # Objects fill areas, the rim of a soft edge does not. Squares that reach over the border do not count.
    filled = index_colours(values).solid[1:-1, 1:-1] & np.isin(values[1:-1, 1:-1], between)
    return 0 if filled.any() else int(between.size)


def has_soft_edges(image: ColourIndex, *, lossy: bool = False) -> bool:
    """Return whether smoothing or compression mixed colours that were not painted.

    Only then may a pixel lose the colour that it has. Mixed colours fill no 3×3 square, and most of their
    pixels lie between two neighbours in colour. One or two of them may be a painted outline, so they make no
    soft edge, except in a grey mask beside white: there all that lies between 0 and 255 would be objects, and
    the white object void.

    Args:
        image: The mask.
        lossy: The file went through lossy compression, which mixes colours beside every edge.
    """
    thin = image.solid_counts == 0
    if not thin.any() or thin.all() or are_small_ids(image.colours):
        return False
    if lossy or len(image.colours) > _MOST_FLAT_COLOURS:
        return True
    pixels = image.where(thin)
    blends = are_blends(image, pixels)
    mixed = _mixed_colours(image, image.at(pixels)[blends]) & thin
    if mixed.sum() >= _SURE_MIXTURES:
        return True
    if _is_white_beside_mixtures(image.colours, thin) and blends.mean() >= 0.5:
        return True
    return bool(mixed.sum() >= _LIKELY_MIXTURES and blends.sum() >= _hard_edges(image, thin))


def are_small_ids(colours: Colours) -> bool:
    """Return whether colours [N, 3] are greys so dark, besides white, that a program wrote them as ids."""
    others = colours[(colours < 255).any(axis=1)]
    return bool((others == others[:, :1]).all() and (others < _DARKEST_PAINT).all())


def _mixed_colours(image: ColourIndex, blended: Integers) -> Flags:
    """Return which colours [N] are mixed in at least half of their pixels."""
    return np.bincount(blended, minlength=len(image.colours)) * 2 >= image.counts


def _is_white_beside_mixtures(colours: Colours, thin: Flags) -> bool:
    """Return whether a mask is grey, and of its levels only black and white fill areas."""
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
