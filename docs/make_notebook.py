"""Writes docs/first-minute.ipynb and runs it: `python docs/make_notebook.py`."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("first-minute.ipynb")

CELLS = [
    (
        "markdown",
        "# The first minute\n\nThe masks of a whole video from the mask of its first frame, in Python. "
        "`pip install sfc-cli`; nothing is downloaded: a sample and a small network, `mini`, come with it. "
        "All cells run in about a minute on a CPU.",
    ),
    (
        "code",
        """from pathlib import Path

import numpy as np
from PIL import Image

import sfc_cli

sample = Path(sfc_cli.__file__).parent / "assets" / "sample"  # or frames and a mask of your own


def read(folder: str) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((sample / folder).iterdir())[:24:3]])


frames = read("JPEGImages/480p/car-shadow")  # RGB, uint8 [T, H, W, 3]
truth = read("Annotations/480p/car-shadow")  # ids, uint8 [T, H, W]
frames.shape, truth.shape""",
    ),
    ("markdown", "Only the first mask is given. Eight frames, each the third of the sample:"),
    ("code", "masks = sfc_cli.propagate(frames, truth[0])  # ids, uint8 [T, H, W]"),
    ("markdown", "The first, the middle and the last frame with their masks:"),
    (
        "code",
        """def shown(t: int) -> np.ndarray:
    inside = masks[t][..., None] > 0
    return np.where(inside, frames[t] // 2 + np.array([110, 10, 10], np.uint8), frames[t])


Image.fromarray(np.concatenate([shown(t)[::3, ::3] for t in (0, 4, 7)], axis=1).astype(np.uint8))""",
    ),
    (
        "markdown",
        "Scored as the DAVIS benchmark does: J is the overlap with the truth, F how well outlines meet, J&F "
        "their mean, from 0 to 1.",
    ),
    (
        "code",
        """scores = sfc_cli.evaluate(truth, masks)["global"]
{name: round(scores[name], 3) for name in ("J&F-Mean", "J-Mean", "F-Mean")}""",
    ),
    (
        "markdown",
        "A network is loaded once for many videos, with settings of your own, and masks can come one by one. "
        "`mask={0: first, 5: later}` starts from several frames.",
    ),
    (
        "code",
        """network = sfc_cli.load_network("mini", protocol="published")
areas = [int((ids > 0).sum()) for ids in sfc_cli.propagate_stream(frames[:4], truth[0], network=network)]
areas""",
    ),
]


def main() -> None:
    """Write the notebook with what its cells give."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        (nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell)(
            text, id=f"cell-{number}"
        )
        for number, (kind, text) in enumerate(CELLS)
    ]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=600).execute()
    for cell in notebook.cells:
        # When a cell ran says nothing, and a picture is there once.
        cell.metadata.clear()
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
