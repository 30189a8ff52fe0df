"""A frame of a video as a picture; what it refuses is tested in `tests/commands`, except for links."""

from pathlib import Path

import pytest

from sfc_cli.conversion.writers import write_frame
from sfc_cli.errors import UsageError
from tests.commands.footage import make_frames, write_images


def test_write_frame__over_an_image_behind_a_link(tmp_path: Path) -> None:
    write_images(Path("pool"), make_frames(3))
    Path("shots").mkdir()
    for path in sorted(Path("pool").iterdir()):
        (Path("shots") / path.name).symlink_to(tmp_path / "work" / path)
    before = Path("pool/00001.png").read_bytes()
    for source in ("shots", "shots/*.png"):
        with pytest.raises(UsageError, match=r"pool/00001\.png is the same file as shots/00001\.png"):
            write_frame(source, Path("pool/00001.png"))
    assert Path("pool/00001.png").read_bytes() == before
    write_frame("shots", Path("pool/new.png"))
    assert Path("pool/new.png").read_bytes()
