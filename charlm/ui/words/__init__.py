"""Every sentence of the page, in five languages: a module for each. Knows nothing of components.

A module holds WORDS by key; and, but for English, whose words stand where they are declared, raised or noted, KNOBS (the
names of the settings and what they are), ERRORS and NOTES by their English template.

Values go in by name, numbers in the language's own form: say("step", "es", step=1234.5). A key that a language lacks is
said in English; a test sees to it that none does.
"""

import functools
import re
import string
from collections.abc import Mapping
from typing import Any

from charlm.errors import CharlmError
from charlm.notes import Note
from charlm.ui.words import en, es, fr, ko, zh

WORDS: dict[str, dict[str, str]] = {"en": en.WORDS, "es": es.WORDS, "fr": fr.WORDS, "zh": zh.WORDS, "ko": ko.WORDS}
OTHERS = {"es": es, "fr": fr, "zh": zh, "ko": ko}
LANGUAGES = {"en": "English", "es": "Español", "fr": "Français", "zh": "简体中文", "ko": "한국어"}  # in their own words
SEPARATORS = {"es": str.maketrans(",.", ".,"), "fr": str.maketrans({",": "\N{NARROW NO-BREAK SPACE}", ".": ","})}
NUMBER = r"[0-9][0-9,]{0,30}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?"  # as format() writes one
LONGEST_KEPT = 1000  # characters of a sentence from a file that may be one of ours


BUDGETS = ("seconds", "steps", "epochs")  # settings that are 0 where another one is the budget
NOTHING = "–"


class _Sentence(string.Formatter):
    """str.format, but numbers take the separators of a language, and notes and errors are said in it."""

    def __init__(self, language: str) -> None:
        self.language, self.separators = language, SEPARATORS.get(language, {})

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Note):
            return note_words(value, self.language)
        if isinstance(value, CharlmError):
            return error_words(value, self.language)
        text = format(value, format_spec)
        if not isinstance(value, int | float):
            return text
        return text.translate(self.separators).replace("%", "\N{NO-BREAK SPACE}%" if self.separators else "%")


def say(key: str, language: str = "en", **values: object) -> str:
    """A sentence in a language, with its values."""
    sentence = WORDS.get(language, {}).get(key) or WORDS["en"][key]
    return _Sentence(language).vformat(sentence, (), values) if values else sentence


def number(value: float, spec: str, language: str = "en") -> str:
    """A number that stands alone, in the language's own form."""
    return _Sentence(language).format_field(value, spec)


def separators(language: str = "en") -> str:
    """What stands before decimals and between thousands: ".," in English."""
    return ".,".translate(SEPARATORS.get(language, {}))


def knob_words(name: str, about: str, language: str = "en") -> tuple[str, str]:
    """The name of a setting, and what it is: `about` in English."""
    if language in OTHERS and name in OTHERS[language].KNOBS:
        return OTHERS[language].KNOBS[name]
    return name.replace("_", " ").capitalize(), about


def value_words(name: str, value: Any, language: str = "en") -> str:
    """What a setting is set to, for people."""
    if isinstance(value, bool):
        return say("yes" if value else "no", language)
    if isinstance(value, str):
        return value
    if name in BUDGETS and not value:
        return NOTHING
    return number(value, "g" if isinstance(value, float) else "d" if name == "seed" else ",", language)


def error_words(error: CharlmError, language: str = "en") -> str:
    """An error's sentence in a language; in English where the language lacks its template."""
    template = OTHERS[language].ERRORS.get(error.template, "") if language in OTHERS else ""
    key = next((key for key, sentence in WORDS["en"].items() if sentence == error.template), "")
    template = template or WORDS.get(language, WORDS["en"]).get(key, "")
    if not template:
        return str(error)
    values = dict(error.values)
    if "knob" in values:
        values["knob"] = knob_words(str(values["knob"]), "", language)[0]
    return _filled(template, values, language)


def note_words(told: Note, language: str = "en") -> str:
    """A note's sentence in a language; in English where the language lacks its template."""
    template = OTHERS[language].NOTES.get(told.template, "") if language in OTHERS else told.template
    return _filled(template, told.values, language) if template else retold(str(told), language)


def retold(sentence: str, language: str = "en") -> str:
    """What a file keeps in English (an old run's notes, its last advice) in a language, where it is one of our notes."""
    notes = OTHERS[language].NOTES if language in OTHERS and len(sentence) <= LONGEST_KEPT else {}
    for template, translated in notes.items():
        if found := _shape(template).fullmatch(sentence):
            values = {name: _read_back(text, language) for name, text in found.groupdict().items()}
            return _filled(translated, values, language)
    return sentence


def _filled(template: str, values: Mapping[str, object], language: str) -> str:
    return _Sentence(language).vformat(template, (), values) if values else template


@functools.cache
def _shape(template: str) -> re.Pattern[str]:
    """What the sentences of a template look like; a field that is written as a number holds one."""
    pieces, has_words = [], re.search(r"[a-z]", re.sub(r"\{.*?\}", "", template))
    for text, name, spec, _ in string.Formatter().parse(template):
        pieces.append(re.escape(text))
        pieces.append(rf"(?P<{name}>{NUMBER if spec else '.+?'})" if name else "")
    return re.compile("".join(pieces) if has_words else r"(?!)", re.DOTALL)


def _read_back(text: str, language: str) -> object:
    """A number as a number, so that it takes the language's form; anything else may be a note."""
    for kind in (int, float):
        try:
            return kind(text.replace(",", "")) if text[:1].isdecimal() else retold(text, language)
        except ValueError:
            continue
    return text
