"""The Generate tab in a real browser: writing, side by side, and by hand, with the example runs, in three languages."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import CHARACTER, Scope, button, go_to, labelled, opened, said, written
from playwright.sync_api import BrowserContext, Locator, Page, expect

from charlm.ui.words import say

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
EXAMPLES = ("comedy-rnn", "comedy-gru", "comedy-lstm")
IS_NARROW = "() => document.documentElement.scrollWidth <= window.innerWidth"
MARKED = """name => {  // the characters that are marked so
    const ranges = [...(CSS.highlights.get(name) || [])];
    return ranges.map(one => one.startContainer.data.slice(one.startOffset, one.endOffset)).join('|');
}"""
ARE_STILL = """() => {  // the colours have come to an end
    const marks = [...CSS.highlights.values()].reduce((sum, one) => sum + one.size, 0);
    if (marks !== window.marks) [window.marks, window.since] = [marks, Date.now()];
    return marks && Date.now() - window.since > 1500;
}"""
WRITTEN = "[...document.querySelectorAll('.compared .paper')].map(one => one.textContent.length)"


@pytest.fixture
def examples(server: Any) -> None:
    """The runs that come with the project are there, with their texts."""
    for name in EXAMPLES:
        if not (server.folder / "checkpoints" / name).exists():
            shutil.copytree(ROOT / "checkpoints" / name, server.folder / "checkpoints" / name)


@pytest.fixture
def desk(page: Page, examples: None) -> Page:
    """The Generate tab, with the LSTM at the desk."""
    return at_the_desk(page)


def at_the_desk(page: Page, run: str = "comedy-lstm") -> Page:
    go_to(page, "tab_generate")
    choose(page, run)
    return page


def choose(page: Page, run: str, language: str = "en") -> None:
    labelled(page, say("run", language)).click()
    page.get_by_role("option", name=run, exact=True).click()


def set_to(page: Page, key: str, value: object, language: str = "en") -> None:
    """A slider or a number, by its field."""
    field = labelled(page, say(key, language)) if key in ("seed", "top_k", "top_p") else numbers(page, key, language)
    field.fill(str(value))
    field.press("Tab")


def numbers(page: Page, key: str, language: str = "en") -> Locator:
    return page.get_by_label(f"number input for {say(key, language)}")


def finished(page: Page, language: str = "en") -> str:
    """The text, when it is measured."""
    expect(page.locator(".meter.prose")).to_contain_text(
        re.compile(said("copies_unseen", language).pattern.split("\\.\\*")[0])
    )
    return str(written(page).evaluate("paper => paper.textContent"))


def card(page: Page, where: str = "#written") -> Locator:
    return page.locator(f"{where} .card")


# --- writing ----------------------------------------------------------------------------------------------------------


def test_ten_thousand_coloured_characters_are_a_few_nodes(desk: Page) -> None:
    set_to(desk, "length", 10000)
    set_to(desk, "seed", 7)
    button(desk, "generate").click()
    text = finished(desk)
    assert len(text) == 10_000
    nodes = written(desk).evaluate("paper => [paper.childNodes.length, paper.children.length]")
    assert nodes[0] <= 21 and nodes[1] == 0
    desk.wait_for_function(ARE_STILL)
    marked = {level: desk.evaluate(MARKED, f"charlm-level-{level}").replace("|", "") for level in range(1, 5)}
    assert all(len(chars) > 100 for chars in marked.values()) and sum(map(len, marked.values())) < 10_000
    copied = desk.evaluate(MARKED, "charlm-copied").split("|")
    learned = (ROOT / "checkpoints" / "comedy-lstm" / "text.txt").read_text("utf-8")
    assert max(map(len, copied)) > 20 and all(passage in learned for passage in copied)
    desk.get_by_label(say("text_coloured")).uncheck()
    expect(desk.locator("#written .written-text")).to_have_class(re.compile("is-plain"))
    set_to(desk, "length", 100)
    button(desk, "generate").click()
    desk.wait_for_function("() => document.querySelector('#written .paper').textContent.length === 100")
    desk.wait_for_function(ARE_STILL)
    for level, chars in marked.items():  # of the same seed the same text, and nothing marked twice
        assert chars.startswith(desk.evaluate(MARKED, f"charlm-level-{level}").replace("|", ""))


@pytest.mark.parametrize(
    ("locale", "language", "sign"), [("en-GB", "en", "%"), ("fr-FR", "fr", "\u00a0%"), ("zh-CN", "zh", "%")]
)
def test_a_character_tells_what_else_it_might_have_been(
    locale: str, language: str, sign: str, visitor: Callable[..., BrowserContext], server: Any, examples: None
) -> None:
    """By the mouse, and by the keys alone."""
    page = visitor(locale=locale).new_page()
    page.goto(server.url)
    page.get_by_role("tab", name=say("tab_generate", language), exact=True).click()
    choose(page, "comedy-lstm", language)
    labelled(page, say("prompt", language)).fill("TIBBY.")
    set_to(page, "seed", 3, language)
    page.get_by_role("button", name=say("generate", language), exact=True).click()
    text = finished(page, language)
    paper = page.get_by_role("textbox", name=say("written", language), exact=True)
    at = paper.evaluate(CHARACTER, 40)
    page.mouse.move(at["x"], at["y"])
    expect(card(page)).to_be_visible()
    rows = card(page).locator(".row")
    expect(rows).to_have_count(6)
    blanks = {" ": say("char_space", language), "\n": say("char_line_end", language)}
    expect(rows.first.locator(".symbol")).to_have_text(blanks.get(text[40], text[40]))
    shares = [one.replace(sign, "").replace(",", ".").strip(" <") for one in rows.locator(".share").all_inner_texts()]
    numbers = [float(one) for one in shares]
    assert numbers[1:] == sorted(numbers[1:], reverse=True) and 10 < sum(numbers[1:]) <= 101.0
    page.mouse.move(0, 0)
    expect(card(page)).to_be_hidden()
    paper.focus()
    page.keyboard.press("ArrowRight")
    expect(rows.first.locator(".symbol")).to_have_text(blanks.get(text[6], text[6]))  # the first after the prompt
    page.keyboard.press("ArrowRight")
    expect(rows.first.locator(".symbol")).to_have_text(blanks.get(text[7], text[7]))
    page.keyboard.press("Escape")
    expect(card(page)).to_be_hidden()
    page.wait_for_function(ARE_STILL)
    assert page.evaluate(MARKED, "charlm-prompt") == "TIBBY."


def test_at_reading_speed_it_can_be_stopped_and_others_write_meanwhile(
    visitor: Callable[..., BrowserContext], server: Any, examples: None
) -> None:
    first, second = (at_the_desk(opened(visitor().new_page(), server.url), run) for run in EXAMPLES[:2])
    first.get_by_label(say("pace_reading"), exact=True).check()
    set_to(first, "length", 10000)
    button(first, "generate").click()
    first.wait_for_function("() => document.querySelector('#written .paper').textContent.length > 10")
    button(second, "generate").click()
    assert len(finished(second)) == 500
    before = len(written(first).evaluate("paper => paper.textContent"))
    assert 10 < before < 10_000
    button(first, "stop").click()
    expect(first.get_by_text(said("wrote"))).to_be_visible()
    kept = written(first).evaluate("paper => paper.textContent")
    assert before <= len(kept) < 10_000


def test_a_manner_sets_the_sliders_and_moving_one_takes_its_mark_off(desk: Page) -> None:
    desk.get_by_label(say("wild"), exact=True).check()
    expect(numbers(desk, "temperature")).to_have_value("1.2")
    set_to(desk, "temperature", 1.1)
    expect(desk.locator("#manner input:checked")).to_have_count(0)
    set_to(desk, "temperature", 0.5)
    set_to(desk, "top_p", 0.9)
    expect(desk.get_by_label(say("careful"), exact=True)).to_be_checked()


# --- side by side -----------------------------------------------------------------------------------------------------


def test_three_networks_side_by_side_on_a_phone(
    visitor: Callable[..., BrowserContext], server: Any, examples: None
) -> None:
    page = visitor(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    at_the_desk(opened(page, server.url))
    labelled(page, say("prompt")).fill("BRAGG.\n")
    set_to(page, "seed", 4)
    page.get_by_role("tab", name=say("tab_compare"), exact=True).click()
    chosen = page.locator(".block").filter(has=page.get_by_text(say("compared_runs"), exact=True)).last
    chosen.locator("input").click()
    for _ in EXAMPLES:  # those that were offered
        page.keyboard.press("Backspace")
    for name in EXAMPLES:
        chosen.locator("input").click()
        page.get_by_role("option", name=name, exact=True).click()
    button(page, "compare").click()
    papers, headings = page.locator(".compared .paper"), page.locator(".heading.prose")
    page.wait_for_function(f"() => {WRITTEN}.every(chars => chars >= 507)")
    for heading, name in zip(headings.all_inner_texts(), EXAMPLES, strict=True):
        assert name.removeprefix("comedy-").upper() in heading and name in heading
        assert re.search(r"loss 1\.\d{4} · [\d,]+ characters/s", heading) and "seed 4" in heading
    texts = [one.evaluate("paper => paper.textContent") for one in papers.all()]
    assert len(set(texts)) == 3 and all(text.startswith("BRAGG.\n") for text in texts)
    page.wait_for_function(IS_NARROW)
    paper = papers.first
    paper.scroll_into_view_if_needed()
    at = paper.evaluate(CHARACTER, 30)
    page.touchscreen.tap(at["x"], at["y"])
    expect(page.locator(".compared .card").first).to_be_visible()
    page.wait_for_function(IS_NARROW)


def test_seeds_side_by_side(desk: Page) -> None:
    set_to(desk, "seed", 20)
    desk.get_by_role("tab", name=say("tab_compare"), exact=True).click()
    desk.get_by_label(say("differ_seeds"), exact=True).check()
    button(desk, "compare").click()
    for seed in (20, 21, 22):
        expect(desk.locator(".heading.prose").filter(has_text=f"seed {seed}")).to_be_visible()


# --- by hand ----------------------------------------------------------------------------------------------------------


def bars(page: Scope) -> Locator:
    return page.locator("#next-bars .bar")


def test_one_character_at_a_time_by_hand(desk: Page) -> None:
    desk.get_by_role("tab", name=say("tab_letters"), exact=True).click()
    text = labelled(desk, say("letters_text"))
    expect(bars(desk)).to_have_count(12)
    text.fill("Enter BARNAB")
    expect(bars(desk).first.locator(".symbol")).to_have_text("Y")
    bars(desk).first.click()
    expect(text).to_have_value("Enter BARNABY")
    expect(bars(desk).first.locator(".symbol")).not_to_have_text("Y")
    button(desk, "undo").click()
    expect(text).to_have_value("Enter BARNAB")
    bars(desk).first.focus()
    desk.keyboard.press("Y")
    expect(text).to_have_value("Enter BARNABY")
    desk.keyboard.press("ArrowDown")
    expect(bars(desk).nth(1)).to_be_focused()
    desk.keyboard.press("Backspace")
    expect(text).to_have_value("Enter BARNAB")
    button(desk, "draw").click()
    expect(text).to_have_value(re.compile("^Enter BARNAB.$", re.DOTALL))
    read = desk.locator("#read .paper")
    expect(read).to_have_text(re.compile("^Enter BARNAB"))
    read.focus()
    desk.keyboard.press("End")
    expect(card(desk, "#read")).to_be_visible()


def test_temperature_moves_the_bars(desk: Page) -> None:
    desk.get_by_role("tab", name=say("tab_letters"), exact=True).click()
    share = bars(desk).first.locator(".share")
    expect(share).to_have_text(re.compile("%"))
    set_to(desk, "temperature", 0)
    expect(share).to_have_text("100%")
    expect(bars(desk)).to_have_count(1)
    set_to(desk, "temperature", 2)
    expect(bars(desk)).to_have_count(12)
    expect(desk.locator("#next-bars .rest")).to_contain_text("other characters")
