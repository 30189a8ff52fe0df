from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.errors import InputError
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.sequences import FrameFiles, FrameSequence, list_sequences, share_of

MakeDavis = Callable[..., Path]


def _sequence(name: str, frames: int) -> FrameSequence:
    paths = tuple(Path(f"{t:05d}.jpg") for t in range(frames))
    anchors = MaskAnchors({0: np.ones((2, 2), np.uint8)})
    return FrameSequence(name=name, frames=FrameFiles(paths, (2, 2)), anchors=anchors, expected=frames)


def test_list_sequences__what_is_to_be_done(make_davis: MakeDavis) -> None:
    data = make_davis({"b": 3, "a": 2})
    listed = list_sequences(data, None, ["b", "a"])
    assert [(one.name, one.expected) for one in listed] == [("b", 3), ("a", 2)]
    assert listed[0].frames.size == listed[0].input_size == (48, 64)
    assert [stamp.name for stamp in listed[0].result_stamps or []] == ["00000", "00001", "00002"]


def test_list_sequences__counts_the_problems(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 1, "c": 1})
    with pytest.raises(InputError, match="Sequence b has a single frame") as caught:
        list_sequences(data, None, None)
    assert "1 more sequences have problems" in caught.value.hint


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_share_of__every_sequence_once(world: int) -> None:
    sequences = [_sequence(f"s{number}", 10 + 7 * number % 50) for number in range(11)]
    shares = [share_of(sequences, rank, world) for rank in range(world)]
    assert sorted(sequence.name for share in shares for sequence in share) == sorted(
        sequence.name for sequence in sequences
    )
    loads = [sum(sequence.expected or 0 for sequence in share) for share in shares]
    assert max(loads) - min(loads) <= max(sequence.expected or 0 for sequence in sequences)


def test_share_of__longest_first() -> None:
    sequences = [
        _sequence("short", 3),
        _sequence("long", 90),
        _sequence("middle", 40),
        _sequence("other", 40),
    ]
    assert [sequence.name for sequence in share_of(sequences, 0, 2)] == ["long"]
    assert [sequence.name for sequence in share_of(sequences, 1, 2)] == ["middle", "other", "short"]


def test_list_sequences__size_as_the_frame_is_shown(make_davis: MakeDavis) -> None:
    # A phone stores a portrait lying down, with a note to turn it; OpenCV turns it, and so do viewers.
    from PIL import Image

    data = make_davis({"only": 2}, size=(48, 64))
    path = data / "JPEGImages" / "480p" / "only" / "00000.jpg"
    with Image.open(path) as image:
        note = image.getexif()
        note[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=note)
    assert list_sequences(data, None, ["only"])[0].frames.size == (48, 64)
