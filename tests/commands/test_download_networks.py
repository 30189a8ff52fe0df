"""`sfc download` of files in archives, of networks of other libraries, and beside a damaged record."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from sfc_cli.core import manifest
from tests.commands.downloads import FILE, Command
from tests.download.loopback import checkpoint, visible, whole


@pytest.fixture(scope="module")
def right() -> bytes:
    return checkpoint(layout="sfc", filler=20_000)


@pytest.fixture(scope="module")
def models_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("releases_models/hvc_coco.pth", b"another")
        packed.writestr("releases_models/hvc_ytb.pth", checkpoint())
    return file.getvalue()


def test_download__hvc_comes_out_of_its_archive(sfc: Command, models_zip: bytes) -> None:
    sfc.source("hvc", whole(models_zip))
    sfc("hvc")
    assert sfc.code == 0, sfc.err
    assert sfc.leftovers() == ["hvc_ytb.pth", "manifest.json"]
    assert manifest.read_manifest(sfc.checkpoints)["hvc_ytb.pth"].name == "hvc"
    sfc("hvc")
    assert sfc.out.startswith("hvc: already there and verified")


def test_download__hvc_by_hand_as_archive_or_file(sfc: Command, models_zip: bytes) -> None:
    Path("models.zip").write_bytes(models_zip)
    for given, content in (("models.zip", models_zip), ("plain.pth", checkpoint())):
        Path(given).write_bytes(content)
        sfc("hvc", "--from", given, "--force")
        assert sfc.code == 0, sfc.err
        assert sfc.leftovers() == ["hvc_ytb.pth", "manifest.json"]


def test_download__archive_without_the_network_leaves_nothing(sfc: Command) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("readme.txt", b"soon")
    sfc.source("hvc", whole(file.getvalue()))
    sfc("hvc")
    assert sfc.code == 4
    assert "does not contain hvc_ytb.pth, but 'readme.txt'" in sfc.err
    assert sfc.leftovers() == []


def test_download__broken_record_is_repaired_before_anything_is_fetched(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc.checkpoints.mkdir()
    (sfc.checkpoints / "manifest.json").write_text('{"files": {')
    sfc("fc")
    assert sfc.code == 0, sfc.err
    assert len(sfc.loopback.seen) == 1
    assert (
        "the record of verified files cannot be read; it is now checkpoints/manifest.json.unreadable"
        in sfc.err
    )
    assert FILE in json.loads((sfc.checkpoints / "manifest.json").read_text())["files"]
    assert visible(sfc.checkpoints) == ["manifest.json", "manifest.json.unreadable", FILE]


def test_download__verify_compares_the_bytes_of_a_file_placed_by_hand(sfc: Command, right: bytes) -> None:
    sfc.checkpoints.mkdir()
    content = bytearray(right)
    content[len(right) // 2 : len(right) // 2 + 64] = bytes(
        byte ^ 0xFF for byte in content[len(right) // 2 :][:64]
    )
    sfc.target.write_bytes(content)
    sfc("--verify")
    assert sfc.code == 3
    assert "do not match their checksum" in sfc.err
    assert len(sfc.err.splitlines()) == 1
    sfc.target.write_bytes(right)
    sfc("--verify")
    assert sfc.code == 0


def test_download__list_says_cost_and_licence(sfc: Command) -> None:
    lines = {line.split()[0]: line for line in sfc("--list").splitlines() if line.strip()}
    assert "Apache-2.0" in lines["dinov2:s"]
    assert "22.1 M" in lines["dinov2:s"]
    assert "DINOv3 licence" in lines["dinov3:s"]
    assert "by hand" in lines["dinov3:s"]
    assert all("G" in lines[name] for name in ("fc", "moco", "hvc", "imagenet50"))


def test_download__networks_of_other_libraries(sfc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    from safetensors.torch import save

    from sfc_cli.core import network_table
    from sfc_cli.core.encoders import load_encoder

    weights = save(load_encoder("timm:test_vit=random").maps.model.state_dict())
    address = sfc.loopback.serve("/model.safetensors", whole(weights))
    monkeypatch.setattr(network_table, "weight_file", lambda _: ("test_vit.r160_in1k.safetensors", address))
    sfc("timm:test_vit")
    assert sfc.code == 0, sfc.err
    assert sfc.leftovers() == ["manifest.json", "test_vit.r160_in1k.safetensors"]
    load_encoder("timm:test_vit", checkpoints=sfc.checkpoints)


def test_download__weights_that_must_be_asked_for_name_their_page(sfc: Command) -> None:
    pytest.importorskip("timm")
    sfc("dinov3:s")
    assert sfc.code == 4
    assert "by hand from https://ai.meta.com" in sfc.err
    assert "sfc download dinov3:s --from FILE" in sfc.err
    sfc("dinov3:huge")
    assert "No network 'dinov3:huge'" in sfc.err or sfc.code == 2
