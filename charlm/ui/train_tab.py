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
from charlm.errors import CharlmError, LimitError, TextError
from charlm.jobs import JobBoard
from charlm.recipes import DEFAULT_SECONDS, RECIPES, plan, recipe_named, text_config
from charlm.ui import views
from charlm.ui.form import Form, make_form
from charlm.ui.live_plot import LivePlot
from charlm.ui.runs import Follower, Recent, begin_run, folder_of, owner_of
from charlm.ui.visit import REMEMBER, Visit
from charlm.ui.words import say

SIZES = (64, 128, 256, 384, 512)
LIKELY_CELLS = ("lstm", "gru", "rnn")
POLL_SECONDS = 1.0
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

    @property
    def inputs(self) -> set[gr.components.Component]:
        more = {*self.model.controls.values(), *self.training.controls.values()}
        return {self.recipe, self.cell, self.size, self.seconds, *more}


def train_tab(board: JobBoard, visit: Visit) -> None:
    """The components and their wiring."""
    followers = Recent(Follower, most=256)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            source, report, preview = _source(board)
            settings = _settings(board)
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                train = gr.Button(say("train"), variant="primary", min_width=90)
                stop = gr.Button(say("stop"), interactive=False, min_width=90)
                resume = gr.Button(say("resume"), interactive=False, min_width=90)
            status = gr.Markdown(say("idle"), elem_classes="status")
            plot = LivePlot(views.empty_plot_view(), elem_id="loss-plot")
            sample = gr.Textbox(label=say("sample"), lines=8, max_lines=14, interactive=False, elem_classes="written")
    timer = gr.Timer(POLL_SECONDS, active=False)
    shown = [plot, status, sample, timer, stop, resume]

    def poll(run: str) -> list[Any]:
        try:
            folder = folder_of(run)
        except CharlmError:  # no run yet, or one that is gone
            off = gr.Button(interactive=False)
            return [views.empty_plot_view(), say("idle"), "", gr.Timer(active=False), off, off]
        view = board.view(run)
        with followers.get(folder).history() as history:
            label, text = views.sample_view(history)
            is_over = view.state == "ended"
            can_resume = is_over and (history.finished is None or history.finished.reason == "stopped")
            return [
                views.plot_view(run, history), views.status_view(run, history, view), gr.Textbox(text, label=label),
                gr.Timer(active=not is_over), gr.Button(interactive=not is_over), gr.Button(interactive=can_resume),
            ]  # fmt: skip

    def start(values: Values, request: gr.Request) -> str:
        try:
            owner = owner_of(values[visit.owner], request.session_hash)
            return _start(board, source, settings, values, owner)
        except CharlmError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def go_on(run: str, token: str, request: gr.Request) -> str:
        try:
            board.start(folder_of(run), owner_of(token, request.session_hash))
        except CharlmError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return run

    def end(run: str) -> None:
        board.stop(folder_of(run).name)

    quiet = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    private = {"api_visibility": "private", "concurrency_limit": 8}
    timer.tick(poll, visit.run, shown, **quiet)
    visit.recalled.then(poll, visit.run, shown, **quiet)
    begun = train.click(
        start, {visit.owner, *source.inputs, *settings.inputs}, visit.run, show_progress_on=[status], **private
    )
    begun.success(poll, visit.run, shown, **quiet).then(None, visit.run, visit.runs, js=REMEMBER)
    resume.click(go_on, [visit.run, visit.owner], visit.run, **quiet).success(poll, visit.run, shown, **quiet)
    stop.click(end, visit.run, None, **quiet)
    _wire_report(board, visit, source, settings, report, preview)


# --- the text ---------------------------------------------------------------------------------------------------------


def _source(board: JobBoard) -> tuple[Source, gr.Markdown, gr.Textbox]:
    kinds = [(say("source_named"), "named"), (say("source_pasted"), "pasted"), (say("source_file"), "file")]
    kind = gr.Radio(kinds, value="named", label=say("text"))
    names = [(f"{one.title} ({one.name})" if one.kind != "toy" else one.name, one.name) for one in named_corpora()]
    name = gr.Dropdown(names, value="comedy-en", label=say("named"))
    pasted = gr.Textbox(label=say("pasted"), placeholder=say("pasted_hint"), lines=6, max_lines=10, visible=False)
    file = gr.File(label=say("file"), visible=False, height=120)
    report = gr.Markdown(elem_classes="report")
    with gr.Accordion(say("reading"), open=False):
        reading = make_form(TextConfig)
        preview = gr.Textbox(label=say("preview"), lines=5, interactive=False, elem_classes="written")
    chosen = {"named": name, "pasted": pasted, "file": file}
    kind.change(
        lambda value: [part.__class__(visible=key == value) for key, part in chosen.items()],
        kind, list(chosen.values()), queue=False, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    return Source(kind, name, pasted, file, reading), report, preview


def _wire_report(
    board: JobBoard, visit: Visit, source: Source, settings: Settings, report: gr.Markdown, preview: gr.Textbox
) -> None:
    def show(values: Values) -> tuple[str, str]:
        try:
            corpus = _read(board, source, values, values[settings.recipe])
        except CharlmError as error:
            return f"⚠️ {views.plain(str(error))}", ""
        return views.report_view(corpus), views.preview_view(corpus)

    inputs, outputs = {*source.inputs, settings.recipe}, [report, preview]
    shown: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": [report], "api_visibility": "private"}
    shown |= {"concurrency_limit": 8, "trigger_mode": "always_last"}
    changed = [source.kind.change, source.name.change, source.pasted.change, source.file.upload, source.file.clear]
    changed += [settings.recipe.change, *(control.change for control in source.reading.controls.values())]
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


def _settings(board: JobBoard) -> Settings:
    recipes = [(say("recipe_fitted"), ""), *((recipe.name, recipe.name) for recipe in RECIPES)]
    cell = gr.Radio([(name.upper(), name) for name in LIKELY_CELLS], value="lstm", label=say("cell"))
    sizes = [(say("size_fitted"), 0), *((str(size), size) for size in SIZES)]
    size = gr.Dropdown(sizes, value=0, label=say("size"))
    most = min(1800, board.limits.seconds)
    seconds = gr.Slider(5, most, value=DEFAULT_SECONDS, step=5, label=say("seconds"), info=say("seconds_info"))
    recipe = gr.Dropdown(recipes, value="", label=say("recipe"))
    fitted = [cell, size, seconds]  # a recipe has its own
    recipe.change(
        lambda name: [part.__class__(interactive=not name) for part in fitted], recipe, fitted,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    with gr.Accordion(say("more"), open=False):
        gr.Markdown(say("more_info"))
        model = make_form(ModelConfig, without=("cell", "hidden_size"))
        training = make_form(TrainConfig, without=("seconds",))
    return Settings(recipe, cell, size, seconds, model, training)


def _start(board: JobBoard, source: Source, settings: Settings, values: Values, owner: str) -> str:
    """Begin the run that the form describes; its name."""
    recipe = values[settings.recipe]
    model, training = settings.model.read(values), settings.training.read(values)
    if not recipe:
        model["cell"] = values[settings.cell]
        model |= {"hidden_size": int(values[settings.size])} if values[settings.size] else {}
        if not any(training.get(name) for name in ("steps", "epochs")):
            training["seconds"] = float(values[settings.seconds])
    else:
        recipe_named(recipe)
    corpus = _read(board, source, values, recipe)
    stem = values[source.name] if values[source.kind] == "named" else Path(corpus.title).stem
    return begin_run(board, owner, stem, corpus, plan(corpus, recipe, model, training))
