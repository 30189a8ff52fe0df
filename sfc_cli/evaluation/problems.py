"""Gathering everything that is wrong with the input, so that a user hears of all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from sfc_cli.errors import InputError

_MOST_LISTED = 10


@dataclass
class Problems:
    """The problems found so far, those of one kind and sequence kept together."""

    found: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, sequence: str, message: str, hint: str) -> None:
        """Note a problem: its kind, where it belongs, the sentence that names the file, the remedy."""
        self.found.setdefault((kind, sequence), []).append(message)
        self.hints.setdefault(kind, hint)

    def add_error(self, sequence: str, error: InputError) -> None:
        """Note an error that another part of the program raised."""
        self.add(f"error {error.hint}", sequence, error.message, error.hint)

    def raise_if_any(self) -> None:
        """Raise one error with the first ten problems and the number of the others.

        Raises:
            InputError: If a problem was noted.
        """
        if not self.found:
            return
        lines = [self._line(messages, sequence) for (_, sequence), messages in self.found.items()]
        hint = " ".join(hint for hint in dict.fromkeys(self.hints.values()) if hint)
        if len(lines) == 1:
            raise InputError(lines[0], hint)
        listed = "".join(f"\n  {line}" for line in lines[:_MOST_LISTED])
        more = f"\n  and {len(lines) - _MOST_LISTED} more." if len(lines) > _MOST_LISTED else ""
        raise InputError(f"{len(lines)} problems with the input; nothing was scored.{listed}{more}\n", hint)

    @staticmethod
    def _line(messages: list[str], sequence: str) -> str:
        others = len(messages) - 1
        return messages[0] + (f" ({others} more like it in {sequence}.)" if others else "")
