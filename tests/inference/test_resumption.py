"""What an interrupted run leaves: a kill in its removal leaves nothing that is taken for whole."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.inference.resumption import ContextMemory, open_state, remove_state


def _fill(folder: Path) -> None:
    memory = ContextMemory(open_state(folder, "key"), 2)
    for index in range(5):
        memory.write(index, [np.zeros((1, 2, 2), np.float32)])


def test_remove_state__killed_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: (tmp_path / "a" / "00000003.npz").unlink())
        remove_state(tmp_path / "a")
    assert ContextMemory(open_state(tmp_path / "a", "key"), 2).done == 0


def test_remove_state__other_processes_keep_their_folder(tmp_path: Path) -> None:
    # Removed between two steps of theirs, it would fail what they are about to write in it.
    _fill(tmp_path / ".resume" / "a")
    remove_state(tmp_path / ".resume" / "a")
    assert not any((tmp_path / ".resume").iterdir())
