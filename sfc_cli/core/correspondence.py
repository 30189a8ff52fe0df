"""The two networks of fine-grained pretraining: an online one that learns, a target one that follows it."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that PyTorch's own code uses

from sfc_cli.core.matching_loss import matching_loss, mutual_loss
from sfc_cli.core.trunk import CHANNELS, Trunk
from sfc_cli.settings.pretraining import Architecture, LastLayer, Recipe


def momentum_at(step: int, total_steps: int, base: float = 0.99) -> float:
    """Return the share of itself that the target keeps at a step: m_t = 1 − (1 − base)(cos(π t / T) + 1) / 2.

    Args:
        step: t, from 0.
        total_steps: T, the optimizer steps of the whole training.
        base: The momentum at step 0; it rises to 1 at step T.
    """
    return 1 - (1 - base) * (math.cos(math.pi * step / total_steps) + 1) / 2


class Head(nn.Module):
    """Two 1×1 convolutions with BatchNorm and ReLU between them; projector and predictor have this form.

    Args:
        in_channels: Channels of the input map.
        hidden_channels: Channels between the convolutions.
        out_channels: Channels of the output map.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        # The attributes name the tensors in the published checkpoint.
        self.linear1 = nn.Conv2d(in_channels, hidden_channels, 1)
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.relu = nn.ReLU(inplace=True)
        self.linear2 = nn.Conv2d(hidden_channels, out_channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h, w]."""
        return self.linear2(self.relu(self.bn1(self.linear1(maps))))  # type: ignore[no-any-return]


class ResidualHead(nn.Module):
    """Three 1×1 convolutions, the second around a residual branch: the projector and predictor of HVC.

    Args:
        in_channels: Channels of the input map.
        hidden_channels: Channels between the convolutions.
        out_channels: Channels of the output map.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Conv2d(in_channels, hidden_channels, 1)
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.linear2 = nn.Conv2d(hidden_channels, hidden_channels, 1)
        self.bn2 = nn.BatchNorm2d(hidden_channels)
        self.linear3 = nn.Conv2d(hidden_channels, out_channels, 1)
        self.relu = nn.LeakyReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h, w]."""
        first = self.relu(self.bn1(self.linear1(maps)))  # [B, hidden_channels, h, w]
        second = self.relu(self.bn2(self.linear2(first) + first))
        return self.linear3(second)  # type: ignore[no-any-return]


class FlowHead(nn.Module):
    """HVC's pseudo-dynamic term: from two views' vectors to a direction for each cell.

    Args:
        channels: Of each view's vectors.
        hidden_channels: Channels between the convolutions.
    """

    def __init__(self, channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Conv2d(2 * channels, hidden_channels, 1)
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.relu = nn.ReLU(inplace=True)
        self.linear2 = nn.Conv2d(hidden_channels, 2, 1)
        self.bn2 = nn.BatchNorm2d(2)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Map two of [B, C, h, w] to unit vectors [B, 2, h, w], float32."""
        maps = self.relu(self.bn1(self.linear1(torch.cat([query, key], dim=1))))
        return F.normalize(self.bn2(self.linear2(maps)).float(), dim=1)


_HEADS: dict[Recipe, type[Head] | type[ResidualHead]] = {"sfc": Head, "hvc": ResidualHead}


