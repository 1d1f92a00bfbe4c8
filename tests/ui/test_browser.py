"""The page in a real browser, as people use it: browser.py says which, and what every test also checks."""

import http.server
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import (
    SECONDS,
    button,
    go_to,
    labelled,
    opened,
    paste,
    report,
    said,
    set_knobs,
    status,
    toast,
    told,
    train,
    unfold,
    upload,
    written,
)
from playwright.sync_api import BrowserContext, Page, expect

from charlm.checkpoint import save_weights
from charlm.events import Finished, Sampled, Started, Step, to_line
from charlm.log import EVENTS
from charlm.ui.words import knob_words, say

pytestmark = pytest.mark.browser

LOSSES = "(document.querySelector('.js-plotly-plot')?.data || []).filter(curve => curve.yaxis !== 'y2')"
POINTS = f"() => {LOSSES}.map(curve => curve.x.length)"
LEVELS = "() => (document.querySelector('.js-plotly-plot')?.layout?.annotations || []).map(level => level.text)"
HAS_POINTS = f"least => {{ const n = ({POINTS})(); return n.length == 2 && n.every((one, i) => one >= least[i]); }}"
IS_STILL = """box => {  // it has not changed for so long
    if (box.textContent !== window.seen) [window.seen, window.since] = [box.textContent, Date.now()];
    return Date.now() - window.since > 1500;
}"""
HOSTILE = (
    "<img src=x onerror=window.hit=1><script>window.hit=1</script><b>b</b> **bold** _i_ `code` # h $$x^2$$ \\(y\\)"
    " [link](javascript:window.hit=1) ${window.hit=1} {{7*7}} &lt;i&gt; </textarea> https://example.org/x"
)
FRENCH = ["L’été où Zoé a vu l’œuvre", "à côté du café, c’était “là”", "Noël — déjà ! — les garçons riaient", "un bœuf"]


# --- training ---------------------------------------------------------------------------------------------------------


def test_upload_train_reload_and_generate(visitor: Callable[..., BrowserContext], server: Any) -> None:
    """The whole way: a French file of 1998 is mended, learned, found after a reload and in a new page; it speaks."""
    context = visitor()
    page = opened(context.new_page(), server.url)
    text = "".join(f"{one} {two}, {three}.\r\n" for one in FRENCH for two in FRENCH for three in FRENCH) * 20
    upload(page, "été.txt", text.encode("cp1252"))
    expect(report(page)).to_contain_text(say("changed"))
    expect(report(page)).to_contain_text("1252")
    expect(report(page)).to_contain_text("LF")
    page.get_by_label(say("recipe_own"), exact=True).check()
    page.get_by_label(f"number input for {say('seconds')}").fill("10")
    folder = train(page, server)
    page.wait_for_function(HAS_POINTS, arg=[2, 1])
    page.wait_for_function(f"() => ({LEVELS})().length >= 5")
    expect(labelled(page, said("sample_at"))).not_to_have_value("")

    def is_same_run(page: Page) -> None:
        least = page.evaluate(POINTS) if page.evaluate(POINTS) else [2, 1]
        page.wait_for_function(HAS_POINTS, arg=least)
        assert page.evaluate("() => localStorage.getItem('charlm.run')") == folder.name
        expect(status(page)).to_contain_text(folder.name)

    seen = page.evaluate(POINTS)
    page.reload()
    page.wait_for_function(HAS_POINTS, arg=seen)  # the whole curve, not the part after the reload
    is_same_run(page)
    seen = page.evaluate(POINTS)
    page.close()
    page = opened(context.new_page(), server.url)
    page.wait_for_function(HAS_POINTS, arg=seen)
    is_same_run(page)
    expect(status(page)).to_contain_text(said("final"))
    expect(button(page, "pause")).to_be_disabled()
    assert len(told(folder, Started)) == 1 and told(folder, Finished)[-1].reason == "budget"
    assert "\r" not in (folder / "text.txt").read_text("utf-8") and "œuvre" in (folder / "text.txt").read_text("utf-8")

    go_to(page, "tab_generate")
    expect(labelled(page, say("run"))).to_have_value(folder.name)
    button(page, "generate").click()
    expect(page.get_by_text(said("wrote"))).to_be_visible()
    assert len(written(page).inner_text()) >= 500


