"""A folder in which every command of the pages finds what it names: small data sets, a video, masks, weights.

Only the network is faked: downloads come from a server on loopback. Weights are random, in published layouts.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
from torchvision import models

from sfc_cli.core.encoder_table import ENCODERS
from sfc_cli.core.network_table import find_spec, weight_file
from sfc_cli.data.masks import write_mask
from sfc_cli.download.catalogue import read_catalogue
from tests.core import published
from tests.download.loopback import Loopback, whole

SIZE = (48, 64)
FRAMES = 4
SEQUENCES = ("camel", "cows")


def picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame with two moving rectangles, RGB, and their ids."""
    rng = np.random.default_rng(7)
    frame = cv2.resize(
        rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC
    )
    ids = np.zeros(SIZE, np.uint8)
    for identity, (top, colour) in enumerate(((4, (200, 60, 40)), (26, (40, 90, 210))), start=1):
        part = np.s_[top : top + 16, 6 + 2 * number : 28 + 2 * number]
        frame[part], ids[part] = colour, identity
    return frame, ids


def write_sequence(frames: Path, masks: Path, count: int = FRAMES) -> None:
    """Write frames as JPEGs and masks as indexed PNGs."""
    frames.mkdir(parents=True)
    for number in range(count):
        frame, ids = picture(number)
        cv2.imwrite(str(frames / f"{number:05d}.jpg"), frame[..., ::-1])
        write_mask(masks / f"{number:05d}.png", ids)


def write_world(root: Path) -> None:
    """Write everything but downloads."""
    data = root / "data"
    for folder in ("davis", "DAVIS-2016"):
        resolution = "480p" if folder == "davis" else "1080p"
        for name in SEQUENCES:
            write_sequence(
                *(data / folder / part / resolution / name for part in ("JPEGImages", "Annotations"))
            )
        lists = data / folder / "ImageSets" / "2017"
        lists.mkdir(parents=True)
        for split in ("val", "test-dev"):
            (lists / f"{split}.txt").write_text("\n".join(SEQUENCES) + "\n")
    shutil.copytree(data / "DAVIS-2016", root / "DAVIS-2016")
    for folder in ("youtube-vos", "mose"):
        for name in SEQUENCES:
            write_sequence(*(data / folder / "valid" / part / name for part in ("JPEGImages", "Annotations")))
    shutil.copytree(data / "youtube-vos/valid/JPEGImages", data / "youtube-vos/train_all_frames/JPEGImages")
    for name in SEQUENCES:
        write_sequence(root / "FRAMES" / name, root / "MASKS" / name)
    for copy in ("truth", "masks", "RESULTS", "A", "B"):
        shutil.copytree(root / "MASKS", root / copy)
    for copy in ("path/to/frames", "frames"):
        shutil.copytree(root / "FRAMES", root / copy)
    pairs = (f"{root / 'FRAMES' / name} {root / 'MASKS' / name}" for name in SEQUENCES)
    (root / "davis_vallist.txt").write_text("\n".join(pairs) + "\n")
    _write_clip(root)
    # The released script's own masks: a palette's colours, numbered by sequence and frame.
    for number, _ in enumerate(SEQUENCES):
        for frame in range(FRAMES):
            write_mask(root / "OLD" / f"{number}_{frame}_mask.png", picture(frame)[1])
    _write_weights(root)


def _write_clip(root: Path) -> None:
    writer = cv2.VideoWriter(str(root / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 12.0, SIZE[::-1])
    (root / "shots").mkdir()
    for number in range(6):
        frame, _ = picture(number)
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
        cv2.imwrite(str(root / "shots" / f"{number}.jpg"), frame[..., ::-1])
    writer.release()
    for name, number in (("mask", 0), ("fix", 5), ("middle", 3)):
        painted = np.zeros((*SIZE, 3), np.uint8)
        painted[picture(number)[1] == 1] = (0, 0, 255)
        cv2.imwrite(str(root / f"{name}.png"), painted)


def _write_weights(root: Path) -> None:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    checkpoints = root / "checkpoints"
    states = {name: models.get_model(name).state_dict() for name in ("resnet18", "resnet50")}
    for name in ("fine-grained", "crw", "mocov1"):
        published.write(checkpoints, name, states[ENCODERS[name].architecture])
    for name in ("torchvision:resnet101", "timm:convnext_tiny.fb_in22k", "dinov2:s"):
        spec = find_spec(name)
        assert spec is not None
        file = checkpoints / weight_file(spec)[0]
        if spec.source == "torchvision":
            torch.save(models.get_model(spec.model).state_dict(), file)
        else:
            save_file(timm.create_model(spec.weights, pretrained=False).state_dict(), file)
    small = find_spec("dinov3:s=x.pth")
    assert small is not None
    torch.save(timm.create_model(small.model, pretrained=False).state_dict(), root / "dinov3_vits16.pth")


def serve_catalogue(loopback: Loopback, root: Path, home: Path) -> None:
    """Let a server on loopback have every download, and the user's own sfc.yaml name it for each."""
    entries = {}
    for entry in read_catalogue().entries.values():
        if entry.network is not None:
            continue
        content = _davis_zip(root) if entry.is_data else _weights(entry.name)
        address = loopback.serve(f"/{entry.file}", whole(content))
        # Random weights have sums of their own.
        entries[entry.name] = {"sources": [address], "sha256": "", "md5": "", "archive": None}
    (home / "sfc").mkdir(parents=True)
    (home / "sfc" / "sfc.yaml").write_text(yaml.safe_dump({"download": entries}))


def _weights(download: str) -> bytes:
    name = next(name for name, entry in ENCODERS.items() if download in (entry.download, name))
    torch.manual_seed(0)
    file = io.BytesIO()
    torch.save(published.pack(name, models.get_model(ENCODERS[name].architecture).state_dict()), file)
    return file.getvalue()


def _davis_zip(root: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for path in sorted((root / "data" / "davis").rglob("*.*")):
            packed.write(path, Path("DAVIS") / path.relative_to(root / "data" / "davis"))
    return file.getvalue()
