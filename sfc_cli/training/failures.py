"""How a training can fail in ways that are nobody's mistake at the keyboard, each with its exit code."""

from __future__ import annotations

from sfc_cli.errors import SfcError


class DivergedError(SfcError):
    """The loss or the weights became NaN or infinite."""

    exit_code = 5


class LostProcessError(SfcError):
    """A worker that decodes frames or another process of the training was killed; what there was is saved."""

    exit_code = 6
