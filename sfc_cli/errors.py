"""The errors that users see: what was wrong, the value found, what to do next, and an exit code."""

from __future__ import annotations


class SfcError(Exception):
    """Base of every error that ends a command with one line and no traceback.

    Args:
        message: What was wrong, naming the file or value found.
        hint: What to do next; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip() if self.hint else self.message


class UsageError(SfcError):
    """An option or setting that cannot be used as given."""

    exit_code = 2


class InputError(SfcError):
    """A file or folder that is missing, damaged or not what it should be."""

    exit_code = 3


class NetworkError(SfcError):
    """A transfer that failed after every retry."""

    exit_code = 4
