"""The one judge of mask files: which part of a file stands for objects, and the thresholds that this takes.

Data sets and `sfc convert` trust what a file stores, which its header tells: see ``stored_kind``. What a
person painted needs a look at the pixels, since programs save numbers as colours and colours as numbers: see
``judge_mask``. Both answer with a kind; what to accept is up to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from sfc_cli.data.colour_index import (
    ACCIDENT_STRIDES,
    ColourIndex,
    Flags,
    Integers,
    are_blends,
    index_colours,
)
from sfc_cli.data.colours import WEB_NUMBERS, Colours, Ids, known_palettes, web_colours
from sfc_cli.data.dithering import without_dithering
from sfc_cli.data.mask_files import declared_background, opened_image
from sfc_cli.errors import InputError

MaskKind = Literal["indexed", "grey", "black-and-white", "colours", "transparency", "annotations"]
INDEXED: Final = "indexed"
GREY: Final = "grey"
BLACK_AND_WHITE: Final = "black-and-white"
COLOURS: Final = "colours"
TRANSPARENCY: Final = "transparency"
# Masks that no image file holds.
ANNOTATIONS: Final = "annotations"
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
# A picture whose opaque part covers so much of the border was not cut out: its object was erased.
ERASED_SHARE = 0.5
# Of the neighbouring opaque pixels of a painted mask nearly all are equal, of a photograph few.
_LEAST_EQUAL_NEIGHBOURS = 0.5

# A colour that covers so much of the border surrounds everything, and one that covers so little lies within:
# then it is an object, even if it is black.
SURROUNDING_SHARE, HARDLY_AT_BORDER = 0.75, 0.1
# So many of the palette of web colours' numbers are no ids, if together they make a dithered picture.
_LEAST_WEB_NUMBERS = 8
# A grey mask with more levels between black and white has soft edges; their number, not their brightness.
_MOST_GREY_IDS = 32
# Grey levels below this brightness are ids that a program wrote: nobody paints in shades of black.
_DARKEST_PAINT = 32
# By how much lossy compression makes the channels of a grey pixel differ.
_GREY_NOISE = 3
# So many different mixed colours are smoothing, whatever else there is.
_SURE_MIXTURES = 8
# So many may be coincidence: they count if soft edges are longer than hard ones.
_LIKELY_MIXTURES = 3
# In a palette that a program made for the file one is enough, if so many of its pixels are mixed.
_MIXED_SHARE = 0.9
# There a rim may be so wide that some of its pixels, as a share, are even.
_SOLID_SHARE_OF_RIMS = 0.25

_SMOOTHED_PALETTE = "The numbers of the palette are those of smoothed colours, not ids: the colours count."
_OWN_PALETTE = "The palette has an order of its own, so its colours count, not its numbers."
_DITHERED = "Dithered colours were smoothed to flat ones; fine detail may be lost."
_REPLACED_PALETTE = (
    "The numbers are those of web colours, whose palette was replaced: their colours count, not the numbers."
)


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


def has_known_palette(path: Path) -> bool:
    """Return whether an indexed file has the palette of a data set, by which its numbers are ids."""
    with opened_image(path) as image:
        own = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    greys = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    return any(np.array_equal(own, known[: len(own)]) for known in (*known_palettes(), greys))


@dataclass(frozen=True, kw_only=True)
class JudgedMask:
    """What stands for objects in the file of a painted mask.

    Args:
        kind: The part of the file that counts.
        values: Ids or grey levels [H, W], colours [H, W, 3], or colours and transparency [H, W, 4]; uint8
            except for grey levels of more than 8 bits.
        table: The colours of ids, uint8 [n, 3]; None where values are no ids.
        is_lossy: The file went through lossy compression.
        is_coarse: The colours were rounded to the few of a palette.
        is_dithered: Dithering was smoothed, which may leave rims.
        is_rgb: The mask is grey, but its file has room for colours.
        has_own_palette: The file is indexed, and its palette none that stands for ids by itself.
        remarks: Why another part counts than the file's format suggests.
    """

    kind: MaskKind
    values: npt.NDArray[Any]
    table: Colours | None = None
    is_lossy: bool = False
    is_coarse: bool = False
    is_dithered: bool = False
    is_rgb: bool = False
    has_own_palette: bool = False
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
        return _judge_indexed(image, declared_background(path, image))
    if image.mode == "1":
        table = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)
        return JudgedMask(kind=BLACK_AND_WHITE, values=np.asarray(image, dtype=np.uint8), table=table)
    if image.mode in {"F", "I"} or image.mode.startswith("I;"):
        return JudgedMask(kind=GREY, values=np.asarray(image))
    if image.mode in {"LA", "RGBA"} or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        is_unused = not rgba[..., 3].any() and bool((rgba[..., :3] != rgba[0, 0, :3]).any())
        # Some programs leave the transparency of a file without layers at zero everywhere.
        if rgba[..., 3].min() < FAINTEST_PAINT and not is_unused:
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
    if (np.ptp(colours, axis=2) <= (_GREY_NOISE if is_lossy else 0)).all():
        levels = np.ascontiguousarray(colours[..., 1])
        return JudgedMask(kind=GREY, values=levels, is_lossy=is_lossy, is_rgb=True)
    return JudgedMask(kind=COLOURS, values=colours, is_lossy=is_lossy)


def _judge_indexed(image: Image.Image, declared: tuple[int, int, int] | None) -> JudgedMask:
    """Judge an indexed mask: its numbers are ids if its palette says so, otherwise its colours count."""
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
    if any((table[used] == known[used]).all() for known in known_palettes()):
        web = web_colours()
        if _are_web_numbers(used) and (plain := without_dithering(web[ids])) is not None:
            return JudgedMask(
                kind=COLOURS, values=plain, is_lossy=True, is_dithered=True, remarks=(_REPLACED_PALETTE,)
            )
        return JudgedMask(kind=INDEXED, values=ids, table=table)
    if used[-1] >= len(own_palette):
        # The palette does not say what the highest numbers look like.
        return JudgedMask(kind=INDEXED, values=ids, table=table)
    return _judge_own_palette(ids, table, used, declared)


def _judge_own_palette(
    ids: Ids, table: Colours, used: Integers, declared: tuple[int, int, int] | None
) -> JudgedMask:
    """Judge an indexed mask whose palette some program made for it: its order means nothing.

    The numbers are only kept where colours say the same.
    """
    colours = table[ids]
    plain = without_dithering(colours)
    if plain is not None:
        return JudgedMask(kind=COLOURS, values=plain, is_lossy=True, is_dithered=True, remarks=(_DITHERED,))
    index = index_colours(colours, coarse=True)
    if np.isin(index.colours, [0, 255]).all() and (index.colours == index.colours[:, :1]).all():
        # Black and white, whichever comes first.
        return JudgedMask(kind=GREY, values=np.ascontiguousarray(colours[..., 0]), is_rgb=True)
    if has_soft_edges(index):
        return JudgedMask(kind=COLOURS, values=colours, is_coarse=True, remarks=(_SMOOTHED_PALETTE,))
    are_different = len(index.colours) == len(used)
    border = border_of(ids)
    shares = np.bincount(border, minlength=256) / border.size
    is_zero = declared in (None, tuple(table[0].tolist())) or (~table[used].any(axis=1)).any()
    if are_different and is_zero and 0 in used and background_number(table, shares, used)[0] == 0:
        return JudgedMask(kind=INDEXED, values=ids, table=table, has_own_palette=True)
    return JudgedMask(kind=COLOURS, values=colours, has_own_palette=True, remarks=(_OWN_PALETTE,))


def border_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the pixels of an image's border, one after the other."""
    return np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])


