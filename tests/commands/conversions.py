"""Masks for the tests of ``sfc convert``, in the kinds that there are, and what must come of them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from typer.testing import Result

from sfc_cli.data.masks import Ids, palette, read_ids
from tests.commands.running import files_in, refused, run, succeed


def convert(*arguments: object) -> Result:
    """Run `sfc convert`, which must do its work."""
    return succeed(run("convert", *arguments))


def refused_alone(result: Result, code: int, *said: object) -> None:
    """Make sure that a conversion was refused, and that nothing else was said on standard error."""
    assert result.stderr == refused(result, code, *said) + "\n"


def annotations_of(data: Path) -> dict[str, Ids]:
    """Return the masks of a data set by their paths."""
    root = data / "Annotations" / "480p"
    return {path.relative_to(root).as_posix(): read_ids(path) for path in sorted(root.rglob("*.png"))}


def require_masks(folder: Path, expected: dict[str, Ids]) -> None:
    """Make sure that a folder holds these masks and nothing else, indexed with the palette of all masks."""
    assert set(files_in(folder)) == set(expected)
    for name, ids in expected.items():
        with Image.open(folder / name) as image:
            assert image.mode == "P"
            assert image.getpalette() == palette().ravel().tolist()
        np.testing.assert_array_equal(read_ids(folder / name), ids, err_msg=name)


def write_raw(data: Path, folder: Path, *, swapped: bool = True, scale: int = 1) -> None:
    """Write annotations as the released script writes its masks: by number, in colours."""
    folder.mkdir()
    for video, name in enumerate((data / "ImageSets" / "2017" / "val.txt").read_text().split()):
        for t, path in enumerate(sorted((data / "Annotations" / "480p" / name).glob("*.png"))):
            colours = palette()[read_ids(path)]
            colours = colours.repeat(scale, axis=0).repeat(scale, axis=1)
            # OpenCV takes its input for blue-green-red.
            stored = colours if swapped else colours[..., ::-1]
            cv2.imwrite(str(folder / f"{video}_{t}_mask.png"), stored)


def save_all(data: Path, make: Callable[[Ids], Image.Image]) -> None:
    """Save the masks of a data set into the folder `in`, as another kind of image."""
    for name, ids in annotations_of(data).items():
        path = Path("in", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(ids).save(path)


def indexed_otherwise(ids: Ids) -> Image.Image:
    """Return a mask as an image with a palette of its own."""
    image = Image.fromarray(ids)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    return image
