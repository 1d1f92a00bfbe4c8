"""What is shown of a text: every distinct character so that a person can read it, and what counting achieves."""

import unicodedata

import pytest
import tiny

from charlm.config import TextConfig
from charlm.corpora import load_corpus
from charlm.corpora.toys import find_toy
from charlm.corpus import corpus_from_text
from charlm.ui.source_views import MOST_ROWS, character_table, counted_view, name_of, seen, yardstick_table
from charlm.ui.words import LANGUAGES, number, say
from charlm.yardsticks import Yardstick, quick_yardsticks, yardsticks

ODD = "a\u00a0b\tc\u200bd\u0301\u202ee f\n" * 50  # no-break space, tab, zero width, a mark, right-to-left override


def test_characters_are_counted_most_frequent_first() -> None:
    corpus = corpus_from_text("aaab b\n" * 30, "t")
    table = character_table(corpus)
    assert table["headers"][0] == say("char") and len(table["headers"]) == 4
    rows = [(row[0], row[1], row[2], row[3]) for row in table["data"]]
    assert rows == [
        ("a", "U+0061 latin small letter a", "90", "42.86%"), ("b", "U+0062 latin small letter b", "60", "28.57%"),
        ("", say("char_line_end"), "30", "14.29%"), ("", say("char_space"), "30", "14.29%"),
    ]  # fmt: skip


def test_what_nobody_sees_has_a_name() -> None:
    corpus = corpus_from_text(ODD, "t")
    rows = {row[1]: row[0] for row in character_table(corpus)["data"]}
    for key in ("char_no_break_space", "char_tab", "char_zero_width", "char_space", "char_line_end"):
        assert rows[say(key)] == ""
    assert rows["U+202E right-to-left override"] == ""  # shown, it would turn the table around


@pytest.mark.parametrize("language", LANGUAGES)
def test_invisible_characters_are_named_in_every_language(language: str) -> None:
    for char, key in ((" ", "char_space"), ("\n", "char_line_end"), ("\ufffd", "char_unknown")):
        assert name_of(char, language) == say(key, language)


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\ue000", "\U000e0041", "\u0301", "é", "中", "👨"])
def test_any_character_can_be_shown(char: str) -> None:
    assert name_of(char).startswith(f"U+{ord(char):04X}")
    shown = seen(char)
    assert not any(unicodedata.category(one)[0] in "CZ" for one in shown)
    assert shown in ("", char, "\u25cc" + char)


def test_folded_characters_are_marked() -> None:
    corpus = corpus_from_text("abab" * 50 + "xyz", "t", TextConfig(min_count=2))
    names = {row[0]: row[1] for row in character_table(corpus)["data"]}
    assert {char for char, name in names.items() if name.endswith(f"→ {say('char_folded')}")} == {"x", "y", "z"}


def test_the_table_is_bounded_and_its_rest_is_summed() -> None:
    text = "".join(chr(0x4E00 + i) * (2 if i < MOST_ROWS else 1) for i in range(MOST_ROWS + 50))
    rows = character_table(corpus_from_text(text, "t"))["data"]
    assert len(rows) == MOST_ROWS + 1
    assert rows[-1][:3] == ["…", say("char_others", count=50), "50"]
    total = sum(int(row[2].replace(",", "")) for row in rows)
    assert total == len(text)


def test_numbers_have_the_languages_form() -> None:
    corpus = corpus_from_text("ab" * 5000, "t")
    assert character_table(corpus, "es")["data"][0][2:4] == ["5.000", "50,00\xa0%"]


def test_the_yardsticks_at_once_are_those_of_the_run() -> None:
    corpus = tiny.corpus()
    found = quick_yardsticks(corpus)
    assert found == yardsticks(corpus)[:-1]  # all but xz
    table = yardstick_table(corpus, found)
    assert [row[1] for row in table["data"]] == [number(one.loss, ".4f") for one in found]
    assert [row[0].split(":")[0] for row in table["data"]] == [one.name for one in found]


def test_of_a_long_text_a_part_is_counted_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tiny.corpus(5000)
    whole = counted_view(corpus, quick_yardsticks(corpus))
    monkeypatch.setattr("charlm.yardsticks.QUICK_TRAIN", 1000)
    part = quick_yardsticks(corpus)
    assert part != yardsticks(corpus)[:-1]
    assert say("counting_part", chars=1_000_000)[:12] in counted_view(corpus, part)
    assert say("counting_part", chars=1_000_000)[:12] not in whole


def test_the_sentence_tells_the_best_that_counting_does() -> None:
    found = [Yardstick("uniform", 1.0), Yardstick("1-gram", 3.0), Yardstick("2-gram", 2.5), Yardstick("3-gram", 2.7)]
    assert counted_view(tiny.corpus(), found) == say("counting", count=2, loss=2.5)


def test_what_is_known_of_a_toy_language_stands_first() -> None:
    corpus, toy = load_corpus("toy-markov"), find_toy("toy-markov")
    assert toy is not None
    rows = yardstick_table(corpus, [Yardstick("uniform", 2.0)])["data"]
    assert rows[0][:2] == [say("entropy_known"), number(toy.entropy_rate, ".4f")] and len(rows) == 2
