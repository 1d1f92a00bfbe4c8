"""The copy meter against brute force over all substrings, also when its hashes collide and its pieces are tiny."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm import copies as module
from charlm.copies import GRAMS, Copies, copies, passage_chars

LEAST = 5
FEW = st.text(alphabet="ab", max_size=40)
SOME = st.text(alphabet="abc \n", max_size=60)
WIDE = st.text(alphabet=st.sampled_from("aé€😀\u0301한\n"), max_size=40)
TALE = "the king was dead and the queen was not amused; the king was dead, said the queen. " * 3


def unseen_share(text: str, training: str, n: int) -> float:
    grams = [text[i : i + n] for i in range(len(text) - n + 1)]
    return sum(gram not in training for gram in grams) / len(grams)


def longest_length(text: str, training: str) -> int:
    return max(
        (j - i for i in range(len(text)) for j in range(i + 1, len(text) + 1) if text[i:j] in training), default=0
    )


def copied_places(text: str, training: str, least: int) -> set[int]:
    """The characters that lie in any copied passage of that length."""
    windows = (i for i in range(len(text) - least + 1) if text[i : i + least] in training)
    return {i + k for i in windows for k in range(least)}


def check(text: str, training: str, least: int = LEAST) -> Copies:
    found = copies(text, training, least)
    assert found.unseen.keys() == {n for n in GRAMS if n <= len(text)}
    for n, share in found.unseen.items():
        assert share == pytest.approx(unseen_share(text, training, n), abs=1e-12)
    start, end = found.longest
    assert end - start == longest_length(text, training) and text[start:end] in training
    places = [place for passage in found.passages for place in range(*passage)]
    assert places == sorted(copied_places(text, training, least))
    assert found.share == pytest.approx(len(places) / max(1, len(text)))
    return found


@given(FEW, FEW)
def test_two_letters(text: str, training: str) -> None:
    check(text, training)


@given(SOME, SOME, st.integers(1, 12))
def test_any_length_of_passage(text: str, training: str, least: int) -> None:
    check(text, training, least)


@given(WIDE, WIDE)
def test_any_script(text: str, training: str) -> None:
    check(text, training)


@given(SOME, SOME, st.integers(0, 60), st.integers(0, 60))
def test_a_quotation_in_the_middle(text: str, training: str, start: int, end: int) -> None:
    check(text[:5] + training[start:end] + text[5:], training)


@given(SOME, SOME, st.sampled_from([1, 2, 7]))
@settings(max_examples=60)
def test_pieces_of_the_training_text_lose_nothing(text: str, training: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_CHARS", piece)
        check(text, training)


@given(SOME, SOME)
@settings(max_examples=60)
def test_hashes_that_collide_change_nothing(text: str, training: str) -> None:
    """With the multiplier 1 every two windows with the same letters in any order have the same hash."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MULTIPLIER", 1)
        check(text, training)


def test_a_copy_is_one_passage() -> None:
    found = check(TALE[10:90], TALE, 20)
    assert (found.longest, found.passages, found.share) == ((0, 80), ((0, 80),), 1.0)
    assert set(found.unseen.values()) == {0.0}


def test_something_else_is_none() -> None:
    found = check("xyz" * 20, TALE, 20)
    assert (found.longest, found.passages, found.share) == ((0, 0), (), 0.0)
    assert set(found.unseen.values()) == {1.0}


def test_two_quotations_are_two_passages() -> None:
    text = TALE[:30] + "###" + TALE[50:75]
    assert check(text, TALE, 20).passages == ((0, 30), (33, 58))


@pytest.mark.parametrize(("text", "training"), [("", ""), ("", "abc"), ("abc", ""), ("a", "a"), ("abc", "abc")])
def test_hardly_any_text(text: str, training: str) -> None:
    assert check(text, training).unseen == {}


def test_a_text_that_repeats_itself_takes_no_longer() -> None:
    """Every window matches everywhere: twenty thousand places times twenty thousand."""
    found = copies("ab" * 10_000, "ab" * 10_000, 20)
    assert found.longest == (0, 20_000) and found.share == 1.0


def test_a_passage_is_as_long_as_its_alphabet_makes_unlikely() -> None:
    assert [passage_chars(symbols) for symbols in (65, 2000, 2, 1)] == [20, 11, 120, 120]
    assert passage_chars(10**9) == max(GRAMS)
