"""Runs side by side: what is listed, drawn and compared. Stories and facts are made here; no folder, no Gradio."""

import math
from typing import Any

import pytest

from charlm.checkpoint import RunConfig
from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.events import Evaluated
from charlm.hub import Origin
from charlm.text import TextReport
from charlm.ui.run_views import (
    MOST_OVERLAID,
    api_row,
    compared_view,
    differences,
    differences_view,
    figures_view,
    overlay_view,
    size_view,
    table_view,
    told_apart,
)  # fmt: skip
from charlm.ui.shelf import RunFacts, Story
from charlm.ui.words import LANGUAGES, say
from charlm.vocabulary import Vocabulary

MEASURED = {"uniform": 3.0, "1-gram": 2.5, "5-gram": 1.5, "xz": 1.6, "stream": 1.25, "cold-256": 1.375}
HOSTILE = "<img src=x onerror=hit()> | **b** [a](b) `c`"


def config(title: str = "a book", digest: str = "d", text: Any = None, **given: Any) -> RunConfig:
    own = {name: value for name, value in given.items() if name in ModelConfig.__dataclass_fields__}
    rest = {name: value for name, value in given.items() if name not in own}
    training = TrainConfig(**({"steps": 10} | rest))
    return RunConfig(
        ModelConfig(**own), training, TextConfig(**(text or {})), Vocabulary(("a", "b")), title, digest,
        TextReport("utf-8", 0, ()),
    )  # fmt: skip


def story(run: str = "one", points: int = 3, origin: Origin | None = None, **given: Any) -> Story:
    evaluated = tuple(Evaluated(10 * i, i / 2, 3.0 - i, 3.1 - i, True, 1.5 * i) for i in range(1, points + 1))
    return Story(run, given.pop("shown", run), config(**given), 1234, evaluated, MEASURED, origin, True)


def facts(run: str = "one", **given: Any) -> RunFacts:
    base = {
        "shown": run,
        "config": config(),
        "step": 7,
        "loss": 1.25,
        "size": 2_345_678,
        "begun": 1e9,
        "state": "budget",
    }
    return RunFacts(run, **(base | given))  # type: ignore[arg-type]


# --- the list ---------------------------------------------------------------------------------------------------------


def test_a_row_says_what_a_run_is() -> None:
    shown = facts(config=config(cell="gru", hidden_size=96, num_layers=2), shown="mine")
    table = table_view([shown], "en")
    assert table["rows"] == [
        {
            "run": "one",
            "cells": ["mine", "a book", "GRU", "96 × 2", "1.2500", "2.3 MB", 1e9, "finished"],
            "state": "budget",
        }
    ]
    assert len(table["heads"]) == len(table["rows"][0]["cells"])


def test_a_run_that_cannot_be_read_is_listed_all_the_same() -> None:
    (row,) = table_view([facts(config=None, loss=math.nan, state="damaged")], "es")["rows"]
    assert row["cells"][1:5] == ["–"] * 4 and row["cells"][-1] == say("state_damaged", "es")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_its_word(language: str) -> None:
    states = ("queued", "running", "budget", "patience", "diverged", "stopped", "ended", "damaged")
    said = [table_view([facts(state=state)], language)["rows"][0]["cells"][-1] for state in states]
    assert len(set(said)) == len(states) - 1  # a run is finished whether its budget or its patience has ended


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9960, "10 kB"), (999_600, "1.0 MB"), (2_345_678, "2.3 MB"),
     (700_000_000, "700 MB"), (12_000_000_000, "12 GB")],
)  # fmt: skip
def test_sizes_are_short(size: int, said: str) -> None:
    assert size_view(size) == said


def test_sizes_have_the_languages_own_marks() -> None:
    assert size_view(2_345_678, "fr") == "2,3 MB"


def test_the_api_tells_plain_json() -> None:
    assert api_row(facts(loss=math.nan)) == {
        "name": "one", "title": "a book", "cell": "lstm", "hidden_size": 256, "step": 7, "loss": None,
    }  # fmt: skip


# --- the plot ---------------------------------------------------------------------------------------------------------


def test_a_curve_for_each_run_in_its_own_colour() -> None:
    plot = overlay_view([story("one"), story("two")], "en")
    assert [(curve["name"], curve["colour"]) for curve in plot["curves"]] == [("one", 1), ("two", 2)]
    assert plot["curves"][0]["x"] == [10, 20, 30] and plot["curves"][0]["y"] == [2.0, 1.0, 0.0]


