"""A run that is changed, ended or extended under way goes on exactly: in one process, through files, in a new one."""

import dataclasses
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import tiny

from charlm import recording
from charlm.checkpoint import TRAINER, WEIGHTS, load_checkpoint, load_trainer, read_config
from charlm.config import TrainConfig
from charlm.errors import ConfigError
from charlm.events import Changed, Evaluated, Event, Finished, Measured, Saved, Step
from charlm.jobs import HOME, JobBoard
from charlm.log import read_events
from charlm.recording import recorded, resumed
from charlm.trainer import LAST_RATE, Leg, Trainer, TrainerState, rate_factor
from charlm.yardsticks import yardsticks

OPTIONS: dict[str, Any] = {"dropout": 0.3, "average": 0.9, "optimizer": "muon", "num_layers": 2}
COUNTED = {tiny.corpus().digest: yardsticks(tiny.corpus())}
LONGER = 30  # steps, in place of tiny's 12


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Step event after every optimizer step; the yardsticks of the one corpus counted once; no wait for the disk."""
    monkeypatch.setattr("charlm.trainer.EVENT_CHARS", 1)
    monkeypatch.setattr(recording, "yardsticks", lambda corpus: COUNTED[corpus.digest])
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def kept(trainer: Trainer) -> TrainerState:
    """A state that has been through JSON, as on disk."""
    state = trainer.state_dict()
    return TrainerState(state.tensors, json.loads(json.dumps(state.facts)))


def rates(events: list[Event]) -> dict[int, float]:
    return {event.step: event.learning_rate for event in events if isinstance(event, Step)}


def when_at(step: int, factor: float, trainer: Trainer) -> Iterator[Event]:
    """All events; between that step and the next the learning rate becomes another."""
    for event in trainer.events():
        if isinstance(event, Step) and event.step == step:
            trainer.change_rate(factor)
        yield event


# --- another learning rate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", tiny.CELLS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_a_changed_rate_holds_from_the_next_step(cell: str, optimizer: str) -> None:
    options = {"cell": cell, "optimizer": optimizer, "schedule": "constant", "warmup": 0.0}
    trainer = tiny.trainer(**options)
    told = list(when_at(5, 0.5, trainer))
    assert rates(told) == {step: 0.01 if step <= 5 else 0.005 for step in range(1, 13)}
    assert [event for event in told if isinstance(event, Changed)] == [Changed(5, "learning_rate", 0.005)]
    left_alone = tiny.trainer(**options)
    list(left_alone.events())
    assert tiny.digest(trainer) != tiny.digest(left_alone)


def test_the_tutorials_closed_form_changes_its_rate_too() -> None:
    options = {"cell": "sigmoid", "embedding_size": 0, "optimizer": "sgd", "streams": 1, "window": 1, "clip": 0.0}
    trainer = tiny.trainer(**options, schedule="constant", warmup=0.0)
    assert trainer.one_character
    told = list(when_at(5, 2.0, trainer))
    assert rates(told) == {step: 0.01 if step <= 5 else 0.02 for step in range(1, 13)}


def test_changes_multiply_and_keep_the_schedule() -> None:
    plain, changed = tiny.trainer(), tiny.trainer()
    before = rates(list(plain.events()))
    changed.change_rate(0.5)
    changed.change_rate(0.5)
    after = rates(list(changed.events()))
    assert after == {step: pytest.approx(rate / 4) for step, rate in before.items()}


@pytest.mark.parametrize("factor", [0.0, -1.0, 1e9, 1e-9, math.nan, math.inf])
def test_a_rate_outside_its_limits_is_refused_and_nothing_changes(factor: float) -> None:
    trainer = tiny.trainer()
    with pytest.raises(ConfigError, match="learning_rate must be"):
        trainer.change_rate(factor)
    assert trainer.rate_scale == 1.0 and not trainer.untold


def test_a_changed_run_resumes_exactly_after_every_event() -> None:
    """Also when it was changed and saved before it could tell of the change."""
    whole = tiny.trainer(**OPTIONS)
    log = list(when_at(5, 0.3, whole))
    assert sum(isinstance(event, Changed) for event in log) == 1
    for cut in range(1, len(log) + 1):
        first, second = tiny.trainer(**OPTIONS), tiny.trainer(**OPTIONS)
        told = list(islice(when_at(5, 0.3, first), cut))
        second.load_state_dict(kept(first))
        told += when_at(5, 0.3, second)
        assert told == log or told[:-1] == log, cut  # a finished run finishes again
        assert tiny.digest(second) == tiny.digest(whole), cut


def test_a_change_is_saved_at_once(tmp_path: Path) -> None:
    """Whoever kills the process then does not undo what a person has told it."""
    folder, told = tmp_path / "run", list[Event]()
    trainer = tiny.run(folder, evaluations=1)
    events = recorded(trainer, folder)
    for event in events:
        told.append(event)
        if isinstance(event, Step) and event.step == 5:
            trainer.change_rate(0.3)
        if isinstance(event, Saved) and isinstance(told[-2], Changed):
            break
    assert isinstance(told[-1], Saved) and load_trainer(folder)[0].rate_scale == 0.3
    events.close()


# --- an end before the budget is used ---------------------------------------------------------------------------------


def test_a_run_that_is_ended_is_evaluated_measured_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    trainer, told = tiny.run(folder), []
    for event in recorded(trainer, folder):
        told.append(event)
        if isinstance(event, Step) and event.step == 5:
            trainer.end()
    assert told[-1] == Finished(5, "ended", 0.0)
    assert [event.step for event in told if isinstance(event, Evaluated)] == [3, 5]
    assert [event.name for event in told if isinstance(event, Measured)][-2:] == ["stream", "cold-256"]
    assert load_checkpoint(folder).step in (3, 5)
    assert tiny.told(resumed(folder)[1]) == [Finished(5, "ended", 0.0)]  # it stays ended
    longer = dataclasses.replace(read_config(folder).training, steps=LONGER)
    more = list(resumed(folder, longer)[1])
    assert more[-1] == Finished(LONGER, "budget", 0.0)  # but can be extended


def test_ended_before_it_began() -> None:
    trainer = tiny.trainer()
    trainer.end()
    assert list(trainer.events())[1:] == [Finished(0, "ended", 0.0)]


# --- a longer budget --------------------------------------------------------------------------------------------------


def test_the_first_leg_is_the_schedule_as_it_was() -> None:
    config = TrainConfig(steps=100, warmup=0.1)
    for percent in range(101):
        way = (percent / 100 - 0.1) / 0.9
        falling = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * way)) / 2
        expected = max(percent / 10, 0.01) if percent < 10 else falling
        assert rate_factor(config, percent / 100) == pytest.approx(expected)


@pytest.mark.parametrize(("start", "highest"), [(0.5, 1.0), (0.75, 1 / 3), (0.8, 0.25), (0.25, 1.0)])
@pytest.mark.parametrize("cooldown", [1.0, 0.5])
def test_a_leg_begins_where_the_run_stood_rises_by_its_length_and_falls_again(
    start: float, highest: float, cooldown: float
) -> None:
    config, leg = TrainConfig(steps=100, warmup=0.1, cooldown=cooldown), Leg(start, LAST_RATE)
    places = [start + (1 - start) * percent / 100 for percent in range(101)]
    factors = [rate_factor(config, place, leg) for place in places]
    assert factors[0] == pytest.approx(LAST_RATE) and factors[-1] == pytest.approx(LAST_RATE)
    assert factors[10] == max(factors) == pytest.approx(highest)
    assert {round(factor, 9) for factor in factors[10:50]} == {round(highest, 9)} or cooldown == 1
    assert factors[:11] == sorted(factors[:11]) and factors[10:] == sorted(factors[10:], reverse=True)


def test_a_constant_rate_stays_what_it_was() -> None:
    config = TrainConfig(steps=100, schedule="constant", warmup=0.0)
    assert {rate_factor(config, percent / 100, Leg(0.5, 1.0)) for percent in range(50, 101)} == {1.0}


def test_an_extension_goes_on_from_the_last_rate() -> None:
    short, longer = tiny.trainer(warmup=0.5), tiny.trainer(warmup=0.5, steps=24)
    before = rates(list(short.events()))
    longer.load_state_dict(kept(short))
    more = list(longer.events())
    assert more[0] == Changed(12, "steps", 24.0)
    after = rates(more)
    assert before[12] == pytest.approx(0.01 * LAST_RATE)
    assert before[12] < after[13] < after[14] and max(after.values()) == after[18] == pytest.approx(0.01)
    assert after[24] == pytest.approx(0.01 * LAST_RATE)


def test_other_settings_with_the_same_budget_are_no_new_leg() -> None:
    first, second = tiny.trainer(), tiny.trainer(learning_rate=0.02)
    list(islice(first.events(), 6))
    second.load_state_dict(kept(first))
    assert second.leg == Leg() and not second.untold


def test_an_older_run_that_never_told_its_budget_is_extended_too(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    list(recorded(tiny.run(folder), folder))
    import safetensors.torch

    data = (folder / TRAINER).read_bytes()
    length = int.from_bytes(data[:8], "little")
    about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["trainer"])
    for name in ("budget", "leg", "untold", "is_ended", "rate_scale"):
        del about["facts"][name]
    metadata = {"format": "pt", "trainer": json.dumps(about)}
    (folder / TRAINER).write_bytes(safetensors.torch.save(safetensors.torch.load(data), metadata))
    assert load_trainer(folder)[0].leg == Leg()
    trainer, _ = load_trainer(folder, dataclasses.replace(read_config(folder).training, steps=24))
    assert trainer.leg == Leg(0.5, pytest.approx(LAST_RATE)) and trainer.untold == [Changed(12, "steps", 24.0)]


def extended(folder: Path) -> tuple[Trainer, Any]:
    return resumed(folder, dataclasses.replace(read_config(folder).training, steps=LONGER))


def test_an_extension_stopped_at_any_event_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    list(recorded(tiny.run(whole, **OPTIONS), whole))
    trainer, events = extended(whole)
    new = list(events)
    log, digest = list(read_events(whole)), tiny.digest(trainer)
    assert log[-1] == Finished(LONGER, "budget", 0.0)
    for cut in range(1, len(new), 3):
        folder = tmp_path / f"cut-{cut}"
        list(recorded(tiny.run(folder, **OPTIONS), folder))
        _, events = extended(folder)
        list(islice(events, cut))
        events.close()
        again, events = resumed(folder)
        list(events)
        assert list(read_events(folder)) == log and tiny.digest(again) == digest, cut


def test_an_extension_killed_before_its_first_save_begins_anew(tmp_path: Path) -> None:
    """config.json knows of the longer budget, trainer.safetensors does not yet: the leg follows from the two."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        list(recorded(tiny.run(folder, **OPTIONS), folder))
    saved = (killed / TRAINER).read_bytes()
    trainer, events = extended(whole)
    list(events)
    _, events = extended(killed)
    list(islice(events, 1))
    events.close()
    (killed / TRAINER).write_bytes(saved)
    assert read_config(killed).training.steps == LONGER
    again, events = resumed(killed)
    list(events)
    assert list(read_events(killed)) == list(read_events(whole)) and tiny.digest(again) == tiny.digest(trainer)


