"""Options whose value may be left out, which Typer has no notion of."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from sfc_cli.settings.propagation import OverlayKind

_WORDS = {"--overlay": OverlayKind.__args__}  # type: ignore[attr-defined]
_DEFAULTS = {"--overlay": "video"}


class OptionalValueCommand(TyperCommand):
    """A command that reads a bare ``--overlay`` as ``--overlay video``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Fill in what was left out, then parse as usual."""
        return super().parse_args(ctx, with_values(args))


def with_values(args: list[str]) -> list[str]:
    """Return the arguments with the default word after each option that came without one."""
    filled: list[str] = []
    for index, word in enumerate(args):
        filled.append(word)
        if word == "--":
            return filled + args[index + 1 :]
        if word in _WORDS and (index + 1 == len(args) or args[index + 1] not in _WORDS[word]):
            filled.append(_DEFAULTS[word])
    return filled
