"""What a shell offers behind Tab: networks, data sets, splits and downloads, without loading torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import typer

from sfc_cli.errors import SfcError


def complete_networks(incomplete: str) -> list[str]:
    """Return the networks that have a name, and how those of other libraries begin."""
    from sfc_cli.core.encoder_table import ENCODERS
    from sfc_cli.core.network_table import SOURCES, read_table

    return _matching(incomplete, lambda: (*ENCODERS, *read_table(), *(f"{source}:" for source in SOURCES)))


def complete_data(incomplete: str) -> list[str]:
    """Return the data sets that are here by name."""
    from sfc_cli.settings.locations import known_data

    return _matching(incomplete, known_data)


def complete_splits(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the splits of the data set on the command line, or of the one that is taken without it."""
    from sfc_cli.data.vos import splits_in
    from sfc_cli.settings.locations import DEFAULT_DATA, find_data

    name = ctx.params.get("data") or ctx.params.get("benchmark") or DEFAULT_DATA
    return _matching(incomplete, lambda: splits_in(find_data(name)))


def complete_downloads(incomplete: str) -> list[str]:
    """Return everything that has a name in the catalogue."""
    from sfc_cli.download.catalogue import read_catalogue

    return _matching(incomplete, lambda: read_catalogue().names)


def complete_benchmarks(incomplete: str) -> list[str]:
    """Return the benchmarks by name."""
    from sfc_cli.evaluation.benchmarks import DEFAULT_SPLITS

    return _matching(incomplete, lambda: DEFAULT_SPLITS)


def complete_scoring(incomplete: str) -> list[str]:
    """Return the scoring protocols by name."""
    from sfc_cli.evaluation.scoring_protocols import SCORING_PROTOCOLS

    return _matching(incomplete, lambda: SCORING_PROTOCOLS)


def _matching(incomplete: str, names: Callable[[], Iterable[str]]) -> list[str]:
    try:
        return sorted(name for name in names() if name.startswith(incomplete))
    except (SfcError, OSError):
        # A line that is still being typed is no place for messages.
        return []
