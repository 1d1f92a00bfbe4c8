"""A text -> what is shown of what is in it: its characters, and what counting achieves on it.

Pure functions, no Gradio. A table is {"headers": [...], "data": [[...], ...]}, all of it words.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from charlm.corpora import toy_of
from charlm.corpus import Corpus
from charlm.metrics import bits_per_char
from charlm.ui.words import number, say
from charlm.vocabulary import UNKNOWN
from charlm.yardsticks import QUICK_TRAIN, Yardstick, best, is_quick_whole

MOST_ROWS = 200
Table = dict[str, list[Any]]
NAMED = {  # that nobody sees, but many texts have
    " ": "char_space", "\n": "char_line_end", "\t": "char_tab", "\xa0": "char_no_break_space",
    "\u202f": "char_narrow_space", "\u2009": "char_thin_space", "\u3000": "char_wide_space", "\xad": "char_soft_hyphen",
    "\u200b": "char_zero_width", "\u200c": "char_non_joiner", "\u200d": "char_joiner", UNKNOWN: "char_unknown",
}  # fmt: skip
UNSEEN = ("C", "Z")  # categories of Unicode: control and format characters, separators
BARE_MARK = "\u25cc"  # the dotted circle that a combining mark is shown on


def character_table(corpus: Corpus, language: str = "en") -> Table:
    """Of each distinct character, the most frequent first: itself, its name, how often, its share.

    One that is read as the unknown symbol is marked beside its name.
    """
    counted = sorted(corpus.counts.items(), key=lambda one: (-one[1], one[0]))
    known = set(corpus.vocabulary.symbols)
    rows = [
        [seen(char), name_of(char, language) + _mark(char, known, language), *_amount(count, corpus, language)]
        for char, count in counted[:MOST_ROWS]
    ]
    if rest := counted[MOST_ROWS:]:
        name = say("char_others", language, count=len(rest))
        rows.append(["…", name, *_amount(sum(count for _, count in rest), corpus, language)])
    return _table(("char", "char_name", "char_count", "char_share"), rows, language)


def _table(heads: Sequence[str], rows: list[list[str]], language: str) -> Table:
    return {"headers": [say(key, language) for key in heads], "data": rows}


def seen(char: str) -> str:
    """A character as it can be seen: nothing for what is invisible, a mark on a circle."""
    category = unicodedata.category(char)
    if category.startswith(UNSEEN):
        return ""
    return BARE_MARK + char if category.startswith("M") else char


def name_of(char: str, language: str = "en") -> str:
    """What a person calls it: a word for the common invisible ones, else its code point and Unicode's English name."""
    if char in NAMED:
        return say(NAMED[char], language)
    return f"U+{ord(char):04X} {unicodedata.name(char, '').lower()}".rstrip()


def _amount(count: int, corpus: Corpus, language: str) -> tuple[str, str]:
    return number(count, ",", language), number(count / len(corpus.text), ".2%", language)


def _mark(char: str, known: set[str], language: str) -> str:
    return "" if char in known else f" → {say('char_folded', language)}"


def counted_view(corpus: Corpus, found: Sequence[Yardstick], language: str = "en") -> str:
    """What counting achieves, in a sentence, Markdown."""
    line = best(found)
    sentence = say("counting", language, count=int(line.name.removesuffix("-gram")), loss=line.loss)
    return sentence if is_quick_whole(corpus) else f"{sentence} {say('counting_part', language, chars=QUICK_TRAIN)}"


def yardstick_table(corpus: Corpus, found: Sequence[Yardstick], language: str = "en") -> Table:
    """Each yardstick: its name, nats, bits. What is known of a toy language stands first: nobody can do better."""
    toy = toy_of(corpus)
    known = [Yardstick(say("entropy_known", language), toy.entropy_rate)] if toy else []
    named = [Yardstick(_called(one.name, language), one.loss) for one in found]
    rows = [
        [one.name, number(one.loss, ".4f", language), number(bits_per_char(one.loss), ".4f", language)]
        for one in (*known, *named)
    ]
    return _table(("yardstick", "nats_short", "bits_short"), rows, language)


def _called(name: str, language: str) -> str:
    if not name.endswith("-gram"):
        return f"{name}: {say('uniform_known', language)}"
    return f"{name}: {say('gram_known', language, count=int(name.removesuffix('-gram')))}"
