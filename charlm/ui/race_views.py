"""A race -> what is shown of it. Pure functions, no Gradio: three runs become one plot, one table, some sentences."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from charlm.checkpoint import RunConfig
from charlm.history import History
from charlm.jobs import JobView
from charlm.racing import CELLS, LUCK, Result, differences, placed, result
from charlm.ui import views
from charlm.ui.words import error_words, knob_words, number, retold, say

COLOURS = {cell: place for place, cell in enumerate(CELLS, start=1)}  # of the plot's
Figure = Callable[[Result], float]
ROWS: tuple[tuple[str, str, Figure, Callable[..., float] | None], ...] = (  # key, form, figure, which one is the best
    ("race_stream", ".4f", lambda one: one.stream, min),
    ("race_cold", ".4f", lambda one: one.cold, min),
    ("race_best", ".4f", lambda one: one.loss, min),
    ("race_speed", ",.0f", lambda one: one.speed, max),
    ("race_weights", ",.0f", lambda one: one.parameters or math.nan, None),
    ("race_hidden", ",.0f", lambda one: one.hidden_size, None),
    ("race_taken", ",.0f", lambda one: one.steps, None),
    ("race_used", ",.1f", lambda one: one.seconds, None),
)


@dataclass(frozen=True)
class Lane:
    """A run of a race, as far as it has got."""

    run: str
    config: RunConfig
    history: History

    @property
    def cell(self) -> str:
        return self.config.model.cell

    @property
    def result(self) -> Result:
        return result(self.config, self.history)


# --- the plot ---------------------------------------------------------------------------------------------------------


def race_plot_view(
    race: str, equal: str, lanes: Sequence[Lane], language: str = "en", unit: str = "nats"
) -> dict[str, Any]:
    """The value of LivePlot: each run's losses by what is equal, its seconds or its steps, and the yardsticks."""
    curves = [curve for lane in lanes for curve in _curves(lane, equal, language, unit)]
    if not curves:
        return empty_race_view(language) | {"run": race, "message": say("starting", language)}
    told = max(
        lanes, key=lambda lane: (len(lane.history.measured), len(lane.history.train.x))
    )  # the levels are for all
    x = say("race_x" if equal == "seconds" else "step", language)
    one = views.plot_view(race, told.history, language, unit)
    return {**one, "x": x, "curves": curves, "rate": None, "marks": []}  # which are one run's own


def _curves(lane: Lane, equal: str, language: str, unit: str) -> list[dict[str, Any]]:
    """Of one run: the validation loss, once there is one, and thin behind it the training loss."""
    told, history = views.UNITS.get(unit, views.UNITS["nats"]), lane.history
    by_clock = equal == "seconds"
    places = [round(one.seconds, 2) if by_clock else one.step for one in history.evaluated]
    behind = [round(second, 2) for second in history.seconds.y] if by_clock else history.train.x
    common = {"colour": COLOURS.get(lane.cell, len(COLOURS) + 1)}
    name = lane.cell.upper()
    thin = {"name": f"{name} ({say('training', language)})", "x": behind, "is_thin": True}
    thin["y"] = [round(told(loss), 4) for loss in history.train.y]
    thick = {"name": name, "x": places, "is_thin": False}
    thick["y"] = [round(told(one.loss), 4) for one in history.evaluated]
    return [{**curve, **common} for curve in (thin, thick)] if behind else []


def empty_race_view(language: str = "en") -> dict[str, Any]:
    """The plot before there is a race."""
    return views.empty_plot_view(language) | {"message": say("race_empty", language)}


# --- where it stands --------------------------------------------------------------------------------------------------


def race_status_view(lanes: Sequence[Lane], view: JobView, language: str = "en") -> str:
    """Who leads, or who has won, in Markdown."""
    if view.state == "queued":
        return say("queued", language, place=view.place, wait=views.duration(view.wait_seconds, language))
    results = [lane.result for lane in lanes]
    if view.state == "ended":
        return _ended(lanes, results, view, language)
    if all(one.progress >= 1 for one in results):
        return say("race_evaluating", language)
    order = placed(results)
    if not order:
        return say("starting", language)
    lead, first = order[0]
    rest = "".join(f" · {one.cell.upper()} {number(loss, '.3f', language)}" for loss, one in order[1:])
    left = views.duration(sum(one.seconds_left for one in results), language)
    return say("race_running", language, cell=first.cell.upper(), loss=lead, rest=rest, left=left)


