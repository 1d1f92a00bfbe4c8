"""The README's pictures, taken of the page itself:

    python -m tests.ui.pictures      with CHARLM_CHROMIUM as for the tests; one is of a race: a minute and a half

Starts app.py on a folder of its own with the example runs, and writes charlm/ui/picture-*.png.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from charlm.space import EXAMPLES
from charlm.ui.words import say
from tests.ui.browser import CHARACTER, FLAGS, button, go_to, labelled, opened, status, written
from tests.ui.servers import ROOT, started, until_used

SIZE = {"width": 1280, "height": 940}
COLOURS = 128  # of a palette: a third of the bytes, and no difference to the eye
RACE_SECONDS = 20
RUN, POINTED_AT = "comedy-lstm", 118  # which run, and which character of what it writes


def main() -> None:
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHARLM_CHROMIUM"], args=FLAGS)
        page = opened(browser.new_context(viewport=SIZE, locale="en-GB").new_page(), url)
        page.evaluate("run => localStorage.setItem('charlm.run', run)", RUN)
        opened(page, url)
        for name, show in (("train", train), ("generate", generate), ("race", race)):
            show(page)
            page.wait_for_timeout(1500)  # whatever moves has come to rest
            keep(page.screenshot(), ROOT / "charlm" / "ui" / f"picture-{name}.png")
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    """The address of a page that has the examples."""
    with tempfile.TemporaryDirectory() as folder:
        server = started(Path(folder))
        for name in EXAMPLES:
            shutil.copytree(ROOT / "checkpoints" / name, Path(folder) / "checkpoints" / name)
        for ready in until_used(server):
            yield ready.url


def train(page: Page) -> None:
    page.wait_for_selector(".js-plotly-plot .main-svg")
    expect(status(page)).to_contain_text(RUN)


def generate(page: Page) -> None:
    """A text in its colours, with what else a character might have been."""
    go_to(page, "tab_generate")
    page.get_by_label(f"number input for {say('length')}").fill("420")
    labelled(page, say("seed")).fill("7")
    button(page, "generate").click()
    expect(page.locator(".meter.prose")).to_contain_text("%")
    page.locator("#written").scroll_into_view_if_needed()
    place = written(page).evaluate(CHARACTER, POINTED_AT)
    page.mouse.move(place["x"], place["y"])


def race(page: Page) -> None:
    go_to(page, "tab_race")
    page.get_by_label(f"number input for {say('race_seconds')}").fill(str(RACE_SECONDS))
    button(page, "race_start").click()
    expect(button(page, "race_start")).to_be_disabled(timeout=30_000)
    expect(button(page, "race_start")).to_be_enabled(timeout=180_000)
    page.mouse.move(0, 0)


def keep(png: bytes, path: Path) -> None:
    """With a palette."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
