"""vocabulary: counting, ids and prompts, against the plain Python definitions."""

import pickle
import random
import string
import time
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm import vocabulary
from charlm.errors import TextError
from charlm.vocabulary import MAX_SYMBOLS, UNKNOWN, Vocabulary, build_vocabulary, count_symbols, is_symbol

LETTERS = Vocabulary(tuple("\n abcdeoß"))
WITH_UNKNOWN = Vocabulary(("a", "b", " ", UNKNOWN))
CHARS = st.characters(exclude_categories=["Cs"])


def points(first: int, count: int) -> list[str]:
    """So many code points from `first` on, without surrogates."""
    return [chr(point) for point in range(first, 0x110000) if not 0xD800 <= point <= 0xDFFF][:count]


# --- counting and ids ---


@given(st.text(CHARS), st.integers(1, 7))
def test_counts_are_those_of_a_counter(text: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "CHUNK_CHARS", piece)
        counts = count_symbols(text)
    assert counts == Counter(text)
    assert list(counts) == sorted(counts)


@given(st.text(CHARS, min_size=1), st.integers(1, 7))
def test_decoding_gives_the_text_back(text: str, piece: int) -> None:
    made = build_vocabulary(count_symbols(text))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "CHUNK_CHARS", piece)
        ids = made.encode(text)
    assert ids.tolist() == [made.symbols.index(char) for char in text]
    assert made.decode(ids) == made.decode(ids.tolist()) == made.decode(iter(ids.tolist())) == text


def test_the_empty_text() -> None:
    assert count_symbols("") == {}
    assert LETTERS.encode("").tolist() == [] and LETTERS.decode([]) == ""


@pytest.mark.parametrize(
    ("size", "kind"),
    [(2, np.uint8), (256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.uint32), (70_000, np.uint32)],
)
def test_ids_take_as_few_bytes_as_they_can(size: int, kind: type) -> None:
    symbols = points(0x20, size)
    made = Vocabulary(tuple(symbols))
    ids = made.encode("".join(symbols))
    assert made.id_type is kind and ids.dtype == kind
    assert np.array_equal(ids, np.arange(size))
    assert made.decode(ids) == "".join(symbols)


def test_encode_with_and_without_an_unknown_symbol() -> None:
    assert WITH_UNKNOWN.encode("abcab👋").tolist() == [0, 1, 3, 0, 1, 3]
    assert (WITH_UNKNOWN.unknown_id, LETTERS.unknown_id) == (3, None)
    with pytest.raises(TextError, match="'x' is not in the vocabulary"):
        LETTERS.encode("abxy")


def test_the_first_missing_character_is_named_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "CHUNK_CHARS", 4)
    with pytest.raises(TextError, match="'x' is not"):
        LETTERS.encode("abcdeabcdexyab")


def test_an_id_that_does_not_exist() -> None:
    with pytest.raises(IndexError):
        LETTERS.decode([len(LETTERS)])


@pytest.mark.parametrize("symbols", [("a", "b", "a"), ("a", ""), ("ab",), ("a", "\ud800"), ("a", 7)])
def test_a_vocabulary_holds_distinct_characters(symbols: tuple[str, ...]) -> None:
    with pytest.raises(TextError, match="distinct single characters; "):
        Vocabulary(symbols)


def test_what_a_symbol_is() -> None:
    assert all(map(is_symbol, ["a", "\0", "é", "中", "👋", "\U0010ffff", "\ud7ff", "\ue000"]))
    assert not any(map(is_symbol, ["", "ab", "\ud800", "\udfff", None, 65, b"a"]))


def test_a_vocabulary_goes_to_another_process() -> None:
    assert LETTERS.decode(LETTERS.encode("abc")) == "abc"  # with whatever it keeps to be fast
    copy = pickle.loads(pickle.dumps(LETTERS))
    assert copy == LETTERS and copy.encode("abc").tolist() == LETTERS.encode("abc").tolist()


def test_long_texts_are_counted_encoded_and_decoded_without_loops() -> None:
    """A loop in Python takes at least 20 ns a character for each of the three; this has that for all of them."""
    text = "".join(random.Random(0).choices("abc é中文\n", k=10_000)) * 500
    counts = count_symbols(text)
    made = build_vocabulary(counts)[0]
    began = time.process_time()
    assert made.decode(made.encode(text)) == text and count_symbols(text) == counts
    assert time.process_time() - began < len(text) * 100e-9


# --- which symbols ---


def test_symbols_are_sorted_and_nothing_is_noted() -> None:
    assert build_vocabulary(Counter("hello\n world")) == (Vocabulary(tuple("\n dehlorw")), ())


def test_rare_symbols_fold() -> None:
    made, notes = build_vocabulary(Counter("aaabbbccd" + "e"), min_count=3)
    assert made.symbols == ("a", "b", UNKNOWN)
    assert [str(note) for note in notes] == ["symbols that occur fewer than 3 times, now unknown: 3 (characters: 4)"]
    assert made.encode("abcde").tolist() == [0, 1, 2, 2, 2]


