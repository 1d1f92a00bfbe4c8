"""Choosing a text: built in, pasted or uploaded, how it is read, and what is said about it. Knows nothing of runs."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from charlm.config import TextConfig
from charlm.corpora import load_corpus, named_corpora
from charlm.corpus import Corpus, corpus_from_bytes, corpus_from_text
from charlm.errors import CharlmError, LimitError, TextError
from charlm.jobs import Limits
from charlm.recipes import text_config
from charlm.ui import source_views, views
from charlm.ui.form import Form, make_form
from charlm.ui.labels import Labels, Said
from charlm.ui.visit import QUIET, Visit
from charlm.ui.words import error_words, say
from charlm.yardsticks import quick_yardsticks

KINDS = (("source_named", "named"), ("source_pasted", "pasted"), ("source_file", "file"))
LONG_PASTE = (Path(__file__).parent / "long_paste.js").read_text("utf-8")
KEPT_CHARS = 5_000_000  # a longer text is read again each time it is needed
Values = Mapping[gr.components.Component, Any]


@dataclass(frozen=True)
class Source:
    """Where the text comes from."""

    kind: gr.Radio
    name: gr.Dropdown
    pasted: gr.Textbox
    file: gr.File
    reading: Form
    fold: gr.Accordion  # what hides how it is read

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.kind, self.name, self.pasted, self.file, *self.reading.controls.values()}

    def chosen(self, values: Values) -> gr.components.Component:
        """The control that holds the text."""
        return {"pasted": self.pasted, "file": self.file}.get(values[self.kind], self.name)


@dataclass(frozen=True)
class Report:
    """What is said about the text."""

    about: gr.Markdown
    counted: gr.Markdown  # what counting achieves on it
    preview: gr.Textbox
    characters: gr.Dataframe
    yardsticks: gr.Dataframe


def make_source(labels: Labels) -> tuple[Source, Report]:
    """The controls, and the report."""
    kind = labels.made(gr.Radio, {"label": "text", "choices": _kinds}, value="named", elem_id="text-kind")
    names = [(f"{one.title} ({one.name})" if one.kind != "toy" else one.name, one.name) for one in named_corpora()]
    name = labels.made(gr.Dropdown, {"label": "named"}, choices=names, value="comedy-en")
    hints: Said = {"label": "pasted", "placeholder": "pasted_hint"}
    pasted = labels.made(gr.Textbox, hints, lines=6, max_lines=10, visible=False, elem_id="pasted")
    file = labels.made(gr.File, {"label": "file"}, visible=False, height=120, elem_id="text-file")
    report = _report(labels)
    with labels.made(gr.Accordion, {"label": "reading"}, open=False) as fold:
        reading = make_form(TextConfig, labels)
    chosen = {"named": name, "pasted": pasted, "file": file}
    kind.change(
        lambda value: [part.__class__(visible=key == value) for key, part in chosen.items()],
        kind, list(chosen.values()), **QUIET,
    )  # fmt: skip
    return Source(kind, name, pasted, file, reading, fold), report


def _report(labels: Labels) -> Report:
    about = gr.Markdown(elem_classes="report")
    counted = gr.Markdown(elem_classes="counted")
    table: dict[str, Any] = {"interactive": False, "wrap": True, "max_height": 340, "buttons": []}
    with labels.made(gr.Accordion, {"label": "closer"}, open=False):
        preview = labels.made(gr.Textbox, {"label": "preview"}, lines=5, interactive=False, elem_classes="written")
        widths = ["16%", "44%", "20%", "20%"]
        said: Said = {"label": "characters"}
        characters = labels.made(gr.Dataframe, said, elem_id="characters", column_widths=widths, **table)
        said = {"label": "yardsticks"}
        yardsticks = labels.made(gr.Dataframe, said, elem_id="yardsticks", column_widths=["60%", "20%", "20%"], **table)
    return Report(about, counted, preview, characters, yardsticks)


def _kinds(language: str) -> list[tuple[str, str]]:
    return [(say(key, language), kind) for key, kind in KINDS]


# --- reading it -------------------------------------------------------------------------------------------------------


class Reader:
    """Reads the text that the form describes. What was read last is kept, so that report and training read it once."""

    def __init__(self, source: Source, limits: Callable[[], Limits], most: int = 4) -> None:
        self.source, self.limits, self.most = source, limits, most
        self._kept: OrderedDict[tuple[Any, ...], Corpus] = OrderedDict()
        self._lock = threading.Lock()

    def corpus(self, values: Values, recipe: str) -> Corpus:
        """Raises TextError, LimitError, CorpusError or ConfigError."""
        source, config = self.source, text_config(recipe, self.source.reading.read(values))
        if values[source.kind] == "named":
            return self.named(values[source.name], config)
        if values[source.kind] == "pasted":
            return self.pasted(values[source.pasted] or "", config)
        if not values[source.file]:
            raise TextError(say("upload_first"))
        path = Path(values[source.file])
        self._limit(os.path.getsize(path))
        data = path.read_bytes()
        key = (path.name, hashlib.sha256(data).digest(), config)
        return self._once(key, lambda: corpus_from_bytes(data, path.name, config))

    def named(self, name: str, config: TextConfig) -> Corpus:
        """A corpus that has a name."""
        return self._once((name, config), lambda: load_corpus(name, config))

    def pasted(self, text: str, config: TextConfig) -> Corpus:
        """A text that was given as it is."""
        if not text.strip():
            raise TextError(say("paste_first"))
        data = text.encode("utf-8", "surrogatepass")
        self._limit(len(data))
        key = ("", hashlib.sha256(data).digest(), config)
        return self._once(key, lambda: corpus_from_text(text, "pasted text", config))

    def _limit(self, size: int) -> None:
        most = self.limits().text_bytes
        if size > most:
            raise LimitError(say("text_limit"), size=size, most=most)

    def _once(self, key: tuple[Any, ...], read: Callable[[], Corpus]) -> Corpus:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        corpus = read()
        if len(corpus.text) <= KEPT_CHARS:
            with self._lock:
                self._kept[key] = corpus
                while len(self._kept) > self.most:
                    self._kept.popitem(last=False)
        return corpus


# --- telling about it -------------------------------------------------------------------------------------------------


def wire_report(visit: Visit, reader: Reader, recipe: gr.Radio, report: Report) -> None:
    """The report follows every change of the text and of how it is read, which a recipe may say too."""
    source = reader.source

    def show(values: Values) -> list[Any]:
        language = values[visit.language]
        try:
            corpus = reader.corpus(values, values[recipe])
        except CharlmError as error:
            return [f"⚠️ {views.plain(error_words(error, language))}", "", None]
        table = source_views.character_table(corpus, language)
        return [views.report_view(corpus, language), views.preview_view(corpus), table]

    def count(values: Values) -> list[Any]:
        language = values[visit.language]
        try:
            corpus = reader.corpus(values, values[recipe])
        except CharlmError:
            return ["", None]  # `show` says why
        found = quick_yardsticks(corpus)
        told = source_views.counted_view(corpus, found, language)
        return [told, source_views.yardstick_table(corpus, found, language)]

    inputs = {*source.inputs, recipe, visit.language}
    private: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private", "concurrency_limit": 8}
    shown = {"fn": show, "inputs": inputs, "show_progress_on": [report.about], **private}
    shown["outputs"] = [report.about, report.preview, report.characters]
    counted = {"fn": count, "inputs": inputs, "show_progress_on": [report.counted], **private}
    counted["outputs"] = [report.counted, report.yardsticks]
    changed = [source.kind.change, source.name.change, source.pasted.change, source.file.upload, source.file.clear]
    changed += [recipe.change, *(control.change for control in source.reading.controls.values())]
    changed += [visit.language.change]
    gr.on(changed, trigger_mode="always_last", **shown).then(**counted)
    visit.recalled.then(**shown).then(**counted)
    visit.recalled.then(None, None, None, js=LONG_PASTE)
