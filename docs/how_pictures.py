"""The pictures of docs/how-it-works.md, `python docs/how_pictures.py`: of the program's own numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation import propagate_labels
from sfc_cli.core.whitening import fit_whitening
from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import read_ids
from sfc_cli.data.overlay import blend
from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask
from sfc_cli.library import load_network
from sfc_cli.settings.locations import assets_folder
from sfc_cli.settings.propagation import PRESETS, improved

SAMPLE = assets_folder() / "sample"
SEQUENCE = "car-shadow"
FRAMES = 13
TARGET = FRAMES - 1
# The cell that asks: on the car's edge in the target frame.
QUERY = (27, 47)
STRIDE = 8
# The patches' picture takes every third frame, which is enough to see them.
STEP = 3
WIDTH = 620


def main() -> None:
    """Write the four pictures beside the page."""
    paths = sorted((SAMPLE / "JPEGImages/480p" / SEQUENCE).glob("*.jpg"))[:FRAMES]
    frames = [read_frame(path) for path in paths]
    first = read_ids(SAMPLE / "Annotations/480p" / SEQUENCE / f"{paths[0].stem}.png")
    settings = improved(PRESETS["mini"])
    extract = FeatureExtractor([load_encoder("mini")])
    plain = torch.cat([extract(torch.from_numpy(frame)[None]) for frame in frames])  # [T, C, h, w]
    deep = FeatureExtractor([load_encoder("mini")], shallow_weight=settings.shallow_weight)
    levels = torch.cat([deep(torch.from_numpy(frame)[None]) for frame in frames])
    white = fit_whitening(levels[0], settings.channels, settings.whitening)(levels)  # [T, d, h, w]

    _write(
        "how-affinity",
        [_asking(frames), _heat(frames[0], plain, 0), _heat(frames[TARGET - 1], plain, TARGET - 1)],
    )
    _write("how-votes", _votes(frames, plain, settings.top_k, settings.radius, settings.temperature))
    _write("how-whitening", [_heat(frames[0], plain, 0), _heat(frames[0], white, 0)])
    _write("how-patches", _patches(frames[::STEP], first, white[::STEP], settings.radius))


def _asking(frames: list[Frame]) -> Frame:
    picture = _grid(frames[TARGET].copy())
    return _named(_ring(picture, QUERY, (255, 60, 60)), f"frame {TARGET}: the cell that asks")


def _heat(frame: Frame, features: Tensor, context: int) -> Frame:
    """Show the affinity of the query cell with every cell of a context frame."""
    affinity = torch.einsum("chw,c->hw", features[context], features[TARGET][:, QUERY[0], QUERY[1]]).numpy()
    low, high = np.percentile(affinity, 2), affinity.max()
    shade = np.clip((affinity - low) / (high - low), 0, 1) ** 2
    large = cv2.resize(shade.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    coloured = cv2.applyColorMap((255 * large).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    picture = cv2.addWeighted(frame, 0.35, np.ascontiguousarray(coloured), 0.75, 0)
    return _named(picture, f"frame {context}: mean {affinity.mean():.2f}, most {high:.2f}")


def _votes(
    frames: list[Frame], features: Tensor, top_k: int, radius: float, temperature: float
) -> list[Frame]:
    """Show the k cells that vote for the query cell, among the first frame and those before it."""
    _, height, width = features[0].shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    near = (rows - QUERY[0]) ** 2 + (columns - QUERY[1]) ** 2 < radius**2
    context = range(TARGET)
    affinity = torch.einsum("tchw,c->thw", features[:TARGET], features[TARGET][:, QUERY[0], QUERY[1]])
    affinity[1:].masked_fill_(~near, float("-inf"))
    best, places = affinity.flatten().topk(top_k)
    weights = torch.softmax(best / temperature, 0)
    found: dict[int, list[tuple[int, int, float]]] = {frame: [] for frame in context}
    for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
        frame, cell = divmod(place, height * width)
        found[frame].append((*divmod(cell, width), weight))
    pictures = []
    most = sorted(found, key=lambda frame: -sum(vote[2] for vote in found[frame]))[:3]
    for frame in sorted(frame for frame in most if found[frame]):
        picture = frames[frame].copy()
        if frame:
            cv2.circle(picture, _centre(QUERY), int(radius * STRIDE), (255, 255, 255), 2, cv2.LINE_AA)
        for row, column, weight in found[frame]:
            size = 4 + int(80 * weight)
            cv2.circle(picture, _centre((row, column)), size, (60, 220, 255), -1, cv2.LINE_AA)
            cv2.circle(picture, _centre((row, column)), size, (0, 0, 0), 1, cv2.LINE_AA)
        share = sum(vote[2] for vote in found[frame])
        pictures.append(_named(picture, f"frame {frame}: {len(found[frame])} of {top_k} votes, {share:.0%}"))
    return pictures


def _patches(frames: list[Frame], first: np.ndarray, white: Tensor, radius: float) -> list[Frame]:
    """Show the mask's edge with a label a cell, with a label a pixel, and settled on the frame's edges."""
    objects = np.array([1], np.uint8)
    height, width = white.shape[2:]
    labels = torch.from_numpy(shrink_mask(first, objects, height, width))
    soft = propagate_labels(white, labels, top_k=10, radius=radius, temperature=0.1)
    cells = enlarge_to_mask(soft[-1].numpy(), objects, *first.shape)
    stacked = np.stack(frames)
    shown = [("a label a cell", cells)]
    for name, edges in (("a label a pixel", 0.0), ("… settled on edges", None)):
        network = load_network("mini", edge_refinement=edges)
        from sfc_cli import propagate

        shown.append((name, propagate(stacked, first, network=network)[-1]))
    # Around the car, wherever else a few pixels were taken for it.
    row, column = (int(np.median(places)) for places in np.nonzero(shown[-1][1]))
    top, left = max(0, row - 95), max(0, column - 165)
    part = slice(top, top + 190), slice(left, left + 330)
    return [_named(cv2.resize(blend(frames[-1], ids)[part], None, fx=2, fy=2), name) for name, ids in shown]


def _grid(picture: Frame) -> Frame:
    picture[::STRIDE] = picture[::STRIDE] // 2 + 50
    picture[:, ::STRIDE] = picture[:, ::STRIDE] // 2 + 50
    return picture


def _centre(cell: tuple[int, int]) -> tuple[int, int]:
    return int((cell[1] + 0.5) * STRIDE), int((cell[0] + 0.5) * STRIDE)


def _ring(picture: Frame, cell: tuple[int, int], colour: tuple[int, int, int]) -> Frame:
    top, left = cell[0] * STRIDE, cell[1] * STRIDE
    cv2.rectangle(picture, (left, top), (left + STRIDE, top + STRIDE), colour, -1)
    cv2.circle(picture, _centre(cell), 26, colour, 3, cv2.LINE_AA)
    return picture


def _named(picture: Frame, name: str) -> Frame:
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    picture = np.asarray(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))
    bar = np.full((46, WIDTH, 3), 255, np.uint8)
    cv2.putText(bar, name, (4, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
    return np.concatenate([bar, picture])


def _write(name: str, pictures: list[Frame]) -> None:
    picture = np.concatenate(
        [np.pad(one, ((0, 0), (0, 8), (0, 0)), constant_values=255) for one in pictures], axis=1
    )
    path = Path(__file__).with_name(f"{name}.jpg")
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
