"""Files in every published layout: the right tensors reach the right places of the trunk."""

import json

import pytest

from sfc_cli.core.encoders import load_encoder
from tests.conftest import Golden

NAMES = ("fine-grained", "crw", "mocov1", "simsiam", "vfs", "pixpro")


@pytest.mark.parametrize("by_path", [False, True], ids=["by-name", "by-path"])
@pytest.mark.parametrize("name", NAMES)
def test_load_encoder__published_layouts(golden: Golden, name: str, by_path: bool) -> None:
    folder = golden / "checkpoints"
    expected = json.loads((folder / "expected.json").read_text())[name]
    given = str(folder / expected["file"]) if by_path else name
    trunk = load_encoder(given, checkpoints=folder, batchnorm="checkpoint")
    assert trunk.architecture == expected["architecture"]
    state = trunk.state_dict()
    assert state.keys() == {key for key in expected["encoder"] if not key.startswith("layer4")}
    for key, tensor in state.items():
        assert (tensor == expected["encoder"][key]).all(), key
    assert trunk.layer1[0].conv2.padding_mode == ("reflect" if name == "crw" else "zeros")
