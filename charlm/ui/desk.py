"""The desk of the Generate tab: which run writes, from which prompt, and how it draws. Its parts share it.

Choosing a manner sets the sliders; moving a slider by hand takes the mark off the manner, unless it is that one still.
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from charlm.checkpoint import Checkpoint, read_config
from charlm.config import SampleConfig
from charlm.errors import CharlmError
from charlm.jobs import JobBoard
from charlm.ui import views
from charlm.ui.labels import Labels, Said
from charlm.ui.runs import Recent, folder_of, speaker, version_of, visible_runs
from charlm.ui.visit import LAST, QUIET, Visit
from charlm.ui.words import error_words, say
from charlm.ui.writer import MAX_PROMPT, PACES, Speaker

CELLS = ("rnn", "gru", "lstm")
DEFAULTS = SampleConfig()
MANNERS = {"careful": (0.5, 0, 0.9), "balanced": (0.8, 0, 1.0), "wild": (1.2, 0, 1.0)}  # temperature, top-k, top-p


@dataclass(frozen=True)
class Desk:
    """The controls that all parts of the tab read."""

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
    pace: gr.Radio

    @property
    def drawing(self) -> list[gr.components.Component]:
        """How the next character is drawn, in the order of `sample_config`."""
        return [self.temperature, self.top_k, self.top_p, self.seed]


class Speakers:
    """The networks that spoke last, by the name of their run."""

    def __init__(self) -> None:
        self._speakers = Recent(speaker, most=8)

    def named(self, run: str | None) -> Speaker:
        """Raises CheckpointError for a run that this visitor cannot name, or that cannot be read."""
        folder = folder_of(run)
        return self._speakers.get(folder, version_of(folder))


def new_desk(board: JobBoard, labels: Labels) -> Desk:
    """The controls, to be made inside a Blocks."""
    run = labels.made(gr.Dropdown, {"label": "run"}, choices=[], interactive=True)
    cell = labels.made(gr.Radio, {"label": "cell"}, choices=[(name.upper(), name) for name in CELLS], value=None)
    about = gr.Markdown()
    prompt = labels.made(gr.Textbox, {"label": "prompt", "info": "prompt_hint"}, lines=2, max_length=MAX_PROMPT)
    manners: Said = {"label": "manner", "choices": lambda language: [(say(one, language), one) for one in MANNERS]}
    manner = labels.made(gr.Radio, manners, value="balanced", elem_id="manner")
    warmth: Said = {"label": "temperature", "info": "temperature_info"}
    temperature = labels.made(gr.Slider, warmth, minimum=0, maximum=2, value=DEFAULTS.temperature, step=0.05)
    most = min(10_000, board.limits.characters)
    said: Said = {"label": "length", "info": "length_info"}
    length = labels.made(gr.Slider, said, minimum=50, maximum=most, value=DEFAULTS.length, step=50)
    with gr.Row():
        # No bounds here: Gradio refuses in English alone, SampleConfig in the visitor's language.
        whole = {"precision": 0, "min_width": 80}
        top_k = labels.made(gr.Number, {"label": "top_k", "info": "top_k_info"}, value=0, **whole)
        top_p = labels.made(gr.Number, {"label": "top_p", "info": "top_p_info"}, value=1.0, step=0.05, min_width=80)
        seed = labels.made(gr.Number, {"label": "seed", "info": "seed_info"}, value=-1, **whole)
    paces: Said = {
        "label": "pace", "choices": lambda language: [(say(key, language), one) for one, key in PACES.items()]
    }  # fmt: skip
    pace = labels.made(gr.Radio, paces, value="full", elem_id="pace")
    return Desk(run, cell, about, prompt, manner, length, temperature, top_k, top_p, seed, pace)


def wire_desk(desk: Desk, speakers: Speakers, visit: Visit, tab: gr.Tab) -> None:
    """The runs there are when the tab is opened, what is said of the chosen one, and what a manner means."""
    acts = Acts(speakers)
    known = [desk.cell, desk.about]
    about = {"fn": acts.about, "inputs": [desk.run, visit.language], "outputs": known, **QUIET}
    desk.run.input(**about, trigger_mode="always_last")
    visit.language.change(**about)
    chosen = desk.cell.input(acts.choose_cell, [desk.cell, desk.run, visit.runs], desk.run, **LAST)
    chosen.then(**about)
    offered = gr.State("")  # the watched run that was chosen here by itself, once
    for opened in (tab.select, visit.recalled.then):
        inputs = [visit.runs, desk.run, visit.run, offered, visit.language]
        opened(acts.refresh, inputs, [desk.run, *known, offered], **QUIET)
    drawn = [desk.temperature, desk.top_k, desk.top_p]
    desk.manner.input(lambda manner: MANNERS.get(manner, (gr.skip(),) * 3), desk.manner, drawn, **LAST)
    gr.on([part.input for part in drawn], manner_of, drawn, desk.manner, **LAST)


def manner_of(temperature: float | None, top_k: float | None, top_p: float | None) -> str | None:
    """The manner that these settings are, if they are one."""
    return next((name for name, values in MANNERS.items() if values == (temperature, top_k, top_p)), None)


class Acts:
    """What happens at the desk."""

    def __init__(self, speakers: Speakers) -> None:
        self.speakers = speakers

    def refresh(self, remembered: str, chosen: str | None, watched: str, offered: str, language: str) -> list[Any]:
        """The runs there are now. A run that is newly watched is chosen; else the chosen one stays, else the newest."""
        names = visible_runs(remembered)
        first, second = (chosen, watched) if watched == offered else (watched, chosen)
        value = next((name for name in (first, second) if name in names), names[0] if names else None)
        return [gr.Dropdown(names, value=value), *self.about(value, language), watched if watched in names else offered]

    def about(self, name: str | None, language: str) -> list[Any]:
        """The cell of a run, and a line on it."""
        try:
            checkpoint, _ = self.speakers.named(name)
        except CharlmError as error:
            return [None, say("no_runs", language) if not name else views.plain(error_words(error, language))]
        return [checkpoint.config.model.cell, _run_line(checkpoint, language)]

    def choose_cell(self, wanted: str, name: str | None, remembered: str) -> Any:
        """The run of the same text that has this cell, else the newest one that has it."""
        return run_with_cell(wanted, name, visible_runs(remembered)) or gr.Dropdown()


def _run_line(checkpoint: Checkpoint, language: str) -> str:
    return views.run_view(checkpoint.config, checkpoint.step, checkpoint.loss, language)


def run_with_cell(wanted: str, name: str | None, names: list[str]) -> str | None:
    """Of the runs by these names, newest first, one with that cell: of the same text as run `name`, if there is one."""
    configs = {}
    for one in names:
        try:
            configs[one] = read_config(folder_of(one))
        except CharlmError:
            continue  # a damaged run is said to be so when it is chosen
    same_text = configs[name].digest if name in configs else ""
    having = [one for one, config in configs.items() if config.model.cell == wanted]
    return next((one for one in having if configs[one].digest == same_text), having[0] if having else None)
