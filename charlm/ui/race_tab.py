"""The Race tab: an RNN, a GRU and an LSTM learn one text, in one plot and one table. What is fair stands in racing.py.

The browser keeps the name of the race, which is that of its first run; its runs are remembered as any others, so that
they can be written with, compared and resumed like them.
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from charlm.checkpoint import TEXT, load_corpus_of, read_config
from charlm.corpora import load_corpus, named_corpora
from charlm.corpus import Corpus
from charlm.errors import CharlmError
from charlm.history import History
from charlm.jobs import JobBoard, JobView
from charlm.racing import CELLS, EQUALS, Race, equal_parameters, equal_seconds, read_race
from charlm.recipes import Plan
from charlm.ui import views
from charlm.ui.labels import Labels, Said
from charlm.ui.live_plot import LivePlot
from charlm.ui.race_views import (
    Lane,
    empty_race_view,
    fair_view,
    race_plot_view,
    race_sample_view,
    race_status_view,
    race_table_view,
    shared_view,
)
from charlm.ui.runs import Follower, Recent, begin_race, folder_of, owner_of, resume_run, visible_runs
from charlm.ui.visit import QUIET, Visit, sentences
from charlm.ui.words import number, say

POLL_SECONDS = 1.0
SECONDS, MOST_SECONDS = 20, 600  # of each
PARAMETERS, SIZES = 100_000, (20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000)
STEPS, MOST_STEPS = 500, 10_000
OF_RUN = "run:"  # before the name of a run whose text is chosen
MOST_TEXTS = 20  # of the visitor's runs that are offered
NAMED = [(f"{one.title} ({one.name})" if one.kind != "toy" else one.name, one.name) for one in named_corpora()]
PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4}
REMEMBER_RACE = """(race, names, known) => {
    let runs = JSON.parse(names);
    try {
        runs = [...runs, ...JSON.parse(known || '[]')].slice(0, 50);
        localStorage.setItem('charlm.race', race);
        localStorage.setItem('charlm.runs', JSON.stringify(runs));
    } catch (error) { /* then they are known until the page is left */ }
    return JSON.stringify(runs);
}"""
RECALL_RACE = "() => { try { return localStorage.getItem('charlm.race') || ''; } catch (error) { return ''; } }"


@dataclass(frozen=True)
class Terms:
    """What the racers learn, and what is equal."""

    text: gr.Dropdown
    equal: gr.Radio
    seconds: gr.Slider
    parameters: gr.Dropdown
    steps: gr.Slider
    seed: gr.Number

    @property
    def inputs(self) -> list[gr.components.Component]:
        """In the order of `Acts.start`, after the visitor's token and language."""
        return [self.text, self.equal, self.seconds, self.parameters, self.steps, self.seed]


@dataclass(frozen=True)
class Track:
    """Where a race is watched."""

    status: gr.Markdown
    plot: LivePlot
    unit: gr.Radio
    table: gr.Markdown
    shared: gr.Markdown
    samples: tuple[gr.Textbox, ...]  # in the order of CELLS
    timer: gr.Timer
    race: gr.Button
    pause: gr.Button
    resume: gr.Button
    end: gr.Button

    @property
    def outputs(self) -> list[gr.components.Component]:
        """In the order of `Acts.poll`."""
        buttons = [self.timer, self.race, self.pause, self.resume, self.end]
        return [self.status, self.plot, self.table, self.shared, *self.samples, *buttons]


def race_tab(board: JobBoard, visit: Visit) -> None:
    """The tab, its components and their wiring."""
    with visit.labels.made(gr.Tab, {"label": "tab_race"}, id="race") as tab:
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                terms, fair = _terms(board, visit.labels)
            with gr.Column(scale=3, min_width=320):
                track = _track(visit.labels)
        with gr.Row():
            for sample in track.samples:
                sample.render()
        race, names = gr.Textbox(visible=False), gr.Textbox(visible=False)
    acts = Acts(board)
    poll = {"fn": acts.poll, "inputs": [race, visit.language, track.unit], "outputs": track.outputs, **QUIET}
    for happens in (track.timer.tick, visit.language.change, track.unit.input):
        happens(**poll)
    visit.recalled.then(None, None, race, js=RECALL_RACE).then(**poll)
    inputs = [visit.owner, visit.language, *terms.inputs]
    begun = track.race.click(acts.start, inputs, [race, names], show_progress_on=[track.status], **PRIVATE)
    begun.success(**poll).then(None, [race, names, visit.runs], visit.runs, js=REMEMBER_RACE)
    track.resume.click(acts.go_on, [race, visit.owner, visit.language], race, **QUIET).success(**poll)
    track.pause.click(acts.pause, [race, visit.language], None, **QUIET)
    track.end.click(acts.end, [race, visit.language], None, **QUIET)
    offer = {"fn": acts.texts, "inputs": [visit.runs, terms.text, visit.language], "outputs": terms.text, **QUIET}
    for happens in (tab.select, visit.language.change, visit.recalled.then):
        happens(**offer)
    for happens in (terms.equal.change, visit.language.change):
        happens(fair_view, [terms.equal, visit.language], fair, **QUIET)
    terms.equal.change(_what_is_asked, terms.equal, [terms.seconds, terms.parameters, terms.steps], **QUIET)


