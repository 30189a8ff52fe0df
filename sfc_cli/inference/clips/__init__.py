"""Propagation over somebody's own footage: any clip, masks on any of its frames."""

from sfc_cli.inference.clips.masks import MaskOption
from sfc_cli.inference.clips.run import ClipRun

__all__ = ["ClipRun", "MaskOption"]
