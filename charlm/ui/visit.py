"""What the tabs of one open page share, and what the browser remembers between visits. Knows nothing of training.

The browser keeps four things: the visitor's token, which owns his jobs, the run he watches, the runs he made, and the
language he chose. They are given back at every load by a script that works with storage blocked, as inside a Space's
frame (then only the memory is lost, and the language is the browser's).
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import gradio as gr
from gradio.events import Dependency

from charlm.errors import CharlmError, LimitError
from charlm.ui.labels import Labels
from charlm.ui.words import LANGUAGES, error_words, say

# Of events that are answered at once: outside Gradio's queue, and no part of the API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# Of choices: the last one counts, also if it comes while the one before is being answered. Gradio would drop it.
LAST: dict[str, Any] = {**QUIET, "trigger_mode": "always_last"}
REMEMBER = """(run) => {
    let runs = [];
    try {
        runs = JSON.parse(localStorage.getItem('charlm.runs') || '[]').filter(one => one !== run);
        if (run) runs = [run, ...runs].slice(0, 50);
        localStorage.setItem('charlm.run', run);
        localStorage.setItem('charlm.runs', JSON.stringify(runs));
    } catch (error) { runs = run ? [run] : []; }
    return JSON.stringify(runs);
}"""
KEEP = """(run, known) => {  // among his runs, without being the one that the page watches
    let runs = JSON.parse(known || '[]');
    try { runs = JSON.parse(localStorage.getItem('charlm.runs') || known || '[]'); } catch (error) { /* blocked */ }
    if (run) runs = [run, ...runs.filter(one => one !== run)].slice(0, 50);
    try { localStorage.setItem('charlm.runs', JSON.stringify(runs)); } catch (error) { /* then it is forgotten */ }
    return JSON.stringify(runs);
}"""
FORGET = """(gone, watched, known) => {  // a JSON list of runs that are no more
    const names = JSON.parse(gone || '[]'), left = names.includes(watched) ? '' : watched;
    let runs = JSON.parse(known || '[]');
    try { runs = JSON.parse(localStorage.getItem('charlm.runs') || known || '[]'); } catch (error) { /* blocked */ }
    runs = runs.filter(one => !names.includes(one));
    try {
        localStorage.setItem('charlm.runs', JSON.stringify(runs));
        localStorage.setItem('charlm.run', left || '');
    } catch (error) { /* there is nothing to forget */ }
    return [left, JSON.stringify(runs)];
}"""
WATCH = """(run) => {
    try { localStorage.setItem('charlm.run', run); } catch (error) { /* then it is forgotten */ }
}"""
RECALL = """() => {
    const spoken = LANGUAGES.find(one => navigator.language.toLowerCase().startsWith(one)) || 'en';
    try {
        if (!localStorage.getItem('charlm.owner')) {
            const bytes = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18)));
            localStorage.setItem('charlm.owner', btoa(bytes).replaceAll('+', '-').replaceAll('/', '_'));
        }
        const kept = ['owner', 'run', 'runs'].map(name => localStorage.getItem('charlm.' + name) || '');
        const chosen = localStorage.getItem('charlm.language');
        return [...kept, LANGUAGES.includes(chosen) ? chosen : spoken];
    } catch (error) { return ['', '', '', spoken]; }
}""".replace("LANGUAGES", json.dumps(list(LANGUAGES)))
CHOOSE = "(language) => { try { localStorage.setItem('charlm.language', language); } catch (error) { /* blocked */ } }"
GRADIO_NAMES = {  # what Gradio's names for screen readers begin with, in English alone -> what the page says
    "Click to upload or drop files": "label_upload", "Copy": "label_copy", "Gradio footer navigation": "label_footer",
    "Table actions": "label_table",
    "Reset to default value": "label_reset", "number input for ": "label_number", "range slider for ": "label_slider",
}  # fmt: skip
SPOKEN = {
    one: {
        "title": say("page_title", one),
        "names": {start: say(key, one) for start, key in GRADIO_NAMES.items()} if one != "en" else {},
        **{key: say(key, one) for key in ("too_large", "done", "drop", "or", "click")},
    }
    for one in LANGUAGES
}
SPEAK = (Path(__file__).parent / "speak.js").read_text("utf-8").replace("WORDS[", f"({json.dumps(SPOKEN)})[")


@dataclass(frozen=True)
class Visit:
    """The hidden components that every tab needs, and the event after which they are filled."""

    owner: gr.Textbox  # the visitor's token
    run: gr.Textbox  # the run that the page watches
    runs: gr.Textbox  # the runs that the browser remembers, a JSON list
    language: gr.Dropdown  # the one thing here that is seen: the page's language
    labels: Labels  # what is said anew in another language
    recalled: Dependency  # the page has been opened: `visit.recalled.then(...)`


def new_visit(page: gr.Blocks, labels: Labels) -> Visit:
    """The hidden components and the choice of a language, to be made inside the page."""
    names = [(name, language) for language, name in LANGUAGES.items()]
    language = gr.Dropdown(
        names, value="en", label="Language · Idioma · Langue · 语言 · 언어", show_label=False, container=False,
        filterable=False, elem_id="language", min_width=120, scale=0,
    )  # fmt: skip
    owner, run, runs = (gr.Textbox(visible=False, max_length=8192) for _ in range(3))
    language.input(None, language, None, js=CHOOSE)  # what is chosen; the browser's own may change
    language.change(None, language, None, js=SPEAK)
    recalled = page.load(None, None, [owner, run, runs, language], js=RECALL)
    recalled.then(None, language, None, js=SPEAK)  # also where it is English, which is no change
    return Visit(owner, run, runs, language, labels, recalled)


def check_origin(request: gr.Request) -> None:
    """Raises LimitError when another site's page asks for a change, with this visitor's cookies.

    Gradio sends whoever asks from anywhere to a Space, so it is refused here.
    """
    origin = request.headers.get("origin")
    here = {os.environ.get("SPACE_HOST") or request.headers.get("host", "")}
    if origin is not None and urlparse(origin).netloc not in here:
        raise LimitError(say("from_elsewhere"))


@contextlib.contextmanager
def sentences(language: str) -> Iterator[None]:
    """An error for people is shown as its one sentence, in their language, without a trace in the log."""
    try:
        yield
    except CharlmError as error:
        raise gr.Error(error_words(error, language), title=say("refused", language), print_exception=False) from error
