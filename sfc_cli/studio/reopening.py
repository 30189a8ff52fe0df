"""From a results folder back to the page: which video it is of, and which masks it was made from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sfc_cli.data.masks import object_ids, read_ids
from sfc_cli.data.results import RECORD_NAME, ResultsFolder, read_record
from sfc_cli.errors import InputError
from sfc_cli.studio.command_line import Opening
from sfc_cli.studio.project import read_state
from sfc_cli.studio.workbench import Workbench


def is_results(folder: Path) -> bool:
    """Return whether a path is the results folder of a run, or of an unfinished page."""
    results = ResultsFolder(folder)
    return folder.is_dir() and (results.record.is_file() or read_state(results) is not None)


def reopen(folder: Path, **given: Any) -> Opening:
    """Return what opens the video of a results folder again.

    Args:
        folder: The results folder.
        given: Fields of ``Opening`` that were given this time.

    Raises:
        InputError: If the folder is no run over a video, or the video is gone.
    """
    state, record = read_state(ResultsFolder(folder)), read_record(folder)
    if state is not None:
        clip = state["clip"]
        sources = [str(one) for one in clip.get("sources") or []]
        names = ("start", "end", "every", "frames_per_second", "size")
        found = {name: clip.get(name) for name in names}
    else:
        video = (record or {}).get("clip")
        if not video or not isinstance(video.get("path"), str):
            raise InputError(
                f"{folder / RECORD_NAME} is not the record of a run over a video.",
                "Give the folder that `sfc propagate CLIP` wrote, or a video.",
            )
        sources = [video["path"]]
        found = {name: _typed(video.get(name)) for name in ("start", "end", "every")}
        found["frames_per_second"] = video.get("frames_per_second") if video.get("kind") == "images" else None
    if not sources or not all(Path(one).exists() or _is_pattern(one) for one in sources):
        raise InputError(
            f"The video of {folder} is not at {', '.join(sources) or 'any place'} any more.",
            "Bring it back, or open it from where it is: sfc studio CLIP.",
        )
    settings = (record or {}).get("settings") or {}
    networks = dict(((state or {}).get("clip") or {}).get("networks") or {})
    networks |= {"fine_grained": settings.get("fc"), "semantic": settings.get("semantic")}
    networks |= {"protocol": settings.get("protocol")}
    found["networks"] = {name: value for name, value in networks.items() if value}
    chosen = {name: value for name, value in given.items() if value}
    return Opening(sources=sources, **{**found, **chosen, "output": folder})


def take_over_masks(bench: Workbench) -> None:
    """Take the masks of painted frames out of the results of a run that the page did not make.

    Raises:
        InputError: If the record or a mask is damaged.
    """
    record = read_record(bench.results.root) if not bench.was_restored else None
    painted = ((record or {}).get("clip") or {}).get("masks") or []
    indices = sorted(int(text.split(":")[0]) for text in painted if re.match(r"\d+:", str(text)))
    stamps = bench.video.stamps(bench.opening.selection) if indices else []
    for index in indices:
        path = bench.results.mask(bench.video.name, stamps[index].name) if index < len(stamps) else None
        if path is not None and path.is_file():
            ids = read_ids(path)
            bench.project.set_mask(index, ids, object_ids(ids).tolist())
    if (record or {}).get("clip", {}).get("both_ways"):
        bench.project.direction = "backwards" if record["clip"].get("backwards") else "both"  # type: ignore[index]
        bench.project.save()


def _typed(moment: Any) -> str | None:
    """Return a recorded moment as a user types it."""
    return None if moment is None else str(moment).removeprefix("frame ").replace(" s", "s")


def _is_pattern(text: str) -> bool:
    return any(letter in text for letter in "*?[")
