"""The errors that users see: what was wrong, the value found, what to do next, and an exit code."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from sfc_cli.wording import did_you_mean


class SfcError(Exception):
    """Base of every error that ends a command with one line and no traceback.

    Args:
        message: What was wrong, naming the file or value found.
        hint: What to do next; may be empty.

    Both name settings and arguments by their Python names between backticks, as in "`top_k` is 0."; the
    command line shows its own options instead.
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


def require_choice(field: str, value: object, choices: Sequence[str]) -> None:
    """Make sure that a field has one of its values.

    Raises:
        UsageError: If not; the message lists them.
    """
    if value not in choices:
        raise UsageError(
            f"`{field}` {value!r} is not known.",
            f"{did_you_mean(str(value), choices)}Choose one of: {', '.join(choices)}.",
        )


def require_package(name: str, extra: str, needed_for: str) -> None:
    """Make sure that an optional package is installed.

    Args:
        name: The package, as it is imported.
        extra: The extra of sfc-cli that brings it.
        needed_for: What needs it; begins the message.

    Raises:
        UsageError: If it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise UsageError(
            f"{needed_for} needs {name}, which is not installed.", f"Type `pip install 'sfc-cli[{extra}]'`."
        )
