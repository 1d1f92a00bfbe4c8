"""Toy languages: texts written by code from a seed, at any length, whose exact entropy rate is known.

A network's loss on real text can only be compared with other losses. On a toy it can be compared with the truth: the
rate is what a reader who knows every rule, and forgets nothing, still cannot foresee. Each toy asks for one kind of
memory: the last two letters (toy-markov), a stack (toy-brackets), one letter over a distance (toy-promise), and
arithmetic (toy-sums).

Knows: random numbers and characters. Does not know: vocabularies, corpora, models.

Why the rate is a floor: a predictor's expected loss is the conditional entropy plus a Kullback-Leibler divergence that
is never negative (Gibbs). One measured loss may lie below the rate by luck, by about 1 / sqrt(characters) of it.

Where the mathematics comes from. Entropy rate of a source whose next symbol depends on a state that the text reveals:
the states' stationary shares times their entropies (Shannon 1948, section 7; Cover and Thomas, theorem 4.2.4). Rate of
a text made of independent lines, each of which tells where it ends: E[entropy of a line] / E[length of a line], by the
renewal-reward theorem, since the entropies of a line's characters, each given those before it, add up to the line's.

Both are limits. A text of n characters starts at the start of a line and is cut at n wherever that falls, so its own
expected loss per character under the ideal predictor is the rate plus a term that vanishes as 1 / n.

The dice are random.Random(seed).random() alone: of the standard library's and numpy's generators the one whose numbers
Python promises never to change. A longer text of the same seed continues the shorter one.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Toy:
    name: str
    about: str  # one sentence for people: what memory it needs
    make: Callable[[int, int], str]  # (length, seed) -> a text of exactly that many characters
    entropy_rate: float  # nats per character of the infinite text: a loss can approach it, and pass it only by luck


def find_toy(name: str) -> Toy | None:
    """The toy of that name, also "toy-promise-40" for a distance of 40. None where there is none, or not that far."""
    if match := re.fullmatch(r"toy-promise-([1-9][0-9]{0,3})", name):
        distance = int(match[1])
        return promise(distance) if distance <= FARTHEST_PROMISE else None
    return next((toy for toy in TOYS if toy.name == name), None)


# --- toy-markov: each letter depends on the two before it ---

# The chances of the next letter by the last two, in the order of MARKOV_LETTERS. No row for two spaces: a space never
# follows a space. The text reads "on no noon non ...".
MARKOV_LETTERS = "no "
MARKOV_CHANCES: Mapping[str, tuple[float, float, float]] = {
    "nn": (0.0, 0.7, 0.3),
    "no": (0.4, 0.4, 0.2),
    "n ": (0.6, 0.4, 0.0),
    "on": (0.1, 0.1, 0.8),
    "oo": (0.9, 0.0, 0.1),
    "o ": (0.8, 0.2, 0.0),
    " n": (0.0, 1.0, 0.0),
    " o": (1.0, 0.0, 0.0),
}
MARKOV_START = "n "  # as if a word had just ended


def markov() -> Toy:
    about = (
        "Three letters, each drawn by the two before it: needs to remember two characters, and counting does as well."
    )
    return Toy("toy-markov", about, _markov_text, _markov_rate())


def _markov_text(length: int, seed: int) -> str:
    last, letters = MARKOV_START, []
    for roll in _dice(length, seed).ravel().tolist():
        first, second, _ = MARKOV_CHANCES[last]
        letter = MARKOV_LETTERS[(roll >= first) + (roll >= first + second)]
        letters.append(letter)
        last = last[1] + letter
    return "".join(letters)


def _markov_rate() -> float:
    """The states are the pairs of letters; a pair's entropy is that of its row."""
    states = list(MARKOV_CHANCES)
    moves = np.zeros((len(states), len(states)))  # (state, next state)
    for here, row in enumerate(MARKOV_CHANCES.values()):
        for letter, chance in zip(MARKOV_LETTERS, row, strict=True):
            if chance > 0:
                moves[here, states.index(states[here][1] + letter)] = chance
    entropies = np.array([_entropy(row) for row in MARKOV_CHANCES.values()])  # (state,)
    return float(_stationary(moves) @ entropies)


# --- toy-brackets: a closing bracket must fit the opening one, however long ago that was ---

BRACKETS = ("()", "[]", "{}", "<>")
DEEPEST = 8  # brackets open at once
OPENING = 0.55  # the chance to open one more where both opening and closing are allowed


def brackets() -> Toy:
    about = (
        f"Nested brackets of {len(BRACKETS)} kinds, up to {DEEPEST} deep, a line for each outermost pair: "
        "needs a stack, to know which bracket is due."
    )
    return Toy("toy-brackets", about, _brackets_text, _brackets_rate())


def _brackets_text(length: int, seed: int) -> str:
    """One roll a character: it decides between opening and closing, and what is left of it decides the kind."""
    due: list[str] = []  # the closing brackets owed, the innermost last; the newline is owed by the line
    text: list[str] = []
    for roll in _dice(length, seed).ravel().tolist():
        opening = OPENING if 1 < len(due) <= DEEPEST else float(not due)
        if roll < opening:
            pair = BRACKETS[int(roll / opening * len(BRACKETS))]
            due.extend(pair[1] if due else "\n" + pair[1])
            text.append(pair[0])
        else:
            text.append(due.pop())
    return "".join(text)