def test_a_replacement_character_of_the_text_is_the_unknown_symbol() -> None:
    made, notes = build_vocabulary(Counter("aab" + UNKNOWN))
    assert (made.symbols, notes) == (("a", "b", UNKNOWN), ())
    assert made.encode("a" + UNKNOWN).tolist() == [0, 2]
    assert build_vocabulary(Counter("a" + UNKNOWN), alphabet="printable")[0].symbols[-1] == UNKNOWN


def test_sixty_thousand_symbols_fold_to_the_most_frequent() -> None:
    symbols = points(0x100, 60_000)
    frequent = random.Random(1).sample(symbols, MAX_SYMBOLS - 1)
    counts = Counter(symbols * 2) + Counter(frequent)
    made, notes = build_vocabulary(counts)
    assert set(made.symbols) == {*frequent, UNKNOWN}
    folded = 60_000 - len(frequent)
    told = f"symbols beyond the 1,999 most frequent, now unknown: {folded:,} (characters: {2 * folded:,})"
    assert [str(note) for note in notes] == [told]


def test_sixty_thousand_equally_rare_symbols_still_leave_some() -> None:
    made, notes = build_vocabulary(Counter(points(0x100, 60_000)))
    assert made.symbols == (*points(0x100, MAX_SYMBOLS - 1), UNKNOWN)
    assert len(made) == MAX_SYMBOLS and len(notes) == 1


@pytest.mark.parametrize("extra", [-1, 0])
def test_up_to_the_most_nothing_folds(extra: int) -> None:
    assert build_vocabulary(Counter(points(0x100, MAX_SYMBOLS + extra)))[1] == ()


def test_the_printable_alphabet() -> None:
    made, notes = build_vocabulary(Counter("plain text"), alphabet="printable")
    assert (sorted(made.symbols), len(made), notes) == (sorted(string.printable), 100, ())
    made, notes = build_vocabulary(Counter("café café 中"), alphabet="printable")
    assert len(made) == 101 and made.unknown_id == 100
    assert [str(note) for note in notes] == ["symbols outside string.printable, now unknown: 2 (characters: 3)"]


# --- prompts ---


def test_a_known_prompt_is_left_alone() -> None:
    prompt = LETTERS.encode_prompt("abc\n")
    assert (prompt.text, prompt.replaced) == ("abc\n", ())
    assert prompt.ids == tuple(LETTERS.encode("abc\n").tolist())
    assert all(type(i) is int for i in prompt.ids)


@pytest.mark.parametrize(
    ("prompt", "text", "replaced"),
    [
        ("é", "e", (("é", "e"),)),  # without its accent
        ("e\u0301", "e", (("é", "e"),)),  # composed first, so one character
        ("A", "a", (("A", "a"),)),  # in the other case
        ("À", "a", (("À", "a"),)),
        ("œ", "o", (("œ", "o"),)),
        ("ſ", " ", (("ſ", " "),)),  # its plain form is no symbol either
        ("a\r\nb\rc", "a\nb\nc", ()),
        ("x a x", "  a  ", (("x", " "),)),  # named once
        ("a\0b\ufeffc", "abc", ()),
        ("👨‍👩", "   ", (("👨", " "), ("\u200d", " "), ("👩", " "))),
        ("\ud800", " ", ((UNKNOWN, " "),)),
        ("", "", ()),
    ],
)
def test_a_prompt_says_what_it_replaced(prompt: str, text: str, replaced: tuple[tuple[str, str], ...]) -> None:
    read = LETTERS.encode_prompt(prompt)
    assert (read.text, read.replaced) == (text, replaced)
    assert read.ids == tuple(LETTERS.symbols.index(char) for char in text)


def test_the_apostrophe_of_telephones_is_an_apostrophe() -> None:
    made = Vocabulary(tuple("\"'-dnot"))
    assert made.encode_prompt("don’t—“to”").text == 'don\'t-"to"'


def test_stand_ins_by_rank() -> None:
    assert WITH_UNKNOWN.encode_prompt("中A").text == UNKNOWN + "a"
    assert Vocabulary(("y", "z")).encode_prompt("中").text == "y"  # no unknown symbol, no blank: the first


@given(st.text(CHARS))
def test_any_prompt_can_be_read(prompt: str) -> None:
    try:
        read = LETTERS.encode_prompt(prompt)
    except TextError as error:
        assert "accents" in str(error)
        return
    assert len(read.ids) == len(read.text) and LETTERS.decode(read.ids) == read.text
    assert not dict(read.replaced).keys() & set(LETTERS.symbols)
    assert dict(read.replaced).keys() | set(LETTERS.symbols) >= set(unicodedata.normalize("NFC", read.text))
