"""Named settings: the tutorials' own, and settings that fit themselves to a text and a budget.

A recipe says how the text is read, what the network is and how it learns. Whatever the visitor sets himself wins.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.corpus import Corpus
from charlm.errors import ConfigError
from charlm.streams import fitted

DEFAULT_SECONDS = 60.0
BUDGETS = ("seconds", "steps", "epochs")


@dataclass(frozen=True)
class Recipe:
    """`text`, `model` and `training` name what differs from the defaults."""

    name: str
    about: str
    text: Mapping[str, Any]
    model: Mapping[str, Any]
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """The settings of a run before it starts; `notes` say what was fitted to the text, in sentences."""

    model: ModelConfig
    training: TrainConfig
    recipe: str
    notes: tuple[str, ...] = ()


RNN_NOTEBOOK = Recipe(
    name="rnn-notebook",
    about="Mikolov's sigmoid RNN as in the notebook: one character a step, the gradient cut at every step",
    text={"max_chars": 50_000},
    model={"cell": "sigmoid", "hidden_size": 128, "embedding_size": 0},
    training={
        "epochs": 10, "streams": 1, "window": 1, "optimizer": "sgd", "learning_rate": 0.1, "clip": 0.0,
        "schedule": "constant", "warmup": 0.0, "evaluations": 10,
    },
)  # fmt: skip
LSTM_NOTEBOOK = Recipe(
    name="lstm-notebook",
    about="nn.LSTM as in the notebook: one stream, windows of 100 with carried state, AdamW",
    text={"max_chars": 100_000},
    model={"cell": "lstm", "hidden_size": 128, "embedding_size": 128},
    training={
        "epochs": 20, "streams": 1, "window": 100, "optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01,
        "clip": 0.0, "schedule": "constant", "warmup": 0.0, "evaluations": 20,
    },
)  # fmt: skip
RANDOM_CHUNKS = Recipe(
    name="random-chunks",
    about="the blog post's LSTM: a random chunk of 200 characters each step, a fresh state each time",
    text={"ascii": True, "alphabet": "printable"},
    model={"cell": "lstm", "hidden_size": 100, "embedding_size": 70},
    training={
        "steps": 2000, "batching": "chunks", "streams": 1, "window": 200, "optimizer": "adam", "learning_rate": 2e-3,
        "clip": 0.0, "schedule": "constant", "warmup": 0.0, "evaluations": 20,
    },
)  # fmt: skip
RECIPES = (RNN_NOTEBOOK, LSTM_NOTEBOOK, RANDOM_CHUNKS)


def recipe_named(name: str) -> Recipe:
    """Raises ConfigError with the names that there are."""
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise ConfigError(
        "There is no recipe {name!r}. There are: {names}.",
        knob="recipe",
        name=name,
        names=", ".join(r.name for r in RECIPES),
    )


def text_config(recipe: str, given: Mapping[str, Any]) -> TextConfig:
    """How the text is read under a recipe ("": none), with what was given."""
    return TextConfig(**{**(recipe_named(recipe).text if recipe else {}), **given})


def plan(corpus: Corpus, recipe: str, model: Mapping[str, Any], training: Mapping[str, Any]) -> Plan:
    """The settings for a text: the recipe's, or without one ("") such as fit text and budget; what was given wins."""
    model, training = dict(model), dict(training)
    if recipe:
        chosen = recipe_named(recipe)
        base_model, base_training = dict(chosen.model), dict(chosen.training)
    else:
        base_model, base_training = _fitting(corpus, model, training)
    if any(training.get(name) for name in BUDGETS):
        base_training = {name: value for name, value in base_training.items() if name not in BUDGETS}
    if model.get("tied") and "embedding_size" not in model:
        base_model["embedding_size"] = model.get(
            "hidden_size", base_model.get("hidden_size", ModelConfig().hidden_size)
        )
    settings = TrainConfig(**{**base_training, **training})
    settings, notes = _fitted_streams(settings, len(corpus.train))
    return Plan(ModelConfig(**{**base_model, **model}), settings, recipe, notes)


def _fitted_streams(settings: TrainConfig, chars: int) -> tuple[TrainConfig, tuple[str, ...]]:
    """Fewer streams and a shorter window where the text cannot fill them, and a sentence that says so."""
    streams, window = fitted(chars, settings.streams, settings.window)
    if (streams, window) == (settings.streams, settings.window):
        return settings, ()
    note = (
        f"{chars:,} characters are too few for {settings.streams} streams of windows of {settings.window}:"
        f" fitted to {streams} of {window}"
    )
    return dataclasses.replace(settings, streams=streams, window=window), (note,)


def _fitting(
    corpus: Corpus, model: Mapping[str, Any], training: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings for a text nobody has seen: the more text and time, the larger the network; the less text, the more
    dropout. The thresholds are round numbers between settings that were measured on single texts.
    """
    chars = len(corpus.train)
    seconds = training.get("seconds") or (0.0 if training.get("steps") or training.get("epochs") else DEFAULT_SECONDS)
    by_text = 64 if chars < 4_000 else 128 if chars < 30_000 else 256
    by_time = 128 if 0 < seconds < 15 else 256 if 0 < seconds < 120 else 384
    hidden = min(by_text if by_text < 256 else 384, by_time)
    passes = seconds * 60_000 * (128 / hidden) / chars if seconds else 10
    dropout = min(0.5, max(0.0, 0.15 * math.log2(max(1.0, passes)) / 2))
    streams = 32 if chars > 200_000 else 16 if chars > 20_000 else 8
    return (
        {"hidden_size": hidden, "embedding_size": 64 if hidden > 64 else 32, "dropout": round(dropout, 2)},
        {
            "streams": streams,
            "window": 64 if chars > 20_000 else 32,
            "average": 0.99,
            "precision": "auto",
            "seconds": seconds,
        },
    )
