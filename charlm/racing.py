"""A race: an RNN, a GRU and an LSTM learn the same text. Who races, with which settings, in which turns; how it went.

A race is three ordinary runs that one job learns in turns (`in_turns`): an event of the one, then of the one that has
used the least of its budget by then. What makes it fair:

    the same    text, split, seed, streams and window, so all read the same batches in the same order and are checked
                on the same characters
    in turns    no two learn at a time, so no clock runs while another one learns, and whatever else the machine does
                disturbs all three alike: running at once they would share cores and memory, one after the other they
                would meet different neighbours
    equal       seconds: each has so many of its own, and the size that the presets give its cell for that time;
                or parameters and steps: widths are solved so that all have nearly the same number of weights
    its own     what the presets fit to a cell (rates, dropout); `differences` tells it

Knows nothing of processes, pages or languages.
"""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from charlm.checkpoint import NAME, RunConfig, write_atomically
from charlm.config import GATES, ModelConfig, TrainConfig
from charlm.corpus import Corpus
from charlm.errors import CheckpointError
from charlm.events import Event, Events
from charlm.history import History
from charlm.recipes import Plan, plan

CELLS = ("rnn", "gru", "lstm")  # by their age and number of gates
EQUALS = ("seconds", "parameters")
RACE = "race.json"  # in the folder of the first run: which runs race, and what is equal
RACE_BYTES = 4096
WIDE = 100_000  # parameters, from which on a character's embedding has 64 numbers instead of 32
# Nats that luck may make of the difference between two networks. Four seeds spread it by 0.002 to 0.007 (50,000
# parameters, 200 and 300 steps of comedy-en and tale-fr); with equal seconds the clock adds its own.
LUCK = 0.02


# --- who races --------------------------------------------------------------------------------------------------------


def equal_seconds(corpus: Corpus, seconds: float, seed: int = 0) -> tuple[Plan, ...]:
    """The racers when each has so many seconds: of each cell the network that fits text and time."""
    fitted = (plan(corpus, "", {"cell": cell}, {"seconds": seconds, "seed": seed}) for cell in CELLS)
    return tuple(_by_the_clock(one, seconds) for one in fitted)


def _by_the_clock(one: Plan, seconds: float) -> Plan:
    """Where the text is so short that a plan counts passes instead, which its last note says, seconds count again."""
    if not one.training.epochs:
        return one
    training = dataclasses.replace(one.training, seconds=seconds, epochs=0.0)
    return dataclasses.replace(one, training=training, notes=one.notes[:-1])


def equal_parameters(corpus: Corpus, parameters: int, steps: int, seed: int = 0) -> tuple[Plan, ...]:
    """The racers when each has nearly so many parameters and takes so many steps."""
    symbols, embedding = len(corpus.vocabulary), 64 if parameters >= WIDE else 32
    return tuple(
        plan(
            corpus,
            "",
            {"cell": cell, "embedding_size": embedding, "hidden_size": width(parameters, cell, symbols, embedding)},
            {"steps": steps, "seed": seed},
        )
        for cell in CELLS
    )


def width(parameters: int, cell: str, symbols: int, embedding: int) -> int:
    """The hidden units H (1 or more) with which a network of one layer comes nearest to so many parameters.

    The positive root of k H^2 + (k (E + 2) + V) H + V (E + 1) = parameters, rounded to the better side.
    """
    k = GATES[cell]
    linear, rest = k * (embedding + 2) + symbols, symbols * (embedding + 1) - parameters
    root = (math.sqrt(max(0.0, linear**2 - 4 * k * rest)) - linear) / (2 * k)
    below = max(1, math.floor(root))
    return min(below, below + 1, key=lambda H: abs(weights(cell, H, symbols, embedding) - parameters))


def weights(cell: str, hidden: int, symbols: int, embedding: int) -> int:
    """The parameters of a network of one layer: the embedding (V, E); W_ih, W_hh and two biases a gate; the output."""
    H, V, E = hidden, symbols, embedding
    return V * E + GATES[cell] * H * (E + H + 2) + V * H + V