def test_stop_and_resume(page: Page, server: Any) -> None:
    unfold(page, "more")
    choose(page, say("size"), "64")
    unfold(page, "more")
    folder = train(page, server, steps=800, window=64, streams=16)
    page.wait_for_function(HAS_POINTS, arg=[1, 0])
    button(page, "pause").click()
    expect(status(page)).to_contain_text(said("stopped"))
    expect(button(page, "pause")).to_be_disabled()
    first = told(folder, Finished)[-1]
    assert first.reason == "stopped" and 0 < first.step < 800
    button(page, "resume").click()
    expect(button(page, "pause")).to_be_enabled()
    expect(status(page)).to_contain_text(say("budget"))
    expect(button(page, "resume")).to_be_disabled()
    last = told(folder, Finished)[-1]
    assert (last.reason, last.step) == ("budget", 800) and len(told(folder, Started)) == 1
    steps = [event.step for event in told(folder, Step)]
    assert steps == sorted(set(steps)) and steps[-1] == 800


def test_a_zoom_outlives_an_update(page: Page, server: Any) -> None:
    train(page, server, steps=1_000_000)
    page.wait_for_function(HAS_POINTS, arg=[4, 0])
    place = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] * 0.3, place["y"] + place["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.7, place["y"] + place["height"] * 0.5, steps=5)
    page.mouse.up()
    zoomed = "() => document.querySelector('.js-plotly-plot').layout.xaxis"
    page.wait_for_function(f"() => ({zoomed})().autorange === false")
    before, points = page.evaluate(zoomed)["range"], page.evaluate(POINTS)
    page.wait_for_function(HAS_POINTS, arg=[points[0] + 2, 0])
    assert page.evaluate(zoomed)["range"] == before
    button(page, "pause").click()
    expect(status(page)).to_contain_text(said("stopped"))
    assert page.evaluate(zoomed)["range"] == before


# --- what cannot be learned -------------------------------------------------------------------------------------------


def test_a_text_too_short_says_so(page: Page, server: Any) -> None:
    before = server.runs()
    paste(page, "too short")
    sentence = "The text has 9 characters; at least 100 are needed."
    expect(report(page)).to_contain_text(sentence)
    button(page, "train").click()
    expect(page.locator(".block").filter(has=page.get_by_label(say("pasted"))).last).to_contain_text(sentence)
    expect(button(page, "pause")).to_be_disabled()
    assert server.runs() == before
    paste(page, "Long enough: " + "a sentence to learn from, and one more. " * 40)
    expect(report(page)).to_contain_text(say("unchanged"))


def test_a_long_text_that_is_pasted_becomes_a_file(page: Page, server: Any) -> None:
    """In the box, a text of some megabytes would stop the page for a minute."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label(say("source_pasted"), exact=True).check()
    line, copy = f"{'A sentence to learn from, no. more.':<39}\n", "text => navigator.clipboard.writeText(text)"
    for lines in (6_000, 10):  # 240,000 characters stay in the box, as does a short text after it
        page.evaluate(copy, line * lines)
        page.get_by_label(say("pasted")).press("ControlOrMeta+a")
        page.get_by_label(say("pasted")).press("ControlOrMeta+v")
        expect(report(page)).to_contain_text(f"{40 * lines:,}")
    page.evaluate(copy, line * 100_000)
    page.get_by_label(say("pasted")).press("ControlOrMeta+v")
    expect(page.get_by_label(say("source_file"), exact=True)).to_be_checked()
    expect(report(page)).to_contain_text("4,000,000", timeout=30_000)
    expect(page.locator("#text-file")).to_contain_text("pasted")


def test_a_picture_is_refused_by_name(page: Page, server: Any) -> None:
    before = server.runs()
    upload(page, "holiday.txt", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    expect(report(page)).to_contain_text("This is a PNG picture, not a text.")
    button(page, "train").click()
    expect(page.get_by_text("This is a PNG picture, not a text.")).to_have_count(2)
    assert server.runs() == before


def test_every_setting_can_be_opened_and_left_alone(page: Page, server: Any) -> None:
    """Looking at the settings sets none of them."""
    unfold(page, "more")
    unfold(page, "reading")
    for name in ("Dropout", "Streams", "Seed", "Min count"):
        expect(labelled(page, name)).to_have_value("")
    folder = train(page, server)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["training"]["streams"] > 1 and config["model"]["num_layers"] == 1
    button(page, "pause").click()
    expect(status(page)).to_contain_text(folder.name)


# --- generating -------------------------------------------------------------------------------------------------------


def test_stopping_keeps_what_was_written(page: Page, server: Any) -> None:
    """A network so large that it writes some hundred characters a second."""
    import tiny

    folder = server.folder / "checkpoints" / "slow-speaker"
    slow = tiny.run(folder, hidden_size=1536, num_layers=2)
    save_weights(folder, slow.published(), 1, 5.0)
    go_to(page, "tab_generate")
    choose(page, say("run"), folder.name)
    page.get_by_label(f"number input for {say('length')}").fill("10000")
    labelled(page, say("prompt")).fill("the Ω ")
    button(page, "generate").click()
    paper = written(page)
    page.wait_for_function("paper => /^the . .{20,}/s.test(paper.textContent)", arg=paper.element_handle())
    expect(page.get_by_text(said("replaced"))).to_be_visible()
    first = text_of(page)
    page.wait_for_function("first => document.querySelector('#written .paper').textContent !== first", arg=first)
    button(page, "stop").click()
    page.wait_for_function(IS_STILL, arg=paper.element_handle())
    kept = text_of(page)
    assert kept.startswith(first) and len(kept) < 10_000
    expect(page.get_by_text(said("wrote"))).to_be_visible()
    button(page, "generate").click()
    begun = "kept => !document.querySelector('#written .paper').textContent.startsWith(kept)"
    page.wait_for_function(begun, arg=kept)  # it begins anew
    button(page, "stop").click()


def text_of(page: Page) -> str:
    """To the character, as no normalised comparison is."""
    return str(written(page).evaluate("paper => paper.textContent"))


def choose(page: Page, label: str, option: str) -> None:
    """One of a drop-down list."""
    labelled(page, label).click()
    page.get_by_role("option", name=option, exact=True).click()


# --- languages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("locale", "language", "lang"), [("es-MX", "es", "es"), ("zh-HK", "zh", "zh-CN")])
def test_the_page_speaks_the_browsers_language(
    visitor: Callable[..., BrowserContext], server: Any, locale: str, language: str, lang: str
) -> None:
    """From a text that is refused to a run that ends and a text that is written."""
    page = visitor(locale=locale).new_page()
    page.goto(server.url)
    press = page.get_by_role("button", name=say("train", language), exact=True)
    expect(press).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", lang)
    expect(report(page)).to_contain_text(say("unchanged", language))
    page.get_by_label(say("source_pasted", language), exact=True).check()
    press.click()
    expect(page.get_by_text(say("paste_first", language))).to_have_count(2)  # in the report, and at the field
    page.get_by_label(say("source_named", language), exact=True).check()
    page.get_by_role("button", name=say("more", language)).click()
    labelled(page, knob_words("steps", "", language)[0]).fill("3")
    press.click()
    expect(status(page)).to_contain_text(say("budget", language))
    page.get_by_role("tab", name=say("tab_generate", language), exact=True).click()
    page.get_by_role("button", name=say("generate", language), exact=True).click()
    expect(page.get_by_text(said("wrote", language))).to_be_visible()


def test_a_chosen_language_stays(visitor: Callable[..., BrowserContext], server: Any) -> None:
    page = opened(visitor(locale="en-GB").new_page(), server.url)
    page.locator("#language input").click()
    page.get_by_role("option", name="Français", exact=True).click()
    french = page.get_by_role("button", name=say("train", "fr"), exact=True)
    expect(french).to_be_visible()
    expect(report(page)).to_contain_text(say("unchanged", "fr"))
    page.reload()
    expect(french).to_be_visible()
    expect(status(page)).to_have_text(say("idle", "fr").replace("**", ""))
    page.evaluate("localStorage.setItem('charlm.language', 'xx')")  # of another version, or by hand
    opened(page, server.url)


# --- strangers --------------------------------------------------------------------------------------------------------


def test_strangers_neither_see_nor_disturb_each_other(
    visitor: Callable[..., BrowserContext], public_server: Any
) -> None:
    first = opened(visitor().new_page(), public_server.url)
    folder = train(first, public_server, steps=1_000_000)
    expect(status(first)).to_contain_text(folder.name)
    second = opened(visitor().new_page(), public_server.url)
    expect(status(second)).to_have_text(say("idle").replace("**", ""))
    go_to(second, "tab_generate")
    expect(second.get_by_text(say("no_runs"))).to_be_visible()
    assert folder.name not in second.content()
    go_to(second, "tab_train")
    other = train(second, public_server, steps=1_000_000)
    expect(status(second)).to_contain_text(re.compile(said("queued").pattern.replace(".*", "1", 1), re.DOTALL))
    assert told(other, Started) == []
    button(first, "train").click()
    expect(toast(first)).to_contain_text("at most 1 are allowed")
    button(first, "pause").click()
    expect(status(first)).to_contain_text(said("stopped"))
    expect(status(second)).to_contain_text(other.name)
    button(second, "pause").click()
    expect(status(second)).to_contain_text(said("stopped"))
    assert other.name not in first.content()


def test_hostile_text_is_only_text(page: Page, server: Any) -> None:
    upload(page, "<img src=x onerror=window.hit=1>$$x$$**b**${window.hit=1}.txt", f"{HOSTILE}\n".encode() * 30)
    expect(report(page)).to_contain_text(re.compile(r"img src"))
    unfold(page, "closer")
    expect(labelled(page, say("preview"))).to_have_value(re.compile("^" + re.escape(HOSTILE)))
    folder = train(page, server, steps=30)
    expect(status(page)).to_contain_text(said("final"))
    assert HOSTILE in (folder / "text.txt").read_text("utf-8")
    is_plain(page)
    go_to(page, "tab_generate")
    labelled(page, say("prompt")).fill(HOSTILE + "é")
    button(page, "generate").click()
    expect(page.get_by_text(said("wrote"))).to_be_visible()
    assert text_of(page).startswith(HOSTILE)
    is_plain(page)


def test_a_hostile_run_is_only_shown(page: Page, server: Any, trained: Path) -> None:
    """A folder from elsewhere: its title, its samples and what it says of its end are somebody's words."""
    folder = shutil.copytree(trained, server.folder / "checkpoints" / "hostile")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["corpus"]["title"] = HOSTILE
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    more = [Sampled(12, HOSTILE, HOSTILE, 0.8, 1), Finished(12, "diverged", 1.0, HOSTILE)]
    with open(folder / EVENTS, "a", encoding="utf-8") as log:
        log.writelines(map(to_line, more))
    page.evaluate("run => localStorage.setItem('charlm.run', run)", folder.name)
    page.reload()
    expect(status(page)).to_contain_text(HOSTILE)
    expect(labelled(page, said("sample_at"))).to_have_value(HOSTILE + HOSTILE)
    is_plain(page)
    go_to(page, "tab_generate")
    choose(page, say("run"), folder.name)
    expect(page.get_by_text(HOSTILE, exact=False).last).to_be_visible()
    is_plain(page)


def is_plain(page: Page) -> None:
    """Nothing of a hostile text has become a part of the page."""
    for made in (
        "img[src=x]",
        ".katex",
        "a[href*=javascript]",
        "a[href*=example]",
        ".prose code",
        ".prose i",
        ".prose em",
    ):
        expect(page.locator(made)).to_have_count(0)
    assert not page.evaluate("() => window.hit")


# --- screens and frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_small_screen(theme: str, visitor: Callable[..., BrowserContext], server: Any, trained: Path) -> None:
    folder = server.folder / "checkpoints" / "small"
    if not folder.exists():
        shutil.copytree(trained, folder)
    page = visitor(viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    opened(page, f"{server.url}/?__theme={theme}")
    assert page.evaluate("() => document.body.classList.contains('dark')") == (theme == "dark")
    page.evaluate("run => localStorage.setItem('charlm.run', run)", folder.name)
    page.reload()
    page.wait_for_function(HAS_POINTS, arg=[1, 1])
    is_narrow = "() => document.documentElement.scrollWidth <= window.innerWidth"
    page.wait_for_function(is_narrow)
    unfold(page, "more")
    unfold(page, "reading")
    page.wait_for_function(is_narrow)
    assert len(page.screenshot()) > 10_000
    go_to(page, "tab_generate")
    expect(button(page, "generate")).to_be_visible()
    page.wait_for_function(is_narrow)
    assert len(page.screenshot()) > 10_000


@pytest.fixture
def frame_host(server: Any) -> Iterator[str]:
    """A page of another site that shows ours in a frame, as a Space does."""

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            frame = f'<iframe src="{server.url}" width=1200 height=850></iframe>'
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<!doctype html><link rel="icon" href="data:,">{frame}'.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        yield f"http://localhost:{host.server_port}"
        host.shutdown()
        thread.join()


def test_in_a_frame_with_storage_blocked(visitor: Callable[..., BrowserContext], server: Any, frame_host: str) -> None:
    page = visitor().new_page()
    page.goto(frame_host)
    inside = page.frame_locator("iframe")
    expect(button(inside, "train")).to_be_visible()
    frame = next(frame for frame in page.frames if frame.url.startswith(server.url))
    blocked = "() => { try { localStorage.length; return false } catch (error) { return true } }"
    assert frame.evaluate(blocked)
    expect(report(inside)).not_to_be_empty()
    before = server.runs()
    set_knobs(inside, steps=40)
    button(inside, "train").click()
    expect(status(inside)).to_contain_text(said("final"))
    frame.wait_for_function(HAS_POINTS, arg=[1, 1])
    (folder,) = server.runs() - before
    go_to(inside, "tab_generate")
    expect(labelled(inside, say("run"))).to_have_value(folder.name)
    button(inside, "generate").click()
    expect(inside.get_by_text(said("wrote"))).to_be_visible()
    go_to(inside, "tab_race")
    inside.get_by_label(say("equal_parameters"), exact=True).check()
    inside.get_by_label(f"number input for {say('race_steps')}").fill("50")
    before = server.runs()
    button(inside, "race_start").click()
    over = re.compile(f"{said('race_won').pattern}|{said('race_close').pattern}")
    expect(inside.locator("#race-status")).to_contain_text(over, timeout=4 * SECONDS * 1000)  # three runs
    assert len(server.runs() - before) == 3
    inside.locator("#language input").click()
    inside.get_by_role("option", name="Français", exact=True).click()
    expect(inside.get_by_role("button", name=say("race_start", "fr"), exact=True)).to_be_visible()
    expect(inside.locator("#race-table")).to_contain_text(say("race_weights", "fr"))  # the race is still there
