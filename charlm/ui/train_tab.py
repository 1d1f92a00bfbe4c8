"""The Train tab: choose a text, choose what is learned, train.

`source` and `settings` are the form, `share` tells it to others, `screen` is where a run is watched. Handlers read the
form, call one function, show the result.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from charlm.config import check_value
from charlm.corpora import is_named
from charlm.corpus import Corpus
from charlm.errors import CharlmError, CorpusError
from charlm.jobs import JobBoard
from charlm.recipes import plan, text_config
from charlm.ui.glance import Glances
from charlm.ui.link import KNOBS
from charlm.ui.runs import begin_run, check_limits, owner_of
from charlm.ui.screen import Watching, make_screen
from charlm.ui.settings import Settings, is_free, make_settings
from charlm.ui.share import Sharing, make_note, make_share
from charlm.ui.source import Reader, make_source, wire_report
from charlm.ui.visit import QUIET, REMEMBER, Visit, sentences
from charlm.ui.words import error_words, say

PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 8}
NAME_CHARS = 40  # a text without a blank that is no longer is meant as a name
Values = Mapping[gr.components.Component, Any]
Refused = dict[gr.components.Component, CharlmError]


def train_tab(board: JobBoard, glances: Glances, visit: Visit, tab: gr.Tab) -> None:
    """The components and their wiring, to be made inside their tab."""
    labels, note = visit.labels, make_note()
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            source, report = make_source(labels)
            settings = make_settings(board.limits, labels)
            share = make_share(labels, note)
        with gr.Column(scale=3, min_width=320):
            screen = make_screen(labels)
    reader, watching = Reader(source, lambda: board.limits), Watching(board, glances, visit, screen)
    watching.wire()
    tab.select(**watching.polled)  # another run may have been chosen elsewhere
    wire_report(visit, reader, settings.recipe, report)
    Sharing(visit, source, settings, share).wire(watching)
    acts = Acts(board, visit, reader, settings)
    inputs = {visit.owner, visit.language, *source.inputs, *settings.inputs}
    screen.train.click(acts.unfold, inputs, [source.fold, settings.fold], **QUIET)  # first: a refusal ends the click
    begun = screen.train.click(
        acts.start, inputs, visit.run, validator=acts.check, show_progress_on=[screen.plot], **PRIVATE
    )
    begun.success(**watching.polled).then(None, visit.run, visit.runs, js=REMEMBER)
    fields = {visit.language, *source.reading.controls.values(), *settings.inputs}
    left = [control.blur for control in fields if isinstance(control, gr.Textbox)]  # all but the language are typed
    gr.on(left, lambda values: None, fields, None, validator=acts.check_fields, show_progress="hidden", **PRIVATE)
    gr.api(acts.train, api_name="train")


class Acts:
    """What Train does, from the page and from a program, and what is refused before."""

    def __init__(self, board: JobBoard, visit: Visit, reader: Reader, settings: Settings) -> None:
        self.board, self.visit, self.reader, self.settings = board, visit, reader, settings

    def start(self, values: Values, request: gr.Request) -> str:
        """Begin the run that the form describes; its name."""
        owner, source = owner_of(values[self.visit.owner], request.session_hash), self.reader.source
        with sentences(values[self.visit.language]):
            recipe, model, training = self.settings.read(values)
            corpus = self.reader.corpus(values, recipe)
            stem = values[source.name] if values[source.kind] == "named" else Path(corpus.title).stem
            return begin_run(self.board, owner, stem, corpus, plan(corpus, recipe, model, training))

    def train(
        self, request: gr.Request, text: str, cell: str = "lstm", recipe: str = "quick", seconds: float = 0.0,
        seed: int = 0,
    ) -> str:  # fmt: skip
        """Train a network on a text. Answers with the name of the run, which goes on by itself.

        Parameters:
            text: the name of a text, as comedy-en, or a text of your own of at least 100 characters
            cell: lstm, gru or rnn; a tutorial has its own
            recipe: quick, good, best, or a tutorial's: rnn-notebook, lstm-notebook, random-chunks
            seconds: how long to train; 0: as the recipe says
            seed: of everything that is drawn while it learns
        Returns:
            the name of the run: whoever knows it may watch it, stop it and write with it
        """
        with sentences("en"):
            for knob, value in (("cell", cell), ("seconds", seconds), ("seed", seed)):
                check_value(KNOBS[knob], value)
            text, recipe = str(text), str(recipe)
            corpus = self._given(text, recipe)
            model = {"cell": cell} if is_free(recipe) else {}
            training = {"seed": seed} | ({"seconds": float(seconds)} if seconds else {})
            stem, owner = text.strip() if is_named(text.strip()) else "text", owner_of(None, request.session_hash)
            return begin_run(self.board, owner, stem, corpus, plan(corpus, recipe, model, training))

    def _given(self, text: str, recipe: str) -> Corpus:
        """A corpus by its name, or of the text itself."""
        name, config = text.strip(), text_config(recipe, {})
        if is_named(name):
            return self.reader.named(name, config)
        if 0 < len(name) <= NAME_CHARS and len(name.split()) == 1:
            raise CorpusError(say("no_such_text"), name=name)
        return self.reader.pasted(text, config)

    # --- refused at its field -----------------------------------------------------------------------------------------

    def check(self, values: Values) -> dict[gr.components.Component, Any]:
        """What each refused control says, before anything is queued."""
        return self._said(self._refused(values), values)

    def check_fields(self, values: Values) -> dict[gr.components.Component, Any]:
        """The same, of what can be seen without reading the text."""
        return self._said(self._refused_fields(values), values)

    def unfold(self, values: Values) -> list[Any]:
        """Open what hides a refused control."""
        refused, source = self._refused(values).keys(), self.reader.source
        hidden = (set(source.reading.controls.values()), self.settings.hidden)
        return [gr.Accordion(open=True) if refused & controls else gr.skip() for controls in hidden]

    def _said(self, refused: Refused, values: Values) -> dict[gr.components.Component, Any]:
        language = values[self.visit.language]
        told = {one: gr.validate(False, error_words(error, language)) for one, error in refused.items()}
        return {self.visit.language: gr.validate(True, ""), **told}

    def _refused_fields(self, values: Values) -> Refused:
        reading = self.reader.source.reading
        return self.settings.refused(values) | {
            reading.controls[name]: error for name, error in reading.refused(values).items()
        }

    def _refused(self, values: Values) -> Refused:
        found = self._refused_fields(values)
        if found:
            return found
        try:
            recipe, model, training = self.settings.read(values)
            corpus = self.reader.corpus(values, recipe)
            check_limits(self.board.limits, corpus, plan(corpus, recipe, model, training))
        except CharlmError as error:
            return {self._place(error, values): error}
        return {}

    def _place(self, error: CharlmError, values: Values) -> gr.components.Component:
        """The control that an error is about: the knob that it names, else the text."""
        source, knob = self.reader.source, str(error.values.get("knob", ""))
        if knob in source.reading.controls:
            return source.reading.controls[knob]
        return self.settings.control_of(knob) if knob else source.chosen(values)
