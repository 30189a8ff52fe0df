"""Turns the lines of JSON that the benchmarks print into one table of figures, a row for each measurement.

    python benchmarks/card_table.py FILE…

Lines that are no JSON are passed by.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# Read where they matter: what each line says of its machine.
MACHINE = {"benchmark", "date", "cpu", "threads", "gpu", "python", "torch"}


def rows(line: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and its figures: one row for the line's own, one for each group of figures."""
    settings = [
        "+".join(line["networks"]) if "networks" in line else "",
        *(f"{name} {line[name]}" for name in ("precision", "pixels", "channels", "frames") if name in line),
    ]
    title = ", ".join([line["benchmark"], *filter(None, settings)])
    shown = MACHINE | {"networks", "precision", "pixels", "channels", "frames"}
    own = {name: value for name, value in line.items() if name not in shown and not isinstance(value, dict)}
    yield title, figures(own)
    for name, group in line.items():
        if isinstance(group, dict):
            yield f"{title}: {name}", figures(group)


def figures(named: dict[str, Any]) -> str:
    """Return figures in one cell, times in milliseconds."""
    parts = []
    for name, value in named.items():
        is_time = name.endswith("_s") and isinstance(value, (int, float)) and not name.endswith("gflop_s")
        if is_time and not name.startswith(("frames_per", "copy_gb")):
            parts.append(f"{name[:-2]} {value * 1000:.3f} ms")
        else:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def parsed(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the lines that are figures of a benchmark."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "benchmark" in found:
            yield found


def main() -> None:
    lines = [line for name in sys.argv[1:] for line in parsed(Path(name).read_text().splitlines())]
    if not lines:
        print("No file has any figures of a benchmark.")
        return
    machine = {name: lines[0].get(name) for name in sorted(MACHINE - {"benchmark"})}
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    print("| measured | figures |\n|---|---|")
    for line in lines:
        for title, cell in rows(line):
            print(f"| {title} | {cell} |")


if __name__ == "__main__":
    main()
