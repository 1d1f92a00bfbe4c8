"""The Runs tab in a real browser: runs side by side, named, downloaded, deleted, brought back; on a small screen."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from browser import button, go_to, labelled, opened, said, status, train
from loopback_hub import ALICE, OWNER, LoopbackHub
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from charlm.checkpoint import write_name
from charlm.recording import recorded
from charlm.ui.words import knob_words, say

pytestmark = pytest.mark.browser

CURVES = "() => (document.querySelector('#runs-plot .js-plotly-plot')?.data || []).map(one => [one.name, one.x.length])"
IS_NARROW = "() => document.documentElement.scrollWidth <= window.innerWidth"
HOSTILE = "<img src=x onerror=window.hit=1> | **b** ${window.hit=1} {{7*7}}"


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same text as `trained`, with other settings."""
    folder = tmp_path_factory.mktemp("another") / "tiny"
    for _ in recorded(tiny.run(folder, cell="gru", streams=3), folder):
        pass
    return folder


@pytest.fixture
def kept(server: Any, trained: Path, another: Path) -> Callable[..., None]:
    """kept("one", "two") puts runs of those names on the server: an LSTM, and a GRU beside it."""

    def put(*names: str) -> None:
        for source, name in zip((trained, another), names, strict=False):
            shutil.copytree(source, server.folder / "checkpoints" / name, dirs_exist_ok=True)

    return put


def choice(page: Page, name: str, language: str = "en") -> Locator:
    return page.get_by_role("checkbox", name=f"{say('choose', language)}: {name}", exact=True)


def pressed(page: Page, key: str, language: str) -> Locator:
    return page.get_by_role("button", name=say(key, language), exact=True)


def compared(page: Page) -> Locator:
    return page.locator(".tables").last


def test_two_runs_side_by_side_by_keyboard(page: Page, kept: Callable[..., None]) -> None:
    kept("an-lstm", "a-gru")
    go_to(page, "tab_runs")
    for name in ("an-lstm", "a-gru"):
        choice(page, name).focus()
        page.keyboard.press("Space")
        expect(choice(page, name)).to_be_checked()
        expect(choice(page, name)).to_be_focused()  # also when the list has been drawn anew
    page.wait_for_function(f"() => ({CURVES})().length == 2")
    assert {name for name, points in page.evaluate(CURVES) if points > 1} == {"an-lstm", "a-gru"}
    for knob, values in (("cell", ("lstm", "gru")), ("streams", ("2", "3"))):
        row = compared(page).get_by_role("row", name=knob_words(knob, "")[0])
        expect(row.get_by_role("cell")).to_have_count(3)
        assert set(row.get_by_role("cell").all_inner_texts()[1:]) == set(values)
    expect(compared(page)).not_to_contain_text(knob_words("hidden_size", "")[0])  # it is the same in both
    expect(compared(page).get_by_role("cell", name="cold-256")).to_be_visible()
    shown = compared(page).bounding_box()
    assert shown and shown["width"] > 300  # what scrolls by itself may be squeezed to nothing
    expect(button(page, "rename")).to_be_disabled()  # of one run alone
    choice(page, "an-lstm").uncheck()
    expect(button(page, "rename")).to_be_enabled()
    page.wait_for_function(f"() => ({CURVES})().length == 1")


def test_a_chosen_run_opens_elsewhere(page: Page, kept: Callable[..., None]) -> None:
    kept("an-lstm", "a-gru")
    go_to(page, "tab_runs")
    choice(page, "a-gru").check()
    button(page, "open_generate").click()
    expect(button(page, "generate")).to_be_visible()
    expect(labelled(page, say("run"))).to_have_value("a-gru")
    go_to(page, "tab_runs")
    choice(page, "a-gru").uncheck()
    choice(page, "an-lstm").check()
    button(page, "open_train").click()
    expect(status(page)).to_contain_text("an-lstm")
    page.reload()
    expect(status(page)).to_contain_text("an-lstm")


