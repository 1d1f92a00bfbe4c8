"""What counting achieves on the same text: the lines that a network has to pass before it has learnt anything.

uniform       knows the alphabet alone: ln V.
1- to 6-gram  a table of what followed the last 0 to 5 characters, smoothed by Witten and Bell's method C.
xz            a compressor: the bytes that the validation part adds to the compressed train part. Rough: it counts
              whole bytes, a container, and a search that is not made for a few lines. Read it to two digits.

All are fitted on the train part and scored on the whole validation part, whose first contexts run on from the end of
the train part: the protocol `stream`, so the figures stand beside a trainer's own. Losses are nats per character.

Knows: arrays of ids, a vocabulary's size, a text. Does not know: models, training, plots, torch.

Sources: I. Witten and T. Bell, "The zero-frequency problem", IEEE Trans. Information Theory 37(4), 1991 (method C);
S. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling", Harvard TR-10-98, 1998,
the section on Witten-Bell smoothing (the interpolated, recursive form with a uniform order 0, used here).

Shapes: N characters of train and validation together, S scored (validation) characters, G distinct grams of one order.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from charlm.corpus import Corpus

Ids = npt.NDArray[np.integer[Any]]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# 20 million characters of prose take 2 s for all six orders (of white noise over a large vocabulary, where every gram
# is new, 30 s and 1.7 GB), and a minute for xz. A longer text is judged by the train part's last and the validation
# part's first characters, so that the two still meet.
MOST_TRAIN = 18_000_000
MOST_VALIDATION = 2_000_000
TABLE_PER_CHARACTER = 16  # places in a table of all possible grams that are still cheaper than sorting one character
QUICK_TRAIN = 1_000_000  # what `quick_yardsticks` reads: some tenths of a second
QUICK_VALIDATION = 200_000
XZ_WINDOW = (4096, 64 * 2**20)  # the smallest that xz takes, and what -9 takes


@dataclass(frozen=True, slots=True)
class Yardstick:
    name: str  # "uniform", "1-gram" ... "6-gram", "xz"
    loss: float  # nats per character on the validation part


def yardsticks(corpus: Corpus) -> tuple[Yardstick, ...]:
    """Uniform, the n-grams by rising order, xz."""
    train, validation = corpus.train[-MOST_TRAIN:], corpus.validation[:MOST_VALIDATION]
    decode = corpus.vocabulary.decode
    # Decoded and not corpus.text: where rare symbols were folded into one, xz must be spared them as well.
    return (*_counted(corpus, train, validation), Yardstick("xz", xz_loss(decode(train), decode(validation))))


def quick_yardsticks(corpus: Corpus) -> tuple[Yardstick, ...]:
    """Uniform and the n-grams, to be shown before there is a run: of a long text the part around the cut alone."""
    return _counted(corpus, corpus.train[-QUICK_TRAIN:], corpus.validation[:QUICK_VALIDATION])


def is_quick_whole(corpus: Corpus) -> bool:
    """Whether `quick_yardsticks` reads all of the text, and so tells what `yardsticks` will."""
    return len(corpus.train) <= QUICK_TRAIN and len(corpus.validation) <= QUICK_VALIDATION


def _counted(corpus: Corpus, train: Ids, validation: Ids) -> tuple[Yardstick, ...]:
    size = len(corpus.vocabulary)
    losses = ngram_losses(train, validation, size)
    grams = (Yardstick(f"{order}-gram", loss) for order, loss in enumerate(losses, start=1))
    return (Yardstick("uniform", math.log(size)), *grams)


def best(found: Iterable[Yardstick]) -> Yardstick:
    """The lowest n-gram: the best that counting does, and the line to draw where there is room for only one.

    xz is left out because its figure is rough, uniform because it has counted nothing.
    """
    return min((one for one in found if one.name.endswith("-gram")), key=lambda one: one.loss)


def ngram_losses(train: Ids, validation: Ids, vocabulary_size: int, max_order: int = 6) -> list[float]:
    """The losses of the n-grams of order 1 to max_order, fitted on train, scored on validation.

    p(c|h) = (n(hc) + T(h) p(c|h')) / (n(h) + T(h)): n counts in train, T(h) is how many different characters followed
    h there, h' is h without its first character, and below the empty h stands 1/V. An h that train never continued
    has n = T = 0 and leaves it to h'.
    """
    _check(train, validation, vocabulary_size)
    text = np.concatenate([train, validation]).astype(np.int64)  # (N,)
    scored = np.full(len(validation), 1 / vocabulary_size)  # (S,) each validation character's probability
    grams = np.zeros(len(text) + 1, np.int64)  # (N + 1,) the empty gram ends before each character and after the last
    losses = []
    for order in range(1, max_order + 1):
        # A character's context is the gram of the order below that ends just before it. Grams are numbered afresh at
        # each order, so a key is at most N * V: exact, far from overflow, no hash that could collide.
        keys = grams[:-1] * vocabulary_size + text[order - 1 :]  # (N - order + 1,)
        kinds, grams = _ranked(keys)  # (G,), (N - order + 1,)
        fitted = max(len(train) - order + 1, 0)  # the grams that lie in train
        counts = np.bincount(grams[:fitted], minlength=len(kinds))  # (G,)
        seen = grams[fitted:]  # (S,), or fewer where train is shorter than a context
        tail = slice(len(scored) - len(seen), None)
        scored[tail] = _witten_bell(counts, kinds // vocabulary_size, seen, scored[tail])
        losses.append(-float(np.log(scored).mean()))
    return losses


def _ranked(keys: Longs) -> tuple[Longs, Longs]:
    """The distinct keys, rising, and each key's place among them: np.unique, without sorting where a table is small.

    Prose has few grams for its length, so nearly every order takes the table: eight times faster than sorting.
    """
    span = int(keys.max(initial=-1)) + 1
    if span > TABLE_PER_CHARACTER * len(keys):
        kinds, ranks = np.unique(keys, return_inverse=True)  # (G,), (len(keys),)
        return kinds, ranks
    present = np.zeros(span, np.bool_)  # (span,)
    present[keys] = True
    kinds = np.flatnonzero(present)  # (G,)
    rank = np.empty(span, np.int64)  # (span,) only the places of keys that occur are ever written or read
    rank[kinds] = np.arange(len(kinds))
    return kinds, rank[keys]


def _witten_bell(counts: Ids, contexts: Ids, seen: Ids, shorter: Floats) -> Floats:
    """One order: counts and contexts (G,) of its grams, the grams seen (S,), the shorter context's p (S,) -> p (S,)."""
    total = np.bincount(contexts, weights=counts)  # n(h), (contexts,)
    kinds = np.bincount(contexts, weights=counts > 0)  # T(h), (contexts,)
    at = contexts[seen]  # (S,)
    mass = total[at] + kinds[at]  # (S,)
    mixed = (counts[seen] + kinds[at] * shorter) / np.maximum(mass, 1)  # (S,)
    return np.where(mass > 0, mixed, shorter)  # (S,)


def xz_loss(train: str, validation: str) -> float:
    """The growth of `xz -9e` from the train part to both parts, in nats per validation character."""
    if not validation:
        raise ValueError("Nothing to score: the validation part has 0 characters. Give a longer text or split.")
    added = _compressed(train + validation) - _compressed(train)
    return max(added, 0) * 8 * math.log(2) / len(validation)  # bytes -> bits -> nats; padding can swallow a tiny part


def _compressed(text: str) -> int:
    data = text.encode()
    # -9 reserves ten times its 64 MiB window whatever the text; a window as long as the text finds the same matches.
    window = min(max(len(data), XZ_WINDOW[0]), XZ_WINDOW[1])
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}]
    return len(lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters))


def _check(train: Ids, validation: Ids, vocabulary_size: int) -> None:
    if len(validation) == 0:
        raise ValueError("Nothing to score: the validation part has 0 characters. Give a longer text or split.")
    for part in (train, validation):
        lowest, highest = int(part.min(initial=0)), int(part.max(initial=0))
        if lowest < 0 or highest >= vocabulary_size:
            raise ValueError(
                f"The ids go from {lowest} to {highest}, outside a vocabulary of {vocabulary_size} symbols. "
                "Give the length of the vocabulary that made them."
            )
