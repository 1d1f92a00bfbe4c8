"""Every setting, declared once: `knob()` gives default, flag, form control, limit and README row.

Knows nothing of torch, texts or forms. Who shows or reads a setting walks `dataclasses.fields` and the metadata.
"""

import argparse
import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charlm.errors import ConfigError
from charlm.notes import Note, note

CELLS = ("lstm", "gru", "rnn", "sigmoid")
GATES = {"rnn": 1, "sigmoid": 1, "gru": 3, "lstm": 4}  # of a cell: a matrix has so many times H rows
BUDGETS = ("seconds", "steps", "epochs")
ENCODINGS = (
    "auto", "utf-8", "utf-16", "utf-32", "cp1252", "cp1250", "cp1251", "cp1253", "latin-1", "koi8-r",
    "shift_jis", "euc_jp", "gb18030", "big5", "cp949",
)  # fmt: skip


def knob(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    unit: str = "",
) -> Any:
    """A setting: the only place where its default, meaning, unit and limits stand."""
    metadata = {"help": help, "low": low, "high": high, "choices": tuple(choices), "unit": unit}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How bytes become the text that is learned."""

    encoding: str = knob(
        "auto",
        "encoding of the file; auto: by its byte order mark, else by its bytes and letters",
        choices=ENCODINGS,
    )
    ascii: bool = knob(False, "fold letters to plain ASCII and drop what has no ASCII form")
    alphabet: str = knob(
        "text", "symbols: those of the text, or the 100 of string.printable", choices=("text", "printable")
    )
    min_count: int = knob(1, "characters that occur fewer times fold into the unknown symbol", low=1, high=1000)
    max_chars: int = knob(0, "learn only the first so many characters; 0: all", low=0, high=1_000_000_000)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network. B streams, T window, V vocabulary, E embedding, H hidden, L layers (model.py)."""

    cell: str = knob("lstm", "recurrent cell: lstm, gru, rnn (tanh), sigmoid (Mikolov 2010)", choices=CELLS)
    hidden_size: int = knob(256, "hidden units of a layer (H)", low=1, high=2048)
    num_layers: int = knob(1, "stacked layers (L)", low=1, high=4)
    embedding_size: int = knob(64, "size of a character's embedding (E); 0: one-hot input", low=0, high=2048)
    dropout: float = knob(0.0, "share of hidden units switched off while learning", low=0.0, high=0.9)
    embedding_dropout: float = knob(0.0, "share of the embedding switched off while learning", low=0.0, high=0.9)
    tied: bool = knob(False, "output weights are the embedding's (needs embedding size = hidden size)")

    def __post_init__(self) -> None:
        check(self)
        if self.tied and self.embedding_size != self.hidden_size:
            raise ConfigError(
                "Tied weights need an embedding as large as the hidden layer; they are {embedding} and {hidden}."
                " Set both to {hidden}, or untie.",
                knob="tied", embedding=self.embedding_size, hidden=self.hidden_size,
            )  # fmt: skip

    def parameters(self, vocabulary_size: int) -> int:
        """How many numbers are learned: embedding, W_ih, W_hh and two biases of each gate and layer, output."""
        H, V, E = self.hidden_size, vocabulary_size, self.embedding_size
        first = GATES[self.cell] * H * ((E or V) + H + 2)
        above = GATES[self.cell] * H * (2 * H + 2)
        return V * E + first + (self.num_layers - 1) * above + (0 if self.tied else V * H) + V


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the network learns. Exactly one of `seconds`, `steps`, `epochs` is the budget."""

    seconds: float = knob(0.0, "budget: seconds of training, evaluation not counted", low=0, high=1_000_000, unit="s")
    steps: int = knob(0, "budget: steps", low=0, high=100_000_000)
    epochs: float = knob(0.0, "budget: passes over the training text", low=0, high=1_000_000)
    batching: str = knob(
        "streams", "streams: carried state; chunks: random places, fresh state", choices=("streams", "chunks")
    )
    streams: int = knob(32, "parallel tracks of the text (B)", low=1, high=1024)
    window: int = knob(64, "characters of one step in each stream (T), as far as gradients reach", low=1, high=2048)
    fresh: float = knob(
        0.0, "share of the streams that begin a step with an empty state, so that beginnings are learned too",
        low=0.0, high=1.0,
    )  # fmt: skip
    optimizer: str = knob("muon", "muon: Muon on matrices, AdamW on the rest", choices=("sgd", "adam", "adamw", "muon"))
    learning_rate: float = knob(4e-3, "learning rate at its highest", low=1e-6, high=10.0)
    muon_rate: float = knob(0.02, "learning rate of Muon's matrices at its highest", low=1e-6, high=1.0)
    muon_iterations: int = knob(3, "how far Muon evens a step out; 2 where a text is read many times", low=1, high=5)
    weight_decay: float = knob(0.0, "weight decay of AdamW and Muon", low=0.0, high=1.0)
    warmup: float = knob(0.02, "share of the budget in which the learning rate rises", low=0.0, high=0.5)
    schedule: str = knob("cosine", "learning rate after the warm-up", choices=("constant", "cosine"))
    cooldown: float = knob(
        1.0, "share of the budget, at its end, in which a cosine falls; 1: from the warm-up on", low=0.01, high=1.0
    )
    clip: float = knob(1.0, "gradients with a larger norm are scaled down to it; 0: never", low=0.0, high=1000.0)
    average: float = knob(0.0, "weights are averaged with this decay per step; 0: not", low=0.0, high=0.99999)
    evaluations: int = knob(20, "evaluations on the validation text over the budget", low=1, high=10_000)
    patience: int = knob(0, "stop after so many evaluations without a better one; 0: never", low=0, high=10_000)
    precision: str = knob(
        "fp32", "fp32, bf16, or auto: bf16 where the processor has it", choices=("fp32", "bf16", "auto")
    )
    device: str = knob("cpu", "where to train; auto: a GPU where there is one", choices=("cpu", "cuda", "auto"))
    seed: int = knob(0, "seed of everything drawn while learning", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        check(self)
        budgets = [name for name in BUDGETS if getattr(self, name)]
        if len(budgets) != 1:
            raise ConfigError(
                "Give one budget: seconds, steps or epochs (given: {given}).",
                knob="seconds", given=" + ".join(budgets) or note("none"),
            )  # fmt: skip

    @property
    def budget(self) -> tuple[str, float]:
        """Which of the three it is, and how much."""
        return next((name, float(getattr(self, name))) for name in BUDGETS if getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How characters are drawn."""

    length: int = knob(500, "characters to generate", low=1, high=100_000)
    temperature: float = knob(0.8, "below 1: safer, above 1: wilder, 0: always the likeliest", low=0.0, high=5.0)
    top_k: int = knob(0, "draw among the k likeliest characters only; 0: all", low=0, high=100_000)
    top_p: float = knob(1.0, "draw among the likeliest that together have this probability", low=0.01, high=1.0)
    seed: int = knob(0, "seed of the draw: the same seed gives the same text", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        check(self)


Config = TextConfig | ModelConfig | TrainConfig | SampleConfig


def check(config: Config) -> None:
    """Refuse a value of the wrong type or outside its limits, by name. bool is no int; an int may stand for a float."""
    for field in dataclasses.fields(config):
        check_value(field, getattr(config, field.name))


def check_value(field: dataclasses.Field[Any], value: Any) -> None:
    """Refuse a knob's value of the wrong type or outside its limits, whatever the other knobs are."""
    meta = field.metadata
    fits = type(value) is field.type or (field.type is float and type(value) is int)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(
            "{knob} must be of type {type}, not {value!r}.", knob=field.name, type=type_name(field), value=value
        )
    if meta["choices"] and value not in meta["choices"]:
        raise ConfigError(
            "{knob} must be one of {choices}, not {value!r}.",
            knob=field.name, choices=", ".join(meta["choices"]), value=value,
        )  # fmt: skip
    if meta["low"] is not None and not meta["low"] <= value <= meta["high"]:
        raise ConfigError(
            "{knob} must be between {low:,} and {high:,}, not {value:,}.",
            knob=field.name, low=meta["low"], high=meta["high"], value=value,
        )  # fmt: skip


def type_name(field: dataclasses.Field[Any]) -> Note:
    """The type of a knob in words of a person: number, whole number, text, yes or no."""
    names = {int: note("whole number"), float: note("number"), str: note("text"), bool: note("yes or no")}
    return names[typing.cast(type, field.type)]


def from_values(kind: type[Any], values: Mapping[str, object]) -> Any:
    """A config of that kind from a mapping; keys that it does not have are ignored, missing ones take their default.

    Raises ConfigError for a value that is refused.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


def add_flags(parser: argparse.ArgumentParser, kind: type[Any], without: Sequence[str] = ()) -> None:
    """One flag a knob. A flag that is not given stays absent (None), so that recipes can tell it from a default."""
    group = parser.add_argument_group(kind.__name__.removesuffix("Config").lower() + " settings")
    for field in dataclasses.fields(kind):
        if field.name in without:
            continue
        flag = "--" + field.name.replace("_", "-")
        help = f"{field.metadata['help']} ({field.default})".replace("%", "%%")
        if field.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help)
        else:
            choices = field.metadata["choices"] or None
            metavar = None if choices else field.name.split("_")[-1].upper()
            group.add_argument(flag, type=field.type, choices=choices, metavar=metavar, default=None, help=help)


def given(kind: type[Any], values: Mapping[str, object]) -> dict[str, Any]:
    """The settings of one kind that were given: flags left out are None and drop out."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if name in names and value is not None}


def command_flags(config: Config) -> list[str]:
    """The flags that say how `config` differs from the defaults: what the page shows as the equivalent command."""
    flags: list[str] = []
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), field.name.replace("_", "-")
        if value == field.default:
            continue
        flags += [f"--{'' if value else 'no-'}{name}"] if isinstance(value, bool) else [f"--{name}", f"{value}"]
    return flags
