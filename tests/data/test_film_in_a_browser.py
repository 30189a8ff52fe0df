"""Films play in a browser: decoded by Chromium, at their times, in their colours and with their aspect."""

from __future__ import annotations

import base64
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfc_cli.data.film import FilmBasis, FilmKind, FilmWriter

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

TIMES = (0.0, 0.1, 0.2, 0.9, 1.0)
COLOURS = ((200, 40, 30), (30, 190, 60), (40, 60, 210), (220, 200, 40), (120, 120, 120))
# A picture may be painted some time after the browser says that it has found it.
_SCRIPT = """async ([source, times, expected]) => {
  const film = document.createElement("video"), canvas = document.createElement("canvas");
  const when = (name) => new Promise((resolve, reject) => {
    film.addEventListener(name, resolve, { once: true });
    film.addEventListener("error", () => reject(new Error(film.error.message)), { once: true });
  });
  const loaded = when("loadeddata");
  film.muted = true; film.preload = "auto"; film.src = source; document.body.append(film);
  await loaded;
  canvas.width = film.videoWidth; canvas.height = film.videoHeight;
  const context = canvas.getContext("2d"), colours = [];
  for (const [index, time] of times.entries()) {
    const sought = when("seeked"); film.currentTime = time; await sought;
    const latest = performance.now() + 10_000;
    let shown, isOther = (value, i) => Math.abs(value - expected[index][i]) >= 12;
    do {
      await new Promise((resolve) => setTimeout(resolve, 20));
      context.drawImage(film, 0, 0);
      shown = [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data].slice(0, 3);
    } while (shown.some(isOther) && performance.now() < latest);
    colours.push(shown);
  }
  const played = when("ended"); film.currentTime = 0; await film.play(); await played;
  return { width: film.videoWidth, height: film.videoHeight, duration: film.duration, colours };
}"""


def _play(path: Path, kind: str, shown: dict[float, tuple[int, int, int]]) -> dict[str, Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    source = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        page.set_default_timeout(120_000)
        found: dict[str, Any] = page.evaluate(_SCRIPT, [source, list(shown), list(shown.values())])
        browser.close()
    return found


@pytest.mark.parametrize(
    ("kind", "mime"), [("mp4", "video/mp4"), ("webm", "video/webm"), ("clear-webm", "video/webm")]
)
def test_film_writer__plays_in_chromium(tmp_path: Path, kind: FilmKind, mime: str) -> None:
    path = tmp_path / f"a.{'mp4' if kind == 'mp4' else 'webm'}"
    basis = FilmBasis(frames_per_second=10.0, pixel_aspect=Fraction(4, 3))
    written = FilmWriter(path, kind, basis)
    for time, colour in zip(TIMES, COLOURS, strict=True):
        picture = np.full((96, 128, 3), colour, np.uint8)
        if kind == "clear-webm":
            picture = np.dstack([picture, np.full((96, 128), 255, np.uint8)])
        written.add(picture, time)
    written.finish()
    # In the middle of each frame's time: the third is shown for long.
    shown = dict(
        zip((0.05, 0.15, 0.25, 0.8, 0.95, 1.05), (*COLOURS[:3], COLOURS[2], *COLOURS[3:]), strict=True)
    )
    found = _play(path, mime, shown)
    assert found["duration"] == pytest.approx(1.1, abs=0.02)
    assert found["width"] / found["height"] == pytest.approx(128 * 4 / 3 / 96, rel=0.02)
    assert np.abs(np.array(found["colours"]) - list(shown.values())).max() < 12
