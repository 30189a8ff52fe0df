from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from sfc_cli.data.masks import encode_mask, read_ids, write_mask
from sfc_cli.errors import InputError, UsageError
from sfc_cli.studio.workbench import Workbench
from tests.commands.footage import HEIGHT, WIDTH, mask_of
from tests.studio.conftest import Open, api, client_of


def ids_in(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, np.uint8).reshape(HEIGHT, WIDTH)


def paint(client: TestClient, index: int, ids: np.ndarray, objects: str) -> Any:
    return client.put(api(f"masks/{index}?objects={objects}"), content=gzip.compress(ids.tobytes()))


def test_state__tells_of_the_clip(client: TestClient) -> None:
    state = client.get(api("state")).json()
    assert state["clip"] == {
        "name": "walk",
        "source": state["clip"]["source"],
        "width": WIDTH,
        "height": HEIGHT,
        "frames_per_second": 24.0,
        "count": 6,
        "read": 6,
        "is_read": True,
        "problem": None,
    }
    assert state["command"] == ""
    assert not state["was_restored"]
    assert len(state["colours"]) == 254


def test_frames__are_pictures(client: TestClient) -> None:
    for query in ("", "?full=1"):
        answer = client.get(api(f"frames/3{query}"))
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (WIDTH, HEIGHT)
    assert client.get(api("frames/6")).status_code == 400
    assert "no frame 6" in client.get(api("frames/6")).json()["error"]


def test_masks__what_is_painted_is_kept_and_shown(client: TestClient, bench: Workbench) -> None:
    assert client.get(api("masks/2")).status_code == 204
    ids = mask_of(2)
    answer = paint(client, 2, ids, "1,2")
    assert answer.json()["anchors"] == {"2": [1, 2]}
    assert answer.json()["objects"]["2"]["name"] == "Object 2"
    assert np.array_equal(ids_in(client.get(api("masks/2"))), ids)
    assert np.array_equal(read_ids(bench.project.mask_path(2)), ids)
    assert "--mask 2:" in answer.json()["command"]
    assert client.delete(api("masks/2")).json()["anchors"] == {}
    assert client.get(api("masks/2")).status_code == 204


def test_masks__a_mask_speaks_of_what_was_touched(client: TestClient, bench: Workbench) -> None:
    result = mask_of(3)
    write_mask(bench.results.mask("walk", "00003"), result)
    edited = np.where(result == 1, 0, result)
    edited[40:60, 5:30] = 1
    assert paint(client, 3, edited, "1").json()["anchors"] == {"3": [1]}
    assert np.unique(read_ids(bench.project.mask_path(3))).tolist() == [0, 1]
    # What the page shows is both: the other object goes on from its own mask.
    assert np.array_equal(ids_in(client.get(api("masks/3"))), edited)
    assert np.array_equal(ids_in(client.get(api("masks/3?which=result"))), result)
    # An object that was wiped out on a frame cannot be said to be gone.
    assert paint(client, 3, np.zeros_like(edited), "1").json()["anchors"] == {}


