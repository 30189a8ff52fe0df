"""Does confidence tell where masks are wrong? Its correlation with J over the frames of each sequence.

    python benchmarks/certainty.py --data DAVIS [--protocol improved] [--frames 24] [--sequences camel]

A frame's confidence is the mean over its objects' pixels, as a run names it ("least sure at frame …"); its J
is the mean over the objects. "least sure" is J at the frame that a run would name, beside the mean J.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from measure import report

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import VOID, read_ids
from sfc_cli.evaluation import region_similarity
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.library import load_network


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "davis")
    parser.add_argument("--sequences", help="only these, separated by commas")
    parser.add_argument("--frames", type=int, help="only so many frames of each sequence")
    parser.add_argument("--protocol", choices=("published", "improved"), default="improved")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is missing; give a DAVIS folder with --data")
        return
    propagator = load_network(protocol=options.protocol)
    chosen = options.sequences.split(",") if options.sequences else None
    data = DavisDataset(root=options.data)
    found = []
    for name in data.sequences("val", chosen):
        sure, overlap = measure(propagator, data, name, options.frames)
        found.append(float(np.corrcoef(sure, overlap)[0, 1]))
        report(
            "certainty",
            {
                "sequence": name,
                "protocol": options.protocol,
                "correlation": round(found[-1], 3),
                "J": round(float(overlap.mean()), 3),
                "J at the least sure": round(float(overlap[sure.argmin()]), 3),
            },
        )
    report(
        "certainty", {"mean": round(float(np.mean(found)), 3), "median": round(float(np.median(found)), 3)}
    )


def measure(
    propagator: VideoPropagator, data: DavisDataset, name: str, count: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence and J of every frame after the first, [T − 1] each."""
    paths = data.frames(name)[:count]
    annotations = [read_ids(data.annotations_root / name / f"{path.stem}.png") for path in paths]
    objects = [one for one in np.unique(annotations[0]) if one not in (0, VOID)]
    sure, overlap = [], []
    for labelled in propagator.run(map(read_frame, paths), annotations[0].copy()):
        if labelled.index == 0:
            continue
        mask, confidence, _ = labelled.resolve()
        shown = np.isin(mask, objects)
        sure.append(float(confidence[shown].mean()) if shown.any() else 0.0)
        truth = annotations[labelled.index]
        overlap.append(np.mean([region_similarity(truth == one, mask == one) for one in objects]))
    return np.array(sure), np.array(overlap)


if __name__ == "__main__":
    main()
