"""Masks from annotation files, as masks to convert."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sfc_cli.conversion.mask_sources import MaskSource, Reader, Reference, Remarks
from sfc_cli.data.annotations.shapes import AnnotatedImage, Annotations, Size, number_shapes
from sfc_cli.data.masks import Ids


class AnnotatedMasks:
    """The masks of an annotation file or folder.

    Args:
        found: What was read.
        remarks: Told how objects were numbered.
        size: Height and width where the file does not tell them; None to take those of the data set.
    """

    def __init__(self, found: Annotations, remarks: Remarks, size: Size | None = None) -> None:
        self._found, self._remarks, self._size = found, remarks, size

    @cached_property
    def images(self) -> dict[MaskSource, AnnotatedImage]:
        """The image of each mask."""
        return {
            MaskSource(path=image.path, sequence=image.sequence, stem=image.stem): image
            for image in self._found.images
        }

    @property
    def masks(self) -> Sequence[MaskSource]:
        """One for each image, by sequence and name."""
        return list(self.images)

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
        """See ``MaskInput``. Where objects overlap, the one that comes later in the file is on top."""
        size = self._size
        if size is None and reference is not None:
            height, width = reference.truth.shape
            size = height, width
        images = [self.images[mask] for mask in masks]
        numbered = number_shapes(images, self._found.path, self._found.naming, self._remarks)
        if numbered.names:
            told = ", ".join(f"{number} is {name}" for number, name in sorted(numbered.names.items())[:8])
            of = f" of {masks[0].sequence}" if masks[0].sequence else ""
            self._remarks.add(f"Objects{of}: {told}{', …' if len(numbered.names) > 8 else ''}.")

        def read(mask: MaskSource) -> Ids:
            return self.images[mask].draw(numbered.ids, size)

        return read
