"""The recipes `sfc` and `hvc` on the same images for the same steps, scored on sequences that neither saw.

    python benchmarks/recipes.py --data STILLS --davis DAVIS --epochs 3 --crop-size 64 --batch-size 24

Each variant is one `sfc pretrain` from scratch with the same seed, batch and number of steps, at a small size
that a CPU manages; its last validation is on the first frames of the sequences, shrunk. Prints one line of
JSON each. Minutes of training say which recipe starts faster, not which one ends better.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from measure import report

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import read_ids, write_mask

SHARED = Path(__file__).resolve().parents[2] / "shared"
SEQUENCES = "blackswan,camel,car-shadow,dance-twirl,kite-surf,soapbox"
VARIANTS: dict[str, tuple[str, ...]] = {
    "sfc": ("--recipe", "sfc"),
    "hvc": ("--recipe", "hvc"),
    "sfc, radius 0.1": ("--recipe", "sfc", "--pos-radius", "0.1"),
    "hvc, radius 0.5": ("--recipe", "hvc", "--pos-radius", "0.5"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "stills")
    parser.add_argument("--davis", type=Path, default=SHARED / "davis")
    parser.add_argument("--sequences", default=SEQUENCES)
    parser.add_argument("--frames", type=int, default=16, help="of each sequence")
    parser.add_argument("--height", type=int, default=240, help="of the sequences, shrunk")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--crop-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not (options.data.is_dir() and options.davis.is_dir()):
        print("skipped: --data or --davis is missing")
        return
    with tempfile.TemporaryDirectory() as folder:
        shrink(options, Path(folder) / "davis")
        for number, name in enumerate(options.variants):
            run(name, options, Path(folder) / "davis", Path(folder) / str(number))


def shrink(options: argparse.Namespace, root: Path) -> None:
    """Write the first frames of the sequences and their annotations at a smaller height."""
    dataset = DavisDataset(root=options.davis)
    for name in options.sequences.split(","):
        pairs = zip(dataset.frames(name), dataset.annotations(name), strict=True)
        for frame_path, mask_path in list(pairs)[: options.frames]:
            frame, ids = read_frame(frame_path), read_ids(mask_path)
            size = (round(frame.shape[1] * options.height / frame.shape[0]), options.height)
            target = root / "JPEGImages" / "480p" / name / frame_path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shrunk = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(target), cv2.cvtColor(shrunk, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
            annotation = root / "Annotations" / "480p" / name / mask_path.name
            annotation.parent.mkdir(parents=True, exist_ok=True)
            write_mask(annotation, cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST))


def run(name: str, options: argparse.Namespace, davis: Path, output: Path) -> None:
    command = [
        sys.executable, "-m", "sfc_cli", "pretrain", "--data", options.data, "--output", output,
        *VARIANTS[name], "--seed", options.seed, "--epochs", options.epochs,
        "--batch-size", options.batch_size, "--crop-size", options.crop_size, "--min-crop-area", 0.1,
        "--frames-per-video", 1000, "--last-layer", "layer3", "--hidden-channels", 256,
        "--device", "cpu", "--precision", "bf16", "--workers", 0, "--check-every", 0,
        "--validation", davis, "--validation-split", "all", "--validate-every", options.epochs,
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    seconds = sorted(line["step_seconds"] for line in lines if "loss" in line)
    (validation,) = [line["validation"] for line in lines if "validation" in line]
    report(
        "recipes",
        {
            "variant": name,
            "steps": len(losses),
            "batch": options.batch_size,
            "crop": options.crop_size,
            "seed": options.seed,
            "step_s": round(seconds[len(seconds) // 2], 3),
            "loss": round(sum(losses[-20:]) / len(losses[-20:]), 3),
            "J&F": round(validation["score"], 4),
            "each": {key: round(value, 3) for key, value in validation["objects"].items()},
        },
    )


if __name__ == "__main__":
    main()
