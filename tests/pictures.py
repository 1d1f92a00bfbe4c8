"""The README's pictures, taken of the page itself:

    python -m tests.pictures      with CHARLM_CHROMIUM as for the tests; a minute and a half, for one of them is a race

Starts app.py on a folder of its own with the example runs, and writes charlm/ui/picture-*.png.
"""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from charlm.ui.words import say

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ("comedy-rnn", "comedy-gru", "comedy-lstm")
SIZE = {"width": 1280, "height": 940}
COLOURS = 128  # of a palette: a quarter of the bytes, and no difference to the eye
RACE_SECONDS = 20
RUN, CHARACTER = "comedy-lstm", 118  # which one is pointed at
PLACE = """(paper, index) => {
    for (const node of paper.childNodes) {
        if (index >= node.length) { index -= node.length; continue; }
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + 1);
        const at = range.getBoundingClientRect();
        return [(at.left + at.right) / 2, (at.top + at.bottom) / 2];
    }
}"""


def main() -> None:
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHARLM_CHROMIUM"], args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()
        page.goto(url)
        page.evaluate("run => localStorage.setItem('charlm.run', run)", RUN)
        page.reload()
        for name, show in (("train", train), ("generate", generate), ("race", race)):
            show(page)
            page.wait_for_timeout(1500)  # whatever moves has come to rest
            keep(page.screenshot(), f"picture-{name}.png")
        browser.close()


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of a page that has the examples."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        for name in EXAMPLES:
            shutil.copytree(ROOT / "checkpoints" / name, Path(folder) / name)
        environment = {**os.environ, "CHARLM_CHECKPOINTS": folder, "GRADIO_SERVER_PORT": str(port), "BROWSER": "true"}
        process = subprocess.Popen([sys.executable, ROOT / "app.py"], env=environment)
        try:
            yield ready(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait()


def ready(url: str) -> str:
    """The address, when it answers."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/config", timeout=10).close()
            return url
        time.sleep(0.2)
    raise SystemExit("The page does not come: what app.py says stands above.")


def train(page: Page) -> None:
    page.wait_for_selector(".js-plotly-plot .main-svg")
    expect(page.locator(".status").last).to_contain_text(RUN)
    expect(page.locator(".report").last).not_to_be_empty()


def generate(page: Page) -> None:
    """A text in its colours, with what else a character might have been."""
    page.get_by_role("tab", name=say("tab_generate"), exact=True).click()
    page.get_by_label(f"number input for {say('length')}").fill("420")
    page.get_by_label(say("seed"), exact=True).fill("7")
    page.get_by_role("button", name=say("generate"), exact=True).click()
    expect(page.locator(".meter.prose")).to_contain_text("%")
    page.locator("#written").scroll_into_view_if_needed()
    page.mouse.move(*page.locator("#written .paper").evaluate(PLACE, CHARACTER))


def race(page: Page) -> None:
    page.get_by_role("tab", name=say("tab_race"), exact=True).click()
    page.get_by_label(f"number input for {say('race_seconds')}").fill(str(RACE_SECONDS))
    page.get_by_role("button", name=say("race_start"), exact=True).click()
    expect(page.get_by_role("button", name=say("race_start"), exact=True)).to_be_disabled(timeout=30_000)
    expect(page.get_by_role("button", name=say("race_start"), exact=True)).to_be_enabled(timeout=180_000)
    page.mouse.move(0, 0)


def keep(png: bytes, name: str) -> None:
    """With a palette."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(ROOT / "charlm" / "ui" / name, optimize=True)
    print(name, (ROOT / "charlm" / "ui" / name).stat().st_size)


if __name__ == "__main__":
    main()
