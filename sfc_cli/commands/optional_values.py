"""Options whose value may be left out, which Typer does not offer: ``--overlay`` and ``--cutout``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from sfc_cli.commands.help_screens import PanelCommand
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import CutoutKind, OverlayKind
from sfc_cli.wording import did_you_mean

# Their words, and the default among them.
_WORDS = {"--overlay": get_args(OverlayKind), "--cutout": get_args(CutoutKind)}
_DEFAULTS = {"--overlay": "video", "--cutout": "png"}


class OptionalValueCommand(PanelCommand):
    """A command that reads a bare ``--overlay`` as ``--overlay video``, ``--cutout`` as ``--cutout png``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Fill in what was left out, then parse as usual."""
        return super().parse_args(ctx, with_values(args))


def with_values(args: list[str]) -> list[str]:
    """Return the arguments with the default word after each option that came without one.

    Raises:
        UsageError: If the next word is neither a value nor a file, and looks like a mistyped value.
    """
    filled: list[str] = []
    for index, word in enumerate(args):
        filled.append(word)
        if word == "--":
            return filled + args[index + 1 :]
        if word in _WORDS and (index + 1 == len(args) or args[index + 1] not in _WORDS[word]):
            _refuse_mistyped(word, args[index + 1 : index + 2])
            filled.append(_DEFAULTS[word])
    return filled


def _refuse_mistyped(option: str, following: list[str]) -> None:
    for value in following:
        # Anything else is a video, which may stand behind the option.
        if (meant := did_you_mean(value, _WORDS[option])) and not Path(value).exists():
            raise UsageError(
                f"{option} {value} is not known.", f"{meant}Choose one of: {', '.join(_WORDS[option])}."
            )
