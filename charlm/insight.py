"""What a network expects of a text: how probable each character was to it, and what else it might have been.

The probabilities are the network's own, softmax(logits): what it has learned, before any temperature. Knows nothing of
runs, of files, or of how characters are drawn.

    N  characters of a text      V  vocabulary      K  alternatives
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charlm.stepping import Floats, Folded, Stepper
from charlm.vocabulary import Vocabulary

ALTERNATIVES = 5
BLOCK = 256  # characters whose logits are held at a time


@dataclass(frozen=True, eq=False)
class Surprise:
    """Of N characters in a row, in numbers between 0 and 1. The likeliest ones come first, the character itself among
    them when it is one; K is ALTERNATIVES, or V where that is less."""

    probability: Floats  # (N,) of the character that stands there
    likeliest: npt.NDArray[np.intp]  # (N, K) ids
    shares: Floats  # (N, K) the probabilities of those


def surprise(folded: Folded, vocabulary: Vocabulary, text: str) -> tuple[Surprise, Floats]:
    """How probable each character of a text was but the first, before which the network had read nothing; and the
    logits (V,) of what comes next. An empty text stands at the beginning of a line, as an empty prompt does.

    Characters that the vocabulary does not know count as those that stand in for them. Takes one step a character, and
    memory for BLOCK rows of logits.
    """
    stepper = Stepper(folded)
    ids = vocabulary.encode_prompt(text).ids or vocabulary.encode_prompt("\n").ids
    logits, parts = stepper.step(ids[0]), []  # (V,)
    for start in range(1, len(ids), BLOCK):
        block = ids[start : start + BLOCK]
        before = np.empty((len(block), len(logits)), np.float32)  # (n, V)
        for row, char in zip(before, block, strict=True):
            row[:] = logits
            logits = stepper.step(char)  # (V,)
        parts.append(surprise_of(before, block))
    return _joined(parts, len(vocabulary)), logits


def surprise_of(logits: Floats, ids: npt.ArrayLike) -> Surprise:
    """The same from the logits (N, V) that stood before each of the characters (N,)."""
    shares = softmax(logits)  # (N, V)
    rows, most = np.arange(len(shares)), min(ALTERNATIVES, shares.shape[1])
    likeliest = np.argpartition(-shares, most - 1, axis=1)[:, :most]  # (N, K) in any order
    order = np.argsort(-shares[rows[:, None], likeliest], axis=1, kind="stable")  # (N, K)
    likeliest = likeliest[rows[:, None], order]  # (N, K)
    chosen = np.asarray(ids, np.intp)  # (N,)
    return Surprise(shares[rows, chosen], likeliest, shares[rows[:, None], likeliest])


def softmax(logits: Floats) -> Floats:
    """Logits (..., V) -> probabilities (..., V)."""
    weights: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))  # (..., V)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def _joined(parts: list[Surprise], symbols: int) -> Surprise:
    """One after the other; of none, that of no characters out of so many symbols."""
    if not parts:
        most = min(ALTERNATIVES, symbols)
        return Surprise(np.zeros(0, np.float32), np.zeros((0, most), np.intp), np.zeros((0, most), np.float32))
    return Surprise(
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.likeliest for part in parts]),
        np.concatenate([part.shares for part in parts]),
    )
