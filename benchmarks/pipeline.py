"""Times the whole way from JPEGs to PNGs, all files read and written, on the bundled sample.

    python benchmarks/pipeline.py [--networks random18 | --networks random18 random50] [--frames 40]
                                  [--precision exact]

Start-up (imports, building the networks) is left out and a first sequence warms up. Prints frames/s, each
stage measured alone, and peak memory; more ``--frames`` play the sample to and fro, which shows that memory
does not grow. On a card the features are also timed in batches of 8, as cuDNN chooses its algorithms unasked
and as it does after trying them (``autotuned``).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from measure import peak_memory_gb, report, timed
from torch import Tensor

from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation import backend_for
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import read_first_mask, write_mask
from sfc_cli.data.results import ResultsFolder
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.sequence_run import SequenceRun
from sfc_cli.inference.sequences import FrameFiles, FrameSequence
from sfc_cli.progress import Silent
from sfc_cli.settings import preset_for
from sfc_cli.settings.locations import find_data
from sfc_cli.settings.propagation import MASKS_ALONE, Precision


class Clock(Silent):
    """An observer that notes when each frame was handed over."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        self.times = [time.perf_counter()]

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:
        self.times.append(time.perf_counter())


def looped_sequence(name: str, frames: int, size: float, folder: Path) -> FrameSequence:
    """Make a sequence of so many frames from the sample, played to and fro, at a share of its size."""
    import cv2

    dataset = DavisDataset(root=find_data("sample"))
    source = dataset.frames("car-shadow")
    order = source + source[-2:0:-1]
    paths = []
    for number in range(frames):
        path = folder / name / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        original = order[number % len(order)]
        if size == 1:
            path.symlink_to(original.resolve())
        else:
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(original)), None, fx=size, fy=size))
        paths.append(path)
    mask = read_first_mask(dataset.first_annotation("car-shadow", source[0]))
    height, width = read_frame(paths[0]).shape[:2]
    mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST))
    return FrameSequence(
        name=name,
        frames=FrameFiles(tuple(paths), (height, width)),
        anchors=MaskAnchors({0: mask}),
        expected=frames,
    )


def batched_features(extractor: FeatureExtractor, batch: Tensor, *, autotuned: bool) -> float:
    """Return the seconds a frame of the features of a batch that is on the card already."""
    torch.backends.cudnn.benchmark = autotuned
    try:
        for _ in range(3):
            extractor(batch)
        return min(timed(lambda: extractor(batch), device="cuda") for _ in range(10)) / len(batch)
    finally:
        torch.backends.cudnn.benchmark = False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["random18"])
    parser.add_argument("--frames", type=int, default=40, help="frames of the timed sequence")
    parser.add_argument("--precision", choices=get_args(Precision), default="exact")
    parser.add_argument("--size", type=float, default=1.0, help="share of the sample's 854×480 pixels")
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu"
    )
    options = parser.parse_args()
    settings = preset_for(options.networks[0], options.networks[1] if len(options.networks) > 1 else None)
    extractor = FeatureExtractor(
        [load_encoder(name) for name in options.networks],
        fusion_weight=settings.fusion_weight,
        device=options.device,
        precision=options.precision,
    )
    backend = backend_for("auto", torch.device(options.device))
    propagator = VideoPropagator(extractor, settings, backend=backend)
    folder = Path(tempfile.mkdtemp(prefix="sfc-pipeline-"))
    try:
        sequence = looped_sequence("timed", options.frames, options.size, folder)
        record = RunRecord(
            dataset="sample",
            data=folder,
            fine_grained=options.networks[0],
            semantic=None,
            settings=settings,
            precision=options.precision,
            checkpoints={},
            device=options.device,
            backend=backend,
        )
        clock = Clock()
        run = SequenceRun(
            sequence=sequence,
            results=ResultsFolder(folder / "out"),
            record=record,
            choice=MASKS_ALONE,
            progress=clock,
        )
        warm_up = looped_sequence("warm-up", 3, options.size, folder)
        replace(run, sequence=warm_up).propagate(propagator)
        started = time.perf_counter()
        run.propagate(propagator)
        seconds = time.perf_counter() - started
        # From frame 22 on the context is full: the steady state that targets are stated for.
        steady = np.diff(clock.times)[22:]
        frame = read_frame(sequence.frames.paths[0])
        batch = torch.from_numpy(frame)[None]
        alone = {
            "decode_s": min(timed(lambda: read_frame(sequence.frames.paths[1])) for _ in range(3)),
            "features_s": min(timed(lambda: extractor(batch), device=options.device) for _ in range(3)),
            "write_s": min(
                timed(lambda: write_mask(folder / "m.png", sequence.anchors.masks[0])) for _ in range(3)
            ),
        }
        if options.device == "cuda":
            on_card = batch.expand(8, -1, -1, -1).to("cuda")
            for name, autotuned in (("batch_of_8_s", False), ("batch_of_8_autotuned_s", True)):
                alone[name] = batched_features(extractor, on_card, autotuned=autotuned)
        report(
            "pipeline",
            {
                "networks": options.networks,
                "precision": options.precision,
                "frames": options.frames,
                "pixels": f"{frame.shape[1]}x{frame.shape[0]}",
                "seconds": round(seconds, 2),
                "s_per_frame": round(seconds / options.frames, 4),
                "steady_median_s_per_frame": round(float(np.median(steady)), 4) if len(steady) else None,
                "frames_per_s": round(options.frames / seconds, 2),
                "alone": {name: round(value, 5) for name, value in alone.items()},
                "peak_memory_gb": round(peak_memory_gb(), 2),
                "peak_device_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2)
                if options.device == "cuda"
                else None,
            },
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
