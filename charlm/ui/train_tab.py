"""The Train tab: choose a text, train, watch. Handlers read the form, call one function, show the result."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.corpora import load_corpus, named_corpora
from charlm.corpus import Corpus, corpus_from_bytes, corpus_from_text
from charlm.errors import CharlmError, ConfigError, LimitError, TextError
from charlm.jobs import JobBoard
from charlm.recipes import DEFAULT_SECONDS, PRESETS, RECIPES, plan, recipe_named, text_config
from charlm.ui import views
from charlm.ui.form import Form, make_form
from charlm.ui.labels import Labels, Said
from charlm.ui.live_plot import LivePlot
from charlm.ui.runs import Follower, Recent, begin_run, folder_of, owner_of
from charlm.ui.visit import QUIET, REMEMBER, Visit, sentences
from charlm.ui.words import error_words, say

KINDS = (("source_named", "named"), ("source_pasted", "pasted"), ("source_file", "file"))
SIZES = (64, 128, 256, 384, 512)
LIKELY_CELLS = ("lstm", "gru", "rnn")
POLL_SECONDS = 1.0
PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 8}
Values = Mapping[gr.components.Component, Any]


@dataclass(frozen=True)
class Source:
    """Where the text comes from."""

    kind: gr.Radio
    name: gr.Dropdown
    pasted: gr.Textbox
    file: gr.File
    reading: Form

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.kind, self.name, self.pasted, self.file, *self.reading.controls.values()}


@dataclass(frozen=True)
class Settings:
    """What is learned, and how."""

    recipe: gr.Dropdown
    cell: gr.Radio
    size: gr.Dropdown
    seconds: gr.Slider
    model: Form
    training: Form
    command: gr.Textbox  # the same for a terminal

    @property
    def inputs(self) -> set[gr.components.Component]:
        more = {*self.model.controls.values(), *self.training.controls.values()}
        return {self.recipe, self.cell, self.size, self.seconds, *more}

    def read(self, values: Values) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The recipe, and what is given beside it for the network and for training. Raises ConfigError."""
        recipe, model, training = values[self.recipe], self.model.read(values), self.training.read(values)
        if not recipe or recipe_named(recipe) in PRESETS:
            model["cell"] = values[self.cell]
            model |= {"hidden_size": int(values[self.size])} if values[self.size] else {}
        if not recipe and not any(training.get(name) for name in ("steps", "epochs")):
            training["seconds"] = float(values[self.seconds])
        return recipe, model, training


@dataclass(frozen=True)
class Screen:
    """Where a run is watched."""

    plot: LivePlot
    unit: gr.Radio
    status: gr.Markdown
    sample: gr.Textbox
    timer: gr.Timer
    stop: gr.Button
    resume: gr.Button

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.plot, self.status, self.sample, self.timer, self.stop, self.resume]