class Acts:
    """What the buttons and the clock of this tab do."""

    def __init__(self, board: JobBoard) -> None:
        self.board = board
        self.followers = Recent(Follower, most=256)

    def poll(self, name: str, language: str, unit: str) -> list[Any]:
        """The outputs of Track. A race that is not there, or no longer, leaves them as they were at first."""
        try:
            race = read_race(folder_of(name))
        except CharlmError:
            return _idle(language)
        view = _view(self.board, race)
        is_over = view.state == "ended"
        with contextlib.ExitStack() as stack:
            lanes = self._lanes(race, stack)
            samples = [race_sample_view(lane, language) for lane in lanes]
            samples += [(cell.upper(), "") for cell in CELLS[len(lanes) :]]  # of a run that was deleted
            return [
                race_status_view(lanes, view, language),
                race_plot_view(name, race.equal, lanes, language, unit),
                race_table_view(lanes, language),
                shared_view(lanes, language),
                *(gr.Textbox(text, label=label) for label, text in samples),
                gr.Timer(active=not is_over),
                gr.Button(interactive=is_over),
                gr.Button(interactive=not is_over),
                gr.Button(interactive=is_over and any(not _has_ended(lane.history) for lane in lanes)),
                gr.Button(interactive=view.state == "running"),
            ]

    def _lanes(self, race: Race, stack: contextlib.ExitStack) -> list[Lane]:
        """The runs of a race that are still there; their histories are held still until the stack is left."""
        lanes = []
        for run in race.runs:
            with contextlib.suppress(CharlmError):
                folder = folder_of(run)
                history = stack.enter_context(self.followers.get(folder).history())
                lanes.append(Lane(run, read_config(folder), history))
        return lanes

    def start(
        self, token: str, language: str, text: str, equal: str, seconds: float, parameters: int, steps: float,
        seed: float, request: gr.Request,
    ) -> tuple[str, str]:  # fmt: skip
        """Begin a race; its name, and the names of its runs as JSON."""
        owner = owner_of(token, request.session_hash)
        with sentences(language):
            corpus = _corpus(text or "")
            racers: tuple[Plan, ...]
            if equal == "seconds":
                racers = equal_seconds(corpus, float(seconds or SECONDS), int(seed or 0))
            else:
                racers = equal_parameters(corpus, int(parameters or PARAMETERS), int(steps or STEPS), int(seed or 0))
            stem = Path(corpus.title).stem if text.startswith(OF_RUN) else text
            names = begin_race(self.board, owner, stem, corpus, racers, equal)
        return names[0], json.dumps(names)

    def go_on(self, name: str, token: str, language: str, request: gr.Request) -> str:
        """Queue those once more that have not used their budget."""
        with sentences(language), contextlib.ExitStack() as stack:
            lanes = self._lanes(read_race(folder_of(name)), stack)
            waiting = [lane for lane in lanes if not _has_ended(lane.history)]
            if waiting:
                first, *others = (lane.run for lane in waiting)
                resume_run(self.board, owner_of(token, request.session_hash), first, others)
        return name

    def pause(self, name: str, language: str) -> None:
        """All save, and go on later exactly from there."""
        with sentences(language):
            for run in read_race(folder_of(name)).runs:
                self.board.stop(run)

    def end(self, name: str, language: str) -> None:
        """All are over now, evaluated and kept."""
        with sentences(language):
            race = read_race(folder_of(name))
            under_way = [run for run in race.runs if self.board.is_active(run)]
            if under_way:  # one job for all of them
                self.board.end(under_way[0])

    def texts(self, remembered: str, chosen: str, language: str) -> Any:
        """The texts there are now: those with a name, then those of the visitor's runs."""
        choices, digests = list(NAMED), set[str]()
        named = {one.title for one in named_corpora()} | {one.name for one in named_corpora()}
        for run in visible_runs(remembered):
            with contextlib.suppress(CharlmError):  # a damaged run is said to be so where it is chosen
                folder = folder_of(run)
                config = read_config(folder)
                is_new = config.title not in named and config.digest not in digests
                if is_new and len(digests) < MOST_TEXTS and (folder / TEXT).is_file():
                    digests.add(config.digest)
                    choices.append((say("race_text_of", language, title=config.title, run=run), OF_RUN + run))
        is_there = chosen in {value for _, value in choices}
        return gr.Dropdown(choices, value=chosen if is_there else NAMED[0][1])


