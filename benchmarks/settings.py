r"""What settings, BatchNorm mode and test-time augmentation do to J&F; features are computed once.

Single-object scores (every object as one, like DAVIS-2016), first and last frame left out. A network given as
`random18:SEED` is an untrained one. Usage:

    python benchmarks/settings.py --fc mini --sequences blackswan,camel --top-k 5,10 --radius 8,12 \
        --temperature 0.03,0.05 [--frames 40] [--tta none,flip] [--batchnorm released,checkpoint]
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation import propagate_labels
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import VOID, Ids, read_ids
from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask
from sfc_cli.evaluation import boundary_accuracy, region_similarity

ONE = np.array([1], np.uint8)
SCALES = (0.75, 1.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "davis")
    parser.add_argument("--sequences", default="blackswan,camel,dance-twirl,kite-surf,soapbox")
    parser.add_argument("--frames", type=int, help="only so many of each sequence")
    parser.add_argument("--fc", default="mini")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--batchnorm", default="released")
    parser.add_argument("--top-k", default="10")
    parser.add_argument("--radius", default="12")
    parser.add_argument("--temperature", default="0.05")
    parser.add_argument("--context-frames", default="20")
    parser.add_argument(
        "--tta",
        default="none",
        help="none, flip (mean of labels), flip-features, multiscale (mean of labels)",
    )
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is missing; give a DAVIS folder with --data")
        return
    dataset = DavisDataset(root=options.data)
    grid: list[list[float]] = [
        [float(value) for value in options.top_k.split(",")],
        [float(value) for value in options.radius.split(",")],
        [float(value) for value in options.temperature.split(",")],
        [float(value) for value in options.context_frames.split(",")],
    ]
    for batchnorm in options.batchnorm.split(","):
        name, _, seed = options.fc.partition(":")
        trunk = load_encoder(name, checkpoints=options.checkpoints, batchnorm=batchnorm, seed=int(seed or 0))
        extractor = FeatureExtractor([trunk])
        rows: dict[tuple[object, ...], dict[str, float]] = {}
        seconds: dict[tuple[object, ...], float] = {}
        for sequence in options.sequences.split(","):
            for key, score, spent in scores(extractor, dataset, sequence, options.frames, options.tta, grid):
                rows.setdefault(key, {})[sequence] = score
                seconds[key] = seconds.get(key, 0) + spent
        for key, row in sorted(rows.items(), key=lambda item: -float(np.mean(list(item[1].values())))):
            tta, top_k, radius, temperature, context = key
            content = {
                "fc": options.fc,
                "batchnorm": batchnorm,
                "tta": tta,
                "top_k": top_k,
                "radius": radius,
                "temperature": temperature,
                "context_frames": context,
                "J&F": round(float(np.mean(list(row.values()))), 4),
                **{sequence: round(score, 4) for sequence, score in row.items()},
                "seconds": round(seconds[key], 1),
            }
            print(json.dumps(content), flush=True)


def scores(
    extractor: FeatureExtractor,
    dataset: DavisDataset,
    sequence: str,
    count: int | None,
    ttas: str,
    grid: list[list[float]],
) -> Iterator[tuple[tuple[object, ...], float, float]]:
    """Yield each combination with its J&F on a sequence and the seconds it took."""
    paths = dataset.frames(sequence)[:count]
    frames = [read_frame(path) for path in paths]
    truths = [single(read_ids(dataset.annotations_root / sequence / f"{path.stem}.png")) for path in paths]
    for tta in ttas.split(","):
        started = time.perf_counter()
        views = list(features_of(extractor, frames, tta))
        extraction = time.perf_counter() - started
        for values in itertools.product(*grid):
            started = time.perf_counter()
            top_k, radius, temperature, context = values
            soft = torch.stack(
                [
                    to_grid(
                        propagate_labels(
                            features,
                            first_labels(features, truths[0], flipped),
                            top_k=int(top_k),
                            radius=radius,
                            temperature=temperature,
                            context_frames=int(context),
                        ),
                        flipped,
                        views[0][0].shape[2:],
                    )
                    for features, flipped in views
                ]
            ).mean(0)
            spent = extraction + time.perf_counter() - started
            yield (tta, *values), j_and_f(soft, truths), spent


def features_of(extractor: FeatureExtractor, frames: list[Frame], tta: str) -> Iterator[tuple[Tensor, bool]]:
    """Yield the features of each view of a sequence, and whether it is mirrored."""
    plain = extract(extractor, frames)
    if tta == "flip-features":
        yield (
            functional.normalize(plain + extract(extractor, [f[:, ::-1] for f in frames]).flip(3), dim=1),
            False,
        )
        return
    yield plain, False
    if tta == "flip":
        yield extract(extractor, [frame[:, ::-1] for frame in frames]), True
    if tta == "multiscale":
        for scale in SCALES:
            yield extract(extractor, [resized(frame, scale) for frame in frames]), False


def resized(frame: Frame, scale: float) -> Frame:
    """Enlarge or shrink a frame by a factor."""
    return np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def extract(extractor: FeatureExtractor, frames: list[Frame]) -> Tensor:
    """Return the features of frames, [T, C, h, w]."""
    return torch.cat([extractor(torch.from_numpy(np.ascontiguousarray(frame))[None]) for frame in frames])


def first_labels(features: Tensor, mask: Ids, flipped: bool) -> Tensor:
    """Shrink the first mask to the grid of a view."""
    seen = np.ascontiguousarray(mask[:, ::-1]) if flipped else mask
    return torch.from_numpy(shrink_mask(seen, ONE, *features.shape[2:]))


def to_grid(soft: Tensor, flipped: bool, size: torch.Size) -> Tensor:
    """Bring a view's labels [T, K, h, w] back to the plain view's grid."""
    upright = soft.flip(3) if flipped else soft
    if upright.shape[2:] == size:
        return upright
    return functional.interpolate(upright, size=size, mode="bilinear", align_corners=False)


def j_and_f(soft: Tensor, truths: list[Ids]) -> float:
    """Return the mean of J and F over the frames between the first and the last."""
    found = []
    for labels, truth in zip(soft[1:-1], truths[1:-1], strict=True):
        mask = enlarge_to_mask(labels.contiguous().numpy(), ONE, *truth.shape) == 1
        found += [region_similarity(mask, truth == 1), boundary_accuracy(mask, truth == 1)]
    return float(np.mean(found))


def single(ids: Ids) -> Ids:
    """Take all objects as one."""
    objects: Ids = ((ids != 0) & (ids != VOID)).astype(np.uint8)
    return objects


if __name__ == "__main__":
    main()
