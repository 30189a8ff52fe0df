"""How a training can fail in ways that are nobody's mistake at the keyboard, each with its exit code."""

from __future__ import annotations

import torch

from sfc_cli.errors import InputError, SfcError


class DivergedError(SfcError):
    """The loss or the weights became NaN or infinite."""

    exit_code = 5


class LostProcessError(SfcError):
    """A worker that decodes frames or another process of the training was killed; what there was is saved."""

    exit_code = 6


def explain(error: Exception, saved: str, processes: int) -> SfcError | None:
    """Turn what ended a training into an error that says what is saved.

    Args:
        error: What ended it.
        saved: A sentence about the state; may be empty.
        processes: Of the training.

    Returns:
        The error to raise; None if this one is a bug, or explained by somebody else.
    """
    if isinstance(error, SfcError):
        return type(error)(f"{error.message} {saved}".rstrip(), error.hint)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return InputError(
            f"{where}{error.strerror or error}. {saved}", "Free some space, then go on with `resume`."
        )
    is_of_memory = isinstance(error, torch.OutOfMemoryError)
    if processes > 1 and isinstance(error, RuntimeError) and not is_of_memory:
        reason = " ".join(str(error).split())[:200]
        return LostProcessError(
            f"Another process of the training was lost ({reason}). {saved}", "Go on with `resume`."
        )
    return None
