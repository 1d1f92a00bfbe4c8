"""Where a run is watched, and told what to do: pause, go on, end, for longer, at another learning rate.

The plot looks at the run every second by itself (glance.py); what changes rarely, as samples and buttons, follows with
its `moment`. Who knows a run's name may do all of this; whose job it is then is told by the visitor's token.
Knows nothing of texts or settings.
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from charlm.errors import CharlmError
from charlm.history import MAX_SAMPLES, History
from charlm.jobs import JobBoard, JobView
from charlm.ui import views
from charlm.ui.glance import Glances, glance_view
from charlm.ui.labels import Labels, Said
from charlm.ui.live_plot import LivePlot
from charlm.ui.runs import extend_run, folder_of, owner_of, resume_run
from charlm.ui.visit import LAST, QUIET, Visit, sentences
from charlm.ui.words import say

SLOWER, FASTER = 0.5, 2.0  # what a click makes of the learning rate
LONGER = 60  # seconds of training on, that are offered
Change = dict[gr.components.Component, Any]


@dataclass(frozen=True)
class Screen:
    """The components."""

    train: gr.Button
    pause: gr.Button
    resume: gr.Button
    end: gr.Button
    plot: LivePlot
    unit: gr.Radio
    rates: gr.Row
    slower: gr.Button
    faster: gr.Button
    more: gr.Row
    longer: gr.Number
    extend: gr.Button
    place: gr.Slider  # which sample is shown
    sample: gr.Textbox
    fold: gr.Accordion
    samples: gr.Textbox  # all of them, one below the other
    kept: gr.Textbox  # hidden: the run, and the earlier sample that its visitor went back to; "": the newest is shown

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What a poll fills."""
        told = [self.plot, self.pause, self.resume, self.end, self.rates, self.more]
        return [*told, self.place, self.sample, self.fold, self.samples]


def make_screen(labels: Labels) -> Screen:
    """The components, idle."""
    with gr.Row():
        train = labels.made(gr.Button, {"value": "train"}, variant="primary", min_width=90)
        off: dict[str, Any] = {"interactive": False, "min_width": 90}
        pause, resume, end = (labels.made(gr.Button, {"value": key}, **off) for key in ("pause", "resume", "end"))
    plot = LivePlot(views.idle_view(), elem_id="loss-plot")
    units: Said = {"label": "unit", "choices": lambda language: [(say(unit, language), unit) for unit in views.UNITS]}
    unit = labels.made(gr.Radio, units, value="nats", elem_id="unit")
    with gr.Row(visible=False) as rates:
        small: dict[str, Any] = {"size": "sm", "min_width": 150}
        slower, faster = (labels.made(gr.Button, {"value": key}, **small) for key in ("slower", "faster"))
    with gr.Row(visible=False, equal_height=True) as more:
        longer = labels.made(gr.Number, {"label": "longer"}, value=LONGER, precision=0, min_width=150)
        extend = labels.made(gr.Button, {"value": "extend"}, min_width=150)
    one: dict[str, Any] = {"minimum": 1, "maximum": MAX_SAMPLES, "value": 1, "step": 1, "precision": 0}
    place = labels.made(gr.Slider, {"label": "which_sample"}, visible=False, buttons=[], **one)
    text: dict[str, Any] = {"interactive": False, "elem_classes": "written"}
    sample = gr.Textbox(label=say("sample"), lines=8, max_lines=14, **text)
    with labels.made(gr.Accordion, {"label": "all_samples"}, open=True, visible=False) as fold:
        bare: dict[str, Any] = {"show_label": False, "container": False, "autoscroll": False}
        samples = labels.made(gr.Textbox, {"label": "all_samples"}, lines=3, max_lines=80, **bare, **text)
    kept = gr.Textbox("", visible=False, max_length=128)
    told = (plot, unit, rates, slower, faster, more, longer, extend)
    return Screen(train, pause, resume, end, *told, place, sample, fold, samples, kept)


