"""Runs side by side: facts -> the rows of the list, the curves of one plot, what settings differ in, final figures.

Pure functions, no Gradio. Words are in the visitor's language; whatever a person wrote is escaped where it meets
Markdown, and is data alone where it meets a script.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from charlm.checkpoint import RunConfig
from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.events import Evaluated
from charlm.metrics import PROTOCOLS
from charlm.ui.shelf import RunFacts, State, Story
from charlm.ui.views import UNITS, empty_plot_view, measure_name, plain
from charlm.ui.words import NOTHING, knob_words, number, say, value_words

MOST_OVERLAID = 8  # curves that eyes can tell apart; theme.py has as many colours
STATES: Mapping[State, str] = {
    "queued": "state_queued",
    "running": "state_running",
    "budget": "state_finished",
    "patience": "state_finished",
    "diverged": "state_diverged",
    "stopped": "state_stopped",
    "ended": "state_ended",
    "damaged": "state_damaged",
}
HEADS = ("run", "text", "cell", "size", "loss", "on_disk", "begun", "state")
ACROSS: Mapping[str, Callable[[Evaluated], float]] = {
    "steps": lambda event: event.step,
    "epochs": lambda event: round(event.epoch, 3),
    "seconds_trained": lambda event: round(event.seconds, 2),
}


# --- the list ---------------------------------------------------------------------------------------------------------


def table_view(runs: Sequence[RunFacts], language: str = "en") -> dict[str, Any]:
    """What RunTable shows."""
    return {
        "caption": say("your_runs", language),
        "choose": say("choose", language),
        "heads": [say(head, language) for head in HEADS],
        "rows": [_row(one, language) for one in runs],
        "empty": say("no_runs", language),
    }


def _row(one: RunFacts, language: str) -> dict[str, Any]:
    """A row's cells in the order of HEADS; the date is written by the browser, which knows where it is."""
    model, known = one.config and one.config.model, not math.isnan(one.loss)
    layers = f" × {model.num_layers}" if model and model.num_layers > 1 else ""
    cells = [
        one.config.title if one.config else NOTHING,
        model.cell.upper() if model else NOTHING,
        f"{model.hidden_size}{layers}" if model else NOTHING,
        number(one.loss, ".4f", language) if known else NOTHING,
        size_view(one.size, language),
        one.begun,
        say(STATES[one.state], language),
    ]
    return {"run": one.run, "cells": [one.shown, *cells], "state": one.state}


def api_row(one: RunFacts) -> dict[str, Any]:
    """A run as the API tells it, in plain JSON."""
    model = one.config.model if one.config else ModelConfig()
    loss = None if math.isnan(one.loss) else one.loss
    return {
        "name": one.run, "title": one.config.title if one.config else "", "cell": model.cell,
        "hidden_size": model.hidden_size, "step": one.step, "loss": loss,
    }  # fmt: skip


