"""The encoders that have a name of their own: files, layouts and trunks; nothing here loads torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EncoderEntry:
    """One encoder that has a name.

    Args:
        architecture: The trunk.
        file: The checkpoint's file name as published; None for a random or a bundled trunk.
        layout: The name of the file's layout.
        download: What ``sfc download`` calls the file.
        bundled: The name of a file that comes with the package.
    """

    architecture: str
    file: str | None = None
    layout: str | None = None
    download: str | None = None
    bundled: str | None = None

    @property
    def is_published(self) -> bool:
        """Whether others have published numbers of it."""
        return self.download is not None


ENCODERS: dict[str, EncoderEntry] = {
    "fine-grained": EncoderEntry(
        architecture="resnet18", file="pretrained_fc.pth", layout="sfc", download="fc"
    ),
    "crw": EncoderEntry(architecture="resnet18", file="pretrained.pth", layout="crw", download="crw"),
    "mocov1": EncoderEntry(
        architecture="resnet50", file="moco_v1_200ep_pretrain.pth.tar", layout="moco", download="moco"
    ),
    "simsiam": EncoderEntry(
        architecture="resnet50", file="checkpoint_0099.pth.tar", layout="simsiam", download="simsiam"
    ),
    "vfs": EncoderEntry(
        architecture="resnet50",
        file="r50_nc_sgd_cos_100e_r5_1xNx2_k400-d7ce3ad0.pth",
        layout="vfs",
        download="vfs",
    ),
    "pixpro": EncoderEntry(
        architecture="resnet50",
        file="pixpro_base_r50_400ep_md5_919c6612.pth",
        layout="pixpro",
        download="pixpro",
    ),
    "imagenet18": EncoderEntry(
        architecture="resnet18", file="resnet18-f37072fd.pth", layout="torchvision", download="imagenet"
    ),
    "imagenet50": EncoderEntry(
        architecture="resnet50", file="resnet50-0676ba61.pth", layout="torchvision", download="imagenet"
    ),
    # The released code's file; torchvision has replaced it since, with the same weights' successor.
    "imagenet18-5c106cde": EncoderEntry(
        architecture="resnet18",
        file="resnet18-5c106cde.pth",
        layout="torchvision",
        download="imagenet18-5c106cde",
    ),
    "imagenet50-19c8e357": EncoderEntry(
        architecture="resnet50",
        file="resnet50-19c8e357.pth",
        layout="torchvision",
        download="imagenet50-19c8e357",
    ),
    "hvc": EncoderEntry(architecture="resnet18", file="hvc_ytb.pth", layout="torchvision", download="hvc"),
    "mini": EncoderEntry(architecture="resnet18", bundled="mini.pth", layout="torchvision"),
    "random18": EncoderEntry(architecture="resnet18"),
    "random50": EncoderEntry(architecture="resnet50"),
}
