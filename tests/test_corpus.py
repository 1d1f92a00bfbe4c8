"""corpus: what is learned, what is held back, and which texts are refused."""

import hashlib
import random
import string

import numpy as np
import pytest

from charlm.config import TextConfig
from charlm.corpus import MIN_CHARS, Corpus, corpus_from_bytes, corpus_from_text
from charlm.errors import TextError
from charlm.vocabulary import UNKNOWN

TEXTS = {
    "english": "It was the best of times,\nit was the worst of times. " * 7,
    "french": "Où est l’été ? Là-bas, près du cœur.\n" * 5,
    "korean": "나는 오늘 빵집에 갔다.\n" * 11,
    "emoji": "👨‍👩‍👧‍👦 🇫🇷🇪🇸 👋🏽 ok\n" * 9,
    "two symbols": "ab" * 50,
}
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@every_text
def test_ids_are_the_text(text: str) -> None:
    corpus = corpus_from_text(text, "title")
    assert corpus.text == text and corpus.title == "title"
    assert corpus.vocabulary.symbols == tuple(sorted(set(text)))
    assert corpus.vocabulary.decode(corpus.ids) == text
    assert corpus.counts == {char: text.count(char) for char in set(text)}
    assert corpus.report.chars == len(text) and corpus.report.notes == ()


@every_text
def test_the_digest_is_that_of_the_text_in_utf8(text: str) -> None:
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    for data in (text.encode("utf-8"), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-32")):
        assert corpus_from_bytes(data, "x").digest == digest
    assert corpus_from_text(text, "x").digest == digest
    assert corpus_from_bytes(text.replace("\n", "\r\n").encode(), "x").digest == digest


@pytest.mark.parametrize("chars", [100, 101, 109, 110, 111, 999, 1000, 12_345])
def test_nine_tenths_train_and_one_tenth_validates(chars: int) -> None:
    corpus = corpus_from_text(("abcdefghij" * chars)[:chars], "x")
    assert len(corpus.train) == corpus.cut == chars * 9 // 10
    assert np.array_equal(np.concatenate([corpus.train, corpus.validation]), corpus.ids)
    assert np.shares_memory(corpus.train, corpus.ids) and np.shares_memory(corpus.validation, corpus.ids)


@pytest.mark.parametrize("chars", [1, 2, MIN_CHARS - 1])
def test_a_text_too_short_is_refused(chars: int) -> None:
    with pytest.raises(TextError, match=f"The text has {chars} characters; at least 100 are needed"):
        corpus_from_bytes(b"ab" * (chars // 2) + b"a" * (chars % 2), "x")
    assert len(corpus_from_text("ab" * (MIN_CHARS // 2), "x").ids) == MIN_CHARS


def test_what_made_a_text_short_is_said() -> None:
    with pytest.raises(TextError, match=r"has 0 characters \(control characters removed: 1,000\)"):
        corpus_from_text("\0" * 1000, "x")
    with pytest.raises(TextError, match=r"has 40 characters \(folded to ASCII \(400 characters became 40\)\);"):
        corpus_from_text("他说了「好」。他走\n" * 40, "x", TextConfig(ascii=True))
    with pytest.raises(TextError, match="has 0 characters"):
        corpus_from_bytes(b"\xef\xbb\xbf", "x")


@pytest.mark.parametrize("char", ["a", "\n", "中", "👋"])
def test_one_character_over_and_over_is_refused(char: str) -> None:
    with pytest.raises(TextError, match="is one character, .*, over and over"):
        corpus_from_text(char * 1000, "x")


def test_sixty_thousand_code_points_fold_with_a_note() -> None:
    symbols = [chr(point) for point in range(0x4E00, 0x4E00 + 20_000)] + [
        chr(p) for p in range(0x20000, 0x20000 + 40_000)
    ]
    random.Random(0).shuffle(symbols)
    corpus = corpus_from_text("".join(symbols) + "的一是" * 100, "x")
    assert len(corpus.vocabulary) == 2000 and corpus.ids.dtype == np.uint16
    assert {"的", "一", "是", UNKNOWN} <= set(corpus.vocabulary.symbols)
    (told,) = map(str, corpus.report.notes)
    assert told == "symbols beyond the 1,999 most frequent, now unknown: 58,001 (characters: 58,001)"
    assert (corpus.ids == corpus.vocabulary.unknown_id).sum() == 58_001
    assert len(corpus.counts) == 60_000


def test_min_count() -> None:
    corpus = corpus_from_text("abc" * 40 + "xyz", "x", TextConfig(min_count=2))
    assert corpus.vocabulary.symbols == ("a", "b", "c", UNKNOWN)
    assert corpus.vocabulary.decode(corpus.ids) == "abc" * 40 + UNKNOWN * 3
    assert corpus.text.endswith("xyz")
    with pytest.raises(TextError, match="Fewer than two symbols of the text are left .*min_count 41.*Lower min_count"):
        corpus_from_text("abc" * 40 + "xyz", "x", TextConfig(min_count=41))


def test_the_printable_alphabet() -> None:
    corpus = corpus_from_text("Été à la mer. " * 10, "x", TextConfig(alphabet="printable"))
    assert corpus.vocabulary.symbols == (*sorted(string.printable), UNKNOWN)
    assert corpus.vocabulary.decode(corpus.ids[:5]) == f"{UNKNOWN}t{UNKNOWN} {UNKNOWN}"
    with pytest.raises(TextError, match="alphabet printable"):
        corpus_from_text("河边的茶馆。" * 30, "x", TextConfig(alphabet="printable"))


def test_the_config_is_kept_and_the_text_read_again_is_the_same() -> None:
    """As when a run is resumed: its text.txt is read under the same settings."""
    config = TextConfig(ascii=True, min_count=3, max_chars=300)
    once = corpus_from_bytes(("\ufeffe\u0301 “caf\0é”\r\n" * 99).encode(), "x", config)
    again = corpus_from_text(once.text, "x", config)
    assert once.config == config and len(once.text) == 300
    assert (again.digest, again.vocabulary, again.counts) == (once.digest, once.vocabulary, once.counts)
    assert np.array_equal(again.ids, once.ids)
    assert again.report.notes == () and len(once.report.notes) == 6


def test_a_corpus_is_itself_alone() -> None:
    """Comparing would compare arrays, which have no one answer."""
    one, other = (corpus_from_text("ab" * 50, "x") for _ in range(2))
    assert one == one and one != other and isinstance(hash(one), int)
    assert isinstance(one, Corpus)
