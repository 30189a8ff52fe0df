"""Soft labels from given features, as published."""

import numpy as np
import pytest
import torch

from sfc_cli.core.propagation import propagate_labels
from tests.conftest import Golden

CASES = (
    "small",
    "long-context",
    "one-row",
    "tall",
    "wide-radius",
    "fractional-radius",
    "single-frame-context",
)


@pytest.mark.parametrize("backend", ["reference", "windowed"])
@pytest.mark.parametrize("case", CASES)
def test_propagate_labels__published_soft_labels(golden: Golden, case: str, backend: str) -> None:
    stored = np.load(golden / f"propagation/{case}.npz")
    soft = propagate_labels(
        torch.from_numpy(stored["features"]).permute(1, 0, 2, 3),
        torch.from_numpy(stored["first_label"]).permute(2, 0, 1),
        top_k=int(stored["topk"]),
        radius=float(stored["radius"]),
        temperature=float(stored["temp"]),
        context_frames=int(stored["n_context"]),
        backend=backend,  # type: ignore[arg-type]
    )
    np.testing.assert_allclose(soft.permute(0, 2, 3, 1).numpy(), stored["expected"], rtol=0, atol=1e-4)
