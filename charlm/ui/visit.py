"""What the tabs of one open page share, and what the browser remembers between visits. Knows nothing of training.

The browser keeps three things: the visitor's token, which owns his jobs, the run he watches, and the runs he made. They
are given back at every load by a script that works with storage blocked, as inside a Space's frame (then only the
memory is lost).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from charlm.errors import CharlmError

# Of events that are answered at once: outside Gradio's queue, and no part of the API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
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
RECALL = """() => {
    try {
        if (!localStorage.getItem('charlm.owner')) {
            const bytes = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18)));
            localStorage.setItem('charlm.owner', btoa(bytes).replaceAll('+', '-').replaceAll('/', '_'));
        }
        return ['owner', 'run', 'runs'].map(name => localStorage.getItem('charlm.' + name) || '');
    } catch (error) { return ['', '', '']; }
}"""


@dataclass(frozen=True)
class Visit:
    """The hidden components that every tab needs, and the event after which they are filled."""

    owner: gr.Textbox  # the visitor's token
    run: gr.Textbox  # the run that the page watches
    runs: gr.Textbox  # the runs that the browser remembers, a JSON list
    recalled: Dependency  # the page has been opened: `visit.recalled.then(...)`


def new_visit(page: gr.Blocks) -> Visit:
    """The hidden components, to be made inside the page."""
    owner, run, runs = (gr.Textbox(visible=False, max_length=8192) for _ in range(3))
    return Visit(owner, run, runs, page.load(None, None, [owner, run, runs], js=RECALL))


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """An error for people is shown as its one sentence, without a trace in the log."""
    try:
        yield
    except CharlmError as error:
        raise gr.Error(str(error), print_exception=False) from error
