"""Runs to and from the Hugging Face Hub, at the foot of the Runs tab. What is done there, charlm.hub does.

Whose token it is: on a Space the visitor's own, from his sign-in; elsewhere the one that he pastes for this once, which
is cleared at once and kept nowhere, or at home the one that `hf auth login` has stored. Nobody's calls carry none.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import gradio as gr

from charlm import hub
from charlm.card import LICENSES
from charlm.errors import CharlmError, HubError
from charlm.hub import Pulled, Pushed, Stage, seconds_for
from charlm.ui import views
from charlm.ui.labels import Labels, Said
from charlm.ui.shelf import Shelf, the_one
from charlm.ui.visit import check_origin
from charlm.ui.words import error_words, say

STAGES = {
    Stage.PREPARE: "stage_prepare",
    Stage.CREATE: "stage_create",
    Stage.UPLOAD: "stage_upload",
    Stage.TAG: "stage_tag",
    Stage.LOOK: "stage_look",
    Stage.DOWNLOAD: "stage_download",
    Stage.CHECK: "stage_check",
}
SHOWN = 12  # characters of a commit
Tell = Callable[[Stage | float], None]  # what is done now; or how many seconds the Hub may take from now, in all
T = TypeVar("T")


@dataclass(frozen=True)
class Panel:
    """The controls."""

    repo: gr.Textbox
    license: gr.Dropdown
    private: gr.Checkbox
    token: gr.Textbox
    push: gr.Button
    source: gr.Textbox
    pull: gr.Button
    note: gr.Markdown


def can_sign_in() -> bool:
    """Whether this is a Space where visitors sign in with their own account."""
    return bool(os.environ.get("SPACE_ID") and os.environ.get("OAUTH_CLIENT_ID"))


def hub_panel(labels: Labels) -> Panel:
    """The controls, to be made inside the Runs tab."""
    with labels.made(gr.Accordion, {"label": "hub"}, open=False, elem_id="hub"):
        if can_sign_in():
            labels.made(gr.Markdown, {"value": "sign_in_here"})
            gr.LoginButton("Hugging Face", "Hugging Face: {} ✕", size="sm", scale=0)  # its words lead in and out
        with gr.Row():
            with gr.Column(min_width=320):
                controls = _push(labels)
            with gr.Column(min_width=320):
                source = labels.made(
                    gr.Textbox, {"label": "pull_from", "info": "pull_info"}, max_lines=1, max_length=200
                )
                pull = labels.made(gr.Button, {"value": "pull"})
        note = gr.Markdown(elem_classes="outcome")
    return Panel(*controls, source, pull, note)


def _push(labels: Labels) -> tuple[gr.Textbox, gr.Dropdown, gr.Checkbox, gr.Textbox, gr.Button]:
    repo = labels.made(gr.Textbox, {"label": "repo", "info": "repo_info"}, max_lines=1, max_length=200)
    licenses: Said = {"label": "license", "info": "license_info", "choices": _licenses}
    license = labels.made(gr.Dropdown, licenses, value="")
    private = labels.made(gr.Checkbox, {"label": "private", "info": "private_info"}, value=True)
    token = labels.made(
        gr.Textbox, {"label": "token", "info": "token_info"}, type="password", max_lines=1, max_length=200,
        visible=not can_sign_in(), html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
    )  # fmt: skip
    return repo, license, private, token, labels.made(gr.Button, {"value": "push"}, variant="primary")


def _licenses(language: str) -> list[tuple[str, str]]:
    return [(say("license_none", language), ""), *((one, one) for one in LICENSES)]


class HubActs:
    """What the two buttons do. Each tells what is being done, and ends with a sentence, whatever happens."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def push(
        self, chosen: list[str], repo: str, license: str, private: bool, pasted: str, language: str,
        request: gr.Request, signed_in: gr.OAuthToken | None,
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        """Put the chosen run on the Hub: a sentence, and the token box, which is emptied."""
        token = _token_of(pasted, signed_in)

        def work(tell: Tell) -> Pushed:
            check_origin(request)
            run = the_one(chosen)
            tell(2 * seconds_for(0) + seconds_for(self.shelf.size_of(run)))  # who, what is there, the commit
            tell(Stage.PREPARE)
            place = _whole_name(repo, token)
            return self.shelf.push(run, place, token, private is not False, license or "", tell)

        for told in _followed(work, language):
            if isinstance(told, Pushed):
                url, commit = told.url, told.commit[:SHOWN]
                yield say("pushed", language, url=views.plain(url), commit=commit, tag=views.plain(told.tag)), ""
            else:
                yield told, ""

    def pull(
        self, repo: str, pasted: str, language: str, request: gr.Request, signed_in: gr.OAuthToken | None
    ) -> Iterator[tuple[str, str, str]]:
        """Make a run of what lies on the Hub: a sentence, the token box, which is emptied, and the run that came."""
        token = _token_of(pasted, signed_in)

        def work(tell: Tell) -> Pulled:
            check_origin(request)
            if not (repo or "").strip():
                raise HubError(say("repo_first"))
            return self.shelf.pull(repo, token, tell)

        for told in _followed(work, language):
            if isinstance(told, Pulled):
                place, commit = views.plain(told.repo), told.commit[:SHOWN]
                yield say("pulled", language, repo=place, commit=commit), "", told.run
            else:
                yield told, "", ""


def _token_of(pasted: str, signed_in: gr.OAuthToken | None) -> str:
    """The caller's own token; "" for nobody's."""
    if can_sign_in():
        return signed_in.token if signed_in else ""
    return (pasted or "").strip() or hub.stored_token()


def _whole_name(repo: str, token: str) -> str:
    """USER/NAME; where no user is given, the token's. Raises HubError."""
    name = (repo or "").strip()
    if not name:
        raise HubError(say("repo_first"))
    if not token:
        raise HubError(say("sign_in_first" if can_sign_in() else "token_first"))
    return name if "/" in name else f"{hub.account_of(token)}/{name}"


def _followed(work: Callable[[Tell], T], language: str) -> Iterator[str | T]:
    """What is being done, as sentences, then what came of it: the result, or a sentence on what went wrong."""
    said: queue.SimpleQueue[Stage | float | CharlmError | tuple[T]] = queue.SimpleQueue()

    def run() -> None:
        try:
            said.put((work(said.put),))
        except CharlmError as error:
            said.put(error)
        except BaseException as error:
            said.put(HubError(say("hub_failed"), kind=type(error).__name__))
            raise

    threading.Thread(target=run, name="hub", daemon=True).start()
    longest = seconds_for(0)
    while True:
        told = said.get()
        if isinstance(told, Stage):
            yield say("working", language, stage=say(STAGES[told], language), longest=views.duration(longest))
        elif isinstance(told, float):
            longest = told
        elif isinstance(told, CharlmError):
            yield f"⚠️ {views.plain(error_words(told, language))}"
            return
        else:
            yield told[0]
            return