def train_tab(board: JobBoard, visit: Visit) -> None:
    """The components and their wiring."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            source, report, preview = _source(visit.labels)
            settings = _settings(board, visit.labels)
        with gr.Column(scale=3, min_width=320):
            train, screen = _screen(visit.labels)
    acts = Acts(board, visit, source, settings)
    poll = {"fn": acts.poll, "inputs": [visit.run, visit.language, screen.unit], "outputs": screen.outputs, **QUIET}
    screen.timer.tick(**poll)
    visit.recalled.then(**poll)
    visit.language.change(**poll)
    screen.unit.input(**poll)
    inputs = {visit.owner, visit.language, *source.inputs, *settings.inputs}
    begun = train.click(acts.start, inputs, visit.run, show_progress_on=[screen.status], **PRIVATE)
    begun.success(**poll).then(None, visit.run, visit.runs, js=REMEMBER)
    screen.resume.click(acts.go_on, [visit.run, visit.owner, visit.language], visit.run, **QUIET).success(**poll)
    screen.stop.click(acts.end, [visit.run, visit.language], None, **QUIET)
    _wire_report(board, visit, source, settings, report, preview)
    told = {*settings.inputs, *source.reading.controls.values(), source.kind, source.name, source.file}
    gr.on([part.change for part in told], acts.command, told, settings.command, trigger_mode="always_last", **QUIET)
    visit.recalled.then(acts.command, told, settings.command, **QUIET)


class Acts:
    """What the buttons and the clock of this tab do."""

    def __init__(self, board: JobBoard, visit: Visit, source: Source, settings: Settings) -> None:
        self.board, self.visit, self.source, self.settings = board, visit, source, settings
        self.followers = Recent(Follower, most=256)

    def poll(self, run: str, language: str, unit: str) -> list[Any]:
        """The outputs of Screen. A run that is not there, or no longer, leaves the screen as it was at first."""
        try:
            folder = folder_of(run)
        except CharlmError:
            off = gr.Button(interactive=False)
            nothing = gr.Textbox("", label=say("sample", language))
            return [views.empty_plot_view(language), say("idle", language), nothing, gr.Timer(active=False), off, off]
        view = self.board.view(run)
        is_over = view.state == "ended"
        with self.followers.get(folder).history() as history:
            label, text = views.sample_view(history, language)
            can_resume = is_over and (history.finished is None or history.finished.reason == "stopped")
            return [
                views.plot_view(run, history, language, unit),
                views.status_view(run, history, view, language),
                gr.Textbox(text, label=label),
                gr.Timer(active=not is_over),
                gr.Button(interactive=not is_over),
                gr.Button(interactive=can_resume),
            ]

    def start(self, values: Values, request: gr.Request) -> str:
        """Begin the run that the form describes; its name."""
        owner = owner_of(values[self.visit.owner], request.session_hash)
        with sentences(values[self.visit.language]):
            return self._begin(values, owner)

    def command(self, values: Values) -> str:
        """What the form describes, as it is said in a terminal; nothing while a setting is half typed."""
        try:
            recipe, model, training = self.settings.read(values)
            text = self.source.reading.read(values)
        except ConfigError:
            return ""
        return views.command_view(self._place(values), recipe, {**text, **model, **training})

    def _place(self, values: Values) -> str:
        """The text as a terminal would name it; a pasted one has to be saved first."""
        if values[self.source.kind] == "named":
            return str(values[self.source.name])
        file = values[self.source.file] if values[self.source.kind] == "file" else None
        return Path(file).name if file else "text.txt"

    def _begin(self, values: Values, owner: str) -> str:
        source = self.source
        recipe, model, training = self.settings.read(values)
        corpus = _read(self.board, source, values, recipe)
        stem = values[source.name] if values[source.kind] == "named" else Path(corpus.title).stem
        return begin_run(self.board, owner, stem, corpus, plan(corpus, recipe, model, training))

    def go_on(self, run: str, token: str, language: str, request: gr.Request) -> str:
        """Queue a run that was stopped once more."""
        with sentences(language):
            self.board.start(folder_of(run), owner_of(token, request.session_hash))
        return run

    def end(self, run: str, language: str) -> None:
        """Stop it, and keep it."""
        with sentences(language):
            self.board.stop(folder_of(run).name)


def _screen(labels: Labels) -> tuple[gr.Button, Screen]:
    with gr.Row():
        train = labels.made(gr.Button, {"value": "train"}, variant="primary", min_width=90)
        stop = labels.made(gr.Button, {"value": "stop"}, interactive=False, min_width=90)
        resume = labels.made(gr.Button, {"value": "resume"}, interactive=False, min_width=90)
    status = gr.Markdown(say("idle"), elem_classes="status")
    plot = LivePlot(views.empty_plot_view(), elem_id="loss-plot")
    units: Said = {"label": "unit", "choices": lambda language: [(say(unit, language), unit) for unit in views.UNITS]}
    unit = labels.made(gr.Radio, units, value="nats", elem_id="unit")
    sample = gr.Textbox(label=say("sample"), lines=8, max_lines=14, interactive=False, elem_classes="written")
    return train, Screen(plot, unit, status, sample, gr.Timer(POLL_SECONDS, active=False), stop, resume)


# --- the text ---------------------------------------------------------------------------------------------------------


def _source(labels: Labels) -> tuple[Source, gr.Markdown, gr.Textbox]:
    kind = labels.made(gr.Radio, {"label": "text", "choices": _kinds}, value="named")
    names = [(f"{one.title} ({one.name})" if one.kind != "toy" else one.name, one.name) for one in named_corpora()]
    name = labels.made(gr.Dropdown, {"label": "named"}, choices=names, value="comedy-en")
    hints: Said = {"label": "pasted", "placeholder": "pasted_hint"}
    pasted = labels.made(gr.Textbox, hints, lines=6, max_lines=10, visible=False)
    file = labels.made(gr.File, {"label": "file"}, visible=False, height=120)
    report = gr.Markdown(elem_classes="report")
    with labels.made(gr.Accordion, {"label": "reading"}, open=False):
        reading = make_form(TextConfig, labels)
        preview = labels.made(gr.Textbox, {"label": "preview"}, lines=5, interactive=False, elem_classes="written")
    chosen = {"named": name, "pasted": pasted, "file": file}
    kind.change(
        lambda value: [part.__class__(visible=key == value) for key, part in chosen.items()],
        kind, list(chosen.values()), **QUIET,
    )  # fmt: skip
    return Source(kind, name, pasted, file, reading), report, preview


def _kinds(language: str) -> list[tuple[str, str]]:
    return [(say(key, language), kind) for key, kind in KINDS]


def _wire_report(
    board: JobBoard, visit: Visit, source: Source, settings: Settings, report: gr.Markdown, preview: gr.Textbox
) -> None:
    def show(values: Values) -> tuple[str, str]:
        try:
            corpus = _read(board, source, values, values[settings.recipe])
        except CharlmError as error:
            return f"⚠️ {views.plain(error_words(error, values[visit.language]))}", ""
        return views.report_view(corpus, values[visit.language]), views.preview_view(corpus)

    inputs, outputs = {*source.inputs, settings.recipe, visit.language}, [report, preview]
    shown: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": [report], "api_visibility": "private"}
    shown |= {"concurrency_limit": 8, "trigger_mode": "always_last"}
    changed = [source.kind.change, source.name.change, source.pasted.change, source.file.upload, source.file.clear]
    changed += [settings.recipe.change, *(control.change for control in source.reading.controls.values())]
    changed += [visit.language.change]
    gr.on(changed, show, inputs, outputs, **shown)
    visit.recalled.then(show, inputs, outputs, **shown)


def _read(board: JobBoard, source: Source, values: Values, recipe: str) -> Corpus:
    """The corpus that the form describes. Raises TextError, LimitError or CorpusError."""
    config = text_config(recipe, source.reading.read(values))
    if values[source.kind] == "named":
        return load_corpus(values[source.name], config)
    if values[source.kind] == "pasted":
        text = values[source.pasted] or ""
        if not text.strip():
            raise TextError(say("paste_first"))
        _limit(len(text.encode("utf-8", "replace")), board)
        return corpus_from_text(text, "pasted text", config)
    if not values[source.file]:
        raise TextError(say("upload_first"))
    path = Path(values[source.file])
    _limit(os.path.getsize(path), board)
    return corpus_from_bytes(path.read_bytes(), path.name, config)


def _limit(size: int, board: JobBoard) -> None:
    if size > board.limits.text_bytes:
        raise LimitError(say("text_limit"), size=size, most=board.limits.text_bytes)


# --- the settings -----------------------------------------------------------------------------------------------------


def _settings(board: JobBoard, labels: Labels) -> Settings:
    cells = [(name.upper(), name) for name in LIKELY_CELLS]
    cell = labels.made(gr.Radio, {"label": "cell"}, choices=cells, value="lstm")
    size = labels.made(gr.Dropdown, {"label": "size", "choices": _sizes}, value=0)
    most = min(1800, board.limits.seconds)
    said: Said = {"label": "seconds", "info": "seconds_info"}
    seconds = labels.made(gr.Slider, said, minimum=5, maximum=most, value=DEFAULT_SECONDS, step=5)
    recipe = labels.made(gr.Dropdown, {"label": "recipe", "choices": _recipes}, value="")
    recipe.change(_what_a_recipe_leaves, recipe, [cell, size, seconds], **QUIET)
    with labels.made(gr.Accordion, {"label": "more"}, open=False):
        labels.made(gr.Markdown, {"value": "more_info"})
        model = make_form(ModelConfig, labels, without=("cell", "hidden_size"))
        training = make_form(TrainConfig, labels, without=("seconds",))
    said = {"label": "command"}
    command = labels.made(
        gr.Textbox, said, interactive=False, max_lines=4, buttons=["copy"], elem_classes="written", elem_id="command"
    )
    return Settings(recipe, cell, size, seconds, model, training, command)


def _sizes(language: str) -> list[tuple[str, int]]:
    return [(say("size_fitted", language), 0), *((str(size), size) for size in SIZES)]


def _recipes(language: str) -> list[tuple[str, str]]:
    return [(say("recipe_fitted", language), ""), *((recipe.name, recipe.name) for recipe in RECIPES)]


def _what_a_recipe_leaves(name: str) -> list[Any]:
    """A preset leaves the network to choose, a tutorial nothing."""
    is_free = not name or recipe_named(name) in PRESETS
    return [gr.Radio(interactive=is_free), gr.Dropdown(interactive=is_free), gr.Slider(interactive=not name)]