def _idle(language: str) -> list[Any]:
    off = gr.Button(interactive=False)
    nothing = [gr.Textbox("", label=cell.upper()) for cell in CELLS]
    start = [gr.Timer(active=False), gr.Button(interactive=True), off, off, off]
    return [say("race_idle", language), empty_race_view(language), "", "", *nothing, *start]


def _view(board: JobBoard, race: Race) -> JobView:
    """Where the job of a race stands: of all of its runs, or of those that have gone on."""
    told = [board.view(run) for run in race.runs]
    under_way = [view for view in told if view.state != "ended"]
    return next(iter(under_way + [view for view in told if view.error] + told))


def _has_ended(history: History) -> bool:
    return history.finished is not None and history.finished.reason != "stopped"


def _corpus(text: str) -> Corpus:
    """The text of that name, or of that run of the visitor's. Raises CorpusError or CheckpointError."""
    if text.startswith(OF_RUN):
        return load_corpus_of(folder_of(text.removeprefix(OF_RUN)))
    return load_corpus(text)


# --- the components ---------------------------------------------------------------------------------------------------


def _terms(board: JobBoard, labels: Labels) -> tuple[Terms, gr.Markdown]:
    labels.made(gr.Markdown, {"value": "race_about"})
    said: Said = {"label": "race_text", "info": "race_text_info"}
    text = labels.made(gr.Dropdown, said, choices=NAMED, value="comedy-en")
    said = {"label": "race_equal", "choices": _equals}
    equal = labels.made(gr.Radio, said, value="seconds", elem_id="race-equal")
    most = max(3, min(MOST_SECONDS, int(board.limits.seconds / len(CELLS))))
    said = {"label": "race_seconds", "info": "race_seconds_info"}
    seconds = labels.made(gr.Slider, said, minimum=3, maximum=most, value=min(SECONDS, most), step=1)
    sizes = [size for size in SIZES if size <= board.limits.parameters] or [SIZES[0]]
    said = {
        "label": "race_parameters",
        "choices": lambda language: [(number(size, ",", language), size) for size in sizes],
    }
    parameters = labels.made(gr.Dropdown, said, value=PARAMETERS if PARAMETERS in sizes else sizes[-1], visible=False)
    said = {"label": "race_steps"}
    steps = labels.made(gr.Slider, said, minimum=50, maximum=MOST_STEPS, value=STEPS, step=50, visible=False)
    said = {"label": "seed", "info": "race_seed_info"}
    seed = labels.made(gr.Number, said, value=0, precision=0)
    with labels.made(gr.Accordion, {"label": "race_why"}, open=False):
        fair = gr.Markdown(fair_view("seconds"), elem_classes="race-fair")
    return Terms(text, equal, seconds, parameters, steps, seed), fair


def _equals(language: str) -> list[tuple[str, str]]:
    return [
        (say(key, language), equal) for key, equal in zip(("equal_seconds", "equal_parameters"), EQUALS, strict=True)
    ]


def _what_is_asked(equal: str) -> list[Any]:
    by_clock = equal == "seconds"
    return [gr.Slider(visible=by_clock), gr.Dropdown(visible=not by_clock), gr.Slider(visible=not by_clock)]


def _track(labels: Labels) -> Track:
    """All but the samples is shown where this is called; those are rendered where there is room for them."""
    with gr.Row():
        race = labels.made(gr.Button, {"value": "race_start"}, variant="primary", min_width=170)
        widths = {"pause": 90, "resume": 90, "end": 170}
        off = [labels.made(gr.Button, {"value": key}, interactive=False, min_width=n) for key, n in widths.items()]
        pause, resume, end = off
    status = gr.Markdown(say("race_idle"), elem_id="race-status")
    plot = LivePlot(empty_race_view(), elem_id="race-plot")
    units: Said = {"label": "unit", "choices": lambda language: [(say(unit, language), unit) for unit in views.UNITS]}
    unit = labels.made(gr.Radio, units, value="nats", elem_id="race-unit")
    table = gr.Markdown(elem_id="race-table")
    shared = gr.Markdown(elem_id="race-shared")
    samples = tuple(
        gr.Textbox(
            label=cell.upper(), lines=8, max_lines=8, interactive=False, elem_classes="written", min_width=280,
            render=False,
        )
        for cell in CELLS
    )  # fmt: skip
    timer = gr.Timer(POLL_SECONDS, active=False)
    return Track(status, plot, unit, table, shared, samples, timer, race, pause, resume, end)