@pytest.mark.parametrize(
    ("content", "objects"),
    [
        (b"", "1"),
        (bytes(HEIGHT * WIDTH - 1), "1"),
        (bytes(HEIGHT * WIDTH + 1), "1"),
        (gzip.compress(bytes(50_000_000)), "1"),
        (b"\x1f\x8bdamaged", "1"),
        (bytes(HEIGHT * WIDTH), "255"),
        (bytes(HEIGHT * WIDTH), "0"),
        (bytes(HEIGHT * WIDTH), "-1,x"),
    ],
)
def test_masks__odd_ones_are_refused(client: TestClient, content: bytes, objects: str) -> None:
    answer = client.put(api(f"masks/0?objects={objects}"), content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.get(api("state")).json()["anchors"] == {}


def test_masks__of_no_frame(client: TestClient) -> None:
    assert paint(client, 6, mask_of(0), "1").status_code == 400
    assert paint(client, 10**30, mask_of(0), "1").status_code in (400, 404)


def test_import__everything_that_a_mask_may_be(client: TestClient) -> None:
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[mask_of(1) == 1], colours[mask_of(1) == 2] = (250, 10, 10), (10, 10, 250)
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    answer = client.post(api("import/1?name=painted.png"), content=buffer.getvalue())
    assert answer.json()["anchors"] == {"1": [1, 2]}
    assert set(np.unique(ids_in(client.get(api("masks/1"))))) == {0, 1, 2}
    # The name of an upload leads nowhere.
    for name in ("../../evil.png", "/etc/passwd", "a.png/../../x", "", "..."):
        assert client.post(api("import/1"), params={"name": name}, content=encode_mask(mask_of(1))).is_success


@pytest.mark.parametrize(
    "content",
    [b"", b"text", encode_mask(np.ones((3, 3), np.uint8)), encode_mask(np.zeros((HEIGHT, WIDTH), np.uint8))],
)
def test_import__odd_files_are_refused_by_name(client: TestClient, content: bytes) -> None:
    answer = client.post(api("import/1?name=mine.png"), content=content)
    assert answer.status_code == 400
    assert "mine.png" in answer.json()["error"]


def test_solve__gives_a_mask_in_a_box(client: TestClient) -> None:
    marks = {
        "object": 1,
        "loop": [[3, 6], [38, 6], [38, 40], [3, 40]],
        "strokes": [{"points": [[14, 20], [26, 28]], "is_object": True}],
    }
    answer = client.post(api("solve/0"), json=marks)
    assert answer.status_code == 200, answer.text
    left, top, width, height = map(int, answer.headers["x-box"].split(","))
    mask = np.frombuffer(answer.content, np.uint8).reshape(height, width)
    found = np.zeros((HEIGHT, WIDTH), bool)
    found[top : top + height, left : left + width] = mask == 1
    truth = mask_of(0) == 1
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    assert client.get(api("state")).json()["marks"] == {"0": marks}


@pytest.mark.parametrize(
    "marks",
    [
        None,
        [],
        {},
        {"loop": [], "strokes": []},
        {"loop": [[1, 1], [2, 2], [3, 1]], "strokes": []},
        {"loop": [[1, 1], [2, 2], [3, 1]], "strokes": [{"points": [], "is_object": True}]},
        {"loop": [["a", 1]], "strokes": []},
        {"loop": [[1e999, 1], [2, 2], [3, 1]], "strokes": []},
        {"loop": [[1e5, 1e5], [2e5, 1e5], [1e5, 2e5]], "strokes": [{"points": [[1, 1]], "is_object": True}]},
        {"loop": [[1, 1]] * 30_000, "strokes": [{"points": [[1, 1]], "is_object": True}]},
    ],
)
def test_solve__odd_marks_are_refused(client: TestClient, marks: Any) -> None:
    if isinstance(marks, dict):
        marks = {"object": 1, **marks}
    answer = client.post(api("solve/0"), content=json.dumps(marks))
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert client.get(api("state")).status_code == 200


def test_objects__names_and_colours(client: TestClient) -> None:
    objects = {"1": {"name": "dog", "colour": "#00ff00"}, "7": {"name": "cat", "colour": "#ff0000"}}
    assert client.put(api("objects"), json=objects).status_code == 204
    assert client.get(api("state")).json()["objects"] == objects
    for odd in (
        [],
        {"0": objects["1"]},
        {"255": objects["1"]},
        {"1": {"name": "x", "colour": "red"}},
        {"1": 3},
    ):
        assert client.put(api("objects"), json=odd).status_code == 400
    assert client.put(api("objects"), content=b"{").status_code == 400
    assert client.get(api("state")).json()["objects"] == objects


def test_propagate__hands_over_what_was_painted(client: TestClient, bench: Workbench) -> None:
    assert client.post(api("propagate"), json={}).status_code == 400
    paint(client, 0, mask_of(0), "1,2")
    paint(client, 4, mask_of(4, 2), "2")
    answer = client.post(api("propagate"), json={"direction": "both", "overlay": "video", "cutout": True})
    assert answer.status_code == 200, answer.text
    assert "--both-ways" in answer.json()["command"]
    (work,) = bench.worker.begun  # type: ignore[attr-defined]
    assert [number for number, _ in work.masks] == [0, 4]
    assert (work.direction, work.choice.overlay, work.choice.cutout) == ("both", "video", "png")
    for odd in ({"direction": "up"}, {"overlay": "../x"}, []):
        assert client.post(api("propagate"), json=odd).status_code == 400


def test_tabs__only_the_one_that_paints_may_write(client: TestClient, bench: Workbench) -> None:
    bench.events.activate("second")
    answer = client.put(api("objects"), json={}, headers={"x-studio-tab": "first"})
    assert answer.status_code == 409
    assert answer.json()["taken"]
    assert client.put(api("objects"), json={}, headers={"x-studio-tab": "second"}).status_code == 204
    client.post(api("active"), headers={"x-studio-tab": "first"})
    assert client.put(api("objects"), json={}, headers={"x-studio-tab": "first"}).status_code == 204


def test_restart__goes_on_where_it_was(open_bench: Open) -> None:
    first = open_bench()
    client = client_of(first)
    paint(client, 1, mask_of(1), "1")
    client.put(api("marks/2"), json={"object": 1, "loop": [[1, 2]], "strokes": []})
    with pytest.raises(UsageError, match="Another"):
        open_bench()
    first.close()
    # What was painted belongs to its frames.
    with pytest.raises(InputError, match="other frames"):
        open_bench(start="1")
    second = open_bench()
    state = client_of(second).get(api("state")).json()
    assert state["was_restored"]
    assert state["anchors"] == {"1": [1]}
    assert state["marks"]["2"]["loop"] == [[1, 2]]
    assert client_of(second).post(api("clear")).json()["anchors"] == {}
    second.close()
    assert not open_bench().was_restored


def test_full_disk__is_told_and_nothing_is_lost(
    client: TestClient, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(client, 0, mask_of(0), "1")

    def full(self: Path, content: bytes) -> int:  # noqa: ARG001
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        answer = paint(client, 0, mask_of(1), "1")
    assert answer.status_code == 507
    assert "No space left" in answer.json()["error"]
    assert np.array_equal(read_ids(bench.project.mask_path(0)) == 1, mask_of(0) == 1)
    assert paint(client, 0, mask_of(1), "1").status_code == 200


def test_before__keeps_the_masks_of_the_last_run(client: TestClient, bench: Workbench) -> None:
    write_mask(bench.results.mask("walk", "00003"), mask_of(3))
    bench.project.keep_before()
    write_mask(bench.results.mask("walk", "00003"), mask_of(4))
    assert np.array_equal(ids_in(client.get(api("masks/3?which=before"))), mask_of(3))
    assert np.array_equal(ids_in(client.get(api("masks/3"))), mask_of(4))
