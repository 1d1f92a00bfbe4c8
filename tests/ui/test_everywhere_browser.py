"""What holds for every tab of the page, whatever it is about: it can be read by everybody (axe-core finds nothing, in
light and dark, on a desk and on a phone), fits a phone in every language, is operated by the keyboard alone, and says
nothing in another language than the visitor's.
"""

import dataclasses
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from browser import opened, report, said, status
from playwright.sync_api import BrowserContext, Locator, Page, expect

from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.ui.words import LANGUAGES, OTHERS, WORDS, knob_words, say

pytestmark = pytest.mark.browser

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOCALES = {"en": "en-GB", "es": "es-MX", "fr": "fr-FR", "zh": "zh-CN", "ko": "ko-KR"}
HAS_CURVES = "() => (document.querySelector('.js-plotly-plot')?.data || []).length > 1"
TOO_WIDE = """() => {  // what reaches beyond the window, and is not inside a box that is scrolled or cut by itself
    const clips = one => ['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(one).overflowX);
    const isInside = one => one && one !== document.body && (clips(one) || isInside(one.parentElement));
    const seen = [...document.body.querySelectorAll('*')].filter(one => one.checkVisibility());
    const reaches = one => one.getBoundingClientRect().right > innerWidth + 1 && !isInside(one.parentElement);
    const wide = seen.filter(reaches).slice(0, 5).map(one => one.outerHTML.slice(0, 120));
    const all = document.documentElement.scrollWidth;
    return all > innerWidth ? [`the page: ${all}`, ...wide] : wide;
}"""
FOCUSED = """() => {
    const one = document.activeElement, named = id => document.getElementById(id)?.innerText || '';
    if (!one || one === document.body) return null;
    const names = [one.ariaLabel, ...(one.getAttribute('aria-labelledby') || '').split(' ').map(named),
                   ...[...(one.labels || [])].map(label => label.innerText), one.innerText, one.title];
    const around = [one, one.parentElement, one.closest('label')].filter(Boolean).map(it => getComputedStyle(it));
    const isSeen = around.some(it => it.outlineStyle !== 'none' || it.boxShadow !== 'none');
    return {name: names.find(name => name?.trim()) || '', html: one.outerHTML.slice(0, 160), isSeen};
}"""
SHOWN = """() => [...document.querySelectorAll('body *')].filter(one => one.checkVisibility()).flatMap(one => [
    ...[...one.childNodes].filter(node => node.nodeType === 3).map(node => node.textContent),
    one.ariaLabel, one.title, one.placeholder, one.dataset?.title
]).filter(Boolean).map(one => one.trim())"""
GRADIO = ("Drop File Here", "- or -", "Click to Upload", "Clear", "Copy", "Settings", "Built with Gradio", "Error")
GRADIO += (
    "Click to upload or drop files",
    "Reset to default value",
    "number input for {name}",
    "range slider for {name}",
)
GRADIO += ("Gradio footer navigation", "Table actions", "Textbox", "Close", "Remove this file", "Processing")
PLOTLY = ("Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes", "Download plot as a PNG")
Visitor = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def watched(server: Any, trained: Path) -> str:
    """A run that has ended: its name, for a browser that watches it."""
    folder = server.folder / "checkpoints" / "everywhere"
    if not folder.exists():
        shutil.copytree(trained, folder)
    return "everywhere"


def at_home(visitor: Visitor, server: Any, run: str, theme: str = "light", **options: Any) -> Page:
    """The page of a visitor who watches a run; his language is that of his browser."""
    context = visitor(**options)
    context.add_init_script(f"try {{ localStorage.setItem('charlm.run', '{run}') }} catch (error) {{}}")
    page = context.new_page()
    page.goto(f"{server.url}/?__theme={theme}")
    expect(report(page)).not_to_be_empty()
    page.wait_for_function(HAS_CURVES)
    return page


def tabs(page: Page) -> Iterator[str]:
    """Opens one tab after the other, those inside of them too, and all that is folded in it; their names."""
    outer = seen_of(page.get_by_role("tablist").first.get_by_role("tab"))
    assert len(outer) >= 4 and not seen_of(page.locator(".overflow-menu > button")), "a tab is hidden behind dots"
    for tab in outer:
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        for inner in seen_of(page.locator("[role=tabpanel] [role=tab]")) or [tab]:
            inner.click()
            expect(inner).to_have_attribute("aria-selected", "true")
            while folded := seen_of(page.locator("button.label-wrap:not(.open)")):
                folded[0].click()
            page.wait_for_timeout(400)  # until what fades has its colour
            yield f"{tab.inner_text()} {inner.inner_text()}"


def seen_of(all_of_them: Locator) -> list[Locator]:
    return [one for one in all_of_them.all() if one.is_visible()]


# --- readable by everybody --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(visitor: Visitor, server: Any, watched: str, theme: str, size: dict[str, int]) -> None:
    page = at_home(visitor, server, watched, theme, viewport=size)
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    page.evaluate(AXE)
    found = {name: violations(page) for name in tabs(page)}
    assert not any(found.values()), found