class Watching:
    """What fills the screen, and what its buttons do."""

    def __init__(self, board: JobBoard, glances: Glances, visit: Visit, screen: Screen) -> None:
        self.board, self.followers, self.visit, self.screen = board, glances.followers, visit, screen

    @property
    def polled(self) -> dict[str, Any]:
        """The event that fills the screen: `something.then(**watching.polled)`."""
        screen = self.screen
        inputs = [self.visit.run, self.visit.language, screen.unit, screen.kept]
        return {"fn": self.poll, "inputs": inputs, "outputs": screen.outputs, **QUIET}

    def wire(self) -> None:
        """What happens, and every button but Train."""
        visit, screen, run = self.visit, self.screen, [self.visit.run, self.visit.language]
        for happens in (screen.plot.apply, visit.recalled.then, visit.language.change, screen.unit.input):
            happens(**self.polled, trigger_mode="always_last")
        going_on = [visit.run, visit.owner, visit.language]
        screen.resume.click(self.resume, going_on, visit.run, **QUIET).success(**self.polled)
        screen.extend.click(self.extend, [*going_on, screen.longer], visit.run, **QUIET).success(**self.polled)
        screen.pause.click(self.pause, run, None, **QUIET)
        screen.end.click(self.end, run, None, **QUIET)
        screen.slower.click(self.slower, run, None, **QUIET)
        screen.faster.click(self.faster, run, None, **QUIET)
        screen.place.input(self.flip, [*run, screen.place], [screen.sample, screen.kept], **LAST)

    def poll(self, run: str, language: str, unit: str, kept: str | None) -> Change:
        """All of the screen. A run that is not there, or no longer, leaves it as it was at first."""
        try:
            folder = folder_of(run)
        except CharlmError:
            return self._idle(language)
        view = self.board.view(run)
        with self.followers.get(folder).history() as history:
            return {
                self.screen.plot: glance_view(run, history, view, language, unit),
                **self._buttons(history, view),
                **self._samples(run, history, language, kept or ""),
            }

    def _idle(self, language: str) -> Change:
        screen, off, gone = self.screen, gr.Button(interactive=False), gr.Row(visible=False)
        return {
            screen.plot: views.idle_view(language), screen.pause: off, screen.resume: off, screen.end: off,
            screen.rates: gone, screen.more: gone, screen.place: gr.Slider(visible=False),
            screen.sample: gr.Textbox("", label=say("sample", language)), screen.samples: "",
            screen.fold: gr.Accordion(visible=False),
        }  # fmt: skip

    def _buttons(self, history: History, view: JobView) -> Change:
        screen, is_over = self.screen, view.state == "ended"
        is_running = view.state == "running" and history.last_step is not None
        reason = history.finished.reason if history.finished else "stopped"
        is_kept = is_over and history.last_step is not None and reason in ("budget", "patience", "ended")
        return {
            screen.pause: gr.Button(interactive=not is_over),
            screen.resume: gr.Button(interactive=is_over and reason == "stopped"),
            screen.end: gr.Button(interactive=is_running),
            screen.rates: gr.Row(visible=is_running),
            screen.more: gr.Row(visible=is_kept),
        }

    def _samples(self, run: str, history: History, language: str, kept: str) -> Change:
        """The newest, or the earlier one that the visitor went back to."""
        count, (one, _, place) = len(history.samples), kept.rpartition(" ")
        at = int(place) if one == run and place.isdecimal() and 0 < int(place) < count else count
        label, text = views.sample_view(history, language, at)
        return {
            self.screen.place: gr.Slider(value=max(1, at), maximum=max(2, count), visible=count > 1),
            self.screen.sample: gr.Textbox(text, label=label),
            self.screen.fold: gr.Accordion(visible=count > 1),
            self.screen.samples: views.samples_view(history, language),
        }

    def flip(self, run: str, language: str, place: float) -> Any:
        """Another sample of the run, and that it is to stay unless it is the newest."""
        with sentences(language), self.followers.get(folder_of(run)).history() as history:
            label, text = views.sample_view(history, language, int(place))
            return gr.Textbox(text, label=label), f"{run} {int(place)}" if place < len(history.samples) else ""

    # --- what a run is told -------------------------------------------------------------------------------------------

    def pause(self, run: str, language: str) -> None:
        """Save, and go on later exactly from there."""
        with sentences(language):
            self.board.stop(folder_of(run).name)

    def resume(self, run: str, token: str, language: str, request: gr.Request) -> str:
        """Queue a paused run once more."""
        with sentences(language):
            resume_run(self.board, owner_of(token, request.session_hash), run)
        return run

    def end(self, run: str, language: str) -> None:
        """Be over now, evaluated and kept."""
        with sentences(language):
            self.board.end(folder_of(run).name)

    def extend(self, run: str, token: str, language: str, seconds: float, request: gr.Request) -> str:
        """Train on for so many seconds."""
        with sentences(language):
            extend_run(self.board, owner_of(token, request.session_hash), run, seconds)
        return run

    def slower(self, run: str, language: str) -> None:
        """Half the learning rate."""
        with sentences(language):
            self.board.change_rate(folder_of(run).name, SLOWER)

    def faster(self, run: str, language: str) -> None:
        """Twice the learning rate."""
        with sentences(language):
            self.board.change_rate(folder_of(run).name, FASTER)
