"""A race is fair: who races with what, whose turn it is, and what is made of how it went."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from charlm.checkpoint import read_config
from charlm.config import ModelConfig
from charlm.errors import CheckpointError, ConfigError
from charlm.events import Evaluated, Event, Events, Finished, Measured, Started, Step
from charlm.history import history_of
from charlm.log import read_events
from charlm.model import CharRNN
from charlm.racing import (
    CELLS,
    RACE,
    Race,
    Result,
    differences,
    equal_parameters,
    equal_seconds,
    in_turns,
    placed,
    read_race,
    result,
    weights,
    width,
    write_race,
)
from charlm.recipes import plan
from charlm.recording import resumed

NOT_FITTED = ("streams", "window", "seed", "fresh", "precision", "optimizer", "schedule", "warmup", "evaluations")


def counted(cell: str, hidden: int, symbols: int, embedding: int) -> int:
    """By the real network, made without memory."""
    with torch.device("meta"):
        model = CharRNN(symbols, ModelConfig(cell=cell, hidden_size=hidden, embedding_size=embedding))
    return sum(parameter.numel() for parameter in model.parameters())


# --- who races --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("symbols", "embedding"), [(2, 1), (27, 32), (60, 64), (3000, 64)])
def test_weights_are_those_of_the_network(cell: str, symbols: int, embedding: int) -> None:
    for hidden in (1, 2, 7, 160, 333):
        assert weights(cell, hidden, symbols, embedding) == counted(cell, hidden, symbols, embedding)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("wanted", [1, 900, 5_000, 20_000, 100_000, 1_000_003])
def test_a_width_is_the_nearest(cell: str, wanted: int) -> None:
    """Against trying all of them."""
    tried = {hidden: abs(counted(cell, hidden, 60, 32) - wanted) for hidden in range(1, 1100)}
    assert tried[width(wanted, cell, 60, 32)] == min(tried.values())


@pytest.mark.parametrize("parameters", [20_000, 100_000, 500_000])
def test_equal_parameters_are_nearly_equal(parameters: int) -> None:
    corpus = tiny.corpus(20_000)
    racers = equal_parameters(corpus, parameters, steps=40, seed=3)
    assert [one.model.cell for one in racers] == list(CELLS)
    sizes = [counted(one.model.cell, one.model.hidden_size, len(corpus.vocabulary), one.model.embedding_size)
             for one in racers]  # fmt: skip
    assert all(size == pytest.approx(parameters, rel=0.015) for size in sizes)
    assert {(one.training.steps, one.training.seconds, one.training.seed) for one in racers} == {(40, 0.0, 3)}
    assert len({one.model.embedding_size for one in racers}) == 1
    assert all(len({getattr(one.training, name) for one in racers}) == 1 for name in NOT_FITTED)


@pytest.mark.parametrize("chars", [150, 1_500, 20_000, 150_000])
def test_equal_seconds_are_equal_however_short_the_text(chars: int) -> None:
    """A text so short that a plan would count its passes instead, too."""
    corpus = tiny.corpus(chars)
    racers = equal_seconds(corpus, 45.0, seed=2)
    assert {(one.training.seconds, one.training.steps, one.training.epochs) for one in racers} == {(45.0, 0, 0.0)}
    assert all(len({getattr(one.training, name) for one in racers}) == 1 for name in NOT_FITTED)
    for one in racers:
        by_itself = plan(corpus, "", {"cell": one.model.cell}, {"seconds": 45.0, "seed": 2})
        assert one.model == by_itself.model
        assert one.training == replace(by_itself.training, seconds=45.0, epochs=0.0)
        assert not any("passes" in str(note) for note in one.notes)


def test_what_cannot_race_is_refused_by_name() -> None:
    for seconds in (-1.0, math.nan, 1e9):
        with pytest.raises(ConfigError):
            equal_seconds(tiny.corpus(), seconds)
    with pytest.raises(ConfigError, match="hidden_size must be between"):
        equal_parameters(tiny.corpus(), 10**9, steps=5)
    with pytest.raises(ConfigError, match="seed must be between"):
        equal_parameters(tiny.corpus(), 20_000, steps=5, seed=-1)


def test_differences_are_told() -> None:
    racers = equal_seconds(tiny.corpus(150_000), 20.0)
    found = differences([(one.model, one.training) for one in racers])
    assert found["hidden_size"] == tuple(one.model.hidden_size for one in racers)
    assert found["muon_rate"] == tuple(one.training.muon_rate for one in racers)
    assert "cell" not in found and not set(NOT_FITTED) & found.keys()
    assert differences([(racers[0].model, racers[0].training)] * 3) == {} == differences([])


# --- the turns --------------------------------------------------------------------------------------------------------


class Runner:
    """Takes a step of `stride` each turn until its progress is 1, and then says that it has finished."""

    def __init__(self, number: int, stride: float) -> None:
        self.number, self.stride, self.progress, self.is_closed = number, stride, 0.0, False

    def events(self) -> Events:
        try:
            while self.progress < 1:
                self.progress += self.stride
                yield Step(self.number, 0.0, 2.0, 1.0, 0.1, 100, 1.0, self.progress)
            yield Finished(self.number, "budget", 1.0)
        finally:
            self.is_closed = True


def test_whoever_is_behind_goes_next() -> None:
    slow, fast = Runner(1, 0.125), Runner(2, 0.25)
    turns = list(in_turns([(slow, slow.events()), (fast, fast.events())]))
    behind = {1: 0.0, 2: 0.0}
    for turn in turns:
        if isinstance(turn, Step):
            assert behind[turn.step] == min(behind.values())
            behind[turn.step] = turn.progress
    assert [turn.step for turn in turns if isinstance(turn, Finished)] != []
    assert len([turn for turn in turns if isinstance(turn, Finished)]) == 2
    assert sum(isinstance(turn, Step) for turn in turns) == 8 + 4
    assert slow.is_closed and fast.is_closed


def test_one_run_is_a_race_of_one() -> None:
    alone, other = Runner(1, 0.25), Runner(1, 0.25)
    assert list(in_turns([(alone, alone.events())])) == list(other.events())
    assert list(in_turns([])) == []


def test_closing_closes_them_all() -> None:
    runners = [Runner(number, 0.25) for number in range(3)]
    turns = in_turns([(one, one.events()) for one in runners])
    for _ in range(3):
        next(turns)
    turns.close()
    assert all(one.is_closed for one in runners)


def test_an_error_in_one_closes_the_others() -> None:
    class Failing(Runner):
        def events(self) -> Iterator[Event]:  # type: ignore[override]
            yield Step(self.number, 0.0, 2.0, 1.0, 0.1, 100, 1.0, 0.0)
            raise CheckpointError("The disk is full.")

    fine, failing = Runner(1, 0.25), Failing(2, 0.25)
    with pytest.raises(CheckpointError, match="The disk is full."):
        list(in_turns([(fine, fine.events()), (failing, failing.events())]))
    assert fine.is_closed


def test_taking_turns_changes_nothing_of_a_run(tmp_path: Path) -> None:
    """Each racer learns bit for bit what it would have learned alone, from the same batches in the same order."""
    digests: dict[bool, list[str]] = {True: [], False: []}
    for is_race in (True, False):
        folders = [tmp_path / f"{cell}-{is_race}" for cell in CELLS]
        for cell, folder in zip(CELLS, folders, strict=True):
            tiny.run(folder, cell=cell, fresh=0.2, dropout=0.1)
        pairs = [resumed(folder) for folder in folders]
        for group in [pairs] if is_race else [[pair] for pair in pairs]:
            list(in_turns(group))
        digests[is_race] = [tiny.digest(trainer) for trainer, _ in pairs]
    assert digests[True] == digests[False] and len(set(digests[True])) == 3
    for cell in CELLS:
        assert list(read_events(tmp_path / f"{cell}-True")) == list(read_events(tmp_path / f"{cell}-False"))


def test_all_read_the_same_batches() -> None:
    """Whatever a cell draws for its weights and its dropout, the order of the text is another matter."""
    corpus, read = tiny.corpus(20_000), []
    for one in equal_parameters(corpus, 20_000, steps=12, seed=5):
        trainer = tiny.Trainer(corpus, one.model, one.training)
        seen, take = [], trainer.batches.next
        trainer.batches.next = lambda seen=seen, take=take: seen.append(take()) or seen[-1]  # type: ignore
        list(trainer.events())
        read.append(seen)
    assert len(read[0]) == 12
    for other in read[1:]:
        assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(read[0], other, strict=True))


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_race_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "a-rnn").mkdir()
    race = Race("parameters", ("a-rnn", "a-gru", "a-lstm"))
    write_race(tmp_path / "a-rnn", race)
    assert read_race(tmp_path / "a-rnn") == race


@pytest.mark.parametrize(
    "raw",
    [
        None, "", "null", "[]", "{", "[" * 5000, '{"equal": "seconds"}', '{"equal": "luck", "runs": ["a"]}',
        '{"equal": "seconds", "runs": []}', '{"equal": "seconds", "runs": "a"}', '{"equal": [], "runs": ["a"]}',
        '{"equal": "seconds", "runs": ["a", "a"]}', '{"equal": "seconds", "runs": ["b", "a"]}',
        '{"equal": "seconds", "runs": ["a", "../b"]}', '{"equal": "seconds", "runs": ["a", 5]}',
        '{"equal": "seconds", "runs": ["a", {}]}', '{"equal": "seconds", "runs": ["a", "b", "c", "d"]}',
        json.dumps({"equal": "seconds", "runs": ["a"], "more": "x" * 10_000}),
    ],
)  # fmt: skip
def test_what_is_no_race_is_refused(raw: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    if raw is not None:
        (folder / RACE).write_text(raw)
    with pytest.raises(CheckpointError, match="a is no race"):
        read_race(folder)


def test_a_link_is_no_race(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_race(tmp_path / "a", Race("seconds", ("a",)))
    (tmp_path / "b" / RACE).symlink_to(tmp_path / "a" / RACE)
    with pytest.raises(CheckpointError):
        read_race(tmp_path / "b")


# --- how it went ------------------------------------------------------------------------------------------------------


STARTED = Started(1234, 900, 100, 50, 9, 4, "cpu", "fp32", 2)
STEP = Step(20, 5.0, 2.0, 1.0, 0.01, 2000, 4.0, 0.5)
FINAL = (Measured("stream", 1.5), Measured("cold-256", 1.6))


def told(*events: Event, folder: Path, cell: str = "gru") -> Result:
    tiny.run(folder, cell=cell)
    return result(read_config(folder), history_of(events))


def test_a_result_is_what_was_told(tmp_path: Path) -> None:
    evaluated = Evaluated(10, 2.5, 1.75, 2.0, True, 2.0), Evaluated(20, 5.0, 1.8, 2.0, False, 4.0)
    so_far = told(STARTED, STEP, *evaluated, folder=tmp_path / "a")
    assert (so_far.cell, so_far.hidden_size, so_far.parameters) == ("gru", 8, 1234)
    assert (so_far.steps, so_far.seconds, so_far.speed, so_far.loss) == (20, 4.0, 500.0, 1.75)
    assert so_far.seconds_left == 4.0 and math.isnan(so_far.stream) and math.isnan(so_far.cold)
    at_the_end = told(STARTED, STEP, *evaluated, *FINAL, Finished(20, "budget", 4.0), folder=tmp_path / "b")
    assert (at_the_end.stream, at_the_end.cold) == (1.5, 1.6)


def test_nothing_is_known_of_who_has_not_begun(tmp_path: Path) -> None:
    nothing = told(folder=tmp_path / "a")
    assert (nothing.parameters, nothing.steps, nothing.progress) == (0, 0, 0.0)
    assert all(math.isnan(one) for one in (nothing.loss, nothing.speed, nothing.stream, nothing.seconds_left))


def test_final_losses_of_an_earlier_end_do_not_count(tmp_path: Path) -> None:
    earlier = (STARTED, STEP, *FINAL, Finished(20, "budget", 4.0))
    assert math.isnan(told(*earlier, STEP, folder=tmp_path / "a").stream)
    assert math.isnan(told(*earlier, STEP, Finished(20, "stopped", 4.0), folder=tmp_path / "b").stream)


def a_result(cell: str, loss: float, stream: float = math.nan) -> Result:
    return Result(cell, 8, 1000, 10, 1.0, 100.0, 1.0, loss, stream, math.nan)


def test_places_go_by_what_all_have() -> None:
    """A final loss is of more text than an evaluation: the two are not compared."""
    rnn, gru, lstm = a_result("rnn", 1.5, 1.4), a_result("gru", 1.45), a_result("lstm", math.nan)
    assert placed([rnn, gru, lstm]) == [(1.45, gru), (1.5, rnn)]
    gru, lstm = replace(gru, stream=1.6), replace(lstm, stream=1.3)
    assert placed([rnn, gru, lstm]) == [(1.3, lstm), (1.4, rnn), (1.6, gru)]
    assert placed([]) == []
