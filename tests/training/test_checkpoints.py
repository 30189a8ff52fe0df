from __future__ import annotations

import argparse
import dataclasses
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.encoders import load_encoder
from sfc_cli.errors import InputError
from sfc_cli.training.checkpoints import (
    Identity,
    clear_leftovers,
    load_latest_state,
    load_state,
    save_network,
    save_state,
)
from sfc_cli.training.stepping import build_model

Training = tuple[Correspondence, torch.optim.Adam]


@pytest.fixture
def identity(small: Callable) -> Identity:
    return Identity(settings=small(), precision="fp32", data="abc", world=1)


def trained(identity: Identity, seed: int = 0) -> Training:
    model = build_model(identity.settings)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, fused=True)
    torch.manual_seed(seed)
    views = (torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32))
    boxes = torch.tensor([[0.1, 0.1, 0.8, 0.8], [0.2, 0.0, 0.9, 0.7]])
    model(views, (boxes, boxes), momentum=0.9).backward()
    optimizer.step()
    return model, optimizer


def test_load_state__puts_everything_back(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    save_state(tmp_path / "state.pt", identity, 7, model, optimizer)
    expected = (random.random(), np.random.random(), torch.rand(()).item())
    other, other_optimizer = trained(identity, seed=1)
    assert load_state(tmp_path / "state.pt", identity, other, other_optimizer) == 7
    assert (random.random(), np.random.random(), torch.rand(()).item()) == expected
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    for number, kept in optimizer.state_dict()["state"].items():
        for name, value in kept.items():
            assert torch.equal(other_optimizer.state_dict()["state"][number][name], value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"seed": 5}}, "`seed` was 777, now 5"),
        (
            {"settings": {"epochs": 3, "pos_radius": 0.7}},
            "`epochs` was 2, now 3; `pos_radius` was 0.5, now 0.7",
        ),
        ({"world": 2}, "processes was 1, now 2"),
        ({"precision": "bf16"}, "precision in use was fp32, now bf16"),
        ({"data": "other"}, "the data set has other frames"),
    ],
)
def test_load_state__names_every_other_setting(
    tmp_path: Path, identity: Identity, change: dict, message: str
) -> None:
    model, optimizer = trained(identity)
    save_state(tmp_path / "state.pt", identity, 7, model, optimizer)
    if "settings" in change:
        change = {"settings": dataclasses.replace(identity.settings, **change["settings"])}
    with pytest.raises(InputError, match="other settings") as caught:
        load_state(tmp_path / "state.pt", dataclasses.replace(identity, **change), model, optimizer)
    assert message in caught.value.message


