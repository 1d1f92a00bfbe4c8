"""The Race tab in a real browser: three runs in one plot, found again after a reload, paused, and gone on with."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import SECONDS, button, go_to, labelled, opened, said, told
from playwright.sync_api import BrowserContext, Page, expect

from charlm.events import Finished, Started
from charlm.racing import CELLS, Race, write_race
from charlm.ui.words import number, say

pytestmark = pytest.mark.browser
CURVES = """() => {  // points of each validation curve, by name
    const all = document.querySelector('#race-plot .js-plotly-plot')?.data || [];
    return Object.fromEntries(all.filter(one => one.showlegend).map(one => [one.name, one.x.length]));
}"""
HAS_CURVES = f"least => {{ const n = ({CURVES})(); return ['RNN', 'GRU', 'LSTM'].every(one => n[one] >= least); }}"
IS_NARROW = "() => document.documentElement.scrollWidth <= window.innerWidth"


def status(page: Page) -> Any:
    return page.locator("#race-status")


def row(page: Page, key: str, language: str = "en") -> list[str]:
    """The figures of a row of the table, RNN first."""
    cells = page.locator("#race-table tr").filter(has_text=re.compile(f"^\\s*{re.escape(say(key, language))}"))
    return cells.first.locator("td").all_inner_texts()[1:]


def is_over(page: Page, language: str) -> None:
    """Three runs have ended, on a machine that may be busy."""
    verdict = re.compile(f"{said('race_won', language).pattern}|{said('race_close', language).pattern}")
    expect(status(page)).to_contain_text(verdict, timeout=4 * SECONDS * 1000)


def pressed(page: Page, key: str, language: str) -> None:
    page.get_by_role("button", name=say(key, language), exact=True).click()


def test_a_race(visitor: Callable[..., BrowserContext], server: Any) -> None:
    """Three seconds each; a reload on the way finds it again; its runs can be written with."""
    page = opened(visitor().new_page(), server.url)
    go_to(page, "tab_race")
    expect(status(page)).to_have_text(say("race_idle").replace("**", ""))
    page.get_by_role("button", name=say("race_why")).click()
    expect(page.get_by_text("no clock runs while")).to_be_visible()
    page.get_by_label(f"number input for {say('race_seconds')}").fill("3")
    before = server.runs()
    button(page, "race_start").click()
    expect(button(page, "pause")).to_be_enabled()
    folders = sorted(server.runs() - before)
    assert [json.loads((folder / "config.json").read_text())["model"]["cell"] for folder in folders] == sorted(CELLS)
    page.wait_for_function(HAS_CURVES, arg=1)
    page.reload()
    go_to(page, "tab_race")
    page.wait_for_function(HAS_CURVES, arg=2)
    is_over(page, "en")
    expect(button(page, "pause")).to_be_disabled()
    expect(button(page, "resume")).to_be_disabled()
    expect(button(page, "race_start")).to_be_enabled()
    losses = [float(one) for one in row(page, "race_stream")]
    assert len(losses) == 3 and all(1 < loss < 4 for loss in losses)
    assert all(2.9 < float(one) < 4 for one in row(page, "race_used"))
    for cell in CELLS:
        expect(labelled(page, re.compile(rf"^\s*{cell.upper()} at step [\d,]+, seed 1\s*$"))).to_have_value(
            re.compile(".")
        )
    for folder in folders:
        assert len(told(folder, Started)) == 1 and told(folder, Finished)[-1].reason == "budget"
    go_to(page, "tab_generate")
    run = labelled(page, say("run"))
    run.click()
    for folder in folders:
        expect(page.get_by_role("option", name=folder.name, exact=True)).to_be_visible()
    assert page.evaluate("() => JSON.parse(localStorage.getItem('charlm.runs')).length") == 3


def test_a_race_of_equal_parameters_pauses_and_goes_on(visitor: Callable[..., BrowserContext], server: Any) -> None:
    """In French, where each takes the same steps."""
    fr = "fr"
    page = visitor(locale="fr-FR").new_page()
    page.goto(server.url)
    page.get_by_role("tab", name=say("tab_race", fr), exact=True).click()
    page.get_by_label(say("equal_parameters", fr), exact=True).check()
    page.get_by_role("button", name=say("race_why", fr)).click()
    expect(page.get_by_text("les mêmes pas")).to_be_visible()
    labelled(page, say("race_parameters", fr)).click()
    page.get_by_role("option", name=number(20_000, ",", fr), exact=True).click()
    page.get_by_label(say("label_number", fr, name=say("race_steps", fr))).fill("150")
    before = server.runs()
    pressed(page, "race_start", fr)
    page.wait_for_function(HAS_CURVES, arg=0)
    pressed(page, "pause", fr)
    expect(status(page)).to_contain_text(say("race_paused", fr))
    folders = server.runs() - before
    assert {told(folder, Finished)[-1].reason for folder in folders} == {"stopped"}
    pressed(page, "resume", fr)
    is_over(page, fr)
    ends = [told(folder, Finished)[-1] for folder in folders]
    assert [(end.reason, end.step) for end in ends] == [("budget", 150)] * 3
    sizes = [int(re.sub(r"\D", "", one)) for one in row(page, "race_weights", fr)]
    assert sizes == pytest.approx([20_000] * 3, rel=0.015)
    assert re.fullmatch(r"\d,\d{4}", row(page, "race_stream", fr)[0])
    expect(page.locator("#race-plot")).to_contain_text(say("step", fr))


@pytest.fixture
def raced(server: Any, trained: Path) -> str:
    """A race that is over, as it is kept."""
    names = tuple(f"raced-{cell}" for cell in CELLS)
    for cell, name in zip(CELLS, names, strict=True):
        folder = server.folder / "checkpoints" / name
        if not folder.exists():
            shutil.copytree(trained, folder)
            config = json.loads((folder / "config.json").read_text("utf-8"))
            config["model"]["cell"] = cell
            (folder / "config.json").write_text(json.dumps(config), "utf-8")
    write_race(server.folder / "checkpoints" / names[0], Race("seconds", names))
    return names[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_race_on_a_small_screen(theme: str, visitor: Callable[..., BrowserContext], server: Any, raced: str) -> None:
    page = visitor(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    opened(page, f"{server.url}/?__theme={theme}")
    page.evaluate("race => localStorage.setItem('charlm.race', race)", raced)
    page.reload()
    go_to(page, "tab_race")
    page.wait_for_function(HAS_CURVES, arg=1)
    expect(page.locator("#race-table")).to_contain_text(say("race_weights"))
    page.wait_for_function(IS_NARROW)
    assert len(page.screenshot(full_page=True)) > 20_000
