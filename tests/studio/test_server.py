from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sfc_cli.errors import InputError, UsageError
from sfc_cli.studio import server
from sfc_cli.studio.command_line import Opening
from sfc_cli.studio.events import Events
from sfc_cli.studio.propagation_worker import PropagationWorker
from sfc_cli.studio.server import open_browser, open_studio


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PropagationWorker, "start", lambda _: None)


def test_serving__on_this_machine_alone_until_the_page_is_closed(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_GRACE_CLOSED", 0.1)
    with open_studio(Opening(sources=[str(clip)], output=tmp_path / "out")) as serving:
        assert serving._listener.getsockname()[0] == "127.0.0.1"
        thread = threading.Thread(target=serving.run)
        thread.start()
        state = json.load(urllib.request.urlopen(f"{serving.address}api/state"))
        assert state["clip"]["name"] == "walk"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(serving.address.rsplit("/", 2)[0])
        events = urllib.request.urlopen(f"{serving.address}api/events?tab=a")
        assert b'"active"' in events.readline()
        urllib.request.urlopen(f"{serving.address}api/bye?tab=a", data=b"")
        events.close()
        thread.join(20)
        assert not thread.is_alive()
    # The pictures of the frames are gone, what was painted stays.
    assert not (tmp_path / "out" / ".studio" / "frames").exists()
    assert (tmp_path / "out" / ".studio" / "studio.json").is_file()


def test_open_studio__a_port_that_is_taken(clip: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        opening = Opening(sources=[str(clip)], output=tmp_path / "out")
        with pytest.raises(UsageError, match=f"{port} cannot be used"), open_studio(opening, port=port):
            pass


def test_open_studio__what_cannot_be_read_or_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 100)
    (tmp_path / "file").write_text("")
    for opening in (
        Opening(sources=[str(tmp_path / "broken.mp4")]),
        Opening(sources=[str(clip)], output=tmp_path / "file"),
    ):
        with pytest.raises(InputError), open_studio(opening):
            pass


def test_open_browser__none(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(server.webbrowser, "open", lambda _: False)
    open_browser("http://127.0.0.1:1/", lines.append)
    assert "open the address yourself" in lines[0]


def test_events__the_last_tab_paints_and_a_lost_one_hands_back() -> None:
    async def follow() -> list[dict[str, Any]]:
        events, heard = Events(), list[dict[str, Any]]()
        first, second = events.stream("first"), events.stream("second")
        assert '"first"' in await anext(first)
        assert '"second"' in await anext(second)
        assert events.may_write("second")
        assert not events.may_write("first")
        await second.aclose()
        assert events.may_write("first")
        events.publish("frame", frame=3)
        for _ in range(3):
            heard.append(json.loads((await anext(first)).removeprefix("data: ")))
        assert events.seconds_alone() == (0.0, False)
        events.goodbye("first")
        await first.aclose()
        time.sleep(0.01)
        seconds, said_goodbye = events.seconds_alone()
        assert seconds > 0
        assert said_goodbye
        return heard

    heard = asyncio.run(follow())
    assert heard[-1] == {"kind": "frame", "frame": 3}
    assert heard[-2] == {"kind": "active", "tab": "first"}