def test_load_state__lets_speed_and_length_change(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    save_state(tmp_path / "state.pt", identity, 7, model, optimizer)
    settings = dataclasses.replace(identity.settings, workers=3, steps=9, save_every=2, decode="opencv")
    assert (
        load_state(tmp_path / "state.pt", dataclasses.replace(identity, settings=settings), model, optimizer)
        == 7
    )


def test_load_state__refuses_other_and_damaged_files(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    save_network(tmp_path / "network.pth", identity.settings, 0, model, optimizer)
    with pytest.raises(InputError, match="not a training state"):
        load_state(tmp_path / "network.pth", identity, model, optimizer)
    (tmp_path / "cut.pt").write_bytes((tmp_path / "network.pth").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut\.pt .* truncated"):
        load_state(tmp_path / "cut.pt", identity, model, optimizer)


def test_save_network__is_read_by_load_encoder(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    save_network(tmp_path / "pretrained_fc.pth", identity.settings, 3, model, optimizer)
    for name in (str(tmp_path / "pretrained_fc.pth"), "fine-grained"):
        trunk = load_encoder(name, checkpoints=tmp_path, batchnorm="checkpoint")
        for key, value in trunk.state_dict().items():
            assert torch.equal(value, model.online_encoder.state_dict()[key]), key


@pytest.mark.golden
def test_save_network__has_the_published_layout(
    golden: Path, tmp_path: Path, identity: Identity, small: Callable
) -> None:
    identity = dataclasses.replace(
        identity, settings=small(last_layer="layer4", hidden_channels=2048, out_channels=256)
    )
    model, optimizer = trained(identity)
    save_network(tmp_path / "ours.pth", identity.settings, 19, model, optimizer)
    ours, published = (
        read_checkpoint(path)
        for path in (tmp_path / "ours.pth", golden / "checkpoints" / "pretrained_fc.pth")
    )
    assert set(ours) == set(published)
    assert {key: value.shape for key, value in ours["model"].items()} == {
        key: value.shape for key, value in published["model"].items()
    }
    assert ours["epoch"] == published["epoch"] == 19
    assert isinstance(ours["args"], argparse.Namespace)
    assert set(ours["optimizer"]) == set(published["optimizer"])
    for name, value in vars(published["args"]).items():
        assert getattr(ours["args"], name) == value


def test_save_state__keeps_the_old_file_when_the_disk_is_full(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    path = tmp_path / "state.pt"
    save_state(path, identity, 7, model, optimizer)
    before = path.read_bytes()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(InputError, match=r"Cannot write .*state\.pt"):
            save_state(path, identity, 8, model, optimizer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_save_state__survives_being_killed_halfway(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    path = tmp_path / "state.pt"
    save_state(path, identity, 7, model, optimizer)
    before = path.read_bytes()
    # Dies as `kill -9` lets it die: with all bytes written and the rename still to come.
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys; from pathlib import Path\n"
            "from sfc_cli.training import checkpoints\n"
            "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
            "checkpoints._write(Path(sys.argv[1]), {'format': 1, 'step': 8})",
            str(path),
        ],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(tmp_path.glob(".state.pt.*.part"))) == 1
    clear_leftovers(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert load_state(path, identity, model, optimizer) == 7


def test_load_state__reads_a_state_with_the_earlier_name_of_a_setting(
    tmp_path: Path, identity: Identity
) -> None:
    model, optimizer = trained(identity)
    save_state(tmp_path / "state.pt", identity, 7, model, optimizer)
    content = torch.load(tmp_path / "state.pt")
    content["settings"]["clips_per_video"] = content["settings"].pop("frames_per_video")
    torch.save(content, tmp_path / "state.pt")
    assert load_state(tmp_path / "state.pt", identity, model, optimizer) == 7
    other = dataclasses.replace(identity, settings=dataclasses.replace(identity.settings, frames_per_video=9))
    with pytest.raises(InputError, match="`frames_per_video` was 80, now 9"):
        load_state(tmp_path / "state.pt", other, model, optimizer)


def two_states(folder: Path, identity: Identity) -> Training:
    model, optimizer = trained(identity)
    for step in (3, 5):
        save_state(folder / "state.pt", identity, step, model, optimizer, best_score=0.5)
    return model, optimizer


def edited(path: Path, **changes: object) -> None:
    content = torch.load(path)
    for name, value in changes.items():
        content[name] = value
    torch.save({name: value for name, value in content.items() if value is not None}, path)


def flip_a_weight(path: Path) -> None:
    content = bytearray(path.read_bytes())
    # In the middle of the largest tensor, far from any header.
    content[len(content) // 3] ^= 0x40
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "truncated"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "flipped": (flip_a_weight, "does not fit its checksum"),
    "no model": (lambda path: edited(path, model=None), "lacks model"),
    "no step": (lambda path: edited(path, step=None), "lacks step"),
    "step -5": (lambda path: edited(path, step=-5), "it is of step -5"),
    "step 99,999": (lambda path: edited(path, step=99_999), "it is of step 99999 of 8"),
    "step of text": (lambda path: edited(path, step="two"), "it is of step 'two'"),
    "other tensors": (lambda path: edited(path, model={"a": torch.ones(1)}), "is damaged"),
    "no random state": (lambda path: edited(path, random={}), "is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_load_latest_state__falls_back_to_the_one_before_by_name(
    tmp_path: Path, identity: Identity, damage: str
) -> None:
    model, optimizer = two_states(tmp_path, identity)
    spoil, reason = DAMAGES[damage]
    spoil(tmp_path / "state.pt")
    found = load_latest_state(tmp_path, identity, 8, model, optimizer)
    assert (found.step, found.best_score) == (3, 0.5)
    assert str(tmp_path / "state.pt") in found.remark
    assert reason in found.remark
    assert f"Going on from the one before, {tmp_path / 'state.previous.pt'}." in found.remark
    assert "ownload" not in found.remark
    (tmp_path / "state.previous.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"state\.pt .*state\.previous\.pt") as caught:
        load_latest_state(tmp_path, identity, 8, model, optimizer)
    assert "`overwrite`" in caught.value.hint


def test_load_latest_state__finds_the_one_before_alone_or_none(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = two_states(tmp_path, identity)
    assert load_latest_state(tmp_path, identity, 8, model, optimizer).step == 5
    (tmp_path / "state.pt").unlink()
    assert load_latest_state(tmp_path, identity, 8, model, optimizer).step == 3
    (tmp_path / "state.previous.pt").unlink()
    assert load_latest_state(tmp_path, identity, 8, model, optimizer).step == 0


def test_load_latest_state__does_not_take_other_settings_for_damage(
    tmp_path: Path, identity: Identity
) -> None:
    model, optimizer = two_states(tmp_path, identity)
    with pytest.raises(InputError, match="processes was 1, now 2"):
        load_latest_state(tmp_path, dataclasses.replace(identity, world=2), 8, model, optimizer)


def test_save_state__gives_up_the_oldest_state_for_the_newest(
    tmp_path: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = two_states(tmp_path, identity)

    def full_while_three_lie_there(_: int) -> None:
        if (tmp_path / "state.previous.pt").exists():
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_while_three_lie_there)
    save_state(tmp_path / "state.pt", identity, 7, model, optimizer)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert load_state(tmp_path / "state.pt", identity, model, optimizer) == 7


def test_load_state__reads_one_without_the_settings_of_today(tmp_path: Path, identity: Identity) -> None:
    model, optimizer = trained(identity)
    save_state(tmp_path / "state.pt", identity, 7, model, optimizer)
    content = torch.load(tmp_path / "state.pt")
    for name in ("schedule", "warmup", "weight_decay", "init", "max_crop_area", "save_minutes"):
        del content["settings"][name]
    torch.save(content, tmp_path / "state.pt")
    assert load_state(tmp_path / "state.pt", identity, model, optimizer) == 7
    other = dataclasses.replace(identity, settings=dataclasses.replace(identity.settings, schedule="cosine"))
    with pytest.raises(InputError, match="`schedule` was constant, now cosine"):
        load_state(tmp_path / "state.pt", other, model, optimizer)
