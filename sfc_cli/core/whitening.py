"""Whitened features: what all cells of a video share counts less, and few channels carry the rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Whitening:
    """A linear map of unit features to whitened unit features.

    Args:
        mean: μ of the features that it was fitted to, [C].
        projection: Λ_d^(−1/2) U_dᵀ, [d, C].
    """

    mean: Tensor
    projection: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Whiten features: f' = normalise(Λ_d^(−1/2) U_dᵀ (f − μ)).

        Args:
            features: Unit features, [B, C, h, w].

        Returns:
            Unit features, [B, d, h, w].
        """
        offset = self.projection @ self.mean  # [d]
        mapped = torch.einsum("dc,bchw->bdhw", self.projection, features) - offset[:, None, None]
        return functional.normalize(mapped, dim=1)


def fit_whitening(features: Tensor, channels: int, shrinkage: float) -> Whitening:
    """Fit a whitening to the cells of one frame.

    With μ and Σ of the features over the cells, Σ' = (1 − s) Σ + s (tr Σ / C) I; its leading eigenvectors U_d
    and eigenvalues Λ_d make the map.

    Args:
        features: Unit features of the frame, [C, h, w].
        channels: d, the leading directions that are kept; C at most.
        shrinkage: s in 0…1: 0 whitens fully, 1 centres only. Few cells for many channels need some.

    Returns:
        The map, on the features' device.
    """
    cells = features.flatten(1).cpu().double()  # [C, N]
    mean = cells.mean(1)
    centred = cells - mean[:, None]
    covariance = centred @ centred.T / cells.shape[1]  # [C, C]
    # Ascending eigenvalues; shrinking changes them, not their directions.
    values, vectors = torch.linalg.eigh(covariance)
    shrunk = (1 - shrinkage) * values.clamp_min(0) + shrinkage * covariance.trace() / len(covariance)
    kept = slice(max(0, len(values) - channels), None)
    # What the frame lacks is rounding and must not drown the rest; a frame of one colour has nothing at all.
    floor = max(1e-6 * float(covariance.trace()) / len(covariance), torch.finfo(torch.float32).tiny)
    scale = shrunk[kept].clamp_min(floor).rsqrt()
    projection = scale[:, None] * vectors[:, kept].T  # [d, C]
    # Not every device has float64.
    return Whitening(mean.float().to(features), projection.float().to(features))
