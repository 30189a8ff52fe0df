"""The loss of fine-grained pretraining: cells of two views that show the same spot must look alike."""

from __future__ import annotations

import torch
from torch import Tensor

# method: the released code's guard against a pair of views that shares no cell.
EPSILON = 1e-6
# The mask of a slice of the batch stays below this many bytes, whatever the batch: 16 MiB at most.
MASK_BYTES = 16 * 2**20


def matching_loss(
    query: Tensor, key: Tensor, query_boxes: Tensor, key_boxes: Tensor, radius: float = 0.5
) -> Tensor:
    """Score how well each query cell agrees with the key cells that show the same spot.

    L = −2 · mean_b( Σ_ij M_ij (p_i · z_j) / (Σ_ij M_ij + 1e-6) ), where M_ij is 1 if the distance of the
    cells' centres, divided by the larger of the two cell diagonals, is strictly below ``radius``.

    The sums are taken as Σ_i p_i · (Σ_j M_ij z_j): the inner sum needs no gradient, so that neither the N×N
    affinities nor the mask is kept for the backward pass. The mask itself is built a few samples at a time
    from two separable parts, [h, h] and [w, w].

    Args:
        query: [B, C, h, w], unit vectors over C: the online network's predictions p of one view.
        key: [B, C, h, w], unit vectors over C: the target network's projections z of the other view. No
            gradient flows into it.
        query_boxes: [B, 4], where the query view lies in its image: left, top, right, bottom in 0…1.
        key_boxes: [B, 4], where the key view lies in the same image.
        radius: Cells are a positive pair below this distance, in diagonals of the larger cell.

    Returns:
        A scalar between −2 and 2, one direction of the loss.
    """
    pooled, counts = positive_sums(key.detach(), query_boxes, key_boxes, radius)  # [B, C, h, w], [B]
    agreement = (query * pooled).sum(dim=(1, 2, 3))  # [B]
    return -2 * (agreement / (counts + EPSILON)).mean()


def mutual_loss(
    query: Tensor, key: Tensor, query_boxes: Tensor, key_boxes: Tensor, radius: float = 0.5
) -> Tensor:
    """Score the same agreement as ``matching_loss``, and let both sides learn from it.

    Args:
        query: [B, C, h, w], unit vectors over C of one view.
        key: [B, C, h, w], unit vectors over C of the other view; the gradient flows into it as well.
        query_boxes: [B, 4], where the query view lies in its image: left, top, right, bottom in 0…1.
        key_boxes: [B, 4], where the key view lies in the same image.
        radius: As in ``matching_loss``.

    Returns:
        A scalar between −2 and 2, one direction of the loss.
    """
    from_query = matching_loss(query, key, query_boxes, key_boxes, radius)
    # Of the same value, since a pair of cells is positive seen from either side; only its gradient is new.
    from_key = matching_loss(key, query, key_boxes, query_boxes, radius)
    return from_query + (from_key - from_key.detach())


@torch.no_grad()
def positive_sums(
    key: Tensor, query_boxes: Tensor, key_boxes: Tensor, radius: float
) -> tuple[Tensor, Tensor]:
    """Sum, for each query cell, the key vectors that form a positive pair with it.

    Args:
        key: [B, C, h, w].
        query_boxes: [B, 4].
        key_boxes: [B, 4].
        radius: As in ``matching_loss``.

    Returns:
        The sums [B, C, h, w], and the number of positive pairs of each sample [B], as floats.
    """
    B, C, h, w = key.shape
    cells = h * w
    flat_keys = key.flatten(2).transpose(1, 2)  # [B, N, C]
    sums = torch.empty_like(flat_keys)  # [B, N, C]
    counts = key.new_empty(B)  # [B]
    # A boolean mask and its copy in the keys' type lie side by side for a moment.
    samples = max(1, MASK_BYTES // (cells * cells * (1 + key.element_size())))
    for start in range(0, B, samples):
        part = slice(start, start + samples)
        mask = positive_pairs(query_boxes[part], key_boxes[part], (h, w), radius)  # [b, N, N]
        counts[part] = mask.sum(dim=(1, 2))
        torch.bmm(mask.to(key.dtype), flat_keys[part], out=sums[part])
    return sums.transpose(1, 2).reshape(B, C, h, w), counts


def positive_pairs(query_boxes: Tensor, key_boxes: Tensor, grid: tuple[int, int], radius: float) -> Tensor:
    """Return which cells of two views of an image lie close enough to show the same spot.

    Args:
        query_boxes: [B, 4], left, top, right, bottom in 0…1.
        key_boxes: [B, 4].
        grid: h and w of both views.
        radius: As in ``matching_loss``.

    Returns:
        Boolean [B, N, N]; row = query cell, column = key cell.
    """
    h, w = grid
    query_x, query_y, query_diagonals = _cell_centres(query_boxes, grid)  # [B, w], [B, h], [B]
    key_x, key_y, key_diagonals = _cell_centres(key_boxes, grid)
    diagonals = torch.maximum(query_diagonals, key_diagonals)[:, None, None]  # [B, 1, 1]
    # As dy² < radius² − dx²: until they are compared, both sides are only as large as one axis.
    dx = ((query_x[:, :, None] - key_x[:, None, :]) / diagonals).square()  # [B, w, w]
    dy = ((query_y[:, :, None] - key_y[:, None, :]) / diagonals).square()  # [B, h, h]
    mask = dy[:, :, None, :, None] < radius**2 - dx[:, None, :, None, :]  # [B, h, w, h, w]
    return mask.view(-1, h * w, h * w)


def _cell_centres(boxes: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells' centres in image coordinates, [B, w] and [B, h], and their diagonals [B]."""
    h, w = grid
    left, top, right, bottom = boxes.float().unbind(dim=1)  # [B] each
    width, height = (right - left) / w, (bottom - top) / h  # [B]
    x = left[:, None] + (torch.arange(w, device=boxes.device) + 0.5) * width[:, None]  # [B, w]
    y = top[:, None] + (torch.arange(h, device=boxes.device) + 0.5) * height[:, None]  # [B, h]
    return x, y, torch.hypot(width, height)
