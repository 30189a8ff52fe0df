"""The page in a real browser, from a loop around an object to exported results."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids
from sfc_cli.settings.locations import assets_folder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SAMPLE = assets_folder() / "sample" / "JPEGImages" / "480p" / "car-shadow"
FRAMES = 6
# A few frames, small to the network: what is tested here is the page.
SMALL = ("--end", str(FRAMES), "--size", "120")
PATIENCE = 240_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Around the car and across it, on frame 0 of the sample.
LOOP = [
    (310, 200),
    (380, 120),
    (480, 95),
    (600, 92),
    (650, 130),
    (658, 240),
    (610, 290),
    (480, 285),
    (330, 275),
]
STROKE = [
    *((340, 235), (360, 200), (430, 190), (470, 150), (560, 140), (600, 130)),
    *((620, 200), (590, 240), (440, 230)),
]


@dataclass
class Studio:
    page: Any
    process: subprocess.Popen[str]
    address: str
    output: Path

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pixel of the frame is on the screen."""
        script = (
            "async ([x, y]) => { const { view } = await import('./view.js'); const box = "
            "document.querySelector('#canvas').getBoundingClientRect(); "
            "return [box.left + view.x + x * view.scale, box.top + view.y + y * view.scale]; }"
        )
        left, top = self.page.evaluate(script, [x, y])
        return left, top

    def draw(self, points: list[tuple[float, float]]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.place(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(*point), steps=4)
        mouse.up()

    def wait_until_saved(self) -> None:
        self.page.wait_for_selector("#saved:text-is('Saved')")

    def propagate(self, button: str = "#propagate") -> None:
        self.page.click(button)
        self.page.wait_for_selector("#progress", state="visible", timeout=PATIENCE)
        self.page.wait_for_selector("#progress", state="hidden", timeout=PATIENCE)

    def masks(self) -> dict[str, np.ndarray]:
        return {path.name: read_ids(path) for path in sorted((self.output / "car-shadow").glob("*.png"))}


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "sfc_cli", "studio", "--no-browser", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    for line in process.stdout:
        if "http://" in line:
            return process, next(word for word in line.split() if word.startswith("http://"))
    raise AssertionError(f"no address from {command}, exit code {process.wait()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def open_page(browser: Any, address: str, errors: list[str], **context: Any) -> Any:
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context}).new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(f"{request.url} {request.failure}"))
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    return page


def end(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(30)


def propagated_on_the_command_line(studio: Studio, output: Path) -> dict[str, np.ndarray]:
    """Run the command line that the page shows, into another folder."""
    command = studio.page.text_content("#command code").split()
    assert command[:2] == ["sfc", "propagate"]
    command[command.index("-o") + 1] = str(output)
    subprocess.run([sys.executable, "-m", "sfc_cli", *command[1:]], check=True, capture_output=True)
    return {path.name: read_ids(path) for path in sorted((output / "car-shadow").glob("*.png"))}


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in found
    )


def test_page__from_a_loop_to_results(browser: Any, tmp_path: Path) -> None:
    output, errors = tmp_path / "out", list[str]()
    process, address = start(str(SAMPLE), "-o", str(output), *SMALL)
    try:
        page = open_page(browser, address, errors)
        studio = Studio(page, process, address, output)
        # A loop and a stroke make a proposal, which is accepted.
        studio.draw([*LOOP, LOOP[0]])
        studio.draw(STROKE)
        page.wait_for_selector("#proposal", state="visible")
        page.click("#accept")
        studio.wait_until_saved()
        truth = (
            read_ids(assets_folder() / "sample" / "Annotations" / "480p" / "car-shadow" / "00000.png") == 1
        )
        painted = read_ids(output / ".studio" / "masks" / "000000.png") == 1
        assert (painted & truth).sum() / (painted | truth).sum() > 0.75
        # It is propagated live, and equals the command line's to the pixel.
        studio.propagate()
        first = studio.masks()
        assert len(first) == FRAMES
        assert same(first, propagated_on_the_command_line(studio, tmp_path / "line"))
        # A correction on a later frame changes that frame and those after it.
        page.keyboard.press("Home")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.wait_for_selector("#moment:has-text('3 / 5')")
        page.wait_for_timeout(500)
        page.keyboard.press("b")
        studio.draw([(200, 400), (260, 400)])
        studio.wait_until_saved()
        studio.propagate()
        second = studio.masks()
        assert second["00003.png"][400, 230] == 1
        assert {name for name in first if not np.array_equal(first[name], second[name])} == {
            "00003.png", "00004.png", "00005.png",
        }  # fmt: skip
        assert same(second, propagated_on_the_command_line(studio, tmp_path / "line2"))
        # Before and after stand side by side; undo takes the stroke back, on its frame.
        page.check("#compare")
        page.uncheck("#compare")
        page.keyboard.press("Control+z")
        studio.wait_until_saved()
        page.wait_for_selector("#command code:not(:has-text('--mask 3:'))", state="attached")
        page.keyboard.press("Control+Shift+Z")
        studio.wait_until_saved()
        # Exported: a film, cut-outs and a COCO file, beside the same masks.
        page.click("summary:has-text('Export')")
        page.check("#export-cutout")
        page.check("#export-coco")
        studio.propagate("#export")
        assert same(studio.masks(), second)
        assert (output / "overlay" / "car-shadow.mp4").stat().st_size > 1000
        assert len(list((output / "cutout" / "car-shadow").glob("*.png"))) == FRAMES
        assert (output / "masks.json").is_file()
        assert not errors
    finally:
        end(process)


def test_page__a_killed_server_loses_nothing(browser: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process, address = start(str(SAMPLE), "-o", str(output), *SMALL)
    page = open_page(browser, address, [])
    studio = Studio(page, process, address, output)
    studio.draw([*LOOP, LOOP[0]])
    page.wait_for_selector("#hint:has-text('stroke')")
    page.keyboard.press("b")
    studio.draw([(400, 200), (500, 200)])
    studio.wait_until_saved()
    process.kill()
    process.wait()
    page.wait_for_selector("#banner:has-text('lost')")
    again, address = start(str(output))
    try:
        page = open_page(browser, address, [])
        page.wait_for_selector("#welcome[open]")
        assert "1 painted frame" in page.text_content("#found")
        page.click("#welcome button[value=on]")
        mask = page.evaluate(
            "import('./frame.js').then(({ frame }) => frame.ids.reduce((sum, id) => sum + id, 0))"
        )
        assert mask == int(read_ids(output / ".studio" / "masks" / "000000.png").sum()) > 0
    finally:
        end(again)


def test_page__two_tabs_and_a_phone(browser: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process, address = start(str(SAMPLE), "-o", str(output), *SMALL)
    try:
        first = open_page(browser, address, [])
        second = open_page(browser, address, [], viewport={"width": 400, "height": 800}, has_touch=True)
        first.wait_for_selector("#banner:has-text('Another tab')")
        # Nothing sticks out sideways on a phone.
        assert second.evaluate("document.documentElement.scrollWidth") <= 400
        first.click("#banner button")
        second.wait_for_selector("#banner:has-text('Another tab')")
        # Both are closed for good: the server ends by itself.
        second.close()
        first.close(run_before_unload=True)
        deadline = time.monotonic() + 90
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert process.poll() == 0
    finally:
        if process.poll() is None:
            end(process)