def size_view(size: int, language: str = "en") -> str:
    """1.2 MB: thousands, as disks count."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{number(value, '.1f' if unit != 'B' and value < 9.95 else '.0f', language)} {unit}"


# --- side by side -----------------------------------------------------------------------------------------------------


def overlay_view(
    stories: Sequence[Story], language: str = "en", unit: str = "nats", across: str = "steps"
) -> dict[str, Any]:
    """The value of LivePlot: a validation curve for each run; the yardsticks when they all learned the same text."""
    told, along = UNITS.get(unit, UNITS["nats"]), across if across in ACROSS else "steps"
    curves = [
        {
            "name": name,
            "x": [ACROSS[along](event) for event in story.evaluated],
            "y": [round(told(event.loss), 4) for event in story.evaluated],
            "is_thin": False,
            "colour": place,
        }
        for place, (name, story) in enumerate(zip(told_apart(stories), stories, strict=True), start=1)
        if place <= MOST_OVERLAID and story.evaluated
    ]
    empty = empty_plot_view(language)
    if not curves:
        return empty | {"message": say("nothing_evaluated" if stories else "runs_here", language)}
    runs = "|".join(story.run for story in stories)
    levels = [
        {"name": measure_name(name, language), "y": round(told(loss), 4)} for name, loss in _levels(stories).items()
    ]
    return empty | {
        "run": f"{runs} {along}",
        "x": say(along, language),
        "y": say(unit if unit in UNITS else "nats", language),
        "curves": curves,
        "levels": levels,
    }


def told_apart(stories: Sequence[Story]) -> list[str]:
    """The names of runs, with a number where two are called the same."""
    names = [story.shown for story in stories]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]


def _levels(stories: Sequence[Story]) -> dict[str, float]:
    """What all of them have to pass: the best n-gram, and xz. Of different texts there is no such line.

    The lower yardsticks stand beside it as figures: as lines they would press the curves together.
    """
    if len({story.config.digest for story in stories}) != 1:
        return {}
    measured = next((story.measured for story in stories if story.measured), {})
    best = best_gram(measured)
    wanted = ("entropy", best, "xz")
    return {name: measured[name] for name in wanted if name in measured}


def best_gram(measured: Mapping[str, float]) -> str:
    """The n-gram that counts best; "" where none was measured."""
    grams = {name: loss for name, loss in measured.items() if name.endswith("-gram")}
    return min(grams, key=grams.__getitem__, default="")


def compared_view(stories: Sequence[Story], language: str = "en", unit: str = "nats") -> str:
    """Final figures under both protocols, and what the settings differ in, in Markdown; "" when no run is chosen."""
    if not stories:
        return ""
    parts = [f"#### {say('final_figures', language)}", figures_view(stories, language, unit)]
    if len({story.config.digest for story in stories}) > 1:
        parts.append(say("texts_differ", language))
    if len(stories) > MOST_OVERLAID:
        parts.append(say("most_overlaid", language, most=MOST_OVERLAID))
    for name, story in zip(told_apart(stories), stories, strict=True):
        if story.origin:
            place, commit = plain(story.origin.repo), plain(story.origin.commit)
            parts.append(say("from_hub", language, name=plain(name), repo=place, commit=commit))
    heading = "settings_differ" if len(stories) > 1 else "settings_unlike"
    parts += [f"#### {say(heading, language)}", differences_view(stories, language)]
    return "\n\n".join(parts)


def figures_view(stories: Sequence[Story], language: str = "en", unit: str = "nats") -> str:
    """A column a run: parameters, both protocols, and the best that counting does on its text."""
    told = UNITS.get(unit, UNITS["nats"])

    def shown(story: Story, name: str) -> str:
        loss = story.measured.get(name, math.nan)
        return NOTHING if math.isnan(loss) else number(told(loss), ".4f", language)

    best = [best_gram(story.measured) for story in stories]
    counted = [shown(story, name) for story, name in zip(stories, best, strict=True)]
    called = ", ".join(measure_name(name, language) for name in dict.fromkeys(best) if name)
    counting = f"{say('best_counting', language)} ({plain(called)})" if called else say("best_counting", language)
    parameters = [number(story.parameters, ",", language) if story.parameters else NOTHING for story in stories]
    rows = [
        [measure_name(protocol, language), *(shown(story, protocol) for story in stories)] for protocol in PROTOCOLS
    ]
    rows += [[counting, *counted], [say("parameters", language), *parameters]]
    return _markdown(["", *map(plain, told_apart(stories))], rows)


def differences_view(stories: Sequence[Story], language: str = "en") -> str:
    """A row a knob, a column a run."""
    found = differences([story.config for story in stories])
    if not found:
        return say("settings_same" if len(stories) > 1 else "settings_default", language)
    rows = [
        [plain(knob_words(name, "", language)[0]), *(value_words(name, one, language) for one in values)]
        for name, values in found.items()
    ]
    return _markdown(["", *map(plain, told_apart(stories))], rows)


def differences(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """The knobs that are not the same in all, with their values; of one run alone, those that are not the default."""
    found: dict[str, list[Any]] = {}
    for kind, part in ((TextConfig, "text"), (ModelConfig, "model"), (TrainConfig, "training")):
        for field in dataclasses.fields(kind):
            values = [getattr(getattr(config, part), field.name) for config in configs]
            if len(set(values)) > 1 or (len(configs) == 1 and values[0] != field.default):
                found[field.name] = values
    return found


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are escaped already."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
