"""toys against readers written here from the rules alone: the ideal predictor's loss is the stated rate."""

import hashlib
import itertools
import math
import pickle
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from charlm.corpora import toys
from charlm.corpora.toys import TOYS, Toy, find_toy, promise, promise_without_memory

LENGTH = 200_000
ALPHABETS = {
    "toy-markov": "no ",
    "toy-brackets": "()[]{}<>\n",
    "toy-promise": "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-\n",
    "toy-sums": "0123456789+=\n",
}
every_toy = pytest.mark.parametrize("toy", [*TOYS, promise(1), promise(40)], ids=lambda toy: toy.name)


def named(name: str) -> Toy:
    toy = find_toy(name)
    assert toy is not None
    return toy


def whole_lines(text: str) -> list[str]:
    """Without the last, which may be cut."""
    return text.split("\n")[:-1]


# --- what holds for all of them ---


@every_toy
@pytest.mark.parametrize("length", [0, 1, 2, 3, 17, 1000, 12_345])
def test_the_length_is_exact(toy: Toy, length: int) -> None:
    assert len(toy.make(length, 1)) == length


@every_toy
def test_a_seed_is_a_text(toy: Toy) -> None:
    assert toy.make(5000, 7) == toy.make(5000, 7) != toy.make(5000, 8)


@every_toy
def test_a_longer_text_continues_the_shorter_one(toy: Toy) -> None:
    whole = toy.make(3000, 3)
    assert all(whole.startswith(toy.make(length, 3)) for length in (1, 10, 99, 1000))


@every_toy
def test_the_alphabet(toy: Toy) -> None:
    alphabet = ALPHABETS["toy-promise" if toy.name.startswith("toy-promise") else toy.name]
    assert set(toy.make(LENGTH, 2)) == set(alphabet)
    assert 0 < toy.entropy_rate < math.log(len(alphabet))


@every_toy
def test_a_toy_goes_to_another_process(toy: Toy) -> None:
    assert pickle.loads(pickle.dumps(toy)).make(100, 1) == toy.make(100, 1)


@every_toy
def test_a_negative_length_is_refused(toy: Toy) -> None:
    with pytest.raises(ValueError, match="-1,000"):
        toy.make(-1000, 0)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("toy-markov", "6fe35c98fa9011a3"),
        ("toy-brackets", "86f74106927628a8"),
        ("toy-promise", "6a94a297c949a6ac"),
        ("toy-sums", "b4655e584d3e26a5"),
    ],
)
def test_the_texts_are_the_same_on_every_machine(name: str, digest: str) -> None:
    """Digests from one machine: a run's corpus must be found again on another, and next year."""
    assert hashlib.sha256(named(name).make(10_000, 0).encode()).hexdigest()[:16] == digest


# --- names ---


def test_names_find_their_toys() -> None:
    assert [toy.name for toy in TOYS] == ["toy-markov", "toy-brackets", "toy-promise", "toy-sums"]
    assert all(find_toy(toy.name) == toy for toy in TOYS)
    assert named("toy-promise-40").name == "toy-promise-40"
    assert named("toy-promise-12").name == "toy-promise"  # one language, one name
    assert find_toy(f"toy-promise-{toys.FARTHEST_PROMISE}") is not None


@pytest.mark.parametrize(
    "name",
    ["", "toy", "toy-Sums", "toy-sums ", "toy-promise-", "toy-promise-0", "toy-promise-07", "toy-promise--3",
     "toy-promise-2001", "toy-promise-99999", "toy-promise-4.5", "toy-promise-٤", "toy-promise-4\n", "toy-sums-3"],
)  # fmt: skip
def test_other_names_find_nothing(name: str) -> None:
    assert find_toy(name) is None


@pytest.mark.parametrize("distance", [-3, 0, 2001])
def test_a_distance_out_of_range_is_refused(distance: int) -> None:
    with pytest.raises(ValueError, match=f"over {distance} characters: choose a distance from 1 to 2,000"):
        promise(distance)


