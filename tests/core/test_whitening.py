import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.whitening import fit_whitening


def _features(channels: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    # Strong common direction and unequal variances, as features of a network have them.
    scales = torch.linspace(0.1, 2, channels)[:, None, None]
    maps = torch.randn(3, channels, 9, 11, generator=generator) * scales + 1.5
    return functional.normalize(maps, dim=1)


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("channels", [4, 12])
def test_fit_whitening__as_the_formula_says(channels: int, shrinkage: float) -> None:
    features = _features()
    cells = features[0].flatten(1).double().numpy()  # [C, N]
    mean = cells.mean(1)
    covariance = np.cov(cells, bias=True)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 12 * np.eye(12)
    vectors = np.linalg.eigh(covariance)[1]
    kept = vectors[:, -channels:]
    scale = np.sqrt(np.diag(kept.T @ shrunk @ kept))
    expected = np.einsum("cd,bchw->bdhw", kept / scale, features.double().numpy() - mean[:, None, None])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = fit_whitening(features[0], channels, shrinkage)(features).double().numpy()
    assert found.shape == (3, channels, 9, 11)
    # Directions have no sign: what matching sees are dot products.
    products = np.einsum("dn,dm->nm", found[0].reshape(channels, -1), found[1].reshape(channels, -1))
    wanted = np.einsum("dn,dm->nm", expected[0].reshape(channels, -1), expected[1].reshape(channels, -1))
    np.testing.assert_allclose(products, wanted, atol=1e-4)


def test_fit_whitening__without_shrinkage_and_all_channels_is_white() -> None:
    features = _features()[0]
    whitening = fit_whitening(features, 12, 0.0)
    mapped = whitening.projection @ (features.flatten(1) - whitening.mean[:, None])
    torch.testing.assert_close(torch.cov(mapped, correction=0), torch.eye(12), atol=1e-3, rtol=0)


def test_fit_whitening__gives_unit_vectors_and_at_most_the_channels_there_are() -> None:
    features = _features()
    found = fit_whitening(features[0], 500, 0.5)(features)
    assert found.shape == features.shape
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3, 9, 11))


def test_fit_whitening__a_frame_of_one_colour_stays_finite() -> None:
    features = torch.full((1, 6, 4, 5), 6**-0.5)
    assert fit_whitening(features[0], 4, 0.5)(features).isfinite().all()


def test_fit_whitening__directions_that_the_frame_lacks_do_not_drown_the_others() -> None:
    features = _features()
    features[0, 3] = 0
    whitening = fit_whitening(functional.normalize(features[:1], dim=1)[0], 12, 0.0)
    scales = whitening.projection.norm(dim=1)
    assert scales.max() / scales.median() < 1e4


def test_fit_whitening__a_device_without_float64() -> None:
    class OnDevice(Tensor):
        def double(self, *_: object) -> Tensor:
            raise TypeError("no float64 here")

        def cpu(self, *_: object) -> Tensor:
            return self.as_subclass(Tensor)

    features = _features()[0].as_subclass(OnDevice)
    assert fit_whitening(features, 4, 0.5).projection.shape == (4, 12)
