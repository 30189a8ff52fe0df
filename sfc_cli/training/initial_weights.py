"""Starting a training from a network instead of from random weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.trunk import Trunk
from sfc_cli.errors import UsageError
from sfc_cli.settings.locations import checkpoints_folder


def start_from(network: str, model: Correspondence) -> str:
    """Fill a model with the weights of a network: its trunk, and what else a training by sfc left there.

    Args:
        network: A name such as ``mini``, or the path of a checkpoint.
        model: Receives the weights; target and online branch start alike unless the file has both.

    Returns:
        A line about what was taken.

    Raises:
        UsageError: If the network is of another architecture.
        InputError: If it cannot be read.
    """
    trunk = load_encoder(network, checkpoints=checkpoints_folder(None), batchnorm="checkpoint")
    architecture = getattr(trunk, "architecture", type(trunk).__name__)
    if not isinstance(trunk, Trunk) or architecture != model.online_encoder.architecture:
        raise UsageError(
            f"`init` {network} is a {architecture}, but the network to train is a "
            f"{model.online_encoder.architecture}.",
            "Choose the same with `arch`, or another network.",
        )
    state = model.state_dict()
    found = {
        f"{branch}_encoder.{key}": value
        for branch in ("online", "target")
        for key, value in trunk.state_dict().items()
    }
    taken = len(found)
    found |= _of_a_training(network, state)
    model.load_state_dict({**state, **found})
    more = len(found) - taken
    rest = (
        f", and {more} more tensors of the training that wrote it" if more else "; the rest starts at random"
    )
    return f"starting from {network}: its trunk up to layer3 ({taken // 2} tensors){rest}"


def _of_a_training(network: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file in the layout of a training that fit into a model."""
    path = Path(network).expanduser()
    if not path.is_file():
        return {}
    stored = read_checkpoint(path).get("model")
    if not isinstance(stored, Mapping):
        return {}
    return {
        key: stored[key]
        for key, value in state.items()
        if isinstance(stored.get(key), Tensor) and stored[key].shape == value.shape
    }