# --- the rules are kept ---


def test_brackets_balance() -> None:
    partner = {")": "(", "]": "[", "}": "{", ">": "<"}
    deepest = 0
    for line in whole_lines(named("toy-brackets").make(LENGTH, 4)):
        stack: list[str] = []
        for at, character in enumerate(line):
            if character in partner:
                assert stack.pop() == partner[character]
            else:
                stack.append(character)
            deepest = max(deepest, len(stack))
            assert stack or at == len(line) - 1  # a line is one outermost pair
        assert line and not stack
    assert deepest == toys.DEEPEST


@pytest.mark.parametrize("distance", [1, 12, 40])
def test_promises_are_kept(distance: int) -> None:
    lines = whole_lines(promise(distance).make(LENGTH, 5))
    assert len(lines) == LENGTH // (distance + 3)
    for line in lines:
        assert len(line) == distance + 2
        assert line[0] == line[-1] and line[0].isupper() and set(line[1:-1]) <= set(".-")


def test_sums_are_right_and_all_occur() -> None:
    pairs = set()
    for line in whole_lines(named("toy-sums").make(1_000_000, 6)):
        first, rest = line.split("+")
        second, total = rest.split("=")
        assert str(int(first)) == first and str(int(second)) == second and str(int(total)) == total
        assert int(first) + int(second) == int(total)
        pairs.add((int(first), int(second)))
    assert len(pairs) > 9_990 and max(pairs) == (99, 99)


def test_markov_rows_are_distributions_over_reachable_pairs() -> None:
    for pair, row in toys.MARKOV_CHANCES.items():
        assert sum(row) == pytest.approx(1, abs=1e-12)
        for letter, chance in zip("no ", row, strict=True):
            assert chance == 0 or pair[1] + letter in toys.MARKOV_CHANCES
    text = named("toy-markov").make(LENGTH, 7)
    assert {first + second for first, second in itertools.pairwise(text)} == set(toys.MARKOV_CHANCES)


# --- the rate, by readers who know the rules ---


def markov_reader(text: str) -> Iterator[float]:
    before = "n "
    for letter in text:
        yield -math.log(toys.MARKOV_CHANCES[before]["no ".index(letter)])
        before = before[1] + letter


def brackets_reader(text: str) -> Iterator[float]:
    """Only the depth matters to one who knows what is due."""
    depth, before = 0, "\n"
    for character in text:
        if character in "([{<":
            yield math.log(4) - (math.log(toys.OPENING) if depth else 0)
            depth += 1
        elif character != "\n":
            yield -math.log(1 - toys.OPENING) if depth < toys.DEEPEST else 0.0
            depth -= 1
        else:
            assert depth == 0 and before != "\n"
            yield 0.0
        before = character


def promise_reader(distance: int, due: float = 0.0) -> Callable[[str], Iterator[float]]:
    line = [math.log(26), *[math.log(2)] * distance, due, 0.0]
    return lambda text: itertools.islice(itertools.cycle(line), len(text))


def sums_reader(text: str) -> Iterator[float]:
    """Knows the 10,000 possible lines, and keeps those that fit what it has read."""
    lines = [f"{first}+{second}={first + second}\n" for first in range(100) for second in range(100)]
    fitting = Counter(line[:end] for line in lines for end in range(len(line) + 1))
    read = ""
    for character in text:
        yield math.log(fitting[read] / fitting[read + character])
        read = "" if character == "\n" else read + character


READERS = [
    (named("toy-markov"), markov_reader),
    (named("toy-brackets"), brackets_reader),
    (named("toy-promise"), promise_reader(12)),
    (promise(40), promise_reader(40)),
    (named("toy-sums"), sums_reader),
]


