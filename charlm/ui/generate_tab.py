"""The Generate tab: choose a run, write. Text streams in; stopping keeps what is there."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from charlm.checkpoint import Checkpoint, read_config
from charlm.config import SampleConfig
from charlm.errors import CharlmError
from charlm.jobs import JobBoard
from charlm.sampling import generate
from charlm.stepping import Folded
from charlm.ui import views
from charlm.ui.labels import Labels, Said
from charlm.ui.runs import Recent, folder_of, speaker, version_of, visible_runs
from charlm.ui.visit import QUIET, Visit, sentences
from charlm.ui.words import error_words, say

CELLS = ("lstm", "gru", "rnn")
REFRESH_SECONDS = 0.05  # between two pieces of streamed text
MAX_PROMPT = 10_000
DEFAULTS = SampleConfig()
MANNERS = {"careful": (0.5, 0.9), "balanced": (0.8, 1.0), "wild": (1.2, 1.0)}  # temperature and top-p


@dataclass(frozen=True)
class Desk:
    """The run that writes, and how."""

    run: gr.Dropdown
    cell: gr.Radio
    about: gr.Markdown
    prompt: gr.Textbox
    manner: gr.Radio
    length: gr.Slider
    temperature: gr.Slider
    top_k: gr.Number
    top_p: gr.Number
    seed: gr.Number

    @property
    def inputs(self) -> list[gr.components.Component]:
        """In the order of `Acts.write`, after the language."""
        return [self.run, self.prompt, self.length, self.temperature, self.top_k, self.top_p, self.seed]


def generate_tab(board: JobBoard, visit: Visit) -> None:
    """The tab, its components and their wiring."""
    labels = visit.labels
    with labels.made(gr.Tab, {"label": "tab_generate"}, id="generate") as tab, gr.Row():
        with gr.Column(scale=2, min_width=320):
            desk = _desk(board, labels)
            offered = gr.State("")  # the watched run that was chosen here by itself, once
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                write = labels.made(gr.Button, {"value": "generate"}, variant="primary", min_width=90)
                stop = labels.made(gr.Button, {"value": "stop"}, min_width=90)
            written = labels.made(
                gr.Textbox, {"label": "written"}, lines=20, max_lines=28, interactive=False, elem_classes="written",
                buttons=["copy"],
            )  # fmt: skip
            note = gr.Markdown()
    acts = Acts(board)
    desk.manner.input(lambda manner: MANNERS[manner], desk.manner, [desk.temperature, desk.top_p], **QUIET)
    writing = gr.on(
        [write.click, desk.prompt.submit], acts.write, [visit.language, *desk.inputs], [written, note],
        concurrency_limit=4, show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    stop.click(None, cancels=[writing], queue=False, api_visibility="private")
    known = [desk.cell, desk.about]
    about = {"fn": acts.about, "inputs": [desk.run, visit.language], "outputs": known, **QUIET}
    desk.run.input(**about)
    visit.language.change(**about)
    chosen = desk.cell.input(acts.choose_cell, [desk.cell, desk.run, visit.runs], desk.run, **QUIET)
    chosen.then(**about)
    for opened in (tab.select, visit.recalled.then):
        inputs = [visit.runs, desk.run, visit.run, offered, visit.language]
        opened(acts.refresh, inputs, [desk.run, *known, offered], **QUIET)


def _desk(board: JobBoard, labels: Labels) -> Desk:
    run = labels.made(gr.Dropdown, {"label": "run"}, choices=[], interactive=True)
    cells = [(name.upper(), name) for name in CELLS]
    cell = labels.made(gr.Radio, {"label": "cell"}, choices=cells, value=None)
    about = gr.Markdown()
    prompt = labels.made(gr.Textbox, {"label": "prompt", "info": "prompt_hint"}, lines=2, max_length=MAX_PROMPT)
    manners: Said = {"label": "manner", "choices": lambda language: [(say(one, language), one) for one in MANNERS]}
    manner = labels.made(gr.Radio, manners, value="balanced")
    warmth: Said = {"label": "temperature", "info": "temperature_info"}
    temperature = labels.made(gr.Slider, warmth, minimum=0, maximum=2, value=DEFAULTS.temperature, step=0.05)
    most = min(10_000, board.limits.characters)
    said: Said = {"label": "length", "info": "length_info"}
    length = labels.made(gr.Slider, said, minimum=50, maximum=most, value=DEFAULTS.length, step=50)
    with gr.Row():
        whole = {"precision": 0, "min_width": 100}
        top_k = labels.made(gr.Number, {"label": "top_k", "info": "top_k_info"}, value=0, minimum=0, **whole)
        share = {"minimum": 0.01, "maximum": 1, "step": 0.05, "min_width": 100}
        top_p = labels.made(gr.Number, {"label": "top_p", "info": "top_p_info"}, value=1.0, **share)
        seed = labels.made(gr.Number, {"label": "seed", "info": "seed_info"}, value=-1, minimum=-1, **whole)
    return Desk(run, cell, about, prompt, manner, length, temperature, top_k, top_p, seed)


class Acts:
    """What the buttons of this tab do."""

    def __init__(self, board: JobBoard) -> None:
        self.board = board
        self.speakers = Recent(speaker, most=8)

    def _speaker(self, name: str | None) -> tuple[Checkpoint, Folded]:
        folder = folder_of(name)
        return self.speakers.get(folder, version_of(folder))

    def refresh(self, remembered: str, chosen: str | None, watched: str, offered: str, language: str) -> list[Any]:
        """The runs there are now. A run that is newly watched is chosen; else the chosen one stays, else the newest."""
        names = visible_runs(remembered)
        first, second = (chosen, watched) if watched == offered else (watched, chosen)
        value = next((name for name in (first, second) if name in names), names[0] if names else None)
        return [gr.Dropdown(names, value=value), *self.about(value, language), watched if watched in names else offered]

    def about(self, name: str | None, language: str) -> list[Any]:
        """The cell of a run, and a line on it."""
        try:
            checkpoint, _ = self._speaker(name)
        except CharlmError as error:
            return [None, say("no_runs", language) if not name else views.plain(error_words(error, language))]
        line = views.run_view(checkpoint.config, checkpoint.step, checkpoint.loss, language)
        return [checkpoint.config.model.cell, line]

    def choose_cell(self, wanted: str, name: str | None, remembered: str) -> Any:
        """The run of the same text that has this cell, else the newest one that has it."""
        return _run_with_cell(wanted, name, visible_runs(remembered)) or gr.Dropdown()

    def write(self, language: str, name: str, prompt: str, *values: Any) -> Iterator[tuple[str, str]]:
        """The text so far and a note on it, some twenty times a second."""
        with sentences(language):
            checkpoint, folded = self._speaker(name)
            config = _sample_config(self.board, *values)
            known = checkpoint.vocabulary.encode_prompt((prompt or "")[:MAX_PROMPT])
        notes, text = _replaced(known.replaced, language), [known.text]
        began = shown = time.monotonic()
        for char in generate(folded, checkpoint.vocabulary, known.text, config):
            text.append(char)
            if time.monotonic() - shown > REFRESH_SECONDS:
                shown = time.monotonic()
                yield "".join(text), notes
        speed = config.length / max(1e-6, time.monotonic() - began)
        note = say("wrote", language, chars=config.length, speed=speed, seed=config.seed)
        yield "".join(text), f"{notes} {note}"


def _run_with_cell(wanted: str, name: str | None, names: list[str]) -> str | None:
    configs = {}
    for one in names:
        try:
            configs[one] = read_config(folder_of(one))
        except CharlmError:
            continue  # a damaged run is said to be so when it is chosen
    same_text = configs[name].digest if name in configs else ""
    having = [one for one, config in configs.items() if config.model.cell == wanted]
    return next((one for one in having if configs[one].digest == same_text), having[0] if having else None)


def _sample_config(
    board: JobBoard, length: float, temperature: float, top_k: float, top_p: float, seed: float
) -> SampleConfig:
    """What the sliders say, within this server's limit; -1 draws a seed."""
    chosen = secrets.randbelow(2**31) if seed is None or seed < 0 else int(seed)
    return SampleConfig(
        length=min(int(length), board.limits.characters), temperature=float(temperature), top_k=int(top_k or 0),
        top_p=float(top_p or 1.0), seed=chosen,
    )  # fmt: skip


def _replaced(replaced: tuple[tuple[str, str], ...], language: str) -> str:
    if not replaced:
        return ""
    chars = " ".join(views.plain(repr(char)) for char, _ in replaced)
    return say("replaced", language, chars=chars, known=" ".join(views.plain(repr(known)) for _, known in replaced))
