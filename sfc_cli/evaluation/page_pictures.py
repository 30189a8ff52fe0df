"""The page's pictures: the worst frames, results beside the truth, and curves of J and F over time."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
import numpy.typing as npt

from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import VOID, Ids, palette
from sfc_cli.data.overlay import blend
from sfc_cli.data.sequence_folders import FRAME_SUFFIXES
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.measures import Curve
from sfc_cli.evaluation.report import ObjectScores, Report
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.files import inside
from sfc_cli.wording import counted

# Of each sequence; only the first few sequences are unfolded.
_MOST_FRAMES = 4
_MOST_OPEN = 4
_MOST_WIDTH = 480
_JPEG_QUALITY = 75
_BLANK = 64
# A picture shows one and a half times the object's box, and at least this share of the frame.
_SURROUNDINGS = 1.5
_SMALLEST_VIEW = 0.4
_CURVE_WIDTH, _CURVE_HEIGHT, _MARGIN = 160, 36, 2
_MOST_POINTS = 160


@dataclass(frozen=True)
class _Worst:
    scores: ObjectScores
    index: int

    @property
    def value(self) -> float:
        return float(self.scores.region[self.index] + self.scores.boundary[self.index]) / 2


def worst_frames(report: Report) -> str:
    """Return figures of every sequence's worst frames, the sequences with the lowest ones first."""
    plans = {plan.name: plan for plan in report.sequences}
    found: dict[str, list[_Worst]] = {}
    for scores in report.objects:
        if plans[scores.sequence].results is not None:
            found.setdefault(scores.sequence, []).extend(_lowest_of(scores))
    groups = []
    for name, candidates in found.items():
        worst = sorted((each for each in candidates if each.value < 1), key=lambda each: each.value)
        if worst:
            groups.append((name, worst[:_MOST_FRAMES]))
    groups.sort(key=lambda group: group[1][0].value)
    return "".join(
        f"<details{' open' if number < _MOST_OPEN else ''}><summary>{escape(name)}: from "
        f'{worst[0].value:.3f}</summary><div class="frames">'
        + "".join(_figure(each, plans[name], report.objects) for each in worst)
        + "</div></details>"
        for number, (name, worst) in enumerate(groups)
    )


