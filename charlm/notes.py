"""Sentences for people that are no errors: what was found in a text, what was mended, why a job ended. Knows no place.

Like an error (errors.py), a note keeps its template and its values apart: a terminal prints it in English, a page looks
the template up in the visitor's language and fills in the same values. A value may be a note itself.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """`str` is the sentence in English."""

    template: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.template.format(**self.values) if self.values else self.template


def note(template: str, /, **values: object) -> Note:
    """`note("line ends made LF: {count:,}", count=5)` reads "line ends made LF: 5"."""
    return Note(template, values)


def listed(notes: Iterable[Note]) -> Note:
    """Several notes as one, which reads "one; another; a third"."""
    return functools.reduce(lambda one, other: note("{one}; {other}", one=one, other=other), notes)
