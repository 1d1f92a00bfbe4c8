"""Facts about a run: frozen, plain numbers and strings, one JSON object a line in `events.jsonl`.

Losses are nats per character. Times are measured, so they are not compared: two runs with the same seed have equal
events. Who watches a run needs nothing else (history.py folds them into curves).
"""

import dataclasses
import json
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Reason = Literal["budget", "patience", "diverged", "ended", "stopped"]


@dataclass(frozen=True, slots=True)
class Started:
    """The first event of a run."""

    parameters: int
    train_chars: int
    validation_chars: int
    evaluated_chars: int  # how much of the validation text each Evaluated covers
    vocabulary_size: int
    steps_per_epoch: int
    device: str
    precision: str
    threads: int
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Some optimizer steps, up to and with `step`: their mean loss, the last one's gradient norm and learning rate."""

    step: int
    epoch: float  # passes over the training text so far
    loss: float
    grad_norm: float  # before clipping
    learning_rate: float
    chars_seen: int
    seconds: float = field(compare=False)  # of training, evaluation and saving not counted
    progress: float = field(compare=False)  # share of the budget that is used, 0 to 1


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The validation text was read (protocol `stream`), with the averaged weights where there are such."""

    step: int
    epoch: float
    loss: float
    train_loss: float  # mean loss of the training steps since the evaluation before
    is_best: bool
    seconds: float = field(compare=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure on the same validation text made outside the loop: a yardstick, or the final loss under a protocol."""

    name: str  # "5-gram", "xz", "entropy" (known of a toy language) ...; "stream", "cold-256"
    loss: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """Text that the network wrote when it stood at `step`."""

    step: int
    prompt: str
    text: str
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting of the run became another one under way; it holds for all steps after `step`."""

    step: int
    knob: str  # "learning_rate" (at its highest), or the budget: "seconds", "steps", "epochs"
    value: float


@dataclass(frozen=True, slots=True)
class Saved:
    """The run folder holds all that exact resume needs from `step`."""

    step: int
    path: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a run, until it is resumed."""

    step: int
    reason: Reason
    seconds: float = field(compare=False)
    advice: str = ""  # what to change, when the run diverged


Event = Started | Step | Evaluated | Measured | Sampled | Changed | Saved | Finished
Events = Generator[Event, None, None]
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Started, Step, Evaluated, Measured, Sampled, Changed, Saved, Finished)
}
FIELDS = {name: {field.name: field.type for field in dataclasses.fields(kind)} for name, kind in KINDS.items()}


def to_line(event: Event) -> str:
    """One JSON object and a line feed. Numbers that are not finite become null: JSON has no NaN."""
    values = {field.name: _finite(getattr(event, field.name)) for field in dataclasses.fields(event)}
    return json.dumps({"event": type(event).__name__, **values}, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_line(line: str) -> Event | None:
    """The event of a line; None for a torn or unknown line, which a reader skips.

    A log can come from anywhere, so each value must be of its field's type. What a newer version tells besides is
    left out.
    """
    try:
        values = json.loads(line)
        types = FIELDS[values["event"]]
        event: Event = KINDS[values["event"]](
            **{name: _restored(values[name], kind) for name, kind in types.items() if name in values}
        )
        return event
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _restored(value: Any, kind: Any) -> Any:
    """A value as its field has it: an int may stand for a float, null for NaN. Raises TypeError for any other."""
    if kind is float:
        if value is None:
            return math.nan
        if type(value) in (int, float):
            return float(value)
    elif type(value) is kind or value in get_args(kind):
        if kind is not int or abs(value) < 2**63:
            return value
    raise TypeError(kind)


def from_lines(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a log; torn lines (a process was killed while it wrote) and unknown ones are left out."""
    for line in lines:
        event = from_line(line)
        if event is not None:
            yield event