def test_a_run_without_an_evaluation_keeps_its_colour_free() -> None:
    plot = overlay_view([story("one", points=0), story("two")])
    assert [(curve["name"], curve["colour"]) for curve in plot["curves"]] == [("two", 2)]
    assert overlay_view([story("one", points=0)])["message"] == say("nothing_evaluated")
    assert overlay_view([], "ko")["message"] == say("runs_here", "ko")


@pytest.mark.parametrize(
    ("across", "x"), [("steps", [10, 20, 30]), ("epochs", [0.5, 1.0, 1.5]), ("seconds_trained", [1.5, 3.0, 4.5])]
)
def test_against_steps_passes_or_time(across: str, x: list[float]) -> None:
    plot = overlay_view([story()], "en", "nats", across)
    assert plot["curves"][0]["x"] == x and plot["x"] == say(across)


def test_what_is_no_axis_or_unit_is_the_first_one() -> None:
    assert overlay_view([story()], "en", "<script>", "__class__") == overlay_view([story()])


def test_yardsticks_stand_where_all_learned_the_same_text() -> None:
    same = overlay_view([story("one"), story("two")], "en", "bits")
    assert {level["name"]: level["y"] for level in same["levels"]} == {
        "5-gram": round(1.5 / math.log(2), 4), "xz": round(1.6 / math.log(2), 4),
    }  # fmt: skip
    others = [story("one"), story("two", digest="another")]
    assert overlay_view(others)["levels"] == []
    assert say("texts_differ") in compared_view(others) and say("texts_differ") not in compared_view(others[:1])


def test_no_more_curves_than_colours() -> None:
    many = [story(f"run-{i}") for i in range(MOST_OVERLAID + 3)]
    assert len(overlay_view(many)["curves"]) == MOST_OVERLAID
    assert say("most_overlaid", most=MOST_OVERLAID) in compared_view(many)


def test_runs_of_one_name_are_told_apart() -> None:
    assert told_apart([story("a", shown="x"), story("b", shown="x"), story("c", shown="y")]) == ["x (1)", "x (2)", "y"]


# --- what differs -----------------------------------------------------------------------------------------------------


def test_only_what_differs_is_told() -> None:
    one = config(cell="lstm", hidden_size=64, streams=8, text={"min_count": 2})
    two = config(cell="gru", hidden_size=64, streams=16, text={"min_count": 2}, learning_rate=0.01)
    assert differences([one, two]) == {"cell": ["lstm", "gru"], "streams": [8, 16], "learning_rate": [4e-3, 0.01]}
    assert differences([one, one]) == {}


def test_of_one_run_what_is_not_the_default() -> None:
    assert differences([config(hidden_size=64, steps=500)]) == {"hidden_size": [64], "steps": [500]}


def test_differences_are_said_in_the_visitors_language() -> None:
    one, two = story("one", tied=True, embedding_size=256, steps=1500), story("two", seconds=2.5, steps=0)
    table = differences_view([one, two], "es")
    assert "| Pasos | 1.500 | – |" in table and "| Segundos | – | 2,5 |" in table
    assert "sí" in table and "no" in table
    assert differences_view([story("one"), story("two")], "es") == say("settings_same", "es")


def test_final_figures_under_both_protocols() -> None:
    told = figures_view([story("one"), story("two", digest="other")]).replace("\\", "").splitlines()
    assert told[0] == "|  | one | two |" and "| stream | 1.2500 | 1.2500 |" in told
    assert {"| cold-256 | 1.3750 | 1.3750 |", "| Parameters | 1,234 | 1,234 |"} < set(told)
    assert f"| {say('best_counting')} (5-gram) | 1.5000 | 1.5000 |" in told
    told = figures_view([story("one")], "es", "perplexity").splitlines()
    assert f"| {say('stream', 'es')} | 3,4903 |" in told and "| Parámetros | 1.234 |" in told


def test_where_a_run_came_from_is_told() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    told = compared_view([story("one", origin=Origin("user/repo", commit))])
    assert "user" in told and commit in told
    assert compared_view([]) == ""


def test_somebodys_words_are_only_words() -> None:
    told = compared_view([story("one", shown=HOSTILE), story("two", cell="gru")])
    assert "<img" not in told.replace("\\<", "") and "\\<img" in told and "\\|" in told and "**b**" not in told
