"""Reports opened in a real browser: complete, quiet, legible, on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from qos.report import theme
from qos.report.registry import FIGURES

pytestmark = pytest.mark.browser

DESKTOP, PHONE = 1280, 390
PAGES = ("simulated_page", "measured_page")
CHARTS = """() => [...document.querySelectorAll('.chart')].map(chart => ({
    id: chart.id,
    drawn: chart.classList.contains('js-plotly-plot') && chart.querySelectorAll('svg.main-svg').length > 0,
    marks: chart.querySelectorAll('.trace path, .slice path, .point path').length,
    left: chart.getBoundingClientRect().left,
    right: chart.getBoundingClientRect().right,
    height: chart.getBoundingClientRect().height,
}))"""
CUT_OFF = """() => [...document.querySelectorAll('.chart')].flatMap(chart => {
    const box = chart.getBoundingClientRect();
    return [...chart.querySelectorAll('svg text')].filter(text => {
        const own = text.getBoundingClientRect();
        const shown = own.width > 0 && getComputedStyle(text).visibility !== 'hidden';
        return shown && (own.left < box.left - 2 || own.right > box.right + 2
                         || own.top < box.top - 2 || own.bottom > box.bottom + 2);
    }).map(text => chart.id + ': ' + text.textContent);
})"""
OVERLAPPING = """() => [...document.querySelectorAll('.chart')].flatMap(chart => {
    const found = [];
    const axes = ['', '2', '3', '4'].flatMap(number => [`.x${number}tick text`, `.y${number}tick text`]);
    for (const kind of [...axes, '.annotation-text']) {
        const texts = [...chart.querySelectorAll(kind)];
        const boxes = texts.map(text => [text.getBoundingClientRect(), text.textContent]);
        boxes.forEach(([one, name], index) => boxes.slice(index + 1).forEach(([other, second]) => {
            if (one.left < other.right - 1 && other.left < one.right - 1
                && one.top < other.bottom - 1 && other.top < one.bottom - 1)
                found.push(chart.id + ': ' + name + ' / ' + second);
        }));
    }
    return found;
})"""


@contextmanager
def opened(browser: Browser, path: Path, width: int = DESKTOP, scheme: str = "light") -> Iterator[Page]:
    """The page, fully drawn; fails if it says anything on the console or asks for anything."""
    said: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]  # light or dark
    page = context.new_page()
    page.on("console", lambda message: said.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: said.append(f"request: {request.url[:80]}"))
    page.goto(path.as_uri())
    drawn(page, scheme)
    yield page
    context.close()
    own = [f"request: {path.as_uri()[:80]}", "request: data:,"]
    assert [line for line in said if line not in own] == []


def drawn(page: Page, scheme: str) -> None:
    """Wait until every chart is drawn in light or dark; by a selector, as the page forbids eval."""
    page.locator(f"html[data-drawn={scheme}]").wait_for(state="attached")


def colour(page: Page, selector: str, what: str) -> str:
    """A computed colour of the first such element, as #RRGGBB."""
    text = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{what}")
    numbers = [int(part) for part in text.removeprefix("rgb(").rstrip(")").split(",")]
    return "#{:02X}{:02X}{:02X}".format(*numbers)


