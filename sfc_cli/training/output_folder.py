"""The output folder of a training: whether it may be used, and that one training at a time does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from sfc_cli.data.frame_index import has_images
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import is_same_or_below
from sfc_cli.training.checkpoints import (
    BEST_NAME,
    NETWORK_NAME,
    clear_leftovers,
    remove_states,
    stored_states,
)
from sfc_cli.training.loss_plot import PLOT_NAME
from sfc_cli.training.metrics import METRICS_NAME

SETTINGS_NAME = "settings.json"
_LOCK_NAME = ".sfc-pretrain.lock"


@contextlib.contextmanager
def claimed(output: Path, data_root: Path, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Make the output folder ready, and keep other trainings out of it for the time of the context.

    Args:
        output: The folder.
        data_root: The data set, none of whose files may be replaced.
        resume: Whether a training in the folder is to go on.
        overwrite: Whether it is to be replaced.

    Raises:
        UsageError: If another training is using the folder, it has a training already, or a file of the data
            set would be overwritten.
        InputError: If it cannot be written to.
    """
    if not stored_states(output):
        _refuse_files_of_the_data(output, data_root)
    lock = FileLock(output / _LOCK_NAME)
    try:
        output.mkdir(parents=True, exist_ok=True)
        # The system's lock: whatever kills its holder releases it.
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"Another training is using {output}.", "Wait for it to end, or choose another `output`."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise _unusable(output, error) from None
    try:
        _make_ready(output, resume=resume, overwrite=overwrite)
        yield
    finally:
        lock.release()


def _make_ready(output: Path, *, resume: bool, overwrite: bool) -> None:
    if stored_states(output) and not resume and not overwrite:
        raise UsageError(
            f"{output} already has a training.",
            "Go on with `resume`, start again with `overwrite`, or choose another `output`.",
        )
    try:
        clear_leftovers(output)
        if overwrite and not resume:
            remove_states(output)
    except OSError as error:
        raise _unusable(output, error) from None


def _unusable(output: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"Cannot write to {output}: {reason}.", "Choose another `output`.")


def _refuse_files_of_the_data(output: Path, data_root: Path) -> None:
    """Refuse to write over a data set's own files; a new folder, or one without frames, may lie in it.

    Raises:
        UsageError: If ``output`` is a folder of frames of the data set, or above some, and has a file by the
            name of one that a training writes.
    """
    if not is_same_or_below(output, data_root):
        return
    for name in (NETWORK_NAME, BEST_NAME, METRICS_NAME, SETTINGS_NAME, PLOT_NAME):
        if (output / name).exists() and has_images(output):
            raise UsageError(
                f"{output / name} is in the data set, and a training would write over it.",
                "Choose another `output`.",
            )
