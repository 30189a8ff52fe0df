"""The public face: arrays in, arrays out. ``import sfc_cli`` offers these functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sfc_cli.errors import InputError, UsageError
from sfc_cli.settings.propagation import DEFAULT_SIZE

if TYPE_CHECKING:
    from sfc_cli.evaluation import Report
    from sfc_cli.inference.propagator import VideoPropagator
    from sfc_cli.settings.propagation import Backend, BatchNormMode, Precision, Protocol

Ids = npt.NDArray[np.uint8]
Frame = npt.NDArray[np.uint8]


def load_network(
    network: str | Path = "mini",
    semantic: str | Path | None = None,
    *,
    checkpoints: Path | str | None = None,
    device: str = "auto",
    backend: Backend = "auto",
    precision: Precision | None = None,
    top_k: int | None = None,
    radius: float | None = None,
    temperature: float | None = None,
    context_frames: int | None = None,
    fusion_weight: float | None = None,
    batchnorm: BatchNormMode | None = None,
    protocol: Protocol = "improved",
    whitening: float | None = None,
    shallow_weight: float | None = None,
    channels: int | None = None,
    label_patch: int | None = None,
    object_reach: float | None = None,
    edge_refinement: float | None = None,
    long_memory: int | Sequence[int] | None = None,
    layer: str | None = None,
    stride: int | None = None,
    key_prefix: str | None = None,
) -> VideoPropagator:
    """Load a network, or two fused ones, once for many videos.

    Args:
        network: The fine-grained network: ``mini`` (bundled), ``fine-grained``, ``crw``, ``random18`` …, the
            path of a ResNet's checkpoint, ``torchvision:NAME`` or ``timm:NAME``.
        semantic: The semantic network beside it: ``mocov1``, ``vfs`` …, or the same; None for none.
        checkpoints: The folder of the named networks; None for that of sfc.yaml, ``$SFC_CHECKPOINTS`` or
            ``./checkpoints``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        backend: ``auto``, ``reference``, ``windowed`` or ``fused``; all give the same masks up to ties.
        precision: How the networks compute: ``exact`` in float32, ``tf32`` as PyTorch does on NVIDIA cards
            since Ampere, ``fast`` in half precision; None for ``tf32`` on a CUDA device, ``exact`` elsewhere.
        top_k: How many context cells vote for a cell; None for the networks' preset, as for all that follow.
        radius: Reach on the feature grid, in cells.
        temperature: Divides the affinities before the softmax.
        context_frames: How many frames before the target vote, besides the first.
        fusion_weight: The paper's λ, the weight of the fine-grained features.
        batchnorm: ``released`` or ``checkpoint``, see ``load_encoder``.
        protocol: ``improved`` gives better masks from the same weights, ``published`` repeats the paper's
            procedure to the bit; what follows are the parts of the former, see ``PropagationSettings``.
        whitening: Shrinkage of the whitened features' covariance, 0…1.
        shallow_weight: Weight of the fine-grained network's earlier layers beside its last one.
        channels: Leading channels kept of whitened features.
        label_patch: Side of the patch of pixels whose labels a cell carries: 1, 2, 4 or 8.
        object_reach: An object stays less than so many cells from where it was in the frame before; 0 lets it
            appear anywhere.
        edge_refinement: Share of the labels that follows the frame's edges, 0…1.
        long_memory: Every so many of the frames before the window stay context; 0 for none. Or a list
            of frames that stay, which begins with 0.
        layer: The layer, block or stage whose features are taken, of networks of torchvision and timm and of
            files; so are the two that follow.
        stride: Pixels per cell of the features.
        key_prefix: What the keys of the network begin with in a file that holds several.

    Returns:
        What ``propagate`` takes as its ``network``.

    Raises:
        UsageError: If a name, setting or device cannot be used.
        InputError: If a checkpoint is missing or damaged.
    """
    from sfc_cli.core.encoders import NetworkOptions
    from sfc_cli.core.ranks import Ranks
    from sfc_cli.inference.networks import NetworkChoice
    from sfc_cli.settings.propagation import SettingsChoice

    choice = NetworkChoice(
        fine_grained=str(network),
        semantic=None if semantic is None else str(semantic),
        checkpoints=None if checkpoints is None else Path(checkpoints),
        settings=SettingsChoice(
            top_k=top_k,
            radius=radius,
            temperature=temperature,
            context_frames=context_frames,
            fusion_weight=fusion_weight,
            batchnorm=batchnorm,
            whitening=whitening,
            shallow_weight=shallow_weight,
            channels=channels,
            label_patch=label_patch,
            object_reach=object_reach,
            edge_refinement=edge_refinement,
            long_memory=long_memory if isinstance(long_memory, int | None) else tuple(long_memory),
        ),
        protocol=protocol,
        device=device,
        backend=backend,
        precision=precision,
        options=NetworkOptions(layer=layer, stride=stride, key_prefix=key_prefix),
    )
    return choice.resolve(on_dataset=False).load(Ranks())


def propagate(
    frames: Iterable[Frame],
    mask: Ids | Mapping[int, Ids],
    *,
    network: str | Path | VideoPropagator = "mini",
    size: int | None = DEFAULT_SIZE,
) -> Ids:
    """Propagate the mask of a frame to all frames after it.

    Args:
        frames: RGB, uint8 [T, H, W, 3], or anything that yields uint8 [H, W, 3].
        mask: Ids of the first frame, uint8 [H, W]: 0 is background, 1…254 are objects, 255 is void; or masks
            by the index of their frame, each of which says where the objects are that it shows.
        network: What ``load_network`` returned, or a name or path for it.
        size: The short side, in pixels, that larger frames are shrunk to for the network, and smaller ones
            enlarged to under the improved protocol; None for their own.

    Returns:
        The masks, uint8 [T, H, W], with the ids of ``mask``; background before the first mask.

    Raises:
        UsageError: If frames or masks have another shape or type, or ``top_k`` cells cannot be reached.
        InputError: If there are no frames, sizes differ, or a mask is for a frame after the last.
    """
    return np.stack(list(propagate_stream(frames, mask, network=network, size=size)))


def propagate_stream(
    frames: Iterable[Frame],
    mask: Ids | Mapping[int, Ids],
    *,
    network: str | Path | VideoPropagator = "mini",
    size: int | None = DEFAULT_SIZE,
) -> Iterator[Ids]:
    """Propagate like ``propagate``, one frame at a time: memory does not grow with the number of frames.

    Yields:
        The mask of each frame, uint8 [H, W].

    Raises:
        UsageError: See ``propagate``.
        InputError: See ``propagate``.
    """
    from sfc_cli.inference.anchors import MaskAnchors
    from sfc_cli.inference.sequences import scaled

    anchors = MaskAnchors(_checked_masks(mask))
    propagator = load_network(network) if isinstance(network, str | Path) else network
    resized = scaled(anchors.size, size, enlarge=propagator.settings.is_improved)
    propagator.require_reachable(resized or anchors.size)
    count = 0
    labelled = propagator.run(map(_checked_frame, frames), anchors, input_size=resized, antialias=True)
    for one in labelled:
        while count < one.index:
            yield np.zeros(anchors.size, np.uint8)
            count += 1
        yield one.mask()
        count += 1
    if count <= anchors.last:
        raise InputError(
            f"`mask` has one for frame {anchors.last}, but `frames` ends before it.",
            "Frames count from 0.",
        )


def evaluate(truth: Ids | Path | str, results: Ids | Path | str, **options: Any) -> dict[str, Any] | Report:
    """Score masks by J and F, as the DAVIS benchmark does.

    Args:
        truth: True masks of one video, uint8 [T, H, W]; or the folder of a data set in the DAVIS layout.
        results: Masks of the same shape; or the folder with ``<sequence>/<frame>.png``.
        options: With folders, what ``evaluate_davis`` takes besides.

    Returns:
        A mapping, or a report that reads like one: ``["global"]["J&F-Mean"]`` and the six other numbers,
        ``["per_object"]`` by name. Of a video the objects are the ids of its first true mask; the first and
        the last frame are left out.

    Raises:
        UsageError: If the arrays have another shape or type.
        InputError: If a file is missing or damaged, or the first true mask shows no object.
    """
    from sfc_cli.evaluation import evaluate_davis, evaluate_sequence

    if isinstance(truth, np.ndarray) and isinstance(results, np.ndarray):
        return evaluate_sequence(truth, results)
    if not isinstance(truth, str | Path) or not isinstance(results, str | Path):
        raise UsageError("`truth` and `results` must both be arrays, or both folders.")
    return evaluate_davis(Path(truth), Path(results), **options)


def _checked_masks(mask: Ids | Mapping[int, Ids]) -> dict[int, Ids]:
    masks = dict(mask) if isinstance(mask, Mapping) else {0: mask}
    if not masks:
        raise UsageError("`mask` has no masks.", "Give the ids of one frame, or of several by index.")
    for index, one in masks.items():
        if not isinstance(one, np.ndarray) or one.dtype != np.uint8 or one.ndim != 2:
            raise UsageError(
                f"`mask` of frame {index} is {_described(one)}.", "Give ids as a NumPy array, uint8 [H, W]."
            )
        if not isinstance(index, int | np.integer) or index < 0 or not ((one != 0) & (one != 255)).any():
            raise UsageError(
                f"`mask` of frame {index} shows no object.", "Give indices from 0, and ids from 1 to 254."
            )
    shapes = {one.shape for one in masks.values()}
    if len(shapes) > 1:
        raise UsageError(
            f"`mask` has masks of several sizes: {sorted(shapes)}.", "All need the frames' size."
        )
    # Copied, since the mask of a painted frame is handed out as its result, which may be written to.
    return {index: one.copy() for index, one in masks.items()}


def _checked_frame(frame: Frame) -> Frame:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise UsageError(
            f"A frame of `frames` is {_described(frame)}.", "Give RGB as NumPy arrays, uint8 [H, W, 3]."
        )
    return frame


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"of type {type(value).__name__}"
