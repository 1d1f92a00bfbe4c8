"""Every sentence exists, in every language, with the same values in it; and none stands there unused."""

import inspect
import re
import string
from pathlib import Path
from typing import get_args

import pytest

from charlm.events import Reason
from charlm.ui import words
from charlm.ui.words import LANGUAGES, WORDS, say

SOURCES = {
    path.name: path.read_text("utf-8")
    for path in Path(inspect.getfile(words)).parent.glob("*.py")
    if path.name != "words.py"
}
SAID = {key: name for name, source in SOURCES.items() for key in re.findall(r"\bsay\(\s*\"(\w+)\"", source)}


def values_in(sentence: str) -> set[tuple[str, str | None]]:
    """The names of a sentence's values, with how each is written out."""
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(sentence) if name is not None}


def test_every_key_that_is_said_exists() -> None:
    assert len(SAID) > 40
    assert {key: where for key, where in SAID.items() if key not in WORDS["en"]} == {}
    assert set(get_args(Reason)) <= set(WORDS["en"])  # how a run ended is said by its reason


def test_no_sentence_is_left_over() -> None:
    everything = "".join(SOURCES.values())
    unused = {key for key in WORDS["en"] if not re.search(rf"[\"']{key}[\"']", everything)}
    assert unused - set(get_args(Reason)) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    assert WORDS[language].keys() == WORDS["en"].keys()
    for key, sentence in WORDS[language].items():
        assert sentence.strip() == sentence != ""
        assert {name for name, _ in values_in(sentence)} == {name for name, _ in values_in(WORDS["en"][key])}, key


def test_a_missing_sentence_is_said_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORDS, "xx", {"train": "Xxx"})
    assert (say("train", "xx"), say("stop", "xx"), say("stop", "nowhere")) == (
        "Xxx",
        WORDS["en"]["stop"],
        WORDS["en"]["stop"],
    )
    with pytest.raises(KeyError):
        say("never written")


def test_values_are_put_in_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORDS["en"], "test", "{title} has {chars:,}")
    assert say("test", title="{chars} {0} %s ${x}", chars=1234) == "{chars} {0} %s ${x} has 1,234"
