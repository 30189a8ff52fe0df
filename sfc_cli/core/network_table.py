"""Networks of other libraries by name: which model, which weights, and how features are taken from it.

What differs between networks is data, in ``assets/networks.yaml``; ``networks:`` in sfc.yaml adds to it.
Importing this loads no torch, since downloads ask here, too.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from sfc_cli.errors import InputError, UsageError, require_package
from sfc_cli.settings.locations import assets_folder, read_config
from sfc_cli.wording import did_you_mean

TABLE_NAME: Final = "networks.yaml"
CONFIG_KEY: Final = "networks"
RANDOM: Final = "random"
SOURCES: Final = ("torchvision", "timm")
MOST_STRIDE: Final = 64
STRIDE: Final = 8
# torchvision's ResNets, of which sfc cuts its own trunks.
RESNETS: Final = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """One network of another library.

    Args:
        name: As the user gave it, such as ``dinov2:s``.
        source: ``torchvision`` or ``timm``.
        model: What that library calls the model.
        tag: What it calls the weights.
        given: A file of the user's own, ``random`` for random weights, or empty for the named weights.
        stride: Pixels per cell of the grid that its features are brought onto.
        layer: The layer, block or stage whose output is taken; None for the model's usual one.
        mean: Of the normalised input; None for the one that the library states.
        deviation: The same.
        licence: Of the weights.
        page: Where weights are had that must be asked for.
    """

    name: str
    source: str
    model: str
    tag: str = ""
    given: str = ""
    stride: int = STRIDE
    layer: str | None = None
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None
    licence: str = ""
    page: str = ""

    @property
    def plain(self) -> str:
        """The name without a file."""
        return self.name.partition("=")[0]

    @property
    def weights(self) -> str:
        """The library's name of model and weights."""
        return f"{self.model}.{self.tag}" if self.tag else self.model

    @property
    def is_resnet(self) -> bool:
        """Whether it is one of torchvision's ResNets, which sfc cuts itself."""
        return self.source == "torchvision" and self.model in RESNETS


@functools.cache
def _shipped() -> dict[str, Any]:
    return dict(yaml.safe_load((assets_folder() / TABLE_NAME).read_text(encoding="utf-8")))


def read_table() -> dict[str, dict[str, Any]]:
    """Return the named networks with their fields, those of sfc.yaml over those of the package.

    Raises:
        InputError: If an entry of the user's is not understood.
    """
    own = read_config().get(CONFIG_KEY) or {}
    if not isinstance(own, Mapping):
        raise InputError(f"`{CONFIG_KEY}` in sfc.yaml is a {type(own).__name__}.", "Write a mapping.")
    table = {str(name): dict(fields) for name, fields in _shipped()["networks"].items()}
    for name, fields in own.items():
        if not isinstance(fields, Mapping):
            raise InputError(f"`{CONFIG_KEY}: {name}` in sfc.yaml is {fields!r}, not a mapping of fields.")
        table[str(name)] = {**table.get(str(name), {}), **fields}
        if not str(table[str(name)].get("is", "")).startswith(tuple(f"{source}:" for source in SOURCES)):
            raise InputError(
                f"`{CONFIG_KEY}: {name}` in sfc.yaml does not say what it is.",
                "Write `is: timm:NAME` or `is: torchvision:NAME`.",
            )
    return table


def find_spec(name: str) -> NetworkSpec | None:
    """Return the network that a name such as ``timm:NAME``, ``timm:NAME=FILE`` or ``dinov2:s`` means, if any.

    Raises:
        UsageError: If the library has no such model or weights, or is not installed.
        InputError: If sfc.yaml is not understood.
    """
    plain, _, given = name.partition("=")
    table = read_table()
    fields = dict(table.get(plain, {}))
    target = str(fields.pop("is", plain))
    source, colon, model = target.partition(":")
    if not colon or source not in SOURCES:
        family = [known for known in table if known.partition(":")[0] == source]
        if colon and family:
            raise UsageError(
                f"No network {plain!r}.", f"{did_you_mean(plain, family)}Names: {', '.join(family)}."
            )
        return None
    model, tag = _check_torchvision(model) if source == "torchvision" else _check_timm(model)
    fields = {**shared_fields(f"{source}:{model}"), **fields}
    return NetworkSpec(name=name, source=source, model=model, tag=tag, given=given, **_checked(plain, fields))