class TestComplete:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("name", PAGES)
    def test_every_chart_is_drawn_and_nothing_is_asked_for(
        self, name: str, scheme: str, browser: Browser, request: pytest.FixtureRequest
    ) -> None:
        """No console message, no request, and marks in each chart."""
        with opened(browser, request.getfixturevalue(name), scheme=scheme) as page:
            charts: list[dict[str, Any]] = page.evaluate(CHARTS)
        assert charts
        assert [chart["id"] for chart in charts if not chart["drawn"] or not chart["height"]] == []
        assert [chart["id"] for chart in charts if not chart["marks"]] == []

    def test_a_simulated_run_has_every_picture_it_can_have(
        self, simulated_page: Path, browser: Browser
    ) -> None:
        """All figures of the registry stand in the page of a real run, but those named in its footnote."""
        with opened(browser, simulated_page) as page:
            sections = page.locator("section").evaluate_all("all => all.map(section => section.id)")
            notes = " ".join(page.locator("p.note").all_inner_texts())
        missing = [name for name in FIGURES if name not in sections]
        assert [name for name in missing if f"{name.replace('-', ' ')} (" not in notes] == []
        needed = {"policies", "latency", "throttling", "cpu-over-time", "share", "memory", "tree"}
        assert needed <= set(sections)

    def test_the_page_cannot_reach_the_network(self, measured_page: Path, browser: Browser) -> None:
        """Its own policy refuses a request before it leaves the browser."""
        page = browser.new_page()
        page.goto(measured_page.as_uri())
        asked = "fetch('http://127.0.0.1:9/').then(() => 'sent', error => 'refused')"
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        assert page.evaluate(asked) == "refused"
        assert any("Content Security Policy" in line for line in refused)
        page.close()

    def test_names_stay_names(self, nasty_page: Path, browser: Browser) -> None:
        """A pod named like a script tag is shown to the letter and changes nothing."""
        with opened(browser, nasty_page) as page:
            assert page.locator("img").count() == 0
            assert page.title().startswith("</script><img")
            assert "</script><img" in page.locator("h1").inner_text()


class TestLegible:
    @pytest.mark.parametrize("width", [DESKTOP, PHONE])
    @pytest.mark.parametrize("name", PAGES)
    def test_no_label_is_cut_off_or_lies_over_another(
        self, name: str, width: int, browser: Browser, request: pytest.FixtureRequest
    ) -> None:
        """Texts lie within their chart and leave each other room; nothing is wider than the screen."""
        with opened(browser, request.getfixturevalue(name), width=width) as page:
            assert page.evaluate(CUT_OFF) == []
            assert page.evaluate(OVERLAPPING) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert [c["id"] for c in page.evaluate(CHARTS) if c["left"] < 0 or c["right"] > width] == []

    def test_no_name_makes_a_phone_scroll_sideways(self, nasty_page: Path, browser: Browser) -> None:
        """Names longer than the screen wrap, or scroll within their table."""
        with opened(browser, nasty_page, width=PHONE) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


class TestLightAndDark:
    def test_the_systems_choice_is_followed(self, simulated_page: Path, browser: Browser) -> None:
        """Paper and the charts' text have the theme's dark colours where the system is dark."""
        with opened(browser, simulated_page, scheme="dark") as page:
            assert colour(page, "body", "backgroundColor") == theme.DARK[theme.PAPER]
            assert colour(page, ".xtick text", "fill") == theme.DARK[theme.MUTED]
        with opened(browser, simulated_page, scheme="light") as page:
            assert colour(page, "body", "backgroundColor") == theme.PAPER
            assert colour(page, ".xtick text", "fill") == theme.MUTED

    def test_the_button_overrules_the_system(self, measured_page: Path, browser: Browser) -> None:
        """One press is dark, the next light again, charts included."""
        with opened(browser, measured_page) as page:
            for wanted, paper in (("dark", theme.DARK[theme.PAPER]), ("light", theme.PAPER)):
                page.locator("#theme").click()
                drawn(page, wanted)
                assert colour(page, "body", "backgroundColor") == paper

    def test_paper_is_white_whatever_the_screen_was(self, simulated_page: Path, browser: Browser) -> None:
        """Printed from a dark screen, text is dark on white, charts fit the sheet, the button is gone."""
        with opened(browser, simulated_page, scheme="dark") as page:
            page.set_viewport_size({"width": 718, "height": 1000})  # A4 without margins of 14 mm, at 96 dpi
            page.emulate_media(media="print")
            drawn(page, "light")
            assert colour(page, "body", "backgroundColor") == theme.PAPER
            assert colour(page, ".xtick text", "fill") == theme.MUTED
            assert not page.locator("#theme").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 718
            content = page.pdf(format="A4", print_background=True)
        assert content.startswith(b"%PDF")
        assert 3 <= content.count(b"/Type /Page\n") + content.count(b"/Type/Page/") <= 12
