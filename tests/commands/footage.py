"""Small footage for the tests of ``sfc propagate CLIP``: textured, with two shapes that move."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import Ids, write_mask

HEIGHT, WIDTH, FRAMES = 64, 96, 9
RED, GREEN = (220, 40, 30), (30, 200, 60)


def make_frame(number: int) -> tuple[Frame, Ids]:
    """Return a frame and its true ids: a red box that moves right, a green disc that moves down."""
    background = np.random.default_rng(0).integers(60, 160, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    frame = np.asarray(cv2.resize(background, (WIDTH, HEIGHT)), np.uint8)
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.rectangle(ids, (8 + 2 * number, 12), (30 + 2 * number, 34), 1, -1)
    cv2.circle(ids, (70, 14 + 3 * number), 10, 2, -1)
    frame[ids == 1], frame[ids == 2] = RED, GREEN
    return frame, ids


def make_frames(count: int = FRAMES) -> list[Frame]:
    """Return the frames of the clip."""
    return [make_frame(number)[0] for number in range(count)]


def mask_of(number: int, *objects: int) -> Ids:
    """Return the true ids of a frame, of some objects alone if any are named."""
    ids = make_frame(number)[1]
    return np.where(np.isin(ids, objects), ids, 0).astype(np.uint8) if objects else ids


def overlap(found: Ids, truth: Ids) -> float:
    """Return the share of the objects' pixels, found or true, that agree."""
    return float(((found == truth) & (truth > 0)).sum() / ((found > 0) | (truth > 0)).sum())


def write_mask_of(path: Path, number: int, *objects: int) -> Path:
    """Write such a mask as an indexed PNG."""
    write_mask(path, mask_of(number, *objects))
    return path


def write_images(folder: Path, frames: Sequence[Frame], name: str = "{:05d}.png") -> Path:
    """Write frames as images."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / name.format(number)), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def write_video(path: Path, frames: Sequence[Frame], fourcc: str = "mp4v", rate: float = 12.0) -> Path:
    """Write frames as a video."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def read_video(path: Path) -> list[Frame]:
    """Decode a video plainly."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8))


def propagation(*arguments: object) -> list[str]:
    """Return a command line of `sfc propagate`, by the published protocol unless another one is named.

    Tests of everything but the protocol need no better masks, and small videos are not enlarged for them.
    """
    protocol = () if "--protocol" in arguments else ("--protocol", "published")
    return ["propagate", *map(str, arguments), *protocol]
