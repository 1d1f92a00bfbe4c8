"""events: facts go through a line of JSON unharmed, and a reader survives whatever the line holds."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.events import (
    KINDS,
    Changed,
    Evaluated,
    Event,
    Finished,
    Measured,
    Sampled,
    Saved,
    Started,
    Step,
    from_line,
    from_lines,
    to_line,
)

EVENTS = (
    Started(1, 2, 3, 4, 5, 6, "cpu", "fp32", 1, "lstm-notebook"),
    Step(7, 0.5, 1.25, 3.0, 1e-3, 8192, 2.5, 0.25),
    Evaluated(7, 0.5, 1.5, 1.25, True, 2.5),
    Measured("5-gram", 1.669),
    Sampled(7, "Once ", 'line 1\nline 2\r "quoted" \\ \u2028\x85 中文 👨‍👩‍👧', 0.8, 1),
    Changed(7, "learning_rate", 0.002),
    Saved(7, "/runs/a b"),
    Finished(7, "diverged", 2.5, "Lower the learning rate."),
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = {
    int: st.integers(-(2**62), 2**62),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}


def fields_of(event: Event) -> tuple[Any, ...]:
    """All of them: `==` leaves times out."""
    return type(event), *dataclasses.astuple(event)


def strategy(kind: type[Any]) -> st.SearchStrategy[Event]:
    reasons = st.sampled_from(["budget", "patience", "diverged", "ended", "stopped"])
    fields = {f.name: VALUES.get(f.type, WORDS if f.type is str else reasons) for f in dataclasses.fields(kind)}
    return st.builds(kind, **fields)


def test_the_examples_are_all_kinds() -> None:
    assert {type(event).__name__ for event in EVENTS} == set(KINDS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_round_trips(event: Event) -> None:
    line = to_line(event)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, dataclasses.fields(event)[0].name, 0)  # facts do not change
    assert line.count("\n") == 1 and line.endswith("\n") and "\r" not in line
    assert json.loads(line)["event"] == type(event).__name__
    assert fields_of(from_line(line)) == fields_of(event)


@given(st.one_of([strategy(kind) for kind in KINDS.values()]))
def test_any_event_round_trips(event: Event) -> None:
    assert fields_of(from_line(to_line(event))) == fields_of(event)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_null_and_comes_back_as_nan(value: float) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    line = to_line(Step(1, 0.0, value, value, 1e-3, 10, 1.0, 0.1))
    assert json.loads(line, parse_constant=refuse)["loss"] is None
    back = from_line(line)
    assert isinstance(back, Step)
    assert math.isnan(back.loss) and math.isnan(back.grad_norm) and back.learning_rate == 1e-3


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_torn_line_is_no_event(event: Event) -> None:
    line = to_line(event)
    torn = [line[:length] for length in range(len(line) - 1)]  # without its last brace at least
    assert [from_line(part) for part in torn] == [None] * len(torn)
    assert list(from_lines([line, *torn, "\n", line])) == [event, event]


STEP = {"event": "Step", "step": 1, "epoch": 0.1, "loss": 2.0, "grad_norm": 1.0, "learning_rate": 0.1}
STEP |= {"chars_seen": 10, "seconds": 1.0, "progress": 0.5}


@pytest.mark.parametrize(
    "line",
    [
        "", "\n", "null", "[]", "7", '"Step"', "{}", '{"event": "Reboot"}', '{"event": ["Step"]}', "{" * 100_000,
        "[" * 100_000, "9" * 5000, json.dumps(STEP | {"step": "1"}), json.dumps(STEP | {"step": True}),
        json.dumps(STEP | {"step": 1.5}), json.dumps(STEP | {"step": None}), json.dumps(STEP | {"step": 10**30}),
        json.dumps(STEP | {"loss": "<b>"}), json.dumps(STEP | {"loss": [1]}), json.dumps(STEP | {"loss": 10**4000}),
        json.dumps(STEP | {"loss": True}), json.dumps({k: v for k, v in STEP.items() if k != "loss"}),
        '{"event": "Finished", "step": 1, "reason": "boredom", "seconds": 1.0}',
        '{"event": "Sampled", "step": 1, "prompt": "", "text": null, "temperature": 1.0, "seed": 1}',
    ],
)  # fmt: skip
def test_what_is_no_event_is_skipped(line: str) -> None:
    assert from_line(line) is None


def test_an_int_may_stand_for_a_float_and_news_are_left_out() -> None:
    event = from_line(json.dumps(STEP | {"loss": 2, "temperature_of_the_cpu": 80}))
    assert isinstance(event, Step)
    assert fields_of(event) == (Step, 1, 0.1, 2.0, 1.0, 0.1, 10, 1.0, 0.5)
    assert type(event.loss) is float


def test_times_are_not_compared() -> None:
    """Two runs with one seed have equal events, whatever else the machine did."""
    assert Step(1, 0.5, 1.0, 1.0, 1.0, 1, 2.0, 0.1) == Step(1, 0.5, 1.0, 1.0, 1.0, 1, 9.0, 0.9)
    assert Step(1, 0.5, 1.0, 1.0, 1.0, 1, 2.0, 0.1) != Step(1, 0.5, 1.1, 1.0, 1.0, 1, 2.0, 0.1)
    assert Saved(1, "a") == Saved(1, "b") and Evaluated(1, 0.5, 1.0, 1.0, True, 1.0) == EVALUATED_LATER


EVALUATED_LATER = Evaluated(1, 0.5, 1.0, 1.0, True, 2.0)
