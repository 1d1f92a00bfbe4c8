"""Eight visitors at once on a public server that trains two runs at a time: nobody sees another's text, run or model.

Each comes through a door of his own, which keeps every answer that he is given, and brings a text in an alphabet of his
own: one letter of it in anybody else's answers is a leak, whatever it came in.
"""

import contextlib
import http.client
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

import pytest
from browser import button, go_to, labelled, opened, paste, said, set_knobs, status, written
from playwright.sync_api import BrowserContext, Page, expect

from charlm.ui.words import say

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ALPHABETS = (
    "αβγδεζηθικλμνξοπρστυφχψω", "бвгджзийклмнптфцчшщъыьэюя", "աբգդեզէըթժիլխծկհձղճմյնշ", "აბგდევზთიკლმნოპჟრსტუფქღ",
    "אבגדהוזחטיכלמנסעפצקרשת", "بتثجحخدذرزسشصضطظعغفقكلمنه", "กขคงจฉชซญดตถทธนบปผพฟมยรลว", "कखगघचछजझटठडढणतथदधनपफबभमयरलव",
)  # fmt: skip
AT_A_TIME = 2
GONE = (ConnectionError, http.client.IncompleteRead)  # the page, or the server at the test's end
KEPT = ("application/json", "text/event-stream", "text/html")


@dataclass
class Door:
    """The server under an address of its own; `answers` is all that came through but scripts, styles and fonts."""

    url: str
    answers: list[bytes] = field(default_factory=list)

    def has_seen(self, text: str) -> bool:
        """As it is, or as JSON may write it."""
        everything = b"".join(self.answers)
        return any(form.encode() in everything for form in (text, json.dumps(text)[1:-1]))


@pytest.fixture
def new_door() -> Iterator[Callable[[str], Door]]:
    """new_door(url) leads to that server."""
    with contextlib.ExitStack() as stack:

        def new(url: str) -> Door:
            door = Door("")
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), passing_on(urlparse(url).netloc, door)))
            server.daemon_threads = True  # a page's heartbeat ends when its server does
            door.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return door

        yield new


def passing_on(place: str, door: Door) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            with contextlib.closing(http.client.HTTPConnection(place)) as line, contextlib.suppress(*GONE):
                line.request(self.command, self.path, self.rfile.read(size) or None, headers | {"Connection": "close"})
                answer = line.getresponse()
                with contextlib.closing(answer):
                    self._hand_over(answer)

        do_POST = do_HEAD = do_GET

        def _hand_over(self, answer: http.client.HTTPResponse) -> None:
            """Piece by piece, as it comes: some answers never end."""
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            is_kept = answer.getheader("Content-Type", "").startswith(KEPT)
            while piece := answer.read1(1 << 16):
                if is_kept:
                    door.answers.append(piece)
                self.wfile.write(piece)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler


def text_in(alphabet: str) -> str:
    dice = random.Random(alphabet)
    words = ["".join(dice.choices(alphabet, k=dice.randint(2, 8))) for _ in range(200)]
    return "".join(f"{dice.choice(words)}{dice.choice('    .')}" for _ in range(700)) + alphabet


@dataclass
class Guest:
    """A visitor, what he brings, and what he got."""

    page: Page
    door: Door
    alphabet: str
    run: str = ""


def test_eight_visitors_at_once(
    visitor: Callable[..., BrowserContext], start_server: Callable[..., Any], new_door: Callable[[str], Door]
) -> None:
    server = start_server(CHARLM_PUBLIC="1", CHARLM_PLACES=str(AT_A_TIME))
    guests = [Guest(visitor().new_page(), new_door(server.url), alphabet) for alphabet in ALPHABETS]
    for guest in guests:
        opened(guest.page, guest.door.url)
        paste(guest.page, text_in(guest.alphabet))
        set_knobs(guest.page, steps=1_000_000)
    for guest in guests:
        before = server.runs()
        button(guest.page, "train").click()
        expect(button(guest.page, "pause")).to_be_enabled()
        (folder,) = server.runs() - before
        guest.run = folder.name
    for place, guest in enumerate(guests[AT_A_TIME:], start=1):
        expect(status(guest.page)).to_contain_text(re.compile(said("queued").pattern.replace(".*", str(place), 1)))
    for guest in guests:  # the longest waiting go on as the first ones stop
        expect(status(guest.page)).to_contain_text(guest.run)
        expect(labelled(guest.page, said("sample_at"))).not_to_have_value("")
        button(guest.page, "pause").click()
        expect(status(guest.page)).to_contain_text(said("stopped"))
    for guest in guests:
        writes_with_his_own(guest)
    for guest in guests:
        others = [other for other in guests if other is not guest]
        assert guest.door.has_seen(guest.run) and all(map(guest.door.has_seen, guest.alphabet))
        assert [other.run for other in others if guest.door.has_seen(other.run)] == []
        assert [letter for other in others for letter in other.alphabet if guest.door.has_seen(letter)] == []


def writes_with_his_own(guest: Guest) -> None:
    """His run is the only one that is offered, and knows no letter but his."""
    go_to(guest.page, "tab_generate")
    run = labelled(guest.page, say("run"))
    expect(run).to_have_value(guest.run)
    run.click()
    expect(guest.page.get_by_role("option")).to_have_text([re.compile(guest.run)])
    guest.page.keyboard.press("Escape")
    button(guest.page, "generate").click()
    expect(guest.page.get_by_text(said("wrote"))).to_be_visible()
    text = str(written(guest.page).evaluate("paper => paper.textContent"))
    assert text.strip() and set(text) <= set(guest.alphabet) | set(" .\n")
