"""Masks from one form into another: the released script's files, indexed PNGs, overlays."""

from sfc_cli.conversion.convert import convert_masks

__all__ = ["convert_masks"]
