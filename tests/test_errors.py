"""errors: the text for people, and that it survives a process boundary."""

import inspect
import pickle
import re

import pytest

from charlm import errors
from charlm.errors import CharlmError, ConfigError, LimitError, RunExistsError


def test_template_and_values_make_the_sentence() -> None:
    error = LimitError("{chars:,} characters; at most {most:,} here.", chars=5_000_000, most=1_000)
    assert str(error) == "5,000,000 characters; at most 1,000 here."
    assert error.template == "{chars:,} characters; at most {most:,} here."
    assert error.values == {"chars": 5_000_000, "most": 1_000}


def test_a_sentence_without_values_may_hold_braces() -> None:
    assert str(CharlmError("It begins with { and ends with }.")) == "It begins with { and ends with }."


def test_a_config_error_names_its_knob() -> None:
    error = ConfigError("{knob} must be {high} at most.", knob="window", high=3)
    assert (str(error), error.knob) == ("window must be 3 at most.", "window")
    assert ConfigError("Two settings are at odds.").knob == ""


@pytest.mark.parametrize(
    "error",
    [
        CharlmError("Plain."),
        ConfigError("{knob} is {value!r}.", knob="cell", value="{x} {"),
        RunExistsError("The run {name} exists.", name="{0}"),
    ],
)
def test_an_error_crosses_processes_whole(error: CharlmError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.template, copy.values) == (str(error), error.template, error.values)
    assert getattr(copy, "knob", None) == getattr(error, "knob", None)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each line of the drawing: how far it is indented, and the name."""
    drawn, path = {}, []
    for line in inspect.getdoc(errors).splitlines():
        match = re.fullmatch(r"([ │├└─]*)(\w+Error) {2,}\S.*", line)
        if match:
            depth = len(match[1].removeprefix("    ")) // 4
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"
    defined = {
        name: kind.__base__.__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert drawn == defined
    assert len(drawn) >= 7
