import pytest

from sfc_cli.core.propagation.context import FIRST_SLOT, copies_of_first, slot_of, window_frames


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (1, [0, 0, 0]),
        (2, [0, 0, 1]),
        (3, [0, 1, 2]),
        (4, [1, 2, 3]),
        (9, [6, 7, 8]),
    ],
)
def test_window_frames__literal(target: int, expected: list[int]) -> None:
    assert window_frames(target, 3) == expected


def test_window_frames__published_length() -> None:
    # With frame 0 as the long memory: 21 copies for target 1, two for target 20, one from target 21 on.
    in_all = [1 + window_frames(target, 20).count(0) for target in (1, 20, 21, 22)]
    assert in_all == [21, 2, 1, 1]


@pytest.mark.parametrize("context_frames", [1, 2, 7, 20])
def test_copies_of_first__counts_the_window(context_frames: int) -> None:
    for target in range(1, 30):
        expected = window_frames(target, context_frames).count(0)
        assert copies_of_first(target, context_frames) == expected


@pytest.mark.parametrize("context_frames", [1, 2, 7])
def test_slot_of__window_never_overlaps(context_frames: int) -> None:
    assert slot_of(0, context_frames) == FIRST_SLOT
    for target in range(1, 30):
        window = set(window_frames(target, context_frames)) | {0}
        slots = [slot_of(frame, context_frames) for frame in window]
        assert len(set(slots)) == len(window)
        assert max(slots) <= context_frames
