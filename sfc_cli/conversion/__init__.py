"""Masks from one form into another: image files, COCO files, soft labels, submissions, overlays."""

from sfc_cli.conversion.mask_conversion import Converted, convert_masks

__all__ = ["Converted", "convert_masks"]