def background_number(
    colours: Colours, shares: npt.NDArray[np.float64], candidates: Integers
) -> tuple[int, bool]:
    """Choose the background among colours [N, 3]: black, or else what covers most of the image's border.

    Black that hardly touches the border is an object where one other colour surrounds everything.

    Args:
        colours: The colours.
        shares: Of the border, how much each covers, [N].
        candidates: The numbers of those that may be the background, at least one.

    Returns:
        Its number, and whether black is there but passed over.
    """
    surrounding = int(candidates[shares[candidates].argmax()])
    black = candidates[~colours[candidates].any(axis=1)]
    if black.size == 0:
        return surrounding, False
    best = int(black[shares[black].argmax()])
    is_object = shares[surrounding] >= SURROUNDING_SHARE and shares[best] <= HARDLY_AT_BORDER
    return (surrounding, True) if is_object else (best, False)


def _are_web_numbers(used: Integers) -> bool:
    others = used[used > 0]
    return len(others) >= _LEAST_WEB_NUMBERS and bool(
        WEB_NUMBERS[0] <= others[0] and others[-1] < WEB_NUMBERS[1]
    )


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
    if image.coarse:
        mixed = mixed_entries(image)
        return bool(mixed.any() and not mixed.all())
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


def mixed_entries(image: ColourIndex) -> Flags:
    """Return which colours [N] of a palette only lie between others, in place and in colour."""
    thin = image.solid_counts <= _SOLID_SHARE_OF_RIMS * image.counts
    pixels = image.where(thin)
    blends = are_blends(image, pixels, ACCIDENT_STRIDES)
    blended = np.bincount(image.at(pixels)[blends], minlength=len(image.colours))
    mixed: Flags = thin & (blended >= _MIXED_SHARE * image.counts)
    return mixed


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