IN_A_NEW_PROCESS = """
import dataclasses, sys, tiny, torch
from pathlib import Path
from charlm.checkpoint import read_config
from charlm.recording import resumed
torch.set_num_threads(1)
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
trainer, events = resumed(folder, dataclasses.replace(read_config(folder).training, steps=steps) if steps else None)
list(events)
print(tiny.digest(trainer))
"""


def in_a_new_process(folder: Path, steps: int = 0) -> str:
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, str(folder), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=tiny.environment())
    return done.stdout.strip()


@pytest.fixture
def one_thread() -> Any:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_changed_and_extended_in_new_processes_it_is_exact(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        trainer = tiny.run(folder, **OPTIONS)
        events = recorded(trainer, folder)
        for event in events:
            if isinstance(event, Step) and event.step == 5:
                trainer.change_rate(0.3)
            if folder is cut and isinstance(event, Step) and event.step == 8:
                break
        events.close()
    assert in_a_new_process(cut) == tiny.digest(trainer := load_trainer(whole)[0])
    trainer, events = extended(whole)
    list(events)
    assert in_a_new_process(cut, LONGER) == tiny.digest(trainer)
    steps = [event.step for event in read_events(cut) if isinstance(event, Step)]
    assert steps == sorted(set(steps)) and steps[-1] == LONGER
    assert list(read_events(cut))[-1] == Finished(LONGER, "budget", 0.0)
    assert {event.knob: event.step for event in read_events(cut) if isinstance(event, Changed)} == {
        "learning_rate": 5, "steps": 12,
    }  # fmt: skip


# --- told to a job ----------------------------------------------------------------------------------------------------


def test_a_job_is_changed_ended_and_extended(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    tiny.run(folder, steps=1_000_000)
    board = JobBoard(HOME, 1)

    def until(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < end, list(read_events(folder))[-3:]
            time.sleep(0.01)

    def told(kind: type[Event]) -> list[Any]:
        return [event for event in read_events(folder) if isinstance(event, kind)]

    try:
        board.start(folder, "somebody")
        until(lambda: bool(told(Step)))
        board.change_rate("run", 0.5)
        until(lambda: bool(told(Changed)))
        assert [(one.knob, one.value) for one in told(Changed)] == [("learning_rate", 0.005)]
        board.end("run")
        until(lambda: not board.is_active("run"))
        last = told(Finished)[-1]
        assert last.reason == "ended" and (folder / WEIGHTS).exists()
        training = dataclasses.replace(read_config(folder).training, steps=last.step + 20)
        board.start(folder, "somebody", 10.0, training)
        until(lambda: any(one.step > last.step for one in told(Finished)))
        assert told(Finished)[-1] == Finished(last.step + 20, "budget", 0.0)
    finally:
        board.close()


@pytest.mark.parametrize("factor", [0.0, -2.0, 1e9, math.nan])
def test_a_board_refuses_a_wild_rate(factor: float, tmp_path: Path) -> None:
    board = JobBoard(HOME, 1)
    with pytest.raises(ConfigError, match="at a time"):
        board.change_rate("run", factor)
    board.close()
