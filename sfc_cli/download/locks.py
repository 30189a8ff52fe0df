"""A lock between processes and threads, which the system gives back even if its holder is killed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from sfc_cli.errors import InputError

POLL_SECONDS = 0.1

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """Lets one holder at a time work on ``target``; a context manager.

    The lock is the system's, on a hidden file beside the target, so a killed process leaves nothing stale.
    The hidden file is removed by its holder while it still holds the lock.

    Args:
        target: The file to be worked on.
        on_wait: Called once if another holder has to be waited for.
    """

    def __init__(self, target: Path, on_wait: Callable[[], None] = lambda: None) -> None:
        self._path = target.with_name(f".{target.name}.lock")
        self._on_wait = on_wait
        self._descriptor = -1

    def __enter__(self) -> FileLock:
        waited = False
        while True:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                if _try_lock(self._descriptor) and self._is_current():
                    return self
            except OSError as error:
                raise InputError(
                    f"Cannot lock {self._path}: {error.strerror or error}.",
                    "Choose a folder that can be written to.",
                ) from None
            os.close(self._descriptor)
            if not waited:
                waited = True
                self._on_wait()
            time.sleep(POLL_SECONDS)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Windows refuses to remove an open file; there the empty file stays, which does no harm.
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)

    def _is_current(self) -> bool:
        """Tell whether the locked file still has its name, or was removed by the holder before."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False
