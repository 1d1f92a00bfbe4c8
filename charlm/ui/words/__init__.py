"""Every sentence of the page, in five languages: a module for each. Knows nothing of components.

A module holds WORDS by key; and, but for English, whose words stand where they are declared or raised, KNOBS (the names
of the settings and what they are) and ERRORS by their English template.

Values go in by name, numbers in the language's own form: say("step", "es", step=1234.5). A key that a language lacks is
said in English; a test sees to it that none does.
"""

import string
from typing import Any

from charlm.errors import CharlmError
from charlm.ui.words import en, es, fr, ko, zh

WORDS: dict[str, dict[str, str]] = {"en": en.WORDS, "es": es.WORDS, "fr": fr.WORDS, "zh": zh.WORDS, "ko": ko.WORDS}
OTHERS = {"es": es, "fr": fr, "zh": zh, "ko": ko}
LANGUAGES = {"en": "English", "es": "Español", "fr": "Français", "zh": "简体中文", "ko": "한국어"}  # in their own words
SEPARATORS = {"es": str.maketrans(",.", ".,"), "fr": str.maketrans({",": "\N{NARROW NO-BREAK SPACE}", ".": ","})}


class _Sentence(string.Formatter):
    """str.format, but for numbers, which take the separators of a language."""

    def __init__(self, language: str) -> None:
        self.separators = SEPARATORS.get(language, {})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = format(value, format_spec)
        return text.translate(self.separators) if isinstance(value, int | float) else text


def say(key: str, language: str = "en", **values: object) -> str:
    """A sentence in a language, with its values."""
    sentence = WORDS.get(language, {}).get(key) or WORDS["en"][key]
    return _Sentence(language).vformat(sentence, (), values) if values else sentence


def number(value: float, spec: str, language: str = "en") -> str:
    """A number that stands alone, in the language's own form."""
    return _Sentence(language).format_field(value, spec)


def knob_words(name: str, about: str, language: str = "en") -> tuple[str, str]:
    """The name of a setting, and what it is: `about` in English."""
    if language in OTHERS and name in OTHERS[language].KNOBS:
        return OTHERS[language].KNOBS[name]
    return name.replace("_", " ").capitalize(), about


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
    return _Sentence(language).vformat(template, (), values) if values else template
