"""Every sentence exists, in every language, with the same values in it; and none stands there unused."""

import ast
import dataclasses
import inspect
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from charlm import errors
from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.errors import CharlmError, ConfigError, LimitError, TextError
from charlm.events import Reason
from charlm.notes import listed, note
from charlm.ui import words
from charlm.ui.words import (
    LANGUAGES,
    OTHERS,
    WORDS,
    error_words,
    knob_words,
    note_words,
    number,
    retold,
    say,
    separators,
)

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


# --- errors and notes: what the code says, and that every language says it --------------------------------------------


PACKAGE = Path(inspect.getfile(words)).parents[2]
FOR_TERMINAL = {"terminal.py", "__main__.py"}  # the page never comes there, and a terminal speaks English
KINDS = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, CharlmError)}
MAKERS = {**dict.fromkeys(KINDS, 0), "note": 0, "_need": 1}  # what makes a sentence -> which argument is its template
SAID_BY_KEY = "say("


def templates(source: str) -> Iterator[tuple[str, str]]:
    """(what makes it, template) of every sentence that a module makes; LookupError where it cannot be read off."""
    tree = ast.parse(source)
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in MAKERS
              for part in ast.walk(node)}  # fmt: skip
    for node in ast.walk(tree):
        maker = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if maker not in MAKERS or id(node) in inside:
            continue
        template = node.args[MAKERS[maker]]
        if isinstance(template, ast.Constant):
            yield maker, template.value
        elif isinstance(template, ast.Name) and template.id in constants:
            yield maker, constants[template.id]
        elif not ast.unparse(template).startswith(SAID_BY_KEY):  # which has its own test
            raise LookupError(f"line {node.lineno}: {ast.unparse(template)} is no template that can be translated")


def said_in_code() -> tuple[set[str], set[str]]:
    """The templates of all errors, and of all notes."""
    sources = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "words" and path.name not in FOR_TERMINAL]
    found = [one for path in sources for one in templates(path.read_text("utf-8"))]
    notes = {template for maker, template in found if maker == "note"}
    return {template for _, template in found} - notes, notes


def test_the_reader_of_templates_sees_them() -> None:
    """Or the tests below would pass for nothing."""
    told, noted = said_in_code()
    assert len(told) > 50 and len(noted) > 30
    assert "There is no run {run}. Runs: {names}." in told  # raised at once
    assert "This is not {encoding}: byte {place:,} does not fit. Choose another encoding, or auto." in told  # returned
    assert "{file} is not the text that this run learned from; it cannot be resumed." in told  # by way of _need
    assert "There is no memory left for this run. Use a smaller network, fewer streams or a shorter text." in told
    assert {"a {format} picture", "exit code {code}", "whole number"} <= noted
    with pytest.raises(LookupError, match="line 1: .*no template"):
        list(templates("raise TextError(f'The text has {chars} characters.')"))


@pytest.mark.parametrize("language", OTHERS)
def test_every_error_and_note_is_translated(language: str) -> None:
    """All of them and no other, each with the same values in it, written in the same way."""
    for code, translated in zip(said_in_code(), (OTHERS[language].ERRORS, OTHERS[language].NOTES), strict=True):
        assert {"missing": code - translated.keys(), "left over": translated.keys() - code} == {
            "missing": set(),
            "left over": set(),
        }
        for template, sentence in translated.items():
            assert values_in(sentence) == values_in(template), sentence
            bare = re.sub(r"\{.*?\}", "", template)
            assert sentence != template or not re.search("[a-z]{2}", bare), template


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


def test_a_note_inside_an_error_is_said_in_the_same_language() -> None:
    picture = TextError(
        "This is {kind}, not a text. Save it as plain text (.txt, UTF-8) first.",
        kind=note("a {format} picture", format="PNG"),
    )
    assert error_words(picture, "fr").startswith("C’est une image PNG, pas un texte.")
    assert error_words(picture) == str(picture)
    config = CharlmError("{file}: {reason}", file="config.json", reason=picture)
    assert error_words(config, "es") == f"config.json: {error_words(picture, 'es')}"
    several = listed([note("control characters removed: {count:,}", count=1234), note("whole number")])
    assert note_words(several, "es") == "caracteres de control quitados: 1.234; número entero"
    assert note_words(several) == str(several)
    assert note_words(note("Never {x}.", x=1), "ko") == "Never 1."


def test_what_a_file_keeps_in_english_is_said_in_the_visitors_language() -> None:
    kept = [
        note("byte order mark of {encoding} removed", encoding="UTF-8"),
        note("line ends made LF: {all:,} (CRLF: {pairs:,}, CR: {single:,})", all=12345, pairs=12300, single=45),
        note(
            "symbols {why}, now unknown: {count:,} (characters: {chars:,})",
            why=note("that occur fewer than {least:,} times", least=3), count=2, chars=1234567,
        ),
        note("{epochs:g} passes over a text of this length take less than {seconds:g} s", epochs=12.5, seconds=60.0),
        note(
            "The loss is no longer finite. Lower the learning rate (now {rate:g}), or clip gradients at 1;"
            " the weights of before are kept.", rate=1e-06,
        ),
    ]  # fmt: skip
    for one in kept:
        for language in LANGUAGES:
            assert retold(str(one), language) == note_words(one, language)


@pytest.mark.parametrize(
    "sentence",
    [
        "", "Said by nobody.", "; " * 400, "x" * 10**6, "only the first 1,e of 2 characters", "{one}; {other}",
        "only the first " + "9" * 5000 + " of 2 characters", "exit code <b>",
        "line ends made LF: {all:,} (CRLF: 1, CR: 2)",
    ],
)  # fmt: skip
def test_a_strangers_sentence_stays_as_it_is_or_is_one_of_ours(sentence: str) -> None:
    for language in LANGUAGES:
        assert retold(sentence, language) in (sentence, say_code(language, sentence))


def say_code(language: str, sentence: str) -> str:
    return note_words(note("exit code {code}", code=sentence.removeprefix("exit code ")), language)


def test_no_language_is_left_in_english() -> None:
    for language in set(LANGUAGES) - {"en"}:
        same = {key for key, sentence in WORDS[language].items() if sentence == WORDS["en"][key]}
        shared = {"title", "top_k", "top_p", "validation", "no", "pause", "plot_zoom", "brief", "uniform"}
        assert same <= shared | {"nats_short", "bits_short"}, language


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
    assert f"{1234.5:,}".translate(str.maketrans(".,", separators(language))) == number(1234.5, ",", language)
    assert number(0.13, ".0%", language) == ("13\N{NO-BREAK SPACE}%" if language in ("es", "fr") else "13%")
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
