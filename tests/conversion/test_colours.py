from pathlib import Path

import numpy as np
import pytest

from sfc_cli.conversion.colours import choose_legend
from sfc_cli.data.masks import palette, write_mask
from sfc_cli.errors import InputError


@pytest.mark.parametrize("identities", [(1, 4), (3, 6), (1, 2, 3), (9,)])
@pytest.mark.parametrize("swapped", [False, True])
def test_choose_legend__by_agreement_with_the_annotation(
    tmp_path: Path, identities: tuple[int, ...], swapped: bool
) -> None:
    # 1 and 4, or 3 and 6, are each other's colour when red and blue change places.
    truth = np.zeros((12, 30), np.uint8)
    for place, identity in enumerate(identities):
        truth[2:10, 8 * place : 8 * place + 3 + place] = identity
    write_mask(tmp_path / "a.png", truth)
    colours = palette()[np.roll(truth, 1, axis=1)]
    masks = [(tmp_path / "m.png", colours[..., ::-1] if swapped else colours)]
    legend = choose_legend(iter(masks), tmp_path / "a.png", truth)
    np.testing.assert_array_equal(legend.read(masks[0][1], Path("m")), np.roll(truth, 1, axis=1))


def test_choose_legend__neither_order_fits(tmp_path: Path) -> None:
    truth = np.ones((4, 4), np.uint8)
    write_mask(tmp_path / "a.png", truth)
    colours = np.full((4, 4, 3), (11, 22, 33), np.uint8)
    with pytest.raises(InputError, match=r"\(11, 22, 33\)") as caught:
        choose_legend(iter([(tmp_path / "m.png", colours)]), tmp_path / "a.png", truth)
    assert str(tmp_path / "m.png") in caught.value.message