def differences(configs: Sequence[tuple[ModelConfig, TrainConfig]]) -> dict[str, tuple[Any, ...]]:
    """The settings in which racers differ but for their cell: its value in each, by the name of the knob."""
    flat = [dataclasses.asdict(model) | dataclasses.asdict(training) for model, training in configs]
    found = {name: tuple(one[name] for one in flat) for name in (flat[0] if flat else {}) if name != "cell"}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


# --- the turns --------------------------------------------------------------------------------------------------------


class Racer(Protocol):
    """What the turns need to know of a trainer."""

    @property
    def progress(self) -> float: ...


def in_turns(racers: Sequence[tuple[Racer, Events]]) -> Generator[Event, None, None]:
    """The events of several runs: always the next one of the run that has used the least of its budget.

    Closing it closes them all, so that each saves what it has; so does an error in one of them.
    """
    with contextlib.ExitStack() as stack:
        racing = [(racer, stack.enter_context(contextlib.closing(events))) for racer, events in racers]
        while racing:
            turn = min(racing, key=lambda one: one[0].progress)
            event = next(turn[1], None)
            if event is None:
                racing.remove(turn)
            else:
                yield event


# --- what is kept -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Race:
    """Which runs raced, by name, and what was equal: one of EQUALS."""

    equal: str
    runs: tuple[str, ...]


def write_race(folder: Path, race: Race) -> None:
    """Into the folder of its first run."""
    write_atomically(folder / RACE, json.dumps(dataclasses.asdict(race)).encode("utf-8"))


def read_race(folder: Path) -> Race:
    """The race that a run is the first one of. Raises CheckpointError when it is of none, or the file is damaged."""
    path = folder / RACE
    try:
        if os.path.islink(path) or path.stat().st_size > RACE_BYTES:
            raise ValueError("no file of ours")
        raw = json.loads(path.read_bytes())
        equal, runs = raw["equal"], tuple(raw["runs"])
        is_ours = (
            equal in EQUALS
            and isinstance(raw["runs"], list)
            and 1 <= len(set(runs)) == len(runs) <= len(CELLS)
            and runs[0] == folder.name
        )
        if not is_ours or not all(isinstance(run, str) and NAME.fullmatch(run) for run in runs):
            raise ValueError("no race of ours")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError("{run} is no race.", run=folder.name) from error
    return Race(equal, runs)


# --- how it went ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """Where a racer stands. NaN: not known yet. Losses are nats per character, `speed` is characters a second."""

    cell: str
    hidden_size: int
    parameters: int
    steps: int
    seconds: float
    speed: float
    progress: float  # share of the budget that is used
    loss: float  # the best evaluation so far: stream, on the part that evaluations cover
    stream: float  # of the best weights, at the end: the whole validation text
    cold: float

    @property
    def seconds_left(self) -> float:
        """Of its budget, at the speed so far."""
        return self.seconds / self.progress - self.seconds if self.progress else math.nan


def result(config: RunConfig, history: History) -> Result:
    """Of a run and what it has told so far."""
    step, best = history.last_step, history.best
    is_over = history.finished is not None and history.finished.reason != "stopped"  # else they are of an earlier end
    final = history.measured if is_over else {}
    return Result(
        cell=config.model.cell,
        hidden_size=config.model.hidden_size,
        parameters=history.started.parameters if history.started else 0,
        steps=step.step if step else 0,
        seconds=step.seconds if step else 0.0,
        speed=step.chars_seen / step.seconds if step and step.seconds else math.nan,
        progress=step.progress if step else 0.0,
        loss=best.loss if best else math.nan,
        stream=final.get("stream", math.nan),
        cold=final.get("cold-256", math.nan),
    )


def placed(results: Sequence[Result]) -> list[tuple[float, Result]]:
    """The best one first, each with the loss that counts: `stream` once all have it, until then the best evaluation.

    Who has not been evaluated yet is left out.
    """
    are_final = not any(math.isnan(one.stream) for one in results)
    scored = [(one.stream if are_final else one.loss, one) for one in results]
    return sorted((pair for pair in scored if not math.isnan(pair[0])), key=lambda pair: pair[0])
