"""Events -> bounded curves: what a page draws. The same fold reads a live run, a finished one, and one from elsewhere.

Knows nothing of files, plots or languages. However long a run, a curve has at most MAX_POINTS points: when it is full,
neighbours are averaged in pairs, and from then on twice as many values make a point. Evaluations and samples are
kept whole, for their figures and texts; when there are too many, every second one goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from charlm.events import Changed, Evaluated, Event, Finished, Measured, Sampled, Saved, Started, Step

MAX_POINTS = 600
MAX_SAMPLES = 200
MAX_CHANGES = 50


@dataclass
class Curve:
    """Points (x, y) in the order they came, thinned as they grow."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    per_point: int = 1  # values that make one point
    _pending: list[tuple[float, float]] = field(default_factory=list)

    def add(self, x: float, y: float) -> None:
        self._pending.append((x, y))
        if len(self._pending) < self.per_point:
            return
        self.x.append(x)
        self.y.append(sum(value for _, value in self._pending) / len(self._pending))
        self._pending.clear()
        if len(self.x) >= MAX_POINTS:
            self._halve()

    def _halve(self) -> None:
        self.y = [(a + b) / 2 for a, b in zip(self.y[::2], self.y[1::2], strict=True)]
        self.x = self.x[1::2]
        self.per_point *= 2


@dataclass
class History:
    """What a run has told so far."""

    started: Started | None = None
    last_step: Step | None = None
    evaluated: list[Evaluated] = field(default_factory=list)
    best: Evaluated | None = None
    measured: dict[str, float] = field(default_factory=dict)  # yardsticks and final figures by name
    samples: list[Sampled] = field(default_factory=list)
    changes: list[Changed] = field(default_factory=list)
    finished: Finished | None = None
    saved_step: int = 0
    train: Curve = field(default_factory=Curve)
    validation: Curve = field(default_factory=Curve)
    learning_rate: Curve = field(default_factory=Curve)
    seconds: Curve = field(default_factory=Curve)  # of training, by step: point for point those of `train`

    def add(self, event: Event) -> None:
        """Fold one event in."""
        match event:
            case Started():
                self.started = event
            case Step():
                self.last_step, self.finished = event, None
                self.train.add(event.step, event.loss)
                self.learning_rate.add(event.step, event.learning_rate)
                self.seconds.add(event.step, event.seconds)
            case Evaluated():
                self._add_evaluated(event)
            case Measured():
                self.measured[event.name] = event.loss
            case Sampled():
                self.samples = (self.samples if len(self.samples) < MAX_SAMPLES else self.samples[::2]) + [event]
            case Changed():
                self.changes = [*self.changes, event][-MAX_CHANGES:]
            case Saved():
                self.saved_step = event.step
            case Finished():
                self.finished = event

    def _add_evaluated(self, event: Evaluated) -> None:
        self.evaluated = (self.evaluated if len(self.evaluated) < MAX_POINTS else self.evaluated[::2]) + [event]
        self.best = event if event.is_best else self.best
        self.validation.add(event.step, event.loss)


def history_of(events: Iterable[Event]) -> History:
    """The history that events add up to."""
    history = History()
    for event in events:
        history.add(event)
    return history
