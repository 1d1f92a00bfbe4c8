"""Texts side by side, from one prompt: of several networks, of several seeds, or in several manners."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from charlm.checkpoint import read_config
from charlm.config import SampleConfig
from charlm.errors import CharlmError, CheckpointError
from charlm.jobs import JobBoard
from charlm.ui.desk import CELLS, MANNERS, Desk, Speakers
from charlm.ui.labels import Labels, Said
from charlm.ui.runs import folder_of, visible_runs
from charlm.ui.text_views import column_view, replaced_view
from charlm.ui.visit import LAST, QUIET, Visit, sentences
from charlm.ui.words import say
from charlm.ui.write_tab import WRITING
from charlm.ui.writer import Stops, Writer, pieces, sample_config
from charlm.ui.written_text import WrittenText, written_text

COLUMNS = 3
DIFFERENCES = {"networks": "differ_networks", "seeds": "differ_seeds", "manners": "differ_manners"}  # -> their names
Seat = tuple[str, SampleConfig]  # a run, and how it draws


@dataclass(frozen=True)
class Column:
    """Where one of the texts stands."""

    frame: gr.Column
    heading: gr.Markdown
    written: WrittenText


def compare_tab(board: JobBoard, visit: Visit, desk: Desk, speakers: Speakers, tab: gr.Tab) -> None:
    """The components and their wiring."""
    labels = visit.labels
    with labels.made(gr.Tab, {"label": "tab_compare"}, id="compare"):
        differs = labels.made(gr.Radio, {"label": "differs", "choices": _differences}, value="networks")
        picked: Said = {"label": "compared_runs", "info": "compared_runs_info"}
        runs = labels.made(gr.Dropdown, picked, choices=[], value=[], multiselect=True, max_choices=COLUMNS)
        with gr.Row():
            compare = labels.made(gr.Button, {"value": "compare"}, variant="primary", min_width=90)
            stop = labels.made(gr.Button, {"value": "stop"}, min_width=90)
        note = gr.Markdown(elem_classes="note")
        with gr.Row():
            columns = [_column(labels) for _ in range(COLUMNS)]
    acts = Acts(board, speakers)
    inputs = [visit.language, desk.pace, differs, runs, desk.run, desk.prompt, desk.length, *desk.drawing]
    outputs = [note] + [part for one in columns for part in (one.frame, one.heading, one.written)]
    compare.click(acts.compare, inputs, outputs, **WRITING)
    stop.click(acts.stop, None, None, **QUIET)
    differs.input(lambda choice: gr.Dropdown(visible=choice == "networks"), differs, runs, **LAST)
    for opened in (tab.select, visit.recalled.then):
        opened(acts.refresh, [visit.runs, runs], runs, **QUIET)


def _differences(language: str) -> list[tuple[str, str]]:
    return [(say(key, language), one) for one, key in DIFFERENCES.items()]


def _column(labels: Labels) -> Column:
    with gr.Column(min_width=240) as frame:
        heading = gr.Markdown(elem_classes="heading")
        return Column(
            frame, heading, written_text(labels, "written", "compared_hint", elem_classes=["compared", "unmeasured"])
        )


class Acts:
    """What the buttons of this part do."""

    def __init__(self, board: JobBoard, speakers: Speakers) -> None:
        self.board, self.speakers, self.stops = board, speakers, Stops()

    def refresh(self, remembered: str, chosen: list[str] | None) -> Any:
        """The runs there are now; of those that were chosen what is left, else the newest of each cell."""
        names = visible_runs(remembered)
        left = [name for name in chosen or [] if name in names]
        return gr.Dropdown(names, value=left or newest_of_each_cell(names), multiselect=True)

    def compare(
        self, request: gr.Request, language: str, pace: str, differs: str, runs: list[str] | None, run: str,
        prompt: str, *values: Any,
    ) -> Iterator[list[Any]]:  # fmt: skip
        """A note, then for each column whether it is seen, its heading and its text, some twenty times a second."""
        with sentences(language):
            config = sample_config(self.board.limits.characters, *values)
            seats = seats_of(differs, runs or [], run, config)
            writers = [Writer(self.speakers.named(name), prompt, one) for name, one in seats]
        notes = dict.fromkeys(replaced_view(one.prompt, language) for one in writers)  # each once
        names, note = [name for name, _ in seats], " ".join(notes)
        with self.stops.writing(request.session_hash) as stopped:
            for _ in pieces(writers, pace, stopped):
                yield [note, *_shown(names, writers, language)]

    def stop(self, request: gr.Request) -> None:
        """End the texts; what is written stays."""
        self.stops.stop(request.session_hash)


def newest_of_each_cell(names: list[str]) -> list[str]:
    """Of runs, newest first: an RNN, a GRU and an LSTM, as far as there are any."""
    found: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(CharlmError):  # a damaged run is said to be so when it is chosen
            found.setdefault(read_config(folder_of(name)).model.cell, name)
        if found.keys() >= set(CELLS):
            break
    return [found[cell] for cell in CELLS if cell in found]


def seats_of(differs: str, runs: list[str], run: str, config: SampleConfig) -> list[Seat]:
    """Who writes in each column, and how. Raises CheckpointError when no network is chosen."""
    if differs == "seeds":
        return [(run, replace(config, seed=(config.seed + one) % 2**31)) for one in range(COLUMNS)]
    if differs == "manners":
        drawn = [dict(zip(("temperature", "top_k", "top_p"), values, strict=True)) for values in MANNERS.values()]
        return [(run, replace(config, **one)) for one in drawn]
    if not runs:
        raise CheckpointError(say("choose_runs"))
    return [(name, config) for name in runs[:COLUMNS]]


def _shown(names: list[str], writers: list[Writer], language: str) -> list[Any]:
    shown: list[Any] = []
    for name, writer in zip(names, writers, strict=True):
        heading = column_view(name, writer.checkpoint, writer.config, writer.speed, language)
        shown += [gr.Column(visible=True), heading, writer.value()]
    return shown + [gr.Column(visible=False), "", None] * (COLUMNS - len(writers))