def violations(page: Page) -> list[str]:
    result = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][-200:]}"
        for one in result["violations"]
        for node in one["nodes"]
    ]


def test_axe_would_find_something(page: Page) -> None:
    """Or the test above would pass for nothing."""
    page.evaluate(AXE)
    flawed = '<main><input><p style="color: #aaa">hardly to be seen</p></main>'
    page.evaluate("flawed => document.body.insertAdjacentHTML('beforeend', flawed)", flawed)
    assert {one.split(":")[0] for one in violations(page)} >= {"label", "color-contrast"}


# --- on a phone -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_scrolls_sideways_on_a_phone(visitor: Visitor, server: Any, watched: str, language: str) -> None:
    page = at_home(visitor, server, watched, viewport=PHONE, has_touch=True, locale=LOCALES[language])
    expect(page.get_by_role("tab", name=say("tab_train", language), exact=True)).to_be_visible()
    found = {name: page.evaluate(TOO_WIDE) for name in tabs(page)}
    assert not any(found.values()), found


# --- by keyboard alone ------------------------------------------------------------------------------------------------


def test_by_keyboard_alone(visitor: Visitor, server: Any) -> None:
    """From the address bar to Train, to another language, to a text that is written: each stop has a name, and is seen
    to have the focus.
    """
    page = opened(visitor().new_page(), server.url)
    before = server.runs()
    press(page, page.get_by_role("button", name=say("train"), exact=True))
    stop = page.get_by_role("button", name=say("pause"), exact=True)
    expect(stop).to_be_enabled()
    expect(status(page)).to_contain_text(said("running"))
    (folder,) = server.runs() - before
    press(page, stop)
    expect(status(page)).to_contain_text(said("stopped"))
    press(page, page.locator("#language input"), "ArrowDown", "ArrowDown", "Enter", back=True)
    french = page.get_by_role("tab", name=say("tab_generate", "fr"), exact=True)
    press(page, french)
    write = page.get_by_role("button", name=say("generate", "fr"), exact=True)
    press(page, write)
    expect(page.get_by_text(said("wrote", "fr"))).to_be_visible()
    assert page.locator("input").evaluate_all("all => all.map(one => one.value)").count(folder.name) == 1


def press(page: Page, wanted: Locator, *keys: str, back: bool = False) -> None:
    """Tab until it has the focus, then Enter, or the keys that are given."""
    expect(wanted).to_be_visible()
    stops: list[str] = []
    while not (stops and wanted.evaluate("one => one === document.activeElement")):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        stop = page.evaluate(FOCUSED) or {"name": "the browser's own", "isSeen": True}
        assert stop["name"], f"nobody says what this is: {stop['html']}"
        assert stop["isSeen"], f"nobody sees that this has the focus: {stop['html']}"
        stops.append(stop["name"])
        assert len(stops) < 200, f"never came there, only to {stops}"
    for key in keys or ("Enter",):
        page.keyboard.press(key)


# --- in the visitor's language ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(visitor: Visitor, server: Any, watched: str, language: str) -> None:
    """By the switch, in a browser that speaks English: titles, labels, help, names for screen readers, toolbars."""
    page = at_home(visitor, server, watched, locale="en-GB")
    assert page.title() == say("page_title")
    page.get_by_label(say("source_file"), exact=True).check()
    english = english_of(language)
    assert len(shown_of(page, english)) > 20  # or it would find none for nothing
    page.locator("#language input").click()
    page.get_by_role("option", name=LANGUAGES[language], exact=True).click()
    expect(page.get_by_role("tab", name=say("tab_train", language), exact=True)).to_be_visible()
    expect(page).to_have_title(say("page_title", language))
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh" else language)
    expect(page.locator(".live-plot").first).to_have_attribute("aria-label", say("plot_name", language))
    found = {name: shown_of(page, english) for name in tabs(page)}
    assert not any(found.values()), found


def shown_of(page: Page, sentences: list[re.Pattern[str]]) -> set[str]:
    return {one for one in page.evaluate(SHOWN) if any(sentence.fullmatch(one) for sentence in sentences)}


def english_of(language: str) -> list[re.Pattern[str]]:
    """What the page, Gradio and Plotly say in English, and this language says in another way."""
    sentences = [sentence for key, sentence in WORDS["en"].items() if sentence != WORDS[language][key]]
    for field in [field for kind in (TextConfig, ModelConfig, TrainConfig) for field in dataclasses.fields(kind)]:
        said = (knob_words(field.name, field.metadata["help"], one) for one in ("en", language))
        sentences += [one for one, other in zip(*said, strict=True) if one != other]
    pieces = [re.split(r"\{[^}]*\}", one.replace("**", "")) for one in (*sentences, *GRADIO, *PLOTLY)]
    return [re.compile(".+".join(map(re.escape, one)), re.DOTALL) for one in pieces if sum(map(len, one)) > 3]
