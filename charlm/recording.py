"""The pipeline around a trainer: sample, save, log. The only way a run is trained: terminal, page, tests, notebooks.

    for event in recorded(trainer, folder): ...          a new run, or one that goes on after load_trainer()

It writes the run folder and passes every event on. Who stops asking, stops the run: closing the generator saves it
and writes Finished("stopped"). When a killed run is resumed, the log is cut back to the last save and told again from
there, so that it ends as if nothing had happened. Knows nothing of signals, pages or progress bars.
"""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from charlm.checkpoint import (
    WEIGHTS,
    load_checkpoint,
    load_trainer,
    read_config,
    remove_leftovers,
    save_trainer,
    save_weights,
    write_training,
)
from charlm.config import SampleConfig, TrainConfig
from charlm.corpora import toy_of
from charlm.evaluation import loss_under
from charlm.events import Changed, Evaluated, Event, Events, Finished, Measured, Sampled, Saved, Started, Step
from charlm.log import append, locked_log, read_events
from charlm.metrics import PROTOCOLS
from charlm.model import CharRNN
from charlm.sampling import generate
from charlm.stepping import fold
from charlm.trainer import Trainer
from charlm.yardsticks import yardsticks

SAMPLE = SampleConfig(length=200, temperature=0.8, seed=1)  # the same seed each time: what changes is the network
SAVE_SECONDS = 30.0  # that a cut-off may lose
FINAL_CHARS = 500_000  # of a very long validation text, that the final figures cover: half a minute
LAST_YARDSTICK = "xz"


@dataclass(frozen=True)
class Told:
    """What the log of a run that goes on has already: nothing is told twice, nothing is left out."""

    yardsticks: frozenset[str]
    final: frozenset[str]  # protocols measured since the last Step: they hold until there is another Step
    owes_sample: bool  # the last Started or Evaluated has no Sampled yet


def recorded(trainer: Trainer, folder: Path, log_bytes: int = 0, sample: SampleConfig = SAMPLE) -> Events:
    """Train, and keep all of it in the run folder. `log_bytes` comes from `load_trainer` when a run goes on."""
    with locked_log(folder, log_bytes) as log:
        remove_leftovers(folder)
        if read_config(folder).training != trainer.config:
            write_training(folder, trainer.config)
        told = _told(read_events(folder))
        events = sampled(measured(trainer.events(), trainer, folder, told), trainer, sample, told)
        with contextlib.closing(logged(saved(events, trainer, folder, log), trainer, folder, log)) as pipeline:
            yield from pipeline


def resumed(folder: Path, training: TrainConfig | None = None) -> tuple[Trainer, Events]:
    """A run that goes on exactly where it was saved; `training` extends or changes it."""
    trainer, log_bytes = load_trainer(folder, training)
    return trainer, recorded(trainer, folder, log_bytes)


# --- the shells: each takes events and passes them on -----------------------------------------------------------------


def measured(events: Events, trainer: Trainer, folder: Path, told: Told) -> Events:
    """Adds the yardsticks after the first step, and both protocols on the validation text before the end."""
    with contextlib.closing(events):
        is_owed, final = LAST_YARDSTICK not in told.yardsticks, told.final
        if is_owed and trainer.step:
            yield from _yardsticks(trainer, told)
            is_owed = False
        for event in events:
            if isinstance(event, Finished) and (folder / WEIGHTS).exists():
                yield from _final_losses(trainer, folder, final)
            yield event
            final = frozenset() if isinstance(event, Step) else final
            if isinstance(event, Step) and is_owed:
                yield from _yardsticks(trainer, told)
                is_owed = False


def sampled(events: Events, trainer: Trainer, config: SampleConfig, told: Told) -> Events:
    """Adds a Sampled at the start and after every Evaluated, from the weights that would be published."""
    with contextlib.closing(events):
        if told.owes_sample:
            yield _sample(trainer, config)
        for event in events:
            yield event
            if isinstance(event, Started | Evaluated):
                yield _sample(trainer, config)


def saved(events: Events, trainer: Trainer, folder: Path, log: IO[bytes]) -> Events:
    """Keeps the best weights at once, and the whole trainer after each sample, each change, and every SAVE_SECONDS."""
    last = time.monotonic()
    with contextlib.closing(events):
        for event in events:
            if isinstance(event, Evaluated) and event.is_best:
                save_weights(folder, trainer.published(), event.step, event.loss)
            yield event
            is_late = isinstance(event, Step) and time.monotonic() - last > SAVE_SECONDS
            if isinstance(event, Sampled | Changed) or is_late:
                save_trainer(folder, trainer, log.tell())
                last = time.monotonic()
                yield Saved(trainer.step, str(folder))


def logged(events: Events, trainer: Trainer, folder: Path, log: IO[bytes]) -> Events:
    """Appends every event but Saved, which depends on the clock; a closed run is saved and ends "stopped"."""
    is_finished = False
    try:
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, Finished):
                    _save_end(trainer, folder, log)
                    is_finished = True
                if not isinstance(event, Saved):
                    append(log, event)
                yield event
    except GeneratorExit:
        if not is_finished:
            _save_end(trainer, folder, log)
            append(log, Finished(trainer.step, "stopped", trainer.seconds))
        raise


# --- their parts ------------------------------------------------------------------------------------------------------


def _told(events: Iterator[Event]) -> Told:
    yardsticks, final, owes_sample = set[str](), set[str](), False
    for event in events:
        if isinstance(event, Measured):
            (final if event.name in PROTOCOLS else yardsticks).add(event.name)
        if isinstance(event, Step):
            final.clear()
        if isinstance(event, Started | Evaluated | Sampled):
            owes_sample = not isinstance(event, Sampled)
    return Told(frozenset(yardsticks), frozenset(final), owes_sample)


def _yardsticks(trainer: Trainer, told: Told) -> Events:
    toy = toy_of(trainer.corpus)
    known = [Measured("entropy", toy.entropy_rate)] if toy else []
    for one in (*known, *(Measured(one.name, one.loss) for one in yardsticks(trainer.corpus))):
        if one.name not in told.yardsticks:
            yield one


def _final_losses(trainer: Trainer, folder: Path, told: frozenset[str]) -> Events:
    """Of the best weights, which are the ones that everybody will use."""
    model = load_checkpoint(folder).model
    ids = torch.from_numpy(trainer.corpus.validation[:FINAL_CHARS]).long()  # (M,)
    for protocol in PROTOCOLS:
        if trainer.step > 0 and protocol not in told:
            yield Measured(protocol, loss_under(protocol, model, ids))


def _sample(trainer: Trainer, config: SampleConfig) -> Sampled:
    model = CharRNN(trainer.model.vocabulary_size, trainer.model.config)
    model.load_state_dict(trainer.published())
    text = "".join(generate(fold(model), trainer.corpus.vocabulary, "", config))
    return Sampled(trainer.step, "", text, config.temperature, config.seed)


def _save_end(trainer: Trainer, folder: Path, log: IO[bytes]) -> None:
    """What is saved when a run ends in any way. Stopped before its first evaluation, it still keeps its weights."""
    if trainer.step and not (folder / WEIGHTS).exists():
        save_weights(folder, trainer.published(), trainer.step, math.nan)
    save_trainer(folder, trainer, log.tell())
