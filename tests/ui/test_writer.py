"""Texts being written: the same characters as the terminal's, in turns, stopped when told, within the limits."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charlm.checkpoint import load_checkpoint
from charlm.config import SampleConfig
from charlm.errors import CheckpointError, ConfigError, LimitError
from charlm.sampling import generate
from charlm.stepping import fold
from charlm.ui import writer as module
from charlm.ui.compare_tab import newest_of_each_cell, seats_of
from charlm.ui.desk import MANNERS, Speakers, manner_of
from charlm.ui.writer import Speaker, Stops, Writer, pieces, sample_config

MakeRun = Callable[..., Path]
CONFIG = SampleConfig(length=120, temperature=1.0, seed=7)


@pytest.fixture
def speaking(trained: Path) -> Speaker:
    checkpoint = load_checkpoint(trained)
    return checkpoint, fold(checkpoint.model)


def by_itself(speaker: Speaker, prompt: str, config: SampleConfig) -> str:
    return "".join(generate(speaker[1], speaker[0].vocabulary, prompt, config))


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("prompt", ["", "the ", "what Ω is"])
def test_in_pieces_it_is_the_same_text(speaking: Speaker, prompt: str, most: int) -> None:
    writer = Writer(speaking, prompt, CONFIG)
    while not writer.is_done:
        before = len(writer.written)
        writer.go_on(60.0, most)
        assert len(writer.written) == min(before + most, CONFIG.length)
    assert writer.written == by_itself(speaking, writer.prompt.text, CONFIG)
    value = writer.value([(3, 9)])
    assert value["text"] == writer.prompt.text + writer.written and value["prompt"] == len(writer.prompt.text)
    assert value["copied"] == [[len(writer.prompt.text) + 3, len(writer.prompt.text) + 9]]
    assert (len(value["shares"]), len(value["others"]), value["each"]) == (CONFIG.length * 12, CONFIG.length * 5, 5)
    assert writer.speed > 0


def test_no_time_is_time_for_one_character(speaking: Speaker) -> None:
    writer = Writer(speaking, "", CONFIG)
    writer.go_on(0.0)
    assert len(writer.written) == 1


@pytest.mark.parametrize("pace", module.PACES)
def test_two_texts_take_turns_and_the_first_piece_has_the_first_characters(
    speaking: Speaker, pace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READING_SPEED", 10_000)
    other = SampleConfig(length=60, temperature=0.5, seed=1)
    writers = [Writer(speaking, "the ", CONFIG), Writer(speaking, "a", other)]
    seen = [[len(one.written) for one in writers] for _ in pieces(writers, pace, threading.Event())]
    assert seen[0] == [1, 1] and seen[-1] == [120, 60]
    assert pace != "reading" or seen == [[min(n, 120), min(n, 60)] for n in range(1, 121)]
    assert [one.written for one in writers] == [by_itself(speaking, "the ", CONFIG), by_itself(speaking, "a", other)]


@pytest.mark.parametrize("pace", module.PACES)
def test_stop_ends_it_at_the_next_piece_and_keeps_the_text(speaking: Speaker, pace: str) -> None:
    writer, stopped = Writer(speaking, "", CONFIG), threading.Event()
    for _ in pieces([writer], pace, stopped):
        stopped.set()
    assert writer.written == by_itself(speaking, "", CONFIG)[:1] and not writer.is_done


def test_stop_reaches_the_texts_of_its_own_session_alone() -> None:
    stops = Stops()
    with stops.writing("mine") as mine, stops.writing("yours") as yours:
        stops.stop("nobody's")
        assert not mine.is_set() and not yours.is_set()
        stops.stop("mine")
        assert mine.is_set() and not yours.is_set()
    stops.stop("yours")  # it has ended
    with stops.writing("yours") as again:
        assert not again.is_set()
        with stops.writing("yours") as newer:
            pass
        stops.stop("yours")
        assert not newer.is_set()


# --- what a visitor may set -------------------------------------------------------------------------------------------


def test_a_seed_below_zero_is_another_each_time() -> None:
    seeds = {sample_config(100, 10, 1.0, 0, 1.0, seed).seed for seed in [-1, None] * 10}
    assert len(seeds) == 20
    assert sample_config(100, 10.0, 1, None, None, 5.0) == SampleConfig(length=10, temperature=1.0, seed=5)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"length": 101}, LimitError, "101 characters are more than the 100"),
    ({"length": 10**400}, LimitError, "are more than the 100"),
    ({"length": 0}, ConfigError, "length must be between"),
    ({"length": None}, ConfigError, "length must be of type whole number"),
    ({"length": "many"}, ConfigError, "length must be of type whole number, not 'many'"),
    ({"length": float("inf")}, ConfigError, "length must be of type whole number"),
    ({"temperature": 6}, ConfigError, "temperature must be between"),
    ({"temperature": float("nan")}, ConfigError, "temperature must be of type number"),
    ({"temperature": [1]}, ConfigError, "temperature must be of type number"),
    ({"top_k": -1}, ConfigError, "top_k must be between"),
    ({"top_p": 1.5}, ConfigError, "top_p must be between"),
    ({"seed": 2**31}, ConfigError, "seed must be between"),
    ({"seed": {}}, ConfigError, "seed must be of type whole number"),
]


@pytest.mark.parametrize(("given", "kind", "sentence"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], kind: type[Exception], sentence: str) -> None:
    values = {"length": 10, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0} | given
    with pytest.raises(kind) as refused:
        sample_config(100, **values)
    assert sentence in str(refused.value)


def test_the_mark_of_a_manner_is_on_what_is_that_manner() -> None:
    for name, values in MANNERS.items():
        assert manner_of(*values) == name
        assert manner_of(values[0] + 0.05, *values[1:]) is None
    assert manner_of(0.8, 5, 1.0) is None and manner_of(None, None, None) is None


# --- who writes side by side ------------------------------------------------------------------------------------------


def test_side_by_side_one_thing_differs() -> None:
    seats = seats_of("networks", ["a", "b", "c", "d"], "x", CONFIG)
    assert seats == [("a", CONFIG), ("b", CONFIG), ("c", CONFIG)]
    seats = seats_of("seeds", ["a"], "x", SampleConfig(seed=2**31 - 1))
    assert [(name, config.seed) for name, config in seats] == [("x", 2**31 - 1), ("x", 0), ("x", 1)]
    seats = seats_of("manners", [], "x", CONFIG)
    assert {name for name, _ in seats} == {"x"} and {config.seed for _, config in seats} == {CONFIG.seed}
    assert [(one.temperature, one.top_k, one.top_p) for _, one in seats] == list(MANNERS.values())
    with pytest.raises(CheckpointError, match="at least one"):
        seats_of("networks", [], "x", CONFIG)


def test_offered_are_the_newest_of_each_cell(runs: Path) -> None:
    import tiny

    names = ["new-gru", "lstm", "old-gru", "sigmoid", "rnn"]
    for name in names:
        tiny.run(runs / name, cell=name.split("-")[-1])
    (runs / "broken").mkdir()
    (runs / "broken" / "config.json").write_text("{")
    assert newest_of_each_cell(["broken", *names]) == ["rnn", "new-gru", "lstm"]
    assert newest_of_each_cell(["sigmoid"]) == []


def test_a_network_is_read_once_until_its_weights_change(make_run: MakeRun) -> None:
    import os

    folder, speakers = make_run("tiny"), Speakers()
    assert speakers.named("tiny") is speakers.named("tiny")
    before = speakers.named("tiny")
    os.utime(folder / "model.safetensors", (2e9, 2e9))
    assert speakers.named("tiny") is not before
    with pytest.raises(CheckpointError):
        speakers.named("../tiny")
