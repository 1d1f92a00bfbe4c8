"""Named settings: the tutorials' own, and presets that fit themselves to the text and the time.

A recipe says how the text is read, what the network is and how it learns. Whatever the visitor sets himself wins.
A preset is a budget; `fitting` finds the settings for it, and without a recipe it does so for the budget that is given.
"""

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charlm.config import BUDGETS, GATES, ModelConfig, TextConfig, TrainConfig
from charlm.corpus import Corpus
from charlm.errors import ConfigError
from charlm.notes import Note, note

DEFAULT_SECONDS = 60.0


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
    """The settings of a run before it starts; `notes` say what was fitted to the text."""

    model: ModelConfig
    training: TrainConfig
    recipe: str
    notes: tuple[Note, ...] = ()


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
QUICK = Recipe("quick", "a first look: half a minute, fitted to the text", {}, {}, {"seconds": 30})
GOOD = Recipe("good", "text worth reading: three minutes, fitted to the text", {}, {}, {"seconds": 180})
BEST = Recipe("best", "the best that two cores can do: twenty minutes, fitted to the text", {}, {}, {"seconds": 1200})
PRESETS = (QUICK, GOOD, BEST)
RECIPES = (*PRESETS, RNN_NOTEBOOK, LSTM_NOTEBOOK, RANDOM_CHUNKS)


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
    chosen = recipe_named(recipe) if recipe else None
    budget = {name: training[name] for name in BUDGETS if training.get(name)}
    if chosen is None or chosen in PRESETS:
        budget = budget or dict(chosen.training if chosen else {"seconds": DEFAULT_SECONDS})
        base_model, base_training = fitting(corpus, budget, model.get("cell", ModelConfig().cell), model)
        training = {name: value for name, value in training.items() if name not in BUDGETS}  # it is in base_training
    else:
        base_model, base_training = dict(chosen.model), dict(chosen.training)
        if budget:
            base_training = {name: value for name, value in base_training.items() if name not in BUDGETS}
    if model.get("tied") and "embedding_size" not in model:
        base_model["embedding_size"] = model.get("hidden_size", base_model["hidden_size"])
    settings = TrainConfig(**{**base_training, **training})
    settings, notes = _fitted_streams(settings, len(corpus.train))
    if "seconds" in budget and settings.epochs:
        told = "{epochs:g} passes over a text of this length take less than {seconds:g} s"
        notes += (note(told, epochs=settings.epochs, seconds=budget["seconds"]),)
    return Plan(ModelConfig(**{**base_model, **model}), settings, recipe, notes)


def _fitted_streams(settings: TrainConfig, chars: int) -> tuple[TrainConfig, tuple[Note, ...]]:
    """Fewer streams and a shorter window where the text cannot fill them, and a note that says so."""
    streams, window = fitted(chars, settings.streams, settings.window)
    if (streams, window) == (settings.streams, settings.window):
        return settings, ()
    told = note(
        "{chars:,} characters are too few for {wanted_streams} streams of windows of {wanted_window}:"
        " fitted to {streams} of {window}",
        chars=chars, wanted_streams=settings.streams, wanted_window=settings.window, streams=streams, window=window,
    )  # fmt: skip
    return dataclasses.replace(settings, streams=streams, window=window), (told,)


