"""The errors that people are meant to read. Knows nothing of where they are shown.

    CharlmError                 everything below; its text is one sentence: what, which value, what to do
    ├── ConfigError             a setting that cannot work; `knob` names it
    ├── TextError               a text that cannot be read or learned from
    ├── CorpusError             a named corpus that does not exist or cannot be fetched
    ├── CheckpointError         a run folder that is missing, damaged, hostile or newer than this program
    │   └── RunExistsError      a run of that name is there already
    ├── HubError                the Hub cannot be reached, refuses, or has something else under that name
    └── LimitError              a limit of this server

An error keeps its template and its values apart, so that a page in another language can look the template up and fill
in the same values.
"""

from typing import Any, Self


class CharlmError(Exception):
    """`CharlmError("The text has {chars} characters.", chars=5)` reads "The text has 5 characters."."""

    def __init__(self, template: str, **values: object) -> None:
        super().__init__(template.format(**values) if values else template)
        self.template = template
        self.values = values

    def filled(self, **values: object) -> Self:
        """The same sentence with these values."""
        return type(self)(self.template, **values)

    def __reduce__(self) -> tuple[Any, ...]:
        """Across processes from template and values: an Exception's own way would format the finished text again."""
        return _rebuilt, (type(self), self.template, self.values)


def _rebuilt(kind: type[CharlmError], template: str, values: dict[str, object]) -> CharlmError:
    return kind(template, **values)


class ConfigError(CharlmError):
    """A setting that cannot work. `knob` is the name of the setting, "" when several are at odds."""

    def __init__(self, template: str, *, knob: str = "", **values: object) -> None:
        super().__init__(template, knob=knob, **values)
        self.knob = knob


class TextError(CharlmError):
    """A text that cannot be read or learned from."""


class CorpusError(CharlmError):
    """A named corpus that does not exist, or cannot be fetched now."""


class CheckpointError(CharlmError):
    """A run folder that is missing, damaged, hostile, or made by a newer version."""


class RunExistsError(CheckpointError):
    """A run of that name is there already, and nobody said to overwrite it."""


class HubError(CharlmError):
    """The Hugging Face Hub cannot be reached, refuses, or has something else there."""

    @property
    def code(self) -> str:
        """Which of these, in a word; "" for none."""
        return str(self.values.get("code", ""))


class LimitError(CharlmError):
    """A limit of this server: size of text, parameters, minutes, jobs."""
