"""What was chosen when a page was opened, and the command line that makes the same results without one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfc_cli.data.videos import Selection, parse_moment


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What is to be opened, as a user chose it.

    Args:
        sources: The video, see ``open_video``.
        output: The results folder; None for the default.
        start: The first frame, as typed.
        end: The first frame that is left out, as typed.
        every: The step, as typed.
        frames_per_second: Of images.
        size: The short side that the networks see; None for the default.
        networks: Fields of ``NetworkChoice`` that differ from the defaults.
    """

    sources: list[str]
    output: Path | None = None
    start: str | None = None
    end: str | None = None
    every: str | None = None
    frames_per_second: float | None = None
    size: int | None = None
    networks: dict[str, Any] = field(default_factory=dict)

    @property
    def selection(self) -> Selection:
        """Which frames are taken."""
        typed = {"start": self.start, "end": self.end, "every": self.every}
        return Selection(
            **{name: None if text is None else parse_moment(text, name) for name, text in typed.items()}
        )

    def chosen(self) -> dict[str, Any]:
        """Return all but the sources and the folder, as JSON keeps it."""
        names = ("start", "end", "every", "frames_per_second", "size")
        networks = {name: str(value) for name, value in self.networks.items()}
        return {**{name: getattr(self, name) for name in names}, "networks": networks}


def command_line(
    opening: Opening, masks: Mapping[int, Path], direction: str, output: Path, extras: tuple[str, ...]
) -> str:
    """Return what to type for the same results; empty without masks.

    Args:
        opening: What was chosen.
        masks: By the number of their frame.
        direction: ``forwards``, ``backwards`` or ``both``.
        output: The results folder.
        extras: Further words.
    """
    if not masks:
        return ""
    words = ["sfc", "propagate", *opening.sources]
    for number, path in masks.items():
        words += ["--mask", f"{number}:{path}"]
    words += {"forwards": [], "backwards": ["--backwards"], "both": ["--both-ways"]}[direction]
    given: dict[str, Any] = {"--start": opening.start, "--end": opening.end, "--every": opening.every}
    given |= {"--fps": opening.frames_per_second, "--size": opening.size}
    given |= {f"--{name.replace('fine_grained', 'fc')}": value for name, value in opening.networks.items()}
    words += [part for name, value in given.items() if value is not None for part in (name, f"{value}")]
    return shlex.join([*words, "-o", str(output), *extras])