def test_named_downloaded_deleted_and_brought_back(
    visitor: Callable[..., BrowserContext], server: Any, kept: Callable[..., None], chromium: Browser, tmp_path: Path
) -> None:
    """In French, from the list to the report that opens without a network."""
    kept("a-retrouver")
    page = visitor(locale="fr-FR").new_page()
    page.goto(server.url)
    page.get_by_role("tab", name=say("tab_runs", "fr"), exact=True).click()
    choice(page, "a-retrouver", "fr").check()
    name = labelled(page, say("name", "fr"))
    expect(name).to_have_value("a-retrouver")
    name.fill("Mon été")
    pressed(page, "rename", "fr").click()
    expect(choice(page, "Mon été", "fr")).to_be_checked()
    config = json.loads((server.folder / "checkpoints" / "a-retrouver" / "config.json").read_text("utf-8"))
    assert config["name"] == "Mon été"

    with page.expect_download() as zip_download:
        pressed(page, "download", "fr").click()
    zip_download.value.save_as(tmp_path / "run.zip")
    assert zip_download.value.suggested_filename == "a-retrouver.zip"
    with zipfile.ZipFile(tmp_path / "run.zip") as packed:
        assert "a-retrouver/report.html" in packed.namelist() and "a-retrouver/text.txt" not in packed.namelist()
    with page.expect_download() as page_download:
        pressed(page, "report_page", "fr").click()
    page_download.value.save_as(tmp_path / "report.html")
    opens_offline(chromium, tmp_path / "report.html", "Mon été", say("settings", "fr"))

    pressed(page, "delete", "fr").click()
    expect(page.get_by_text(said("delete_really", "fr"))).to_be_visible()
    expect(pressed(page, "delete_no", "fr")).to_be_focused()
    page.keyboard.press("Enter")
    expect(pressed(page, "delete_yes", "fr")).not_to_be_visible()
    pressed(page, "delete", "fr").click()
    pressed(page, "delete_yes", "fr").click()
    expect(page.get_by_text(said("deleted", "fr"))).to_be_visible()
    expect(choice(page, "Mon été", "fr")).to_have_count(0)
    assert not (server.folder / "checkpoints" / "a-retrouver").exists()

    page.locator("#upload-run input[type=file], input[type=file][accept*=zip]").set_input_files(tmp_path / "run.zip")
    expect(choice(page, "Mon été", "fr")).to_be_checked()
    page.wait_for_function(f"() => ({CURVES})().length == 1")
    expect(page.get_by_text(said("came", "fr"))).to_be_visible()


def opens_offline(chromium: Browser, path: Path, *texts: str) -> None:
    """A page of a file shows these texts and its curve, and asks nobody for anything."""
    context, asked = chromium.new_context(offline=True), list[str]()
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(path.as_uri())
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()
    expect(page.locator("svg")).to_be_visible()
    context.close()
    assert asked == [path.as_uri()]


def test_what_is_no_run_is_refused_in_a_sentence(page: Page, server: Any) -> None:
    before = server.runs()
    go_to(page, "tab_runs")
    no_zip = {"name": "run.zip", "mimeType": "application/zip", "buffer": b"PK\x03\x04 nothing"}
    page.locator("input[type=file][accept*=zip]").set_input_files(no_zip)  # type: ignore[arg-type]
    expect(page.get_by_test_id("toast-body")).to_contain_text("no zip file")
    assert server.runs() == before


def test_a_hostile_name_is_only_text(page: Page, server: Any, kept: Callable[..., None]) -> None:
    kept("hostile-one", "beside-it")
    write_name(server.folder / "checkpoints" / "hostile-one", HOSTILE)
    go_to(page, "tab_runs")
    for name in (HOSTILE, "beside-it"):
        choice(page, name).check()
    expect(compared(page).get_by_text(HOSTILE, exact=True).first).to_be_visible()
    page.wait_for_function(f"() => ({CURVES})().length == 2")
    expect(page.locator("img[src=x]")).to_have_count(0)
    choice(page, "beside-it").uncheck()
    button(page, "delete").click()
    expect(page.get_by_text(HOSTILE).last).to_be_visible()
    expect(page.locator("img[src=x]")).to_have_count(0)
    assert not page.evaluate("() => window.hit")


def test_a_stranger_keeps_his_runs_to_himself(visitor: Callable[..., BrowserContext], public_server: Any) -> None:
    first = opened(visitor().new_page(), public_server.url)
    folder = train(first, public_server, steps=8)
    expect(status(first)).to_contain_text(said("final"))
    go_to(first, "tab_runs")
    expect(choice(first, folder.name[:-33])).to_be_visible()  # without what cannot be guessed
    expect(first.get_by_text(say("kept_here"))).to_be_visible()
    second = opened(visitor().new_page(), public_server.url)
    go_to(second, "tab_runs")
    expect(second.get_by_text(say("no_runs")).last).to_be_visible()
    assert folder.name not in second.content() and folder.name[:-33] not in second.content()
    choice(first, folder.name[:-33]).check()
    button(first, "delete").click()
    button(first, "delete_yes").click()
    expect(first.get_by_text(said("deleted"))).to_be_visible()
    remembered = "() => [localStorage.getItem('charlm.runs'), localStorage.getItem('charlm.run')]"
    first.wait_for_function(f"() => ({remembered})()[0] == '[]'")
    assert first.evaluate(remembered) == ["[]", ""] and not folder.exists()


