"""J&F and processor time of the propagation protocols and their parts, variant by variant on the same frames.

    python benchmarks/protocols.py --data DAVIS --frames 24            # the screening
    python benchmarks/protocols.py --data DAVIS --variants published improved
    python benchmarks/protocols.py --data DAVIS --height 240 --variants published improved-480

Every variant is one `sfc propagate` with all files read and written, scored by `sfc evaluate` (without the
first and the last frame); the seconds are the whole process's on its processors, a frame. `--unseen` names
the sequences whose frames the network has not been trained on; they get a mean of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from measure import report

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import read_ids, write_mask

PARTS_OFF = ("--edge-refinement", "0", "--label-patch", "1")
VARIANTS: dict[str, tuple[str, ...]] = {
    "published": ("--protocol", "published"),
    "improved": ("--protocol", "improved"),
    "improved-480": ("--protocol", "improved", "--size", "480"),
    "published-480": ("--protocol", "published", "--size", "480"),
    "W": ("--protocol", "published", "--whitening", "0.5"),
    "W96": ("--protocol", "improved", *PARTS_OFF),
    "P": ("--protocol", "published", "--label-patch", "8"),
    "P+half": ("--protocol", "published", "--label-patch", "8", "--edge-refinement", "0.5"),
    "W96+P": ("--protocol", "improved", "--edge-refinement", "0"),
    "W96+P4+half": ("--protocol", "improved", "--label-patch", "4"),
    "W96+P+quarter": ("--protocol", "improved", "--edge-refinement", "0.25"),
    "W96+P+all": ("--protocol", "improved", "--edge-refinement", "1"),
    "W256+P+half": ("--protocol", "improved", "--channels", "256"),
    "W128+P+half": ("--protocol", "improved", "--channels", "128"),
    "W64+P+half": ("--protocol", "improved", "--channels", "64"),
    "W32+P+half": ("--protocol", "improved", "--channels", "32"),
    "s 0.3": ("--protocol", "improved", "--whitening", "0.3"),
    "s 0.7": ("--protocol", "improved", "--whitening", "0.7"),
    "anywhere": ("--protocol", "improved", "--object-reach", "0"),
    "reach 6": ("--protocol", "improved", "--object-reach", "6"),
    "reach 18": ("--protocol", "improved", "--object-reach", "18"),
    "radius 9": ("--protocol", "improved", "--radius", "9"),
    "M5": ("--protocol", "improved", "--long-memory", "5"),
    "M10": ("--protocol", "improved", "--long-memory", "10"),
    "720": ("--protocol", "improved", "--size", "720", "--radius", "18"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "davis")
    parser.add_argument("--split", default="val")
    parser.add_argument("--sequences", help="only these, separated by commas")
    parser.add_argument("--unseen", default="blackswan,camel,car-shadow,dance-twirl,kite-surf,soapbox")
    parser.add_argument(
        "--network", nargs="+", default=["mini"], help="for --fc and, if there are two, --semantic"
    )
    parser.add_argument("--frames", type=int, help="only so many frames of each sequence")
    parser.add_argument("--height", type=int, help="shrink frames and annotations to this height")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is missing; give a DAVIS folder with --data")
        return
    with tempfile.TemporaryDirectory() as folder:
        data, count = cut(options, Path(folder) / "data")
        for name in options.variants:
            row = run(data, Path(folder) / name.replace(" ", "-"), VARIANTS[name], options.network, count)
            unseen = [row["each"][one] for one in options.unseen.split(",") if one in row["each"]]
            report(
                "protocols",
                {
                    "variant": name,
                    "networks": options.network,
                    "frames": count,
                    "height": options.height,
                    "J&F": row["J&F"],
                    "J": row["J"],
                    "F": row["F"],
                    "unseen": round(float(np.mean(unseen)), 4) if unseen else None,
                    "cpu_s_per_frame": row["cpu_s_per_frame"],
                    "each": row["each"],
                },
            )


def cut(options: argparse.Namespace, target: Path) -> tuple[Path, int]:
    """Make a data set of the chosen frames, links where they stay as they are."""
    source = DavisDataset(root=options.data)
    chosen = options.sequences.split(",") if options.sequences else None
    names, count = source.sequences(options.split, chosen), 0
    for name in names:
        for frame in source.frames(name)[: options.frames]:
            annotation = source.annotations_root / name / f"{frame.stem}.png"
            to = [
                target / "JPEGImages/480p" / name / frame.name,
                target / "Annotations/480p" / name / annotation.name,
            ]
            for path in to:
                path.parent.mkdir(parents=True, exist_ok=True)
            count += 1
            if options.height is None:
                for path, original in zip(to, (frame, annotation), strict=True):
                    path.symlink_to(original.resolve())
                continue
            picture, ids = read_frame(frame), read_ids(annotation)
            size = round(picture.shape[1] * options.height / picture.shape[0]), options.height
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(to[0]), cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
            write_mask(to[1], np.asarray(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST), np.uint8))
    split = target / "ImageSets/2017/val.txt"
    split.parent.mkdir(parents=True)
    split.write_text("\n".join(names) + "\n")
    return target, count


def run(
    data: Path, output: Path, options: tuple[str, ...], networks: list[str], count: int
) -> dict[str, object]:
    """Propagate and score; return the scores and the processor seconds a frame."""
    roles = zip(("--fc", "--semantic"), networks, strict=False)
    chosen = [part for role, name in roles for part in (role, name)]
    command = ["propagate", "--data", str(data), "-o", str(output), *chosen, *options]
    with subprocess.Popen(
        [sys.executable, "-m", "sfc_cli", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"sfc {' '.join(command)} ended with {process.returncode}")
    scores = output / "scores.json"
    evaluate = ["evaluate", "davis", "--data", str(data), "--results", str(output), "--json", str(scores)]
    subprocess.run([sys.executable, "-m", "sfc_cli", *evaluate], check=True, stdout=subprocess.DEVNULL)
    found = json.loads(scores.read_text())
    each: dict[str, list[float]] = {}
    for name, numbers in found["per_object"].items():
        each.setdefault(name.rsplit("_", 1)[0], []).append((numbers["J-Mean"] + numbers["F-Mean"]) / 2)
    means = {name: float(np.mean(values)) for name, values in each.items()}
    objects = found["per_object"].values()
    return {
        "J&F": round(float(np.mean(list(means.values()))), 4),
        "J": round(float(np.mean([numbers["J-Mean"] for numbers in objects])), 4),
        "F": round(float(np.mean([numbers["F-Mean"] for numbers in objects])), 4),
        "cpu_s_per_frame": round((usage.ru_utime + usage.ru_stime) / count, 3),
        "each": {name: round(value, 3) for name, value in means.items()},
    }


if __name__ == "__main__":
    main()