def _lowest_of(scores: ObjectScores) -> list[_Worst]:
    """Return an object's worst frames that are not neighbours of each other."""
    both = scores.region + scores.boundary
    apart = max(len(both) // 4, 1)
    chosen: list[int] = []
    for index in np.argsort(both, kind="stable").tolist():
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
        if len(chosen) == _MOST_FRAMES:
            break
    return [_Worst(scores, index) for index in chosen]


def _figure(worst: _Worst, plan: SequencePlan, objects: Sequence[ObjectScores]) -> str:
    scores, frame = worst.scores, worst.scores.frames[worst.index]
    index = plan.frames.index(frame)
    if plan.results is None:
        raise ValueError(f"{plan.name} has no results to show")
    truth = as_scored(decode_ids(plan.truth[index]), plan)
    result = as_scored(decode_ids(plan.results[index]), plan, proposal_table(objects, plan))
    shown = 1 if scores.identity == VOID else scores.identity
    view = _view_of((result == shown) | (truth == shown))
    picture, result, truth = frame_picture(plan, frame, truth.shape[:2])[view], result[view], truth[view]
    colour = "#" + bytes(palette()[shown]).hex()
    score = f"J {scores.region[worst.index]:.3f}, F {scores.boundary[worst.index]:.3f}"
    name = escape(scores.name)
    return (
        f'<figure><figcaption><i style="background:{colour}"></i><b>{name}</b>, frame {escape(frame)}: '
        f"{score}</figcaption><div>{_image('result', f'{name}: the result', picture, result)}"
        f"{_image('truth', f'{name}: the truth', picture, truth)}</div></figure>"
    )


def proposal_table(objects: Sequence[ObjectScores], plan: SequencePlan) -> dict[int | None, int] | None:
    """Return the objects that a sequence's proposals were matched with; None where ids are what they are."""
    if plan.reading != "proposals":
        return None
    return {each.matched: each.identity for each in objects if each.sequence == plan.name}


def as_scored(ids: Ids, plan: SequencePlan, matched: Mapping[int | None, int] | None = None) -> Ids:
    """Return ids as they are scored: as one object, or matched proposals with the ids of their objects."""
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
        filled = np.flatnonzero(object_pixels.any(axis=1 - axis))
        first, last = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, length)
        sides.append((first, last, length))
        shares.append(_SURROUNDINGS * (last - first) / length)
    share = min(max(shares), 1.0)
    slices = []
    for first, last, length in sides:
        size = max(round(share * length), 1)
        start = min(max((first + last - size) // 2, 0), length - size)
        slices.append(slice(start, start + size))
    return slices[0], slices[1]


def frame_picture(plan: SequencePlan, frame: str, size: tuple[int, ...]) -> Frame:
    """Return the frame itself at the masks' size; plain grey if there is none that can be read."""
    height, width = size
    picture = None
    paths = [] if plan.pictures is None else [inside(plan.pictures, frame + end) for end in FRAME_SUFFIXES]
    if path := next((path for path in paths if path.is_file()), None):
        with contextlib.suppress(InputError):
            picture = read_frame(path)
    if picture is None:
        return np.full((height, width, 3), _BLANK, np.uint8)
    return picture if picture.shape[:2] == (height, width) else _shrunk(picture, height, width)


def _shrunk(picture: Frame, height: int, width: int) -> Frame:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _image(word: str, description: str, picture: Frame, mask: Ids) -> str:
    data, width, height = blended_data(picture, mask, _MOST_WIDTH)
    return (
        f'<span>{word}<img src="{data}" width="{width}" height="{height}" '
        f'alt="{description}" loading="lazy"></span>'
    )


def blended_data(picture: Frame, mask: Ids, most_width: int) -> tuple[str, int, int]:
    """Return a frame with its mask as a URL that holds a JPEG, its width and its height.

    Args:
        picture: The frame, RGB uint8 [H, W, 3].
        mask: Ids, uint8 [H, W].
        most_width: Wider pictures are shrunk to this, in pixels.
    """
    blended = blend(picture, mask)
    height, width = mask.shape
    if width > most_width:
        height = max(round(height * most_width / width), 1)
        width = most_width
        blended = _shrunk(blended, height, width)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(blended, cv2.COLOR_RGB2BGR), options)
    data = base64.b64encode(content.tobytes()).decode("ascii")
    return f"data:image/jpeg;base64,{data}", width, height


def curves(scores: ObjectScores) -> str:
    """Draw an object's J and F over its frames; long videos are averaged down to 160 points."""
    ranges = ", ".join(
        f"{letter} {curve.min():.2f} to {curve.max():.2f}"
        for letter, curve in (("J", scores.region), ("F", scores.boundary))
    )
    label = escape(f"{scores.name}, {counted(len(scores.frames), 'frame')}: {ranges}")
    middle = _y(0.5)
    return (
        f'<svg viewBox="0 0 {_CURVE_WIDTH} {_CURVE_HEIGHT}" role="img" aria-label="{label}" '
        'preserveAspectRatio="none">'
        f"<title>{label}</title>"
        f'<line x1="0" x2="{_CURVE_WIDTH}" y1="{middle}" y2="{middle}"/>'
        f'<polyline class="boundary" points="{_points(scores.boundary)}"/>'
        f'<polyline class="region" points="{_points(scores.region)}"/></svg>'
    )


def _points(curve: Curve) -> str:
    if len(curve) > _MOST_POINTS:
        curve = np.array([part.mean() for part in np.array_split(curve, _MOST_POINTS)])
    if len(curve) == 1:
        curve = np.repeat(curve, 2)
    columns = np.linspace(_MARGIN, _CURVE_WIDTH - _MARGIN, len(curve))
    return " ".join(f"{x:.1f},{_y(float(value))}" for x, value in zip(columns, curve, strict=True))


def _y(value: float) -> str:
    return f"{_CURVE_HEIGHT - _MARGIN - value * (_CURVE_HEIGHT - 2 * _MARGIN):.1f}"
