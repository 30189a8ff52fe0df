import dataclasses

import pytest

from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import (
    PRESETS,
    PropagationSettings,
    SettingsChoice,
    improved,
    patch_for,
    preset_for,
    read_long_memory,
)


def test_presets__published_values() -> None:
    assert dataclasses.asdict(PRESETS["sfc"]) == {
        "top_k": 15,
        "radius": 15.0,
        "temperature": 0.1,
        "context_frames": 20,
        "fusion_weight": 1.75,
        "batchnorm": "released",
        "whitening": None,
        "shallow_weight": 0.0,
        "channels": None,
        "label_patch": 1,
        "object_reach": 0.0,
        "edge_refinement": 0.0,
        "long_memory": 0,
    }
    single = dataclasses.asdict(PRESETS["single"])
    assert (single["top_k"], single["radius"], single["temperature"]) == (10, 12.0, 0.05)
    assert single["context_frames"] == 20
    assert PropagationSettings() == PRESETS["single"]


@pytest.mark.parametrize(
    ("fine_grained", "semantic", "name"),
    [
        ("fine-grained", "mocov1", "sfc"),
        ("crw", None, "single"),
        (None, "vfs", "single"),
        ("mini", None, "mini"),
        ("mini", "vfs", "sfc"),
        ("hvc", "mocov1", "hvc"),
        ("hvc", None, "single"),
        ("dinov3:s=weights.pth", None, "dinov3"),
        (None, "timm:vit_base_patch16_dinov3", "dinov3"),
        ("mini", "dinov3:s", "sfc"),
    ],
)
def test_preset_for__by_the_number_of_networks(
    fine_grained: str | None, semantic: str | None, name: str
) -> None:
    assert preset_for(fine_grained, semantic) is PRESETS[name]


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["top_k", "radius", "temperature", "fusion_weight"])
def test_propagation_settings__out_of_range(name: str, value: float) -> None:
    with pytest.raises(UsageError) as caught:
        PropagationSettings(**{name: value})  # type: ignore[arg-type]
    assert f"`{name}`" in caught.value.message
    assert str(value) in caught.value.message
    assert caught.value.exit_code == 2


def test_propagation_settings__unknown_batchnorm() -> None:
    with pytest.raises(UsageError, match="`batchnorm` 'train'") as caught:
        PropagationSettings(batchnorm="train")  # type: ignore[arg-type]
    assert "released, checkpoint" in caught.value.hint


def test_propagation_settings__cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["sfc"].top_k = 3  # type: ignore[misc]


def test_improved__keeps_what_the_preset_says_of_votes() -> None:
    for preset in PRESETS.values():
        better = improved(preset)
        assert dataclasses.replace(
            better,
            whitening=None,
            shallow_weight=0.0,
            channels=None,
            label_patch=1,
            object_reach=0.0,
            edge_refinement=0.0,
        ) == dataclasses.replace(preset, radius=better.radius)
        assert (better.whitening, better.label_patch, better.object_reach) == (0.02, 8, preset.radius)


def test_over__the_reach_of_objects_follows_the_radius() -> None:
    def chosen(preset: PropagationSettings, **settings: float) -> float:
        return SettingsChoice(**settings).over(preset).object_reach  # type: ignore[arg-type]

    assert chosen(improved(PRESETS["single"]), radius=20.0) == 20
    assert chosen(improved(PRESETS["single"]), radius=20.0, object_reach=0.0) == 0
    assert chosen(improved(PRESETS["single"]), object_reach=7.0) == 7
    assert chosen(PRESETS["single"], radius=20.0) == 0


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"whitening": 1.5}, "`whitening` is 1.5"),
        ({"whitening": float("nan")}, "`whitening` is nan"),
        ({"edge_refinement": -0.1}, "`edge_refinement` is -0.1"),
        ({"shallow_weight": -1.0}, "`shallow_weight` is -1"),
        ({"object_reach": -1.0}, "`object_reach` is -1"),
        ({"object_reach": float("nan")}, "`object_reach` is nan"),
        ({"shallow_weight": float("inf")}, "`shallow_weight` is inf"),
        ({"channels": 64}, "`channels` is 64"),
        ({"channels": 0, "whitening": 0.5}, "`channels` is 0"),
        ({"label_patch": 3}, "`label_patch` is 3"),
        ({"long_memory": -1}, "`long_memory` is -1"),
        ({"long_memory": (20, 40)}, "`long_memory` 20,40 lacks 0"),
        ({"long_memory": (0, -5)}, "`long_memory` is 0,-5"),
        ({"long_memory": (0, *range(30))}, "Name up to 16 frames"),
        ({"long_memory": 5, "context_frames": 0}, "`long_memory` 5 keeps frames"),
        ({"context_frames": -1}, "`context_frames` is -1"),
        ({"context_frames": 1001}, "`context_frames` is 1001"),
    ],
)
def test_propagation_settings__parts_of_the_improved_protocol(chosen: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PropagationSettings(**chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"), [("20", 20), ("0", 0), ("0,20", (0, 20)), (" 0, 20,40", (0, 20, 40)), ("0,", 0)]
)
def test_read_long_memory__a_distance_or_frames(text: str, value: object) -> None:
    assert read_long_memory(text) == value


@pytest.mark.parametrize("text", ["", "x", "0,x", "1.5", "0;20"])
def test_read_long_memory__neither(text: str) -> None:
    with pytest.raises(UsageError, match="`long_memory` is"):
        read_long_memory(text)


def test_propagation_settings__frames_of_the_long_memory() -> None:
    assert (PropagationSettings(long_memory=5).memory_distance, PropagationSettings().memory_frames) == (
        5,
        (),
    )
    named = PropagationSettings(long_memory=(20, 0, 40))
    assert (named.memory_distance, named.memory_frames, named.is_improved) == (0, (20, 40), False)


def test_presets__hvc_and_dinov3_as_their_authors_have_them() -> None:
    hvc, dinov3 = PRESETS["hvc"], PRESETS["dinov3"]
    assert (hvc.top_k, hvc.radius, hvc.temperature, hvc.context_frames, hvc.fusion_weight) == (
        15,
        12,
        0.1,
        50,
        1.05,
    )
    assert (dinov3.top_k, dinov3.radius, dinov3.temperature, dinov3.context_frames) == (5, 12, 0.2, 7)


@pytest.mark.parametrize(("stride", "patch"), [(4, 4), (8, 8), (14, 8), (16, 16), (64, 32), (1, 1)])
def test_patch_for__one_label_a_pixel_where_there_is_such_a_patch(stride: int, patch: int) -> None:
    assert patch_for(stride) == patch
