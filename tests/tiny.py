"""Tiny corpora, trainers and runs that several tests share. Everything is made here, from a seed."""

import dataclasses
import hashlib
import os
import random
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from charlm.checkpoint import create_run
from charlm.config import ModelConfig, TrainConfig
from charlm.corpus import Corpus, corpus_from_text
from charlm.events import Event, Saved
from charlm.recipes import Plan
from charlm.trainer import Trainer

CELLS = ("lstm", "gru", "rnn", "sigmoid")
WORDS = "the of and a to in he was it that for on you with his as at be by had not are but from".split()
MODEL = {"hidden_size": 8, "embedding_size": 4}
TRAINING = {"steps": 12, "streams": 2, "window": 8, "evaluations": 4, "learning_rate": 0.01}


def text(chars: int = 1500, seed: int = 0) -> str:
    """Short words and line ends, drawn evenly."""
    dice = random.Random(seed)
    return "".join(dice.choice(WORDS) + dice.choice("    \n") for _ in range(chars // 2))[:chars]


def corpus(chars: int = 1500, seed: int = 0) -> Corpus:
    return corpus_from_text(text(chars, seed), "tiny")


def settings(**given: Any) -> tuple[ModelConfig, TrainConfig]:
    """Tiny settings, with what was given in their place; a budget replaces the budget."""
    base = dict(TRAINING)
    if {"seconds", "epochs", "steps"} & given.keys():
        del base["steps"]
    model = {field.name for field in dataclasses.fields(ModelConfig)}
    own = {name: value for name, value in given.items() if name in model}
    rest = {name: value for name, value in given.items() if name not in model}
    return ModelConfig(**{**MODEL, **own}), TrainConfig(**{**base, **rest})


def trainer(of: Corpus | None = None, **given: Any) -> Trainer:
    return Trainer(of or corpus(), *settings(**given))


def run(folder: Path, of: Corpus | None = None, **given: Any) -> Trainer:
    """A new run folder, and its trainer that has not begun."""
    of = of or corpus()
    model, training = settings(**given)
    create_run(folder, of, Plan(model, training, ""))
    return Trainer(of, model, training)


def weights(of: Trainer) -> dict[str, torch.Tensor]:
    """The learned and the averaged weights."""
    learned = {f"model.{name}": p.detach().clone() for name, p in of.model.named_parameters()}
    return learned | {f"average.{name}": p.clone() for name, p in of.average.items()}


def digest(of: Trainer) -> str:
    """SHA-256 of all weights: equal for equal bits."""
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in weights(of).values())).hexdigest()


def told(events: Iterable[Event]) -> list[Event]:
    """What a log keeps: all but Saved, which depends on the clock."""
    return [event for event in events if not isinstance(event, Saved)]


def environment(**more: str) -> dict[str, str]:
    """Of a child process: it finds the project and these tests, and uses one thread."""
    root = Path(__file__).parent.parent
    path = os.pathsep.join([str(root), str(root / "tests")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error", **more}


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A disk that is full as soon as a file has so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
