from __future__ import annotations

import html
import html.parser
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.evaluation import Report, evaluate_davis
from sfc_cli.evaluation.comparison import Comparison, Published
from sfc_cli.evaluation.page import write_page
from sfc_cli.evaluation.page_pictures import curves
from sfc_cli.evaluation.report import ObjectScores

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture
def report(make_davis: Callable[..., Path], tmp_path: Path) -> Report:
    davis = make_davis({"first": 7, "second": 5})
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        shift = 2 if path.parent.name == "first" else 6
        moved = np.roll(read_ids(path), shift, axis=1)
        write_mask(tmp_path / "results" / path.parent.name / path.name, moved)
    (tmp_path / "results" / "run.json").write_text('{"sfc": "1.0", "settings": {"top_k": 15, "note": "<b>"}}')
    return evaluate_davis(davis, tmp_path / "results", workers=1)


def page_of(report: Report, folder: Path, **parts: object) -> str:
    write_page(report, folder / "page.html", **parts)  # type: ignore[arg-type]
    return (folder / "page.html").read_text()


class _Balance(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        """A tag that closes itself changes nothing."""

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_write_page__is_whole_and_needs_no_network(report: Report, tmp_path: Path) -> None:
    page = page_of(report, tmp_path, comparisons=[Comparison(first=report, second=report)])
    checked = _Balance()
    checked.feed(page)
    assert not checked.wrong
    assert not checked.open
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources
    inside = ("data:image/jpeg;base64,", "data:text/csv;base64,", "data:application/x-tex;base64")
    assert all(source.startswith(inside) for source in sources)
    assert "url(" not in page
    assert "@import" not in page


def test_write_page__shows_numbers_objects_settings_and_worst_frames(report: Report, tmp_path: Path) -> None:
    page = page_of(report, tmp_path)
    for value in report.global_scores.values():
        assert f"<dd>{value:.4f}</dd>" in page
    for name, numbers in report.per_object.items():
        assert name in page
        assert f"{numbers['J-Mean']:.3f}" in page
    assert "top_k" in page
    assert "&lt;b&gt;" in page
    assert page.count('<td class="curve"') == 4
    # Two objects each; of five frames every second or so, of three all.
    assert page.count("<figure") == 8
    assert page.count("<img") == 16
    worst = page.index("second_")
    assert page.index("<h2>Worst frames") > worst
    figures = page[page.index("<h2>Worst frames") :]
    assert figures.index("second_") < figures.index("first_")


def test_write_page__warns_and_names_missing_sequences(report: Report, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "results" / "second")
    again = evaluate_davis(report.data, report.results, allow_missing=True)
    page = page_of(again, tmp_path)
    assert "scored as zero: second" in page
    assert page.count("<figure") == 4


def test_write_page__a_perfect_result_has_no_worst_frames(report: Report, tmp_path: Path) -> None:
    same = evaluate_davis(report.data, report.data / "Annotations" / "480p")
    page = page_of(same, tmp_path)
    assert "<figure" not in page
    assert "The results equal the truth" in page
    assert "The results have no run.json." in page


def test_write_page__without_frames(report: Report, tmp_path: Path) -> None:
    shutil.rmtree(report.data / "JPEGImages")
    assert page_of(report, tmp_path).count("<img") == 16


@pytest.mark.parametrize(
    "options", [{"year": "2016"}, {"task": "unsupervised", "annotations": "Annotations"}]
)
def test_write_page__other_readings(report: Report, tmp_path: Path, options: dict[str, str]) -> None:
    again = evaluate_davis(report.data, report.results, **options)  # type: ignore[arg-type]
    page = page_of(again, tmp_path)
    assert ("Proposal" in page) == ("task" in options)
    assert page.count("<details") == 2


def test_write_page__compared_and_published(report: Report, tmp_path: Path) -> None:
    same = evaluate_davis(report.data, report.data / "Annotations" / "480p")
    published = Published(
        networks="fine-grained + mocov1", scores=report.global_scores, caveats=["over 2 sequences"]
    )
    page = page_of(report, tmp_path, comparisons=[Comparison(first=report, second=same)], published=published)
    assert f"{report.global_scores['J-Mean'] - 1:+.6f}" in page
    assert "Published: fine-grained + mocov1" in page
    assert "Not the same experiment: over 2 sequences." in page


def test_curves__short_and_long_videos() -> None:
    for frames in (1, 2, 1000):
        curve = np.linspace(0, 1, frames)
        names = tuple(map(str, range(frames)))
        scores = ObjectScores(sequence="<b>", identity=1, frames=names, region=curve, boundary=curve / 2)
        drawn = curves(scores)
        assert "<b>" not in drawn
        points = re.findall(r'points="([^"]+)"', drawn)
        assert [len(each.split()) for each in points] == [min(max(frames, 2), 160)] * 2


def probed(page: Path) -> dict[str, Any]:
    """Open a page and return what its probe has found, however long that takes on a busy machine."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        opened = browser.new_page(viewport={"width": 1100, "height": 1200})
        opened.set_default_timeout(120_000)
        opened.goto(page.as_uri())
        found: dict[str, Any] = json.loads(opened.locator("#probe").text_content())
        browser.close()
    return found


@pytest.mark.slow
@needs_chromium
def test_write_page__reads_well_in_a_browser(report: Report, tmp_path: Path) -> None:
    """Sort a column, lay the page out at a phone's width, and see that every picture is there."""
    page = page_of(report, tmp_path, comparisons=[Comparison(first=report, second=report)])
    probe = """
    <script>addEventListener("load", async () => {
      const headed = (table, name) => [...table.tHead.rows[0].cells].find(
        (cell) => cell.textContent.startsWith(name));
      const table = [...document.querySelectorAll("table.sorts")].find((each) => headed(each, "F-Decay"));
      const head = headed(table, "J-Mean");
      const column = head.cellIndex;
      const values = () => [...table.tBodies[0].rows].map((row) => +row.cells[column].dataset.value);
      head.click(); const up = values(); head.click(); const down = values();
      const chart = document.querySelector(".chart");
      const box = chart.querySelector("svg").getBoundingClientRect();
      chart.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width * 0.5 }));
      const middle = document.querySelector(".at").textContent;
      chart.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
      const end = document.querySelector(".at").textContent;
      const shown = [...document.querySelectorAll(".shown img")];
      document.querySelector('[data-object*="second_2"]').click();
      const chosen = [...document.querySelectorAll(".viewer select")].map(
        (each) => each.selectedOptions[0].textContent);
      const pictures = [...document.querySelectorAll("figure img"), ...shown];
      await Promise.all(pictures.map((picture) => { picture.loading = "eager"; return picture.decode(); }));
      const frame = document.createElement("iframe");
      frame.width = 360; frame.height = 800; document.body.append(frame);
      frame.contentDocument.write(PAGE); frame.contentDocument.close();
      const inner = frame.contentDocument.documentElement;
      const out = document.createElement("pre");
      out.id = "probe";
      out.textContent = JSON.stringify({ up, down, middle, end, chosen, shown: shown.map((each) => each.alt),
        lines: document.querySelectorAll(".chart .line").length, sort: head.getAttribute("aria-sort"),
        pictures: pictures.map((picture) => picture.naturalWidth),
        inner: [inner.scrollWidth, inner.clientWidth] });
      document.body.append(out);
    });</script>"""
    text = json.dumps(page).replace("</", "<\\/")
    (tmp_path / "probe.html").write_text(page.replace("</body>", probe.replace("PAGE", text) + "</body>"))
    seen = probed(tmp_path / "probe.html")
    expected = sorted(numbers["J-Mean"] for numbers in report.per_object.values())
    assert seen["up"] == expected
    assert seen["down"] == expected[::-1]
    assert seen["sort"] == "descending"
    # Each picture shows the object's surroundings: two fifths of the frame at least.
    assert len(seen["pictures"]) == 16 + 3
    assert all(26 <= width <= 64 for width in seen["pictures"])
    assert min(seen["pictures"]) < 64
    # The frame under the pointer, or chosen by keys, is named and shown, the truth beside every run.
    assert re.fullmatch(r"Frame 00003: A 0\.\d{3}, B 0\.\d{3}", seen["middle"])
    assert seen["end"].startswith("Frame 00005: ")
    assert seen["shown"] == [f"Frame 00005: {each}" for each in ("truth", "result A", "result B")]
    assert seen["chosen"] == ["second", "second_2", "J&F"]
    assert seen["lines"] == 2
    # Nothing sticks out sideways on a phone: wide tables scroll by themselves.
    assert seen["inner"][0] <= seen["inner"][1] <= 360
