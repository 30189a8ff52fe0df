"""The VIP folder layout: videos of people with a mask of 19 body parts and clothes a frame.

``Annotations/Category_ids/<video>`` holds masks, ``Images/<video>`` frames, ``lists/<split>_videos.txt`` the
videos of a split. All of it may lie in ``VIP_Fine`` below the folder. Nothing here ever writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.data.sequence_names import (
    choose_sequences,
    first_annotation_in,
    read_list,
    require_split,
    some_files_in,
)
from sfc_cli.errors import InputError
from sfc_cli.files import inside

PART_NAMES = (
    "background", "hat", "hair", "sun-glasses", "upper-clothes", "dress", "coat", "socks", "pants", "gloves",
    "scarf", "skirt", "torso-skin", "face", "right-arm", "left-arm", "right-leg", "left-leg", "right-shoe",
    "left-shoe",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class VipDataset:
    """A folder in the VIP layout."""

    root: Path

    @property
    def base(self) -> Path:
        """The folder of annotations, images and lists."""
        below = self.root / "VIP_Fine"
        return below if below.is_dir() else self.root

    @property
    def annotations_root(self) -> Path:
        """The folder of all videos' masks."""
        return self.base / "Annotations" / "Category_ids"

    def sequences(self, split: str = "val", chosen: Sequence[str] | None = None) -> list[str]:
        """Return the names of a split's videos, or of all annotated ones where there is no list.

        Raises:
            InputError: If there is no annotation, a chosen video is not in the split, or a name is unsafe.
        """
        folder = self.annotations_root
        if not folder.is_dir():
            raise InputError(f"Cannot find the annotations: {folder} is missing.", "Check `data`.")
        require_split(split)
        listed = next(
            (
                path
                for parent in (self.base, self.root)
                for path in (parent / "lists" / f"{split}_videos.txt", parent / f"{split}_videos.txt")
                if path.is_file()
            ),
            None,
        )
        if listed is None:
            names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        else:
            words = [word for line in read_list(listed) for word in line.split()]
            names = [word.rstrip("/").rsplit("/", 1)[-1] for word in words]
        return choose_sequences(names, chosen, listed or folder, what="video")

    def annotations(self, sequence: str) -> list[Path]:
        """Return a video's masks in order.

        Raises:
            InputError: If there is none.
        """
        folder = inside(self.annotations_root, sequence)
        return some_files_in(folder, (".png",), "annotations", "masks of category ids as PNG")

    def first_annotation(self, sequence: str, frame: Path) -> Path:
        """Return the mask of a video's first frame.

        Raises:
            InputError: If it is missing.
        """
        return first_annotation_in(self.annotations_root, sequence, frame)

    def frames(self, sequence: str) -> list[Path]:
        """Return a video's frames in order.

        Raises:
            InputError: If there is none.
        """
        return some_files_in(inside(self.base / "Images", sequence), (".jpg",), "frames", "JPEG files")
