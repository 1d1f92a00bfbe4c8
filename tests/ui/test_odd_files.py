"""Odd files through the page's real upload route: each is read and reported, or refused in one sentence of the
visitor's language that says what to do. Never a trace, never a wait without an end; nothing is left of a refused one.
"""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from browser import report, said, toast
from odd_files import ODD_FILES, OddFile
from playwright.sync_api import BrowserContext, expect

from charlm.encoding import name_of
from charlm.jobs import PUBLIC
from charlm.ui.words import LANGUAGES, OTHERS, say

SECONDS = 30  # that any of them may take on a busy machine


# --- by the routes that a browser uses --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upload:
    """The event that reports on an uploaded file: its number, the values that the page would send, and where in them
    file, kind of source and language are.
    """

    url: str
    number: int
    values: list[Any]
    file: int
    kind: int
    language: int

    def reported(self, odd: OddFile, language: str) -> str:
        """All that the page shows about the file."""
        values = list(self.values)
        path = sent(self.url, odd)
        values[self.file] = {"path": path, "orig_name": odd.name, "meta": {"_type": "gradio.FileData"}}
        values[self.kind], values[self.language] = "file", language
        body = {"fn_index": self.number, "data": values, "session_hash": "odd"}
        answer = json.loads(asked(f"{self.url}/gradio_api/run/predict", json.dumps(body).encode(), "application/json"))
        return "\n".join(texts(answer["data"]))


def asked(url: str, body: bytes | None, kind: str) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return bytes(answer.read())


def sent(url: str, odd: OddFile) -> str:
    """Uploads as browsers do, which write quotes and line ends of a name as %22 and %0A; where it is kept."""
    name = odd.name.replace('"', "%22").replace("\n", "%0A").replace("\r", "%0D")
    head = f'--odd\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    body = head + odd.data + b"\r\n--odd--\r\n"
    (path,) = json.loads(asked(f"{url}/gradio_api/upload", body, "multipart/form-data; boundary=odd"))
    return str(path)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


@pytest.fixture(scope="module")
def uploading(server: Any) -> Upload:
    config = json.loads(asked(f"{server.url}/config", None, "application/json"))
    parts = {part["id"]: part for part in config["components"]}
    (one,) = [
        one
        for one in config["dependencies"]
        if one["backend_fn"]
        and any(event == "upload" and parts[part]["type"] == "file" for part, event in one["targets"])
    ]
    inputs = [parts[number] for number in one["inputs"]]
    place = {part["props"].get("elem_id") or part["props"].get("label"): i for i, part in enumerate(inputs)}
    file = next(i for i, part in enumerate(inputs) if part["type"] == "file")
    values = [part["props"].get("value") for part in inputs]
    return Upload(server.url, one["id"], values, file, place["text-kind"], place["language"])


def plain(text: str) -> str:
    """Without what keeps Markdown from reading a text."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@pytest.mark.parametrize("odd", ODD_FILES, ids=lambda odd: odd.what)
def test_an_odd_file_is_reported_or_refused(odd: OddFile, uploading: Upload) -> None:
    """In each of the languages; a report shows what it is read as and its beginning."""
    for language in LANGUAGES:
        shown = plain(uploading.reported(odd, language))
        if odd.refusal:
            sentence = OTHERS[language].ERRORS[odd.refusal] if language in OTHERS else odd.refusal
            parts = re.split(r"\{[^}]*\}", sentence)
            assert re.search(".*".join(map(re.escape, parts)), shown, re.DOTALL), shown
        else:
            assert odd.beginning in shown and name_of(odd.encoding) in shown
        assert "Traceback" not in shown and "Error" not in shown and "{" not in shown.replace(odd.name, "")


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("locale", ["es-ES", "ko-KR"])
def test_odd_files_in_a_browser(visitor: Callable[..., BrowserContext], server: Any, locale: str) -> None:
    """One after the other on one page, which stays usable."""
    language = locale[:2]
    page = visitor(locale=locale).new_page()
    page.goto(server.url)
    expect(report(page)).to_contain_text(say("unchanged", language))
    page.get_by_label(say("source_file", language), exact=True).check()
    wanted = ("a PNG named .txt", "Shift-JIS", "a name of quotes, emoji and 200 characters", "HTML with scripts")
    for odd in (odd for odd in ODD_FILES if odd.what in wanted):
        page.locator("input[type=file]").set_input_files(
            {"name": odd.name, "mimeType": "text/plain", "buffer": odd.data}
        )
        seen = OTHERS[language].ERRORS[odd.refusal].split("{")[0] if odd.refusal else name_of(odd.encoding)
        expect(report(page)).to_contain_text(seen)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.locator(".block:has(.file-preview) button.icon-button").first.click()  # take it away
        expect(report(page)).to_contain_text(say("upload_first", language))


@pytest.mark.browser
def test_a_file_above_the_limit(visitor: Callable[..., BrowserContext], public_server: Any) -> None:
    """Refused by Gradio or by this program, in the visitor's language."""
    page = visitor(locale="fr-FR").new_page()
    page.goto(public_server.url)
    expect(report(page)).to_contain_text(say("unchanged", "fr"))
    page.get_by_label(say("source_file", "fr"), exact=True).check()
    large = b"a text of several megabytes\n" * 200_000
    assert len(large) > PUBLIC.text_bytes
    page.locator("input[type=file]").set_input_files({"name": "big.txt", "mimeType": "text/plain", "buffer": large})
    either = re.compile(f"{said('too_large', 'fr').pattern}|{said('text_limit', 'fr').pattern}", re.DOTALL)
    expect(toast(page).or_(report(page)).filter(has_text=either)).to_be_visible()