def fitted(chars: int, streams: int, window: int) -> tuple[int, int]:
    """(streams, window) that a training text of so many characters can fill: fewer streams, then a shorter window.

    At least four steps make an epoch, so that something is carried from window to window.
    """
    few = min(streams, 4)
    fits = (chars - window) // (4 * window)
    if fits >= few:
        return min(streams, fits), window
    return few, max(1, min(window, chars // (4 * few + 1)))


# --- settings that fit themselves -------------------------------------------------------------------------------------

MOST_PASSES = 60  # over the text: beyond it a small text is learned by heart, whatever the dropout
SIZES = (48, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 448, 512, 576, 640, 704, 768)
KEYS = Mapping[str, Any]


@dataclass(frozen=True)
class Nature:
    """What fitting knows of a cell, measured on two cores; the last three are against the LSTM."""

    core: float  # FLOP/s that a core does while learning
    step: float  # seconds of a step that do not depend on its size
    width: float = 1.0  # hidden units at equal time: fewer gates leave room for more
    muon: float = 1.0  # rate of its matrices: the GRU falls apart late in a run at the rate that suits the LSTM best
    less_dropout: float = 0.0


NATURES = {
    "lstm": Nature(80e9, 0.0035),
    "gru": Nature(55e9, 0.008, muon=0.65, less_dropout=0.1),
    "rnn": Nature(50e9, 0.003, width=1.35, muon=0.7, less_dropout=0.2),
}
NATURES["sigmoid"] = NATURES["rnn"]


def fitting(corpus: Corpus, budget: KEYS, cell: str, model: KEYS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of network and training for a text nobody has seen. `budget` holds one of seconds, steps, epochs.

    The time says how large a network pays; the number of passes over the text says how much dropout it needs, how
    gently it must learn, and how late the learning rate falls. A text too short for the time is read MOST_PASSES times,
    which is sooner. Chosen on tinyshakespeare, Moliere's first 100,000 characters and the built-in comedy.
    """
    chars, symbols, nature = len(corpus.train), len(corpus.vocabulary), NATURES[cell]
    seconds = budget.get("seconds") or DEFAULT_SECONDS
    hidden = int(model.get("hidden_size") or _size_for(seconds, cell, chars))
    streams, window = _shape(budget, chars)
    weights = _weights(cell, hidden, symbols)
    read = _chars_read(budget, cell, weights, streams * window, chars)
    if "seconds" in budget and read > 2 * MOST_PASSES * chars:  # twice: the guess of the speed may be as wrong as that
        budget, read = {"epochs": MOST_PASSES}, MOST_PASSES * chars
    steps = max(1.0, read / (streams * window))
    by_heart = min(2e6, 20 * chars)  # characters to be read before anything is learned by heart
    wear = max(1e-3, read / chars * min(1.0, read / by_heart))  # passes that count
    is_worn, is_evened_less = wear > 10, wear > 20  # two iterations of Muon hold back what is learned by heart
    less_dropout = nature.less_dropout + (0.07 if is_evened_less else 0.0)
    muon_rate = 0.038 if is_evened_less else max(0.028, 0.04 * min(1.0, 2 / wear) ** 0.25)
    network = {
        "hidden_size": hidden, "embedding_size": 96 if hidden > 512 else 64 if hidden > 128 else 32,
        "dropout": round(min(0.6, max(0.0, 0.14 * math.log2(wear / 2) - less_dropout)), 2),
        "embedding_dropout": round(min(0.25, max(0.0, 0.08 * (weights / chars - 0.6))), 2) if is_worn else 0.0,
    }  # fmt: skip
    training = {
        "streams": streams, "window": window, "fresh": 0.03, "precision": "auto",
        "muon_rate": round(muon_rate * nature.muon, 4), "muon_iterations": 2 if is_evened_less else 3,
        "learning_rate": round(max(0.004, 0.016 * math.sqrt(min(1.0, 4 / wear))), 4),
        "weight_decay": 0.05 if is_worn else 0.0, "cooldown": 0.4 if is_worn else 1.0,
        "average": round(min(0.9995, max(0.9, 1 - 10 / steps)), 4), **budget,
    }  # fmt: skip
    return network, training


def _shape(budget: KEYS, chars: int) -> tuple[int, int]:
    """Streams and window. Few streams make more steps of a short text; many are faster, which pays by the clock."""
    if chars <= 15_000:
        return 8, 32
    is_long = budget["seconds"] * _cores() > 30 if budget.get("seconds") else chars > 300_000
    return 32 if is_long and chars > 60_000 else 16, 64


def _chars_read(budget: KEYS, cell: str, weights: float, step_chars: int, chars: int) -> float:
    """How many characters a budget will read: told, or guessed from the speed of this machine."""
    if budget.get("epochs"):
        return float(budget["epochs"]) * chars
    if budget.get("steps"):
        return float(budget["steps"]) * step_chars
    nature = NATURES[cell]
    step_seconds = nature.step + 6 * weights * step_chars / (nature.core * _cores())
    return float(budget["seconds"]) / step_seconds * step_chars


def _size_for(seconds: float, cell: str, chars: int) -> int:
    """What paid best on two cores: 128 in 3 s, 256 in 30 s, 384 in 3 minutes, 640 in 20; less for a very short text."""
    wanted = 97 * (seconds * _cores() / 2) ** 0.27 * NATURES[cell].width
    most = 96 if chars < 3_000 else 160 if chars < 12_000 else 256 if chars < 40_000 else SIZES[-1]
    return min(most, min(SIZES, key=lambda size: abs(size - wanted)))


def _cores() -> int:
    return os.cpu_count() or 1


def _weights(cell: str, hidden: int, symbols: int) -> float:
    """Numbers in the matrices that a character passes through, and so a sixth of the FLOP of learning it."""
    return GATES[cell] * hidden * (64 + hidden) + hidden * symbols
