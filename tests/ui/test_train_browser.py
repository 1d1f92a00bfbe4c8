"""The Train tab in a real browser, a flow each: what a text holds, what is refused where, what a running run is told,
a link that is opened elsewhere.
"""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from browser import Scope, button, labelled, opened, paste, report, said, status, told, unfold
from playwright.sync_api import BrowserContext, Locator, Page, expect

from charlm.events import Changed, Finished, Sampled, Step
from charlm.ui.words import knob_words, say

pytestmark = pytest.mark.browser

CURVES = "(document.querySelector('.js-plotly-plot')?.data || [])"
RATE = f"() => {CURVES}.filter(curve => curve.yaxis === 'y2').map(curve => curve.y)"
MARKS = "() => (document.querySelector('.js-plotly-plot')?.layout?.annotations || []).map(mark => mark.text)"


def field(page: Scope, label: str) -> Locator:
    """A text field whose name begins with the label; what is said at it is a part of its name."""
    return page.get_by_role("textbox", name=re.compile(f"^{re.escape(label)} "))


def block(page: Scope, label: str) -> Locator:
    """The field, with all that is said at it."""
    return page.locator(".block").filter(has=field(page, label)).last


def spoken(page: Scope, key: str, language: str) -> Locator:
    return page.get_by_role("button", name=say(key, language), exact=True)


def quick_run(page: Page, server: Any, language: str, **knobs: Any) -> Any:
    """A run with some knobs, by the names that the language has for them; its folder."""
    page.get_by_role("button", name=say("more", language)).click()
    for name, value in knobs.items():
        labelled(page, knob_words(name, "", language)[0]).fill(str(value))
    before = server.runs()
    spoken(page, "train", language).click()
    expect(spoken(page, "pause", language)).to_be_enabled()
    (folder,) = server.runs() - before
    page.get_by_role("button", name=say("more", language)).click()
    return folder


def test_a_text_is_told_character_by_character(page: Page, server: Any) -> None:
    paste(page, "a\u00a0\t\u00a0\t" * 100 + "a sentence to learn from, and one more.\n" + "z")
    expect(report(page)).to_contain_text("541")
    expect(page.locator(".counted").last).to_contain_text(said("counting"))
    unfold(page, "closer")
    table = page.locator("#characters")
    expect(table).to_contain_text(say("char_no_break_space"))
    expect(table).to_contain_text(say("char_tab"))
    expect(page.locator("#yardsticks")).to_contain_text("6-gram")
    unfold(page, "reading")
    labelled(page, "Min count").fill("190")
    expect(table).to_contain_text(say("char_folded"))  # all but the tab and the space that does not break
    paste(page, "too short")
    expect(page.locator(".counted").last).to_be_empty()


@pytest.mark.parametrize(("locale", "language"), [("en-GB", "en"), ("fr-FR", "fr")])
def test_a_setting_that_cannot_work_is_refused_at_its_field(
    visitor: Callable[..., BrowserContext], server: Any, locale: str, language: str
) -> None:
    page, before = visitor(locale=locale).new_page(), server.runs()
    page.goto(server.url)
    expect(report(page)).to_contain_text(say("unchanged", language))
    more = page.get_by_role("button", name=say("more", language))
    more.click()
    streams = knob_words("streams", "", language)[0]
    field(page, streams).fill("99999")
    field(page, streams).blur()
    expect(block(page, streams)).to_contain_text(re.compile(r"1.?024.*99.?999"))
    more.click()  # out of sight
    expect(field(page, streams)).to_be_hidden()
    spoken(page, "train", language).click()
    expect(field(page, streams)).to_be_visible()  # opened again
    expect(block(page, streams)).to_contain_text(re.compile(r"1.?024.*99.?999"))
    assert server.runs() == before
    field(page, streams).fill("4")
    labelled(page, knob_words("steps", "", language)[0]).fill("3")
    spoken(page, "train", language).click()
    expect(status(page)).to_contain_text(say("budget", language))


def test_a_run_is_told_what_to_do(visitor: Callable[..., BrowserContext], server: Any) -> None:
    """In Spanish: slower, paused, resumed, ended, extended; its samples flipped through."""
    page = visitor(locale="es-ES").new_page()
    page.goto(server.url)
    expect(report(page)).to_contain_text(say("unchanged", "es"))
    folder = quick_run(page, server, "es", steps=100_000, evaluations=10_000)
    page.wait_for_function(f"() => ({RATE})()[0]?.length >= 3")
    spoken(page, "slower", "es").click()
    page.wait_for_function(f"() => ({MARKS})().some(mark => mark.startsWith({say('changed_rate', 'es')[:4]!r}))")
    assert [event.knob for event in told(folder, Changed)] == ["learning_rate"]
    page.wait_for_function("() => document.querySelector('input[type=range]')?.max >= 3")
    spoken(page, "pause", "es").click()
    expect(status(page)).to_contain_text(said("stopped", "es"))
    expect(spoken(page, "slower", "es")).to_be_hidden()

    samples = [event.text for event in told(folder, Sampled)]
    shown = page.locator(".block").filter(has=page.get_by_text(re.compile("^Lo que escribía en el paso"))).last
    page.get_by_label(say("label_number", "es", name=say("which_sample", "es"))).fill("1")
    expect(shown.locator("textarea")).to_have_value(samples[0])
    every = page.get_by_role("textbox", name=say("all_samples", "es"))
    expect(every).to_have_value(re.compile(re.escape(say("sample_at", "es", step=0))))

    spoken(page, "resume", "es").click()
    expect(spoken(page, "end", "es")).to_be_enabled()
    expect(shown.locator("textarea")).to_have_value(samples[0])  # who looks back is left there
    spoken(page, "end", "es").click()
    expect(status(page)).to_contain_text(said("ended", "es"))
    ended = told(folder, Finished)[-1]
    assert ended.reason == "ended"
    page.get_by_label(say("longer", "es")).fill("5")
    spoken(page, "extend", "es").click()
    expect(status(page)).to_contain_text(say("budget", "es"))
    steps = [event.step for event in told(folder, Step)]
    assert steps == sorted(set(steps)) and steps[-1] > ended.step
    assert [event.knob for event in told(folder, Changed)] == ["learning_rate", "seconds"]

    page.reload()
    expect(shown.locator("textarea")).to_have_value(told(folder, Sampled)[-1].text)  # who comes back sees the newest