def test_a_run_goes_from_one_page_to_another_through_the_hub(
    start_server: Callable[..., Any], visitor: Callable[..., BrowserContext], trained: Path
) -> None:
    """Pushed at home with a pasted token, pulled in French by nobody in particular on a public server."""
    with LoopbackHub() as hub:
        surroundings = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "HF_TOKEN": OWNER}
        home, public = start_server(**surroundings), start_server(**surroundings, CHARLM_PUBLIC="1")
        mine = Path(shutil.copytree(trained, home.folder / "checkpoints" / "my-rnn"))
        page = opened(visitor().new_page(), home.url)
        go_to(page, "tab_runs")
        choice(page, "my-rnn").check()
        page.get_by_role("button", name=say("hub")).click()
        labelled(page, say("repo")).fill("my-first")
        labelled(page, say("token")).fill(ALICE)
        page.get_by_label(say("private")).uncheck()
        button(page, "push").click()
        expect(page.get_by_text(said("pushed"))).to_contain_text("alice/my-first")
        expect(labelled(page, say("token"))).to_have_value("")
        commit = hub.repositories["models", "alice/my-first"].head
        expect(page.get_by_text(said("pushed"))).to_contain_text(commit[:12])
        assert {call.token for call in hub.calls if call.server == "hub"} == {ALICE} and ALICE not in home.log

        hub.calls.clear()
        page = visitor(locale="fr-FR").new_page()
        page.goto(public.url)
        page.get_by_role("tab", name=say("tab_runs", "fr"), exact=True).click()
        page.get_by_role("button", name=say("hub", "fr")).click()
        source = labelled(page, say("pull_from", "fr"))
        source.fill("alice/nothing")
        source.press("Enter")
        expect(page.get_by_text("alice/nothing")).to_contain_text("⚠️")
        source.fill("alice/my-first")
        pressed(page, "pull", "fr").click()
        expect(page.get_by_text(said("pulled", "fr"))).to_contain_text(commit[:12])
        expect(choice(page, "my-first", "fr")).to_be_checked()
        expect(compared(page)).to_contain_text(commit)
        page.wait_for_function(f"() => ({CURVES})().length == 1")
        assert {call.token for call in hub.calls} == {""}  # never the host's
    (folder,) = public.runs()
    for name in ("config.json", "model.safetensors", "trainer.safetensors", "events.jsonl"):
        assert (folder / name).read_bytes() == (mine / name).read_bytes()
    pressed(page, "open_generate", "fr").click()
    pressed(page, "generate", "fr").click()
    expect(page.get_by_text(said("wrote", "fr"))).to_be_visible()


def test_a_run_that_came_without_its_text_is_given_it(
    page: Page, server: Any, kept: Callable[..., None], tmp_path: Path
) -> None:
    kept("an-lstm")
    folder = server.folder / "checkpoints" / "an-lstm"
    text = (folder / "text.txt").read_bytes()
    (folder / "text.txt").unlink()
    go_to(page, "tab_runs")
    choice(page, "an-lstm").check()
    offered = button(page, "give_text")
    expect(offered).to_be_visible()
    for name, content, told in (("other.txt", text + b"more", "is not the text"), ("mine.txt", text, say("has_text"))):
        (tmp_path / name).write_bytes(content)
        with page.expect_file_chooser() as chooser:
            offered.click()
        chooser.value.set_files(tmp_path / name)
        expect(page.get_by_text(told).first).to_be_visible()
        assert (folder / "text.txt").exists() == (name == "mine.txt")
    expect(offered).to_be_hidden()
    assert (folder / "text.txt").read_bytes() == text


@pytest.mark.parametrize(("theme", "locale", "language"), [("light", "ko-KR", "ko"), ("dark", "en-GB", "en")])
def test_runs_on_a_small_screen(
    theme: str, locale: str, language: str, visitor: Callable[..., BrowserContext], server: Any,
    kept: Callable[..., None],
) -> None:  # fmt: skip
    kept("an-lstm", "a-gru")
    context = visitor(viewport={"width": 390, "height": 844}, has_touch=True, locale=locale)
    page = context.new_page()
    page.goto(f"{server.url}/?__theme={theme}")
    page.get_by_role("tab", name=say("tab_runs", language), exact=True).click()
    for name in ("an-lstm", "a-gru"):
        choice(page, name, language).check()
    page.wait_for_function(f"() => ({CURVES})().length == 2")
    page.wait_for_function(IS_NARROW)
    pressed(page, "delete", language).click()
    expect(pressed(page, "delete_yes", language)).to_be_visible()
    page.get_by_role("button", name=say("hub", language)).click()
    expect(pressed(page, "push", language)).to_be_visible()
    page.wait_for_function(IS_NARROW)
