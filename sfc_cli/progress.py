"""The progress protocol: how the library reports to its caller, the same for every command."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run, training, evaluation or transfer; displays live in ``commands``.

    Work has parts, such as sequences or files, that begin, advance and finish; several may be under way at
    once. All methods may be called from any thread.
    """

    def plan(self, total: int | None, unit: str) -> None:
        """Say how much there is to do in all.

        Args:
            total: In units, over all parts; None if nobody knows.
            unit: What is counted, in the plural: ``frames``, ``steps``, ``bytes``.
        """

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        """Begin a part, or begin it again.

        Args:
            part: Its name.
            total: Its size in units; None if nobody knows.
            done: How much of it was done before.
        """

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:
        """Count units of a part that are done.

        Args:
            part: Its name.
            count: How many more.
            text: How the part stands, for people; displays show it now and then.
            facts: The same for programs.
        """

    def finish(self, part: str, text: str, **facts: object) -> None:
        """Say how a part ended.

        Args:
            part: Its name.
            text: For people; empty to say nothing.
            facts: The same for programs.
        """

    def say(self, text: str, **facts: object) -> None:
        """Say something worth a line of its own, for people in ``text`` and for programs in ``facts``."""


class Silent:
    """Progress that nobody follows."""

    def plan(self, total: int | None, unit: str) -> None:
        """Do nothing."""

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        """Do nothing."""

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:
        """Do nothing."""

    def finish(self, part: str, text: str, **facts: object) -> None:
        """Do nothing."""

    def say(self, text: str, **facts: object) -> None:
        """Do nothing."""
