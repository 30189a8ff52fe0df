"""The worst frames as pictures: the result over the frame, beside the truth over the frame."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sfc_cli.data.davis import FRAME_SUFFIXES
from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import VOID, Ids, palette
from sfc_cli.data.overlay import blend
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.plan import SequencePlan
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.scores import ObjectScores

_MOST_FRAMES = 8
_MOST_WIDTH = 480
_JPEG_QUALITY = 80
_BLANK = 64
# A picture shows the object's box one and a half times, and no less than this share of the frame.
_SURROUNDINGS = 1.5
_SMALLEST_VIEW = 0.4


@dataclass(frozen=True)
class _Worst:
    scores: ObjectScores
    index: int

    @property
    def value(self) -> float:
        return float(self.scores.region[self.index] + self.scores.boundary[self.index]) / 2


def worst_frames(report: Report) -> str:
    """Return a figure for the worst frame of each of the objects that fare worst, at most eight."""
    plans = {plan.name: plan for plan in report.sequences}
    present = [scores for scores in report.objects if plans[scores.sequence].results is not None]
    found = [_Worst(scores, int(np.argmin(scores.region + scores.boundary))) for scores in present]
    found = sorted((each for each in found if each.value < 1), key=lambda each: each.value)[:_MOST_FRAMES]
    return "".join(_figure(each, plans[each.scores.sequence], report.objects) for each in found)


def _figure(worst: _Worst, plan: SequencePlan, objects: Sequence[ObjectScores]) -> str:
    scores, frame = worst.scores, worst.scores.frames[worst.index]
    index = plan.frames.index(frame)
    if plan.results is None:
        raise ValueError(f"{plan.name} has no results to show")
    matched = {each.matched: each.identity for each in objects if each.sequence == plan.name}
    truth = _shown(decode_ids(plan.truth[index]), plan)
    result = _shown(decode_ids(plan.results[index]), plan, matched)
    shown = 1 if scores.identity == VOID else scores.identity
    view = _view_of((result == shown) | (truth == shown))
    picture, result, truth = _picture(plan, frame, truth.shape[:2])[view], result[view], truth[view]
    colour = "#" + bytes(palette()[shown]).hex()
    score = f"J {scores.region[worst.index]:.3f}, F {scores.boundary[worst.index]:.3f}"
    name = escape(scores.name)
    return (
        f'<figure><figcaption><i style="background:{colour}"></i><b>{name}</b>, frame {escape(frame)}: '
        f"{score}</figcaption><div>{_image('result', f'{name}: the result', picture, result)}"
        f"{_image('truth', f'{name}: the truth', picture, truth)}</div></figure>"
    )


def _shown(ids: Ids, plan: SequencePlan, matched: dict[int | None, int] | None = None) -> Ids:
    """Return ids as they are scored: one object, or the matched proposals under the ids of their objects."""
    if plan.reading == "foreground":
        return np.asarray(ids != 0, np.uint8)
    if plan.reading == "proposals" and matched is not None:
        table = np.zeros(256, np.uint8)
        for proposal, identity in matched.items():
            if proposal is not None:
                table[proposal] = identity
        return np.asarray(table[ids], np.uint8)
    if VOID in plan.objects:
        return np.asarray(np.where(ids == VOID, 1, ids), np.uint8)
    return ids


def _view_of(object_pixels: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the part of the frame to show: the object with its surroundings, in the frame's proportions."""
    sides = []
    shares = [_SMALLEST_VIEW]
    for axis, length in enumerate(object_pixels.shape):
        places = np.flatnonzero(object_pixels.any(axis=1 - axis))
        first, last = (int(places[0]), int(places[-1]) + 1) if places.size else (0, length)
        sides.append((first, last, length))
        shares.append(_SURROUNDINGS * (last - first) / length)
    share = min(max(shares), 1.0)
    slices = []
    for first, last, length in sides:
        size = max(round(share * length), 1)
        start = min(max((first + last - size) // 2, 0), length - size)
        slices.append(slice(start, start + size))
    return slices[0], slices[1]


def _picture(plan: SequencePlan, frame: str, size: tuple[int, ...]) -> Frame:
    """Return the frame itself at the masks' size, plain grey if it is not there."""
    height, width = size
    for suffix in FRAME_SUFFIXES if plan.pictures is not None else ():
        path = Path(plan.pictures or "") / f"{frame}{suffix}"
        if path.is_file():
            try:
                picture = read_frame(path)
            except InputError:
                break
            if picture.shape[:2] != (height, width):
                picture = np.asarray(
                    cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8
                )
            return picture
    return np.full((height, width, 3), _BLANK, np.uint8)


def _image(word: str, description: str, picture: Frame, mask: Ids) -> str:
    blended = blend(picture, mask)
    height, width = mask.shape
    if width > _MOST_WIDTH:
        height = max(round(height * _MOST_WIDTH / width), 1)
        width = _MOST_WIDTH
        blended = np.asarray(cv2.resize(blended, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(blended, cv2.COLOR_RGB2BGR), options)
    data = base64.b64encode(content.tobytes()).decode("ascii")
    return (
        f'<span>{word}<img src="data:image/jpeg;base64,{data}" width="{width}" height="{height}" '
        f'alt="{description}" loading="lazy"></span>'
    )
