"""A real browser for the tests of the page, and the page's parts by the words that people see. conftest.py makes the
fixtures known. CHARLM_CHROMIUM names the browser; without one the tests are skipped.

Whatever a test is about, it also fails when the page reports an error, opens a dialog, or asks another host for
anything.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Frame,
    FrameLocator,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from charlm.events import Event
from charlm.log import read_events
from charlm.ui.words import WORDS, say

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
SECONDS = 30  # that anything on the page may take on a busy machine
# What Gradio says when it cuts off its stream itself because the page is left, and then of each answer it waited for.
CUT_OFF, SO = "console: AbortError: signal is aborted", "console: Unexpected error Connection errored out."
HERE = ("127.0.0.1", "localhost")
CHARACTER = """(paper, index) => {  // where the character with that number stands
    for (const node of paper.childNodes) {
        if (index >= node.length) { index -= node.length; continue; }
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + 1);
        const at = range.getBoundingClientRect();
        return {x: (at.left + at.right) / 2, y: (at.top + at.bottom) / 2};
    }
}"""
Scope = Page | Frame | FrameLocator


# --- the browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHARLM_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no Chromium (CHARLM_CHROMIUM)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """visitor() is a person with a browser of his own: nothing is shared with another one."""
    visitors: list[BrowserContext] = []
    problems: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("websocket", lambda socket: look_at(socket.url))

    def is_problem(said: ConsoleMessage) -> bool:
        """Gradio refuses a value at its field with status 422, which Chromium calls an error."""
        return said.type == "error" and "status of 422" not in said.text

    def look_at(url: str) -> None:
        place = urlparse(url)
        if place.scheme not in ("data", "blob") and place.hostname not in HERE:
            problems.append(f"asked for {url}")

    def new(**options: Any) -> BrowserContext:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(SECONDS * 1000)
        context.on("page", watch)
        context.on("request", lambda request: look_at(request.url))
        context.on("console", lambda said: problems.append(f"console: {said.text}") if is_problem(said) else None)
        visitors.append(context)
        return context

    expect.set_options(timeout=SECONDS * 1000)
    yield new
    for context in visitors:
        for page in context.pages:
            assert not page.evaluate("() => window.hit"), "a visitor's text was run as code"
            with contextlib.suppress(Exception):  # a test that failed must not keep the place of the next one's job
                stop = button(page, "pause")
                if stop.is_visible() and stop.is_enabled():
                    stop.click()
    for context in visitors:
        context.close()
    if any(one.startswith(CUT_OFF) for one in problems):  # an error of the connection that nobody has cut off stays one
        problems = [one for one in problems if not one.startswith((CUT_OFF, SO))]
    assert not problems, "\n".join(problems)


@pytest.fixture
def page(visitor: Callable[..., BrowserContext], server: Any) -> Page:
    """The page at home, opened by one visitor."""
    return opened(visitor().new_page(), server.url)


def opened(page: Page, url: str) -> Page:
    """The page, when it has shown what it remembers and read the text that is chosen."""
    page.goto(url)
    expect(button(page, "train")).to_be_visible()
    expect(report(page)).not_to_be_empty()
    return page


# --- the page's parts, by the words that people see -------------------------------------------------------------------


def button(page: Scope, key: str) -> Locator:
    return page.get_by_role("button", name=say(key), exact=True)


def go_to(page: Scope, key: str) -> None:
    page.get_by_role("tab", name=say(key), exact=True).click()


def labelled(page: Scope, label: str | re.Pattern[str]) -> Locator:
    """The control with exactly that label, whatever help stands beside it."""
    exactly = label if isinstance(label, re.Pattern) else re.compile(rf"^\s*{re.escape(label)}\s*$")
    named = page.get_by_test_id("block-info").filter(has_text=exactly)
    return page.locator(".block").filter(has=named).last.locator("textarea, input").first


def status(page: Scope) -> Locator:
    return page.locator(".status").last


def report(page: Scope) -> Locator:
    return page.locator(".report").last


def written(page: Scope) -> Locator:
    """The text that a network wrote, where it is one."""
    return page.locator("#written .paper")


def said(key: str, language: str = "en") -> re.Pattern[str]:
    """A sentence with any values in it, as it is shown."""
    parts = re.split(r"\{[^}]*\}", WORDS[language][key].replace("**", ""))
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)


def paste(page: Scope, text: str) -> None:
    page.get_by_label(say("source_pasted"), exact=True).check()
    page.get_by_label(say("pasted")).fill(text)


def upload(page: Page, name: str, data: bytes) -> None:
    page.get_by_label(say("source_file"), exact=True).check()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/plain", "buffer": data})


def set_knobs(page: Scope, **values: Any) -> None:
    """Under "More settings"."""
    unfold(page, "more")
    for name, value in values.items():
        labelled(page, name.replace("_", " ").capitalize()).fill(str(value))


def unfold(page: Scope, key: str) -> None:
    page.get_by_role("button", name=say(key)).click()


def train(page: Page, server: Any, **values: Any) -> Path:
    """Press Train; the folder of the run that begins. One of few steps may end before the page looks at it."""
    if values:
        set_knobs(page, **values)
    before = server.runs()
    button(page, "train").click()
    end = time.monotonic() + 30
    while not (begun := server.runs() - before):
        assert time.monotonic() < end, f"No run began: {toast(page).all_inner_texts() or server.log[-2000:]}"
        page.wait_for_timeout(50)
    (folder,) = begun
    return Path(folder)


def told(folder: Path, *kinds: type[Event]) -> list[Any]:
    return [event for event in read_events(folder) if isinstance(event, kinds)]


def toast(page: Scope) -> Locator:
    return page.get_by_test_id("toast-body")
