"""history: bounded, however long the run; what it keeps is what happened."""

import math
import random

import pytest

from charlm.events import Evaluated, Event, Finished, Measured, Sampled, Saved, Started, Step
from charlm.history import MAX_POINTS, MAX_SAMPLES, Curve, history_of

STARTED = Started(100, 900, 100, 100, 30, 10, "cpu", "fp32", 1)


def step(number: int, loss: float = 1.0) -> Step:
    return Step(number, number / 10, loss, 1.0, 1e-3 / number, number * 10, float(number), 0.0)


def evaluated(number: int, loss: float, is_best: bool = False) -> Evaluated:
    return Evaluated(number, number / 10, loss, loss, is_best, float(number))


@pytest.mark.parametrize("count", [1, 2, MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 1, 5 * MAX_POINTS + 7, 100_000])
def test_a_curve_is_bounded_and_its_points_are_means(count: int) -> None:
    """Against the plain definition: point k is the mean of values k*n ... k*n + n-1, at the place of the last."""
    dice = random.Random(count)
    values = [dice.random() for _ in range(count)]
    curve = Curve()
    for place, value in enumerate(values, start=1):
        curve.add(place, value)
        assert len(curve.x) == len(curve.y) < MAX_POINTS
    n = curve.per_point
    whole = count // n
    assert len(curve.x) == whole
    assert n == 1 or whole >= MAX_POINTS // 2 - 1
    assert curve.x == [k * n for k in range(1, whole + 1)]
    means = [math.fsum(values[k * n : (k + 1) * n]) / n for k in range(whole)]
    assert curve.y == pytest.approx(means, rel=1e-12)


def test_a_hundred_thousand_events_stay_small() -> None:
    events: list[Event] = [STARTED]
    for number in range(1, 100_001):
        events.append(step(number, loss=3 / number))
        if number % 20 == 0:
            events += [evaluated(number, 2 / number, is_best=number == 40_000), Sampled(number, "", "text", 0.8, 1)]
    history = history_of([])
    for event in events:
        history.add(event)
        assert len(history.evaluated) <= MAX_POINTS and len(history.samples) <= MAX_SAMPLES
    for curve in (history.train, history.validation, history.learning_rate, history.seconds):
        assert MAX_POINTS // 2 <= len(curve.x) <= MAX_POINTS
    assert history.seconds.x == history.train.x and history.seconds.y == sorted(history.seconds.y)
    assert history.samples[0].step == 20 and history.samples[-1].step == 100_000  # from the start to now
    assert history.evaluated[-1].step == 100_000
    assert history.best is not None and history.best.step == 40_000  # also when thinning took it out of the list
    assert history.last_step == events[-3]
    weight = history.train.per_point
    seen = [3 / number for number in range(1, len(history.train.x) * weight + 1)]
    assert math.fsum(history.train.y) * weight == pytest.approx(math.fsum(seen), rel=1e-9)


def test_each_kind_finds_its_place() -> None:
    best, end = evaluated(2, 1.5, is_best=True), Finished(3, "budget", 9.0)
    sample = Sampled(2, "a", "b", 0.8, 1)
    worse = evaluated(3, 1.75)
    events = [STARTED, step(1), step(2), Measured("5-gram", 1.6), best, sample, Saved(2, "x"), step(3), worse]
    history = history_of([*events, Measured("stream", 1.5), end])
    assert history.started == STARTED and history.finished == end and history.saved_step == 2
    assert history.best == best and history.evaluated == [best, worse] and history.samples == [sample]
    assert history.measured == {"5-gram": 1.6, "stream": 1.5}
    assert (history.validation.x, history.validation.y) == ([2, 3], [1.5, 1.75])
    assert history.learning_rate.y == [1e-3, 1e-3 / 2, 1e-3 / 3]


def test_a_run_that_goes_on_is_not_finished() -> None:
    assert history_of([step(1), Finished(1, "stopped", 1.0), step(2)]).finished is None


def test_the_fold_of_a_run_is_the_fold_of_its_parts() -> None:
    events: list[Event] = [STARTED, *(step(n, loss=1 / n) for n in range(1, 3000)), evaluated(5, 1.0, True)]
    once, twice = history_of(events), history_of(events[:1000])
    for event in events[1000:]:
        twice.add(event)
    assert once == twice
    assert history_of([]).started is None
