"""Every sentence exists, in every language, with the same values in it; and none stands there unused."""

import dataclasses
import inspect
import re
import string
from pathlib import Path
from typing import get_args

import pytest

from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.errors import ConfigError, LimitError, TextError
from charlm.events import Reason
from charlm.ui import words
from charlm.ui.words import LANGUAGES, OTHERS, WORDS, error_words, es, knob_words, number, say

SOURCES = {path.name: path.read_text("utf-8") for path in Path(inspect.getfile(words)).parents[1].glob("*.py")}
SAYING = re.compile(r"\bsay\(\s*\"(\w+)\"|\"(?:label|value|info|placeholder)\": \"(\w+)\"")
SAID = {one or other: name for name, source in SOURCES.items() for one, other in SAYING.findall(source)}


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


def test_every_language_names_every_knob() -> None:
    knobs = {field.name for kind in (TextConfig, ModelConfig, TrainConfig) for field in dataclasses.fields(kind)}
    for language, module in OTHERS.items():
        assert module.KNOBS.keys() == knobs
        names = [name for name, _ in module.KNOBS.values()]
        assert len(set(names)) == len(names) and all(about.strip() for _, about in module.KNOBS.values())
        assert knob_words("streams", "in English", language) == module.KNOBS["streams"]
    assert knob_words("hidden_size", "in English") == ("Hidden size", "in English")


def test_every_translated_error_is_one_that_is_raised() -> None:
    """With the same values in it: a template that changes must be translated anew."""
    charlm = Path(inspect.getfile(words)).parents[2]
    code = " ".join(path.read_text("utf-8") for path in charlm.rglob("*.py") if path.parent.name != "words")
    code = re.sub(r"\"\s+\"", "", code)  # sentences over several lines
    for module in OTHERS.values():
        assert module.ERRORS.keys() == es.ERRORS.keys()
        for template, sentence in module.ERRORS.items():
            assert f'"{template}"' in code
            assert {name for name, _ in values_in(sentence)} == {name for name, _ in values_in(template)}, sentence


def test_an_error_is_said_in_the_visitors_language() -> None:
    error = ConfigError(
        "{knob} must be between {low:,} and {high:,}, not {value:,}.", knob="hidden_size", low=1, high=2048, value=4096
    )
    assert error_words(error, "es") == "Unidades ocultas debe estar entre 1 y 2.048, no 4.096."
    assert error_words(error) == str(error)
    assert error_words(TextError(say("paste_first")), "fr") == say("paste_first", "fr")
    limit = LimitError(say("text_limit"), size=2000, most=1000)
    assert error_words(limit, "ko") == say("text_limit", "ko", size=2000, most=1000)
    assert error_words(TextError("Never translated {x}.", x=1), "zh") == "Never translated 1."


def test_no_language_is_left_in_english() -> None:
    for language in set(LANGUAGES) - {"en"}:
        same = {key for key, sentence in WORDS[language].items() if sentence == WORDS["en"][key]}
        assert same <= {"title", "top_k", "top_p", "validation", "no"}, language


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "1,234,567 characters, 2,500 a second"),
        ("es", "1.234.567 caracteres, 2.500 por segundo"),
        ("fr", "1\u202f234\u202f567 caractères, 2\u202f500 par seconde"),
        ("zh", "1,234,567 个字符，每秒 2,500 个"),
        ("ko", "1,234,567자, 초당 2,500자"),
    ],
)
def test_numbers_have_the_languages_own_form(language: str, expected: str) -> None:
    assert say("wrote", language, chars=1234567, speed=2500.2, seed=1).startswith(expected)
    decimals = {"es": "1,5000", "fr": "1,5000"}.get(language, "1.5000")
    assert number(1.5, ".4f", language) == decimals
    assert decimals in say("final", language, stream=1.5, cold=2.0, verdict="3.25, as it is")
    assert "3.25, as it is" in say("final", language, stream=1.5, cold=2.0, verdict="3.25, as it is")


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
