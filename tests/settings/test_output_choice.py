import pytest

from sfc_cli.settings.propagation import MASKS_ALONE, OutputChoice


def test_output_choice__masks_alone_is_empty() -> None:
    assert OutputChoice() == MASKS_ALONE
    assert MASKS_ALONE.is_empty
    assert not MASKS_ALONE.needs_labels


@pytest.mark.parametrize(
    ("choice", "needs_labels"),
    [
        (OutputChoice(overlay="gif"), False),
        (OutputChoice(cutout=True), False),
        (OutputChoice(soft=True), True),
        (OutputChoice(objects=True), True),
    ],
)
def test_output_choice__what_masks_on_disk_are_enough_for(choice: OutputChoice, needs_labels: bool) -> None:
    assert not choice.is_empty
    assert choice.needs_labels is needs_labels
