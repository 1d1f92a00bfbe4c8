"""notes: sentences with their values kept apart."""

import pickle

from charlm.notes import listed, note


def test_template_and_values_make_the_sentence() -> None:
    told = note("line ends made LF: {count:,}", count=1234)
    assert str(told) == "line ends made LF: 1,234"
    assert (told.template, told.values) == ("line ends made LF: {count:,}", {"count": 1234})
    assert told == note("line ends made LF: {count:,}", count=1234) != note("line ends made LF: {count:,}", count=1)


def test_a_sentence_without_values_may_hold_braces() -> None:
    assert str(note("It begins with { and ends with }.")) == "It begins with { and ends with }."


def test_a_value_may_be_a_note() -> None:
    assert str(note("This is {kind}.", kind=note("a {format} picture", format="PNG"))) == "This is a PNG picture."


def test_a_list_of_notes_is_one() -> None:
    assert str(listed([note("one")])) == "one"
    assert str(listed([note("one"), note("{n} and", n=2), note("three")])) == "one; 2 and; three"


def test_a_note_crosses_processes_whole() -> None:
    told = note("exit code {code}", code=3)
    assert pickle.loads(pickle.dumps(told)) == told