def _brackets_rate() -> float:
    """The states are the number of characters owed, 0 (a line's start), 1 (its newline) ... DEEPEST + 1.

    A closing bracket's kind is owed, so it costs nothing; an opening one's costs ln(kinds). This bounded form of the
    Dyck language is Dyck-(k, m) of Hewitt et al., "RNNs can generate bounded hierarchical languages with optimal
    memory", EMNLP 2020.
    """
    full = DEEPEST + 1
    moves = np.zeros((full + 1, full + 1))  # (owed, owed next)
    moves[0, 2] = moves[1, 0] = moves[full, full - 1] = 1
    for owed in range(2, full):
        moves[owed, owed + 1], moves[owed, owed - 1] = OPENING, 1 - OPENING
    inside = _entropy((OPENING, 1 - OPENING)) + OPENING * math.log(len(BRACKETS))
    entropies = np.array([math.log(len(BRACKETS)), 0.0, *[inside] * (DEEPEST - 1), 0.0])  # (owed,)
    return float(_stationary(moves) @ entropies)


# --- toy-promise: the letter that starts a line is due again at its end ---

PROMISED = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FILLERS = ".-"
USUAL_DISTANCE = 12
FARTHEST_PROMISE = 2_000


def promise(distance: int = USUAL_DISTANCE) -> Toy:
    """Lines such as "K.--.-...-.--K": a letter, `distance` fillers, the same letter, a newline."""
    if not 1 <= distance <= FARTHEST_PROMISE:
        raise ValueError(f"A promise over {distance} characters: choose a distance from 1 to {FARTHEST_PROMISE:,}.")
    about = (
        f"A letter starts each line and is due again {distance} random signs later: "
        "needs to remember one letter, and to count."
    )
    name = "toy-promise" if distance == USUAL_DISTANCE else f"toy-promise-{distance}"
    line = math.log(len(PROMISED)) + distance * math.log(len(FILLERS))
    return Toy(name, about, partial(_promise_text, distance), line / (distance + 3))


def promise_without_memory(distance: int = USUAL_DISTANCE) -> float:
    """The lowest loss of who knows the rules and the place in the line, but no longer which letter was promised."""
    return promise(distance).entropy_rate + math.log(len(PROMISED)) / (distance + 3)


def _promise_text(distance: int, length: int, seed: int) -> str:
    rolls = _dice(length, seed, line=distance + 3, each=distance + 1)  # (lines, distance + 1)
    text = np.full((len(rolls), distance + 3), ord("\n"), np.uint8)  # (lines, characters of a line)
    text[:, 0] = text[:, -2] = _pick(PROMISED, rolls[:, 0])
    text[:, 1:-2] = _pick(FILLERS, rolls[:, 1:])
    return text.tobytes().decode("ascii")[:length]


# --- toy-sums: additions, all of them right ---

OPERANDS = 100  # 0 ... 99


def sums() -> Toy:
    """Lines such as "27+35=62", of two numbers drawn evenly and apart.

    A line tells its two numbers, so its entropy is theirs, 2 ln(OPERANDS): the sum itself costs nothing to who can add.
    Lines differ in length and the mean length needs all pairs. The task is Zaremba and Sutskever's, "Learning to
    execute", 2014.
    """
    numbers = range(OPERANDS)
    lengths = [len(_sum_line(first, second)) for first in numbers for second in numbers]
    about = f"Sums of two numbers below {OPERANDS}, all of them right: needs to remember both numbers, and to add."
    return Toy("toy-sums", about, _sums_text, 2 * math.log(OPERANDS) * len(lengths) / sum(lengths))


def _sums_text(length: int, seed: int) -> str:
    rolls = _dice(length, seed, line=len(_sum_line(0, 0)), each=2)  # (lines, 2) enough for the shortest of lines
    operands = (rolls * OPERANDS).astype(np.int64)  # (lines, 2)
    return "".join(_sum_line(first, second) for first, second in operands.tolist())[:length]


def _sum_line(first: int, second: int) -> str:
    return f"{first}+{second}={first + second}\n"


# --- what they share ---


def _dice(length: int, seed: int, line: int = 1, each: int = 1) -> Floats:
    """Numbers even over [0, 1): `each` for each of the lines, `line` characters long, that cover the length."""
    if length < 0:
        raise ValueError(f"A text of {length:,} characters cannot be written: ask for 0 or more.")
    lines = -(-length // line)
    roll = random.Random(seed).random
    return np.fromiter((roll() for _ in range(lines * each)), np.float64).reshape(lines, each)  # (lines, each)


def _pick(alphabet: str, rolls: Floats) -> npt.NDArray[np.uint8]:
    """One ASCII character of the alphabet for each roll, all equally likely; same shape as rolls."""
    codes = np.frombuffer(alphabet.encode("ascii"), np.uint8)
    picked: npt.NDArray[np.uint8] = codes[(rolls * len(alphabet)).astype(np.int64)]
    return picked


def _entropy(chances: Sequence[float]) -> float:
    return -sum(chance * math.log(chance) for chance in chances if chance > 0)


def _stationary(moves: Floats) -> Floats:
    """The share of time spent in each state: pi P = pi with sum(pi) = 1, for one class of states, periodic or not."""
    states = len(moves)
    equations = np.vstack([moves.T - np.eye(states), np.ones(states)])  # (state + 1, state)
    shares: Floats = np.linalg.lstsq(equations, np.append(np.zeros(states), 1.0))[0]  # (state,)
    return shares


TOYS: tuple[Toy, ...] = (markov(), brackets(), promise(), sums())