@pytest.mark.parametrize(("toy", "reader"), READERS, ids=[toy.name for toy, _ in READERS])
def test_the_ideal_reader_loses_the_entropy_rate(toy: Toy, reader: Callable[[str], Iterator[float]]) -> None:
    losses = np.fromiter(reader(toy.make(LENGTH, 8)), float, LENGTH)
    blocks = losses.reshape(200, -1).mean(axis=1)  # (block,) long enough to be nearly independent
    error = blocks.std(ddof=1) / math.sqrt(len(blocks))
    assert error < 0.01 * toy.entropy_rate  # the test can tell one per cent
    assert abs(losses.mean() - toy.entropy_rate) < 4 * error + 1e-4


@pytest.mark.parametrize(("toy", "memory"), [(named("toy-markov"), 2), (promise(1), 2), (promise(2), 3)])
def test_the_rate_is_what_counting_finds(toy: Toy, memory: int) -> None:
    """Without the rules: the entropy of a character given the last ones, from their frequencies."""
    text = toy.make(LENGTH, 9)
    grams = [text[at : at + memory + 1] for at in range(len(text) - memory)]
    contexts = Counter(gram[:-1] for gram in grams)
    found = -sum(n * math.log(n / contexts[gram[:-1]]) for gram, n in Counter(grams).items()) / len(grams)
    assert found == pytest.approx(toy.entropy_rate, rel=0.01)


def test_the_markov_rate_by_following_the_chances() -> None:
    """From the start, step by step: the shares of the pairs settle, and their entropies' mean with them."""
    shares = {"n ": 1.0}
    for _ in range(2000):
        moved: Counter[str] = Counter()
        for pair, share in shares.items():
            for letter, chance in zip("no ", toys.MARKOV_CHANCES[pair], strict=True):
                moved[pair[1] + letter] += share * chance
        shares = {pair: share for pair, share in moved.items() if share}
    nats = sum(-s * c * math.log(c) for pair, s in shares.items() for c in toys.MARKOV_CHANCES[pair] if c)
    assert named("toy-markov").entropy_rate == pytest.approx(nats, abs=1e-12)


def test_the_brackets_rate_by_lines() -> None:
    """The other road: entropy and length of a whole line, by how often a line is expected to be at each depth.

    Depths 1 ... D are a walk with steps up and down, and as many steps go up from d as come down to it:
    visits(d) opening(d) = visits(d + 1) closing(d + 1). A line closes its outermost pair once.
    """
    opening = [0.0, *[toys.OPENING] * (toys.DEEPEST - 1), 0.0]  # by depth; depth 0 is the line's start
    visits = [1.0, 1 / (1 - opening[1])]
    for depth in range(1, toys.DEEPEST):
        visits.append(visits[depth] * opening[depth] / (1 - opening[depth + 1]))
    both = -toys.OPENING * math.log(toys.OPENING) - (1 - toys.OPENING) * math.log(1 - toys.OPENING)
    nats = math.log(4) + sum(visits[1:-1]) * (both + toys.OPENING * math.log(4))
    assert named("toy-brackets").entropy_rate == pytest.approx(nats / (sum(visits) + 1), abs=1e-12)


def test_the_sums_rate_by_lines() -> None:
    lines = Counter(f"{first}+{second}={first + second}\n" for first in range(100) for second in range(100))
    entropy = -sum(n / 10_000 * math.log(n / 10_000) for n in lines.values())
    length = sum(n * len(line) for line, n in lines.items()) / 10_000
    assert named("toy-sums").entropy_rate == pytest.approx(entropy / length, abs=1e-12)


@pytest.mark.parametrize("distance", [1, 12, 40])
def test_who_forgets_the_promise_guesses_among_26(distance: int) -> None:
    length = 100 * (distance + 3)  # whole lines: the reader's loss is the same in each
    forgetful = list(promise_reader(distance, due=math.log(26))(promise(distance).make(length, 0)))
    assert promise_without_memory(distance) == pytest.approx(sum(forgetful) / length, abs=1e-12)