def test_a_run_that_learns_is_looked_at_and_one_that_has_ended_is_not(
    visitor: Callable[..., BrowserContext], server: Any
) -> None:
    page, asked = visitor(locale="zh-CN").new_page(), []
    page.on("request", lambda request: asked.append(request.url) if "/glance?" in request.url else None)
    page.goto(server.url)
    expect(report(page)).to_contain_text(say("unchanged", "zh"))
    assert not asked
    folder = quick_run(page, server, "zh", steps=100_000)
    page.wait_for_function(f"() => ({RATE})()[0]?.length >= 5")
    assert asked and all(f"run={folder.name}&language=zh&unit=nats" in url for url in asked)
    spoken(page, "end", "zh").click()
    expect(status(page)).to_contain_text(said("ended", "zh"))
    before = len(asked)
    page.reload()
    expect(status(page)).to_contain_text(said("ended", "zh"))
    page.wait_for_timeout(1500)
    assert len(asked) == before


# --- the link ---------------------------------------------------------------------------------------------------------


def test_a_link_fills_the_form_of_another_visitor(
    visitor: Callable[..., BrowserContext], public_server: Any, frame_host: Callable[[str], str]
) -> None:
    first = opened(visitor().new_page(), public_server.url)
    first.get_by_label("GRU", exact=True).check()
    unfold(first, "more")
    labelled(first, "Steps").fill("40")
    labelled(first, "Learning rate").fill("0.02")
    before = public_server.runs()
    button(first, "train").click()
    expect(status(first)).to_contain_text(said("final"))
    (folder,) = public_server.runs() - before
    unfold(first, "share")
    link = first.locator("#link textarea")
    expect(link).to_have_value(re.compile(r"\?text=comedy-en&recipe=quick&.*learning_rate=0.02"))
    assert folder.name not in link.input_value()
    first.get_by_label(say("share_run")).check()
    expect(link).to_have_value(re.compile(re.escape(f"run={folder.name}")))
    address = link.input_value()
    assert address.startswith(public_server.url)

    second = visitor(locale="fr-FR").new_page()
    second.goto(address)
    expect(second.locator(".note").last).to_contain_text(say("good_link", "fr"))
    expect(status(second)).to_contain_text(folder.name)
    expect(second.get_by_label("GRU", exact=True)).to_be_checked()
    second.get_by_role("button", name=say("more", "fr")).click()
    expect(labelled(second, knob_words("learning_rate", "", "fr")[0])).to_have_value("0.02")
    expect(labelled(second, knob_words("steps", "", "fr")[0])).to_have_value("40")
    assert second.url.rstrip("/") == public_server.url  # read once
    second.get_by_role("tab", name=say("tab_generate", "fr"), exact=True).click()
    expect(labelled(second, say("run", "fr"))).to_have_value(folder.name)

    framed = visitor().new_page()
    framed.goto(frame_host(address))
    inside = framed.frame_locator("iframe")
    expect(inside.locator(".note").last).to_contain_text(say("good_link"))
    expect(status(inside)).to_contain_text(folder.name)


@pytest.mark.parametrize(
    "parts",
    [{"hidden_size": "-1", "cell": "gru"}, {"text": "<img src=x onerror=window.hit=1>"}, {"recipe": "${window.hit=1}"}],
)
def test_a_hostile_link_is_ignored_with_a_sentence(
    parts: dict[str, str], visitor: Callable[..., BrowserContext], server: Any
) -> None:
    page = visitor().new_page()
    page.goto(f"{server.url}/?{urlencode(parts)}")
    expect(page.locator(".note").last).to_contain_text(said("bad_link"))
    expect(page.get_by_label("LSTM", exact=True)).to_be_checked()
    expect(page.locator(".note img, .note code")).to_have_count(0)
    expect(report(page)).to_contain_text(say("unchanged"))


def test_a_link_to_a_run_that_is_gone_still_fills_the_form(page: Page, server: Any) -> None:
    page.goto(f"{server.url}/?text=tale-es&cell=rnn&run=long-gone")
    expect(page.locator(".note").last).to_contain_text(say("not_yours"))
    expect(page.get_by_label("RNN", exact=True)).to_be_checked()
    expect(report(page)).to_contain_text("El robo de la eñe")
    expect(status(page)).to_have_text(say("idle").replace("**", ""))


@pytest.fixture
def frame_host() -> Iterator[Callable[[str], str]]:
    """frame_host(address) is a page of another site that shows ours in a frame, as a Space does."""
    shown: list[str] = []

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            frame = f'<iframe src="{shown[-1].replace("&", "&amp;")}" width=1200 height=850></iframe>'
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<!doctype html><link rel="icon" href="data:,">{frame}'.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()

        def show(address: str) -> str:
            shown.append(address)
            return f"http://localhost:{host.server_port}"

        yield show
        host.shutdown()
        thread.join()
