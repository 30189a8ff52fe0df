"""What can be set: frozen dataclasses that check themselves, named presets, and where data lies."""

from sfc_cli.settings.propagation import PRESETS, PropagationSettings, preset_for

__all__ = ["PRESETS", "PropagationSettings", "preset_for"]