def _ended(lanes: Sequence[Lane], results: Sequence[Result], view: JobView, language: str) -> str:
    ends = [lane.history.finished for lane in lanes]
    lines = [views.plain(error_words(view.error, language))] if view.error else []
    for lane, end in zip(lanes, ends, strict=True):
        if end is not None and end.reason == "diverged":
            lines.append(
                say("race_diverged", language, cell=lane.cell.upper(), advice=views.plain(retold(end.advice, language)))
            )
    if any(end is None or end.reason == "stopped" for end in ends):
        lines.append(say("race_paused", language))
    elif len(order := placed(results)) > 1:
        lines.append(_verdict(order, language))
    return "\n\n".join(lines)


def _verdict(order: Sequence[tuple[float, Result]], language: str) -> str:
    """Who has won, and whether gates have paid."""
    (best, first), (next_best, second), *_ = order
    key = "race_close" if next_best - best < LUCK else "race_won"
    names = {"cell": first.cell.upper(), "second": second.cell.upper()}
    line = say(key, language, **names, loss=best, other=next_best)
    bare = next((loss for loss, one in order if one.cell == "rnn"), math.nan)
    gated = min((loss for loss, one in order if one.cell != "rnn"), default=math.nan)
    if math.isnan(bare - gated) or abs(bare - gated) < LUCK:
        return line
    return f"{line} {say('race_gates' if gated < bare else 'race_no_gates', language, gap=abs(bare - gated))}"


# --- the table --------------------------------------------------------------------------------------------------------


def race_table_view(lanes: Sequence[Lane], language: str = "en") -> str:
    """What is known of each by now, in a Markdown table: a column a cell, so that it fits a phone."""
    if not lanes:
        return ""
    results = [lane.result for lane in lanes]
    head = [f"| | {' | '.join(one.cell.upper() for one in results)} |", f"|:---|{'---:|' * len(results)}"]
    return "\n".join(head + [_row(*row, results, language) for row in ROWS])


def _row(
    key: str, form: str, figure: Figure, better: Callable[..., float] | None, results: Sequence[Result], language: str
) -> str:
    figures = [figure(one) for one in results]
    known = [one for one in figures if not math.isnan(one)]
    best = better(known) if better and len(known) > 1 else math.nan
    cells = ["–" if math.isnan(one) else number(one, form, language) for one in figures]
    marked = [f"**{cell}**" if one == best else cell for cell, one in zip(cells, figures, strict=True)]
    return f"| {say(key, language)} | {' | '.join(marked)} |"


# --- why it is fair ---------------------------------------------------------------------------------------------------


def fair_view(equal: str, language: str = "en") -> str:
    """How such a race is kept fair, in Markdown."""
    key = "race_fair_seconds" if equal == "seconds" else "race_fair_parameters"
    return f"{say('race_fair', language)}\n\n{say(key, language)} {say('race_luck', language, luck=LUCK)}"


def shared_view(lanes: Sequence[Lane], language: str = "en") -> str:
    """The settings that all have, and those that were fitted to each cell."""
    if not lanes:
        return ""
    training, started = lanes[0].config.training, lanes[0].history.started
    line = say("race_same", language, streams=training.streams, window=training.window, seed=training.seed)
    if started is not None:
        line += " " + say("race_machine", language, threads=started.threads, precision=started.precision)
    found = differences([(lane.config.model, lane.config.training) for lane in lanes])
    own = [f"{knob_words(name, '', language)[0]} {_each(values, language)}" for name, values in found.items()]
    cells = " / ".join(lane.cell.upper() for lane in lanes)
    return f"{line}\n\n{say('race_own', language, cells=cells, what=' · '.join(own))}" if own else line


def _each(values: Sequence[Any], language: str) -> str:
    return " / ".join(number(one, "g", language) if isinstance(one, int | float) else str(one) for one in values)


def race_sample_view(lane: Lane, language: str = "en") -> tuple[str, str]:
    """The label and the text of what a run wrote last: the same prompt and seed for all."""
    _, text = views.sample_view(lane.history, language)
    if not lane.history.samples:
        return lane.cell.upper(), ""
    last = lane.history.samples[-1]
    return say("race_sample", language, cell=lane.cell.upper(), step=last.step, seed=last.seed), text
