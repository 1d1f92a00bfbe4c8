"""yardsticks against a Witten-Bell of dictionaries and loops, against published figures, against a known source."""

import lzma
import math
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from charlm import yardsticks as module
from charlm.corpora.toys import find_toy
from charlm.yardsticks import Yardstick, best, ngram_losses, xz_loss, yardsticks

CORPORA = Path(os.environ.get("CHARLM_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
SHAKESPEARE = CORPORA / "tinyshakespeare.txt"


class FakeVocabulary(list[str]):
    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self[i] for i in ids)


@dataclass(frozen=True)
class FakeCorpus:
    """What yardsticks asks of a Corpus, without reading or cleaning anything. `rare` become one unknown symbol."""

    text: str
    rare: str = ""

    @cached_property
    def vocabulary(self) -> FakeVocabulary:
        return FakeVocabulary(sorted({"\ufffd" if symbol in self.rare else symbol for symbol in self.text}))

    @cached_property
    def ids(self) -> np.ndarray:
        place = {symbol: index for index, symbol in enumerate(self.vocabulary)}
        return np.array([place["\ufffd" if symbol in self.rare else symbol] for symbol in self.text], np.uint16)

    @property
    def train(self) -> np.ndarray:
        return self.ids[: int(len(self.text) * 0.9)]

    @property
    def validation(self) -> np.ndarray:
        return self.ids[len(self.train) :]


class SlowWittenBell:
    """The formula as it is written, one dictionary of counts for each context."""

    def __init__(self, train: list[int], size: int, order: int) -> None:
        self.size = size
        self.followers: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for length in range(order):
            for at in range(length, len(train)):
                self.followers[tuple(train[at - length : at])][train[at]] += 1

    def probability(self, symbol: int, context: tuple[int, ...]) -> float:
        shorter = self.probability(symbol, context[1:]) if context else 1 / self.size
        seen = self.followers.get(context, Counter())
        if not seen:
            return shorter
        return (seen[symbol] + len(seen) * shorter) / (seen.total() + len(seen))

    def loss(self, train: list[int], validation: list[int], order: int) -> float:
        text, nats = train + validation, 0.0
        for at in range(len(train), len(text)):
            nats -= math.log(self.probability(text[at], tuple(text[max(at - order + 1, 0) : at])))
        return nats / len(validation)


def slow_losses(train: list[int], validation: list[int], size: int, max_order: int) -> list[float]:
    return [SlowWittenBell(train, size, order).loss(train, validation, order) for order in range(1, max_order + 1)]


def lumpy_ids(dice: random.Random, size: int, length: int) -> list[int]:
    """Random ids with habits, so that some contexts come back and some do not."""
    ids = [0]
    while len(ids) < length:
        ids.append((ids[-1] * 3 + 1) % size if dice.random() < 0.6 else dice.randrange(size))
    return ids[:length]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("table", ["sorted", "tabled", "as it comes"])
def test_the_losses_are_those_of_counting_by_hand(seed: int, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "TABLE_PER_CHARACTER", {"sorted": -1, "tabled": 10**6, "as it comes": module.TABLE_PER_CHARACTER}[table]
    )
    dice = random.Random(seed)
    used = dice.choice([1, 2, 3, 7, 40])
    size = used + dice.choice([0, 1, 30])  # some symbols of the vocabulary never occur
    ids = lumpy_ids(dice, used, dice.randint(60, 500))
    split = dice.choice([len(ids) - 1, len(ids) * 9 // 10, len(ids) // 3])
    train, validation = ids[:split], ids[split:]
    found = ngram_losses(np.array(train, np.uint8), np.array(validation, np.uint8), size, 6)
    assert found == pytest.approx(slow_losses(train, validation, size, 6), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_shares_out_exactly_one(seed: int) -> None:
    dice = random.Random(seed)
    train = lumpy_ids(dice, 5, 80)
    slow = SlowWittenBell(train, 8, 4)
    for context in [(), (0,), (7,), (7, 7, 7), tuple(train[:3]), tuple(train[-3:])]:
        assert sum(slow.probability(symbol, context) for symbol in range(8)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_the_probabilities_of_all_next_characters_add_up_to_one(order: int) -> None:
    """Straight from the tested code: one validation character at a time, each of the vocabulary in turn."""
    train = np.array(lumpy_ids(random.Random(1), 6, 200), np.uint8)
    shares = [math.exp(-ngram_losses(train, np.array([symbol]), 9, order)[-1]) for symbol in range(9)]
    assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_by_hand() -> None:
    """Train "aab", validation "a", V = 2: p1(a) = (2 + 2/2) / (3 + 2); "b" was never continued, so p2 = p1."""
    found = ngram_losses(np.array([0, 0, 1]), np.array([0]), 2, 2)
    assert found == pytest.approx([math.log(5 / 3), math.log(5 / 3)])


def test_the_first_validation_context_is_the_end_of_train() -> None:
    """After "abab...a" a 2-gram is sure of "b", though the validation part has no character before it."""
    assert ngram_losses(np.array([0, 1] * 500 + [0]), np.array([1]), 2, 2)[1] < 0.01


def test_validation_is_not_counted() -> None:
    train, once = np.array([0, 1] * 20), [2, 3, 2, 3]
    for repeats in (1, 50):
        found = ngram_losses(train, np.array(once * repeats), 4)
        assert min(found) > math.log(4)  # never seen in train: worse than knowing nothing, however often it returns


@pytest.mark.parametrize("train_length", range(8))
def test_a_train_part_shorter_than_a_context(train_length: int) -> None:
    ids = [0, 1, 1, 0, 1, 1, 0, 1, 1, 0][: train_length + 2]
    train, validation = ids[:train_length], ids[train_length:]
    found = ngram_losses(np.array(train, np.uint8), np.array(validation, np.uint8), 3)
    assert found == pytest.approx(slow_losses(train, validation, 3, 6), abs=1e-12)


def test_without_train_every_order_is_uniform() -> None:
    assert ngram_losses(np.array([], np.uint8), np.array([3]), 7) == pytest.approx([math.log(7)] * 6)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_the_kind_of_the_ids_changes_nothing(kind: type) -> None:
    ids = np.array(lumpy_ids(random.Random(2), 200, 2000))
    expected = ngram_losses(ids[:1800], ids[1800:], 200)
    assert ngram_losses(ids[:1800].astype(kind), ids[1800:].astype(kind), 200) == expected


def test_a_vocabulary_of_seventy_thousand_cannot_overflow() -> None:
    """V ** 6 is 10 ** 29: a key that packed the symbols themselves would wrap round."""
    size, dice = 70_000, random.Random(3)
    ids = [size - 1 - one for one in lumpy_ids(dice, 50, 3000)]
    train, validation = ids[:2700], ids[2700:]
    found = ngram_losses(np.array(train, np.int32), np.array(validation, np.int32), size)
    assert found == pytest.approx(slow_losses(train, validation, size, 6), abs=1e-11)


def test_a_text_over_the_cap_is_judged_where_its_parts_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = FakeCorpus("".join(chr(97 + one) for one in lumpy_ids(random.Random(4), 7, 1000)))
    train, validation = corpus.train[500:900], corpus.validation[:50]
    monkeypatch.setattr(module, "MOST_TRAIN", 400)
    monkeypatch.setattr(module, "MOST_VALIDATION", 50)
    losses = [one.loss for one in yardsticks(corpus)]
    assert losses[1:-1] == ngram_losses(train, validation, 7)
    assert losses[-1] == xz_loss(corpus.text[500:900], corpus.text[900:950])


def test_xz_reads_the_text_that_the_network_reads() -> None:
    """A hundred rare symbols folded into one: the same text, to the network, as one written with one symbol."""
    dice = random.Random(9)
    rare = "".join(map(chr, range(0x4E00, 0x4E64)))
    text = "".join(dice.choice(rare) if dice.random() < 0.3 else dice.choice("abc") for _ in range(5000))
    folded = "".join("\ufffd" if symbol in rare else symbol for symbol in text)
    assert yardsticks(FakeCorpus(text, rare)) == yardsticks(FakeCorpus(folded))


def test_a_known_source_is_counted_to_its_entropy() -> None:
    toy = find_toy("toy-markov")
    assert toy is not None
    losses = ngram_losses(*np.split(FakeCorpus(toy.make(200_000, 5)).ids, [180_000]), 3)
    assert losses[2] == pytest.approx(toy.entropy_rate, rel=0.02)
    assert losses[1] > 1.05 * toy.entropy_rate  # one character of context is not enough


def test_names_and_order() -> None:
    corpus = FakeCorpus("the cat sat on the mat. " * 100)
    found = yardsticks(corpus)
    assert [one.name for one in found] == ["uniform", *(f"{order}-gram" for order in range(1, 7)), "xz"]
    assert found[0].loss == math.log(len(set(corpus.text)))
    assert [one.loss for one in found[1:-1]] == ngram_losses(corpus.train, corpus.validation, len(set(corpus.text)))


def test_best_is_the_lowest_ngram() -> None:
    found = [Yardstick("uniform", 0.1), Yardstick("1-gram", 3.0), Yardstick("2-gram", 2.0), Yardstick("xz", 0.5)]
    assert best(found) == Yardstick("2-gram", 2.0)


@pytest.mark.parametrize("text", ["abc" * 400, "".join(map(chr, range(0x4E00, 0x5200))), "🙂é" * 300])
def test_xz_is_what_the_library_says(text: str) -> None:
    """The window fitted to the text changes no size: against the plain preset."""
    split = len(text) * 9 // 10
    sizes = [len(lzma.compress(part.encode(), preset=9 | lzma.PRESET_EXTREME)) for part in (text, text[:split])]
    expected = (sizes[0] - sizes[1]) * 8 * math.log(2) / (len(text) - split)
    assert xz_loss(text[:split], text[split:]) == pytest.approx(expected)


def test_xz_of_noise_is_near_uniform_and_of_repetition_near_nothing() -> None:
    dice = random.Random(6)
    noise = "".join(dice.choices("abcdefghijklmnop", k=100_000))
    assert xz_loss(noise[:50_000], noise[50_000:]) == pytest.approx(math.log(16), rel=0.15)
    assert 0 <= xz_loss("to be or not to be. " * 4500, "to be or not to be. " * 500) < 0.02
    assert xz_loss("a" * 1000, "a") >= 0


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="0 characters"):
        ngram_losses(np.array([0, 1]), np.array([], np.uint8), 2)
    with pytest.raises(ValueError, match="from 0 to 5, outside a vocabulary of 5"):
        ngram_losses(np.array([0, 5]), np.array([1]), 5)
    with pytest.raises(ValueError, match="from -1 to 1"):
        ngram_losses(np.array([0, 1]), np.array([-1, 1]), 5)
    with pytest.raises(ValueError, match="Nothing to score"):
        xz_loss("abc", "")


@pytest.mark.skipif(not SHAKESPEARE.is_file(), reason=f"{SHAKESPEARE} is not there")
def test_tinyshakespeare() -> None:
    """Against figures measured by another program; shared/reference/field.md, 3a."""
    found = yardsticks(FakeCorpus(SHAKESPEARE.read_text(encoding="utf-8")))
    expected = [4.174, 3.347, 2.486, 2.049, 1.774, 1.669, 1.698, 1.746]
    assert [round(one.loss, 3) for one in found] == expected
    assert best(found).name == "5-gram"