class Correspondence(nn.Module):
    """The online and the target branch, whose tensors have the names of the published checkpoint.

    The online branch is trunk, projector, predictor; the target branch is trunk and projector, a moving
    average of the online parameters. Its BatchNorm statistics are its own.

    Args:
        architecture: The ResNet of both trunks.
        last_layer: The last residual layer of the trunks. The published network has ``layer4``; propagation
            reads the features after ``layer3``.
        hidden_channels: Inner channels of projector and predictor.
        out_channels: Channels of the compared vectors.
        recipe: Which heads, and whether the loss has a pseudo-dynamic term.
    """

    def __init__(
        self,
        architecture: Architecture = "resnet18",
        *,
        last_layer: LastLayer = "layer4",
        hidden_channels: int = 2048,
        out_channels: int = 256,
        recipe: Recipe = "sfc",
    ) -> None:
        super().__init__()
        head = _HEADS[recipe]
        self.online_encoder = Trunk(architecture, last_layer=last_layer)
        self.online_projector = head(CHANNELS[architecture, last_layer], hidden_channels, out_channels)
        self.predictor = head(out_channels, hidden_channels, out_channels)
        self.flow = FlowHead(out_channels, hidden_channels) if recipe == "hvc" else None
        _end_residual_blocks_at_zero(self.online_encoder)
        self.target_encoder = copy.deepcopy(self.online_encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.online_projector).requires_grad_(False)

    def forward(
        self,
        views: tuple[Tensor, Tensor],
        boxes: tuple[Tensor, Tensor],
        *,
        momentum: float | None,
        radius: float = 0.5,
    ) -> Tensor:
        """Run both branches on both views and compare them crosswise.

        Order: the online branch on both views, the target's step towards the online parameters, the target
        branch on both views.

        Args:
            views: Two of [B, 3, H, W], normalised.
            boxes: Two of [B, 4], where each view lies in its image.
            momentum: How much of itself the target keeps; None to leave the target as it is, as in all but
                the first part of an accumulated batch.
            radius: Of positive pairs, see ``matching_loss``.

        Returns:
            The loss, a scalar: both directions together.

        Note:
            The views pass one after the other. One joint pass would mix the BatchNorm statistics of the two
            views and leave the published training (`docs/pretraining.md`).
        """
        predictions = [self.predict(view) for view in views]  # [B, C, h, w] each
        if momentum is not None:
            self.follow(momentum)
        targets = [self.project(view) for view in views]  # [B, C, h, w] each
        first, second = boxes
        return self._direction(predictions[0], targets[1], first, second, radius) + self._direction(
            predictions[1], targets[0], second, first, radius
        )

    def _direction(
        self, prediction: Tensor, target: Tensor, query_boxes: Tensor, key_boxes: Tensor, radius: float
    ) -> Tensor:
        """Return one direction of the loss, from the view of the prediction to that of the target."""
        loss = matching_loss(prediction, target, query_boxes, key_boxes, radius)
        if self.flow is not None:
            there, back = self.flow(prediction, target), self.flow(target, prediction)  # [B, 2, h, w]
            loss = loss + mutual_loss(there, back, query_boxes, key_boxes, radius)
        return loss

    def predict(self, view: Tensor) -> Tensor:
        """Return the online branch's unit vectors p of a view [B, 3, H, W]: [B, C, h, w], float32."""
        maps = self.predictor(self.online_projector(self.online_encoder(view)))
        return F.normalize(maps.float(), dim=1)

    @torch.no_grad()
    def project(self, view: Tensor) -> Tensor:
        """Return the target branch's unit vectors z of a view [B, 3, H, W]: [B, C, h, w], float32."""
        return F.normalize(self.target_projector(self.target_encoder(view)).float(), dim=1)

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the target's parameters towards the online ones: target ← m · target + (1 − m) · online."""
        online: list[Tensor] = [*self.online_encoder.parameters(), *self.online_projector.parameters()]
        torch._foreach_lerp_(self.target_parameters(), online, 1 - momentum)

    def target_parameters(self) -> list[Tensor]:
        """Return what ``follow`` moves."""
        return [*self.target_encoder.parameters(), *self.target_projector.parameters()]


def _end_residual_blocks_at_zero(trunk: Trunk) -> None:
    """Set the last BatchNorm weight of each residual block to 0, so that each block starts as identity."""
    for name, module in trunk.named_modules():
        last = "bn2" if trunk.architecture == "resnet18" else "bn3"
        if name.endswith(f".{last}") and isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.weight)
