"""The Train tab without a browser: what is painted at which field, the documented call, and what strangers may not."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import gradio as gr
import pytest
from test_page import TOKEN, Wire

from charlm.checkpoint import TRAINER, read_config
from charlm.jobs import HOME, PUBLIC, JobBoard
from charlm.ui.glance import Glances
from charlm.ui.page import build_page
from charlm.ui.words import error_words, knob_words, say

MakeRun = Callable[[str], Path]
CALL = {"text": "comedy-en", "cell": "lstm", "recipe": "quick", "seconds": 0, "seed": 0}


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[gr.Blocks, JobBoard]]:
    board = JobBoard(HOME, 1, fakes.until_stopped)
    page = build_page(board, Glances(board))
    page.queue(max_size=64, default_concurrency_limit=4)
    page.has_launched, page.max_file_size = True, 1 << 20
    yield page, board
    board.close()


@pytest.fixture
def wire(built: tuple[gr.Blocks, JobBoard]) -> Iterator[Wire]:
    page, board = built
    board.limits = HOME
    yield Wire(page, board)
    for run in list(board.jobs):
        board.stop(run)
    while any(map(board.is_active, list(board.jobs))):
        pass
    board.jobs.clear()


def values_of(handler: Any, settings: dict[str, Any]) -> list[Any]:
    assert set(settings) <= {part.label for part in handler.inputs} | {"language"}
    return [settings.get(part.label, getattr(part, "value", None)) for part in handler.inputs]


def painted(wire: Wire, settings: dict[str, Any], language: str = "en") -> dict[str, str]:
    """What stands at which field after a click on Train, by label; nothing: it was let through."""
    handler = wire.handler("train")
    chooser = next(part for part in handler.inputs if part.elem_id == "language")
    values = values_of(handler, {**settings, chooser.label: language})
    body = {"fn_index": handler._id, "data": values, "session_hash": wire.session}
    answer = wire.client.post("/gradio_api/queue/join", json=body)
    assert answer.status_code == 422, answer.text
    told = answer.json()["detail"]
    return {part.label: one["message"] for part, one in zip(handler.inputs, told, strict=True) if not one["is_valid"]}


# --- refused at its field ---------------------------------------------------------------------------------------------


REFUSED: list[tuple[dict[str, Any], dict[str, float], set[str], str]] = [
    ({"Streams": "0"}, {}, {"Streams"}, "between 1 and 1,024"),
    ({"Streams": "0", "Dropout": "2"}, {}, {"Streams", "Dropout"}, "between"),
    ({"Steps": "5", "Epochs": "5"}, {}, {"Steps", "Epochs"}, "Give one budget"),
    ({"Min count": "many"}, {}, {"Min count"}, "whole number"),
    ({"Tied": "yes", "Embedding size": "5"}, {}, {"Tied"}, "Tied weights"),
    ({say("text"): "pasted", say("pasted"): "too short"}, {}, {say("pasted")}, "at least 100"),
    ({say("text"): "file"}, {}, {say("file")}, say("upload_first")),
    ({say("size"): 512}, {"parameters": 1000}, {say("size")}, "at most 1,000 are allowed"),
    ({say("recipe"): "", say("seconds"): 60}, {"seconds": 30.0}, {say("seconds")}, "60 seconds are more"),
]


@pytest.mark.parametrize(("settings", "limits", "fields", "sentence"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_cannot_work_is_painted_at_its_field(
    settings: dict[str, Any], limits: dict[str, float], fields: set[str], sentence: str, wire: Wire, runs: Path
) -> None:
    wire.board.limits = replace(HOME, **limits)  # type: ignore[arg-type]
    told = painted(wire, settings)
    assert set(told) == fields and all(sentence in one for one in told.values())
    assert not list(runs.iterdir()) and not wire.board.jobs


def test_it_is_said_in_the_visitors_language(wire: Wire) -> None:
    told = painted(wire, {"Streams": "0"}, "fr")
    assert knob_words("streams", "", "fr")[0] in told["Streams"] and "entre 1 et" in told["Streams"]


def test_the_fold_that_hides_a_refused_field_is_opened(wire: Wire) -> None:
    handler = next(one for one in wire.page.fns.values() if one.name == "unfold")
    for settings, expected in (
        ({"Streams": "0"}, [False, True]),
        ({"Min count": "0"}, [True, False]),
        ({}, [False] * 2),
    ):
        answer = wire.post_to(handler, values_of(handler, settings))["data"]
        assert [one.get("open", False) for one in answer] == expected


# --- the documented call ----------------------------------------------------------------------------------------------


def called(wire: Wire, **arguments: Any) -> dict[str, Any]:
    handler = next(one for one in wire.page.fns.values() if one.api_name == "train")
    return wire.post_to(handler, list({**CALL, **arguments}.values()))


def test_the_call_is_documented(wire: Wire) -> None:
    info = wire.page.get_api_info()["named_endpoints"]["/train"]
    told = {one["parameter_name"]: one for one in info["parameters"]}
    assert list(told) == list(CALL)
    assert {name: one.get("parameter_default") for name, one in told.items() if name != "text"} == {
        "cell": "lstm", "recipe": "quick", "seconds": 0.0, "seed": 0,
    }  # fmt: skip
    assert "name of the run" in info["description"]


def test_a_program_trains(wire: Wire, runs: Path) -> None:
    name = called(wire, cell="gru", seconds=7, seed=3)["data"][0]
    config = read_config(runs / name)
    assert wire.board.is_active(name) and name == "comedy-en-gru"
    assert (config.model.cell, config.training.seconds, config.training.seed) == ("gru", 7.0, 3)
    own = called(wire, text="A text of my own, with enough in it to learn. " * 20, recipe="lstm-notebook")["data"][0]
    config = read_config(runs / own)
    assert own == "text-lstm" and (config.recipe, config.training.window) == ("lstm-notebook", 100)


CALLS_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"text": "a " * 3000}, "at most 5,000 are taken here"),
    ({"text": ""}, say("paste_first")),
    ({"text": "no-such-text"}, "There is no text with the name no-such-text"),
    ({"text": "/etc/passwd"}, "There is no text with the name"),
    ({"text": "far too short"}, "at least 100"),
    ({"cell": "transformer"}, "cell must be one of"),
    ({"cell": ["lstm"]}, "cell must be of type text"),
    ({"recipe": "none"}, "There is no recipe"),
    ({"text": "comedy-en", "seconds": 61}, "61 seconds are more than the 60"),
    ({"seconds": -1}, "seconds must be between"),
    ({"seconds": "long"}, "seconds must be of type number"),
    ({"seed": 1.5}, "seed must be of type whole number"),
    ({"text": "comedy-en", "recipe": "good"}, "180 seconds are more than the 60"),
    ({"recipe": []}, "There is no recipe"),
]


@pytest.mark.parametrize(("arguments", "sentence"), CALLS_REFUSED, ids=lambda value: str(value)[:30])
def test_the_calls_limits_are_the_pages(
    arguments: dict[str, Any], sentence: str, wire: Wire, public: None, runs: Path
) -> None:
    wire.board.limits = replace(PUBLIC, text_bytes=5000, seconds=60.0)
    given = {"text": "abc def ghi " * 100, **arguments}
    assert sentence in called(wire, **given)["error"]
    assert not list(runs.iterdir()) and not wire.board.jobs


def test_a_program_has_as_many_jobs_as_a_visitor(wire: Wire, public: None) -> None:
    wire.board.limits = replace(PUBLIC, jobs=1)
    assert called(wire)["data"][0].startswith("comedy-en-lstm-")
    assert "at most 1 are allowed" in called(wire)["error"]


# --- a run is told ----------------------------------------------------------------------------------------------------


def test_a_run_is_trained_on_within_the_limits(wire: Wire, make_run: MakeRun) -> None:
    folder = make_run("tiny")
    wire.board.limits = replace(HOME, seconds=100.0)
    for seconds, sentence in ((0, ""), (None, say("longer_than_nothing")), (101, "101 seconds are more than the 100")):
        answer = wire.post("extend", ["tiny", TOKEN, "en", seconds])
        assert sentence in answer["error"] and not wire.board.jobs
    before = read_config(folder).training
    assert wire.post("extend", ["tiny", TOKEN, "en", 20])["data"] == ["tiny"]
    job = wire.board.jobs["tiny"]
    assert job.training is not None and job.training.steps == 0 and 20 < job.training.seconds < 60
    assert read_config(folder).training == before  # the job writes it, when its turn comes


def test_a_run_without_its_trainer_is_not_trained_on(wire: Wire, make_run: MakeRun) -> None:
    (make_run("comedy-lstm") / TRAINER).unlink()  # as the examples are
    for name, more in (("extend", [20]), ("resume", [])):
        assert "cannot be resumed" in wire.post(name, ["comedy-lstm", TOKEN, "en", *more])["error"]
    assert not wire.board.jobs


@pytest.mark.parametrize("name", ["pause", "end", "slower", "faster"])
def test_a_stranger_tells_nothing(name: str, wire: Wire, public: None, make_run: MakeRun) -> None:
    make_run("moliere-lstm")
    for run in ("moliere-lstm", "../moliere-lstm", "", None):
        answer = wire.post(name, [run, "en"])
        assert answer["error"] == say("not_yours")


def test_opening_a_link_sets_nothing_that_the_form_does_not_have(wire: Wire) -> None:
    handler = next(one for one in wire.page.fns.values() if one.name == "open")
    for query in ("?cell=sigmoid", "?hidden_size=100", "?run=../x", "?streams=0"):
        answer = wire.post_to(handler, [query, "es"])["data"]
        changed = [json.dumps(one) for one in answer if one is not None and "value" in json.dumps(one)]
        assert len(changed) == 1 and say("bad_link", "es").split(":")[0] in changed[0], query


def test_errors_of_the_call_are_in_english(wire: Wire) -> None:
    from charlm.errors import CorpusError

    error = CorpusError(say("no_such_text"), name="nowhere")
    assert called(wire, text="nowhere")["error"] == error_words(error)
