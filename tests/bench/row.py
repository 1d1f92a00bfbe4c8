"""What a measurement says: figures beside their goals, in a row of the table. Plain data; nothing is measured here."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """One number. `value` None: it was tried for and not reached. Without a goal it is shown and not judged."""

    name: str
    value: float | None
    unit: str  # "x" (times), "%", "nats", "s", "MB/s", ...
    goal: float | None = None  # at least; at most where less is better
    aim: float | None = None
    is_less_better: bool = False

    @property
    def is_met(self) -> bool | None:
        return self._reaches(self.goal)

    @property
    def is_aim_met(self) -> bool | None:
        return self._reaches(self.aim)

    def _reaches(self, wanted: float | None) -> bool | None:
        if wanted is None:
            return None
        if self.value is None:
            return False
        return self.value <= wanted if self.is_less_better else self.value >= wanted


@dataclass(frozen=True)
class Row:
    """A row of the table. `unjudged` says why its figures are not held against the goals; "": they are."""

    row: str  # its number in the table of goals
    what: str
    protocol: str  # what was measured and how, in a sentence or two
    figures: tuple[Figure, ...] = ()  # none: not measured
    detail: tuple[str, ...] = ()  # the numbers behind the figures, and the profile that explains them
    unjudged: str = ""
    took_seconds: float = 0.0
    load: float = 0.0  # mean number of busy processes in the minute before: over 0.5 means that others were at work
    peak_mb: float = 0.0  # of the row's process
    stolen: float = 0.0  # share of this machine's processors that its host gave to others meanwhile, where it tells

    @property
    def is_met(self) -> bool | None:
        """Whether every goal is met; None when there is nothing to judge."""
        return None if self.unjudged else _all([figure.is_met for figure in self.figures])

    @property
    def is_aim_met(self) -> bool | None:
        return None if self.unjudged else _all([figure.is_aim_met for figure in self.figures])


def _all(verdicts: list[bool | None]) -> bool | None:
    judged = [verdict for verdict in verdicts if verdict is not None]
    return all(judged) if judged else None


def to_json(row: Row) -> dict[str, Any]:
    """A row for JSON, with its verdicts."""
    return dataclasses.asdict(row) | {"is_met": row.is_met, "is_aim_met": row.is_aim_met}


def from_json(values: Mapping[str, Any]) -> Row:
    """The row that `to_json` made; the verdicts follow from the figures."""
    kept = {field.name: values[field.name] for field in dataclasses.fields(Row) if field.name in values}
    kept["figures"] = tuple(Figure(**figure) for figure in kept["figures"])
    return Row(**kept | {"detail": tuple(kept["detail"])})


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    is_quick: bool = False
    repeats: int = 5  # alternating repetitions, of which the best counts

    def pick(self, full: T, quick: T) -> T:
        return quick if self.is_quick else full