def shared_fields(target: str) -> dict[str, Any]:
    """Return what all networks of a kind share, by the source and name of their model."""
    shared: dict[str, Any] = {}
    for family in _shipped()["families"]:
        if fnmatch.fnmatchcase(target, family["names"]):
            shared |= {key: value for key, value in family.items() if key != "names"}
    return shared


def _checked(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a network's fields that decide its features, if they are of the right kind."""
    kept: dict[str, Any] = {}
    for field, value in fields.items():
        if field in ("mean", "deviation"):
            is_right = (
                isinstance(value, list) and len(value) == 3 and all(isinstance(x, int | float) for x in value)
            )
            value = tuple(value) if is_right else value
        elif field == "stride":
            is_right = isinstance(value, int) and 1 <= value <= MOST_STRIDE
        elif field in ("layer", "licence", "page"):
            value, is_right = str(value), isinstance(value, str | int)
        else:
            is_right = field in ("paper", "cost")
            if is_right:
                continue
        if not is_right:
            raise InputError(
                f"`{field}` of network {name!r} is {value!r}.", "See assets/networks.yaml of sfc."
            )
        kept[field] = value
    return kept


def _check_torchvision(name: str) -> tuple[str, str]:
    from torchvision import models

    model, _, tag = name.partition(".")
    known = models.list_models(module=models)
    if model not in known:
        raise UsageError(
            f"torchvision has no model {model!r}.", f"Models: {', '.join(_nearest(model, known))} …"
        )
    tags = [weights.name for weights in models.get_model_weights(model)]
    if tag and tag not in tags:
        raise UsageError(f"torchvision has no weights {tag!r} for {model}.", f"Weights: {', '.join(tags)}.")
    return model, tag or tags[0]


def _check_timm(name: str) -> tuple[str, str]:
    require_package("timm", "timm", f"timm:{name}")
    import timm

    model, _, tag = name.partition(".")
    if not timm.is_model(model):
        near = _nearest(model, timm.list_models())
        raise UsageError(f"timm has no model {model!r}.", f"Models: {', '.join(near)} …")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{model}.*")]
    if tag and tag not in tags:
        raise UsageError(
            f"timm has no weights {tag!r} for {model}.", f"Weights: {', '.join(tags) or 'none'}."
        )
    default = timm.models.get_pretrained_cfg(model)
    return model, tag or str(getattr(default, "tag", "") or "")


def _nearest(name: str, known: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, known, n=5, cutoff=0.3) or known[:5]


def weight_file(spec: NetworkSpec) -> tuple[str, str]:
    """Return the file name of a network's weights and the address where they are, which may be empty."""
    if spec.source == "torchvision":
        from torchvision import models

        address = str(models.get_model_weights(spec.model)[spec.tag].url)
        return Path(address).name, address
    import timm

    stated = timm.models.get_pretrained_cfg(spec.weights, allow_unregistered=True)
    hub = getattr(stated, "hf_hub_id", None)
    address = f"https://huggingface.co/{hub}/resolve/main/model.safetensors" if hub else ""
    return f"{spec.weights}.safetensors", "" if spec.page else address


def stated_licence(spec: NetworkSpec) -> str:
    """Return the licence of a network's weights, as the table or else the library states it."""
    if spec.licence or spec.source != "timm":
        return spec.licence or "see its page"
    import timm

    return getattr(timm.models.get_pretrained_cfg(spec.weights), "license", None) or "see its page"
