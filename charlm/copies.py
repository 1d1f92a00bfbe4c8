"""The copy meter: does a text quote the training text, or is it new? Knows two strings, and nothing of networks.

A passage is copied when it stands, character for character, somewhere in the training text. Three figures: the longest
copied passage; the share of n-grams that stand nowhere there; and which characters lie in copied passages of some
length or more.

No index of the training text is kept. It is read once, in pieces, past the windows of the (short) text, by hashes of
all windows of one length at a time:

    hash(i, n) = sum over k < n of t[i + k] * B^k  mod 2^64  =  (P[i + n] - P[i]) * B^-i,    P the running sum

so that one running sum serves every length. A hash that is found is compared character by character before it counts,
and the answer is exact whatever the hashes do. Ten million characters take about a second; memory is some pieces'.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
import numpy.typing as npt

GRAMS = (4, 5, 6, 7, 8)
PASSAGE_BITS = 120  # what a passage must hold to be called copied: shorter ones any writer of a language repeats
PIECE_CHARS = 1 << 20
MULTIPLIER = 0x9E3779B97F4A7C15  # B: odd, so that it has an inverse
TABLE_BITS = 22
Places = npt.NDArray[np.intp]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Copies:
    """What of a text of `chars` characters stands in the training text."""

    chars: int
    longest: tuple[int, int]  # [start, end) of a longest copied passage; (0, 0): there is none
    unseen: dict[int, float]  # n -> share of the n-grams that stand nowhere there; no entry where the text has none
    passages: tuple[tuple[int, int], ...]  # [start, end), in order: copied passages of `least` characters or more
    least: int

    @property
    def share(self) -> float:
        """Of the characters, how many lie in `passages`."""
        return sum(end - start for start, end in self.passages) / max(1, self.chars)


def passage_chars(symbols: int) -> int:
    """How long a copied passage must be to be marked: 20 characters of an alphabet of 65, 11 of one of 2,000."""
    return max(max(GRAMS), ceil(PASSAGE_BITS / log2(max(2, symbols))))


def copies(text: str, training: str, least: int) -> Copies:
    """Compares a text with the text that was trained on. Takes time in proportion to the longer one."""
    own = _Windows(text)
    seen = {n: np.zeros(len(text) - n + 1, bool) for n in sorted({*GRAMS, least}) if n <= len(text)}
    longest, start = 0, 0
    for piece in _pieces(training, len(text)):
        windows = _Windows(piece)
        for n, marks in seen.items():
            marks[_seen(own, windows, n, np.flatnonzero(~marks))] = True
        longest, start = _longest(own, windows, longest, start)
    unseen = {n: 1 - float(seen[n].mean()) for n in GRAMS if n in seen}
    passages = _united(np.flatnonzero(seen[least]), least) if least in seen else ()
    return Copies(len(text), (start, start + longest), unseen, passages, least)


class _Windows:
    """The hashes of all windows of a text, of any length."""

    def __init__(self, text: str) -> None:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)  # (N,)
        self.text = text
        self._sums = np.zeros(len(points) + 1, np.uint64)  # (N + 1,) P
        np.cumsum(points * _powers(MULTIPLIER, len(points)), out=self._sums[1:])
        self._inverse = _powers(pow(MULTIPLIER, -1, 1 << 64), len(points) + 1)  # (N + 1,) B^-i

    def all(self, length: int) -> Places:
        """Where windows of a length begin."""
        return np.arange(max(0, len(self.text) - length + 1))

    def hashes(self, length: int, places: Places) -> Hashes:
        """Of the windows that begin at some places."""
        if len(places) == len(self.text) - length + 1:  # all of them: no gathering
            return (self._sums[length:] - self._sums[: len(places)]) * self._inverse[: len(places)]
        return (self._sums[places + length] - self._sums[places]) * self._inverse[places]


def _powers(base: int, count: int) -> Hashes:
    """1, base, base^2 ... mod 2^64."""
    factors = np.full(count, base, np.uint64)  # (count,)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _pieces(training: str, overlap: int) -> Iterator[str]:
    """Pieces of a text such that everything no longer than `overlap` lies whole in one of them."""
    for start in range(0, len(training), PIECE_CHARS):
        yield training[start : start + PIECE_CHARS + overlap]


def _candidates(
    own: _Windows, piece: _Windows, length: int, mine: Places, theirs: Places
) -> tuple[Places, Places, Places]:
    """Of the places `mine` those whose window of that length has its hash among the windows at the places `theirs` of
    the piece; where, for each of them; and all places of `theirs` whose hash is wanted."""
    mine, theirs = mine[mine <= len(own.text) - length], theirs[theirs <= len(piece.text) - length]
    wanted, there = own.hashes(length, mine), piece.hashes(length, theirs)
    shift = np.uint64(64 - TABLE_BITS)
    is_likely = np.zeros(1 << TABLE_BITS, bool)  # a table that says no to nearly all, before a search says it exactly
    is_likely[wanted >> shift] = True
    likely = np.flatnonzero(is_likely[there >> shift])
    likely = likely[_is_among(there[likely], np.unique(wanted))]
    found, first = np.unique(there[likely], return_index=True)
    is_found = _is_among(wanted, found)
    at = theirs[likely[first[np.searchsorted(found, wanted[is_found])]]]
    return mine[is_found], at, theirs[likely]


def _is_among(values: Hashes, ordered: Hashes) -> npt.NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(values), bool)
    found: npt.NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return found


def _is_copied(text: str, i: int, piece: str, j: int, length: int) -> bool:
    """Whether the window at i stands in the piece: at j, where its hash does, or else, by a search, anywhere."""
    window = text[i : i + length]
    return piece.startswith(window, j) or window in piece


def _seen(own: _Windows, piece: _Windows, length: int, mine: Places) -> Places:
    """Of the places `mine` those whose window of that length stands in the piece."""
    mine, at, _ = _candidates(own, piece, length, mine, piece.all(length))
    pairs = zip(mine.tolist(), at.tolist(), strict=True)
    seen: Places = mine[np.array([_is_copied(own.text, i, piece.text, j, length) for i, j in pairs], bool)]
    return seen


def _longest(own: _Windows, piece: _Windows, longest: int, start: int) -> tuple[int, int]:
    """The longest copied passage when this piece is looked at too: its length and where it begins.

    Steps that double as long as something longer is found, and halve when nothing is. What is longer begins where
    something shorter did, so that only those places are looked at again.
    """
    mine, theirs, step = own.all(longest + 1), piece.all(longest + 1), 1
    while step:
        length = longest + step
        longer, at, there = _candidates(own, piece, length, mine, theirs)
        pairs = zip(longer.tolist(), at.tolist(), strict=True)
        found = next((i for i, j in pairs if _is_copied(own.text, i, piece.text, j, length)), None)
        if found is None:
            step //= 2
            continue
        longest, start, mine, theirs, step = length, found, longer, there, 2 * step
    return longest, start


def _united(starts: Places, length: int) -> tuple[tuple[int, int], ...]:
    """[start, end) of the stretches that windows of a length cover together."""
    if not len(starts):
        return ()
    breaks = np.flatnonzero(np.diff(starts) > length) + 1
    firsts = starts[np.concatenate([[0], breaks])]
    lasts = starts[np.concatenate([breaks - 1, [len(starts) - 1]])] + length
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))
