"""Symbols <-> ids, the unknown symbol, and prompts. Knows nothing of where the text came from.

An id is a place in `symbols`. The unknown symbol, where there is one, is U+FFFD: rare characters of the text and
unknown ones of a prompt become it.
"""

import functools
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charlm.encoding import REPLACEMENT
from charlm.errors import TextError
from charlm.notes import Note, note
from charlm.text import ASCII_FORMS, conventional

Ids = npt.NDArray[np.unsignedinteger[Any]]
UNKNOWN = REPLACEMENT
MAX_SYMBOLS = 2000  # beyond it rare characters fold by themselves: the output layer would be most of the model
CODE_POINTS = 0x110000
CHUNK_CHARS = 1 << 22  # a text is counted and encoded in pieces of 16 MiB


@dataclass(frozen=True)
class Prompt:
    """A prompt as the network reads it. `replaced` names each character it did not know, and what stands for it."""

    text: str
    ids: tuple[int, ...]
    replaced: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The ordered distinct symbols of a corpus: single code points, no surrogates."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        bad = [symbol for symbol in self.symbols if not is_symbol(symbol)]
        bad += [symbol for symbol, count in Counter(self.symbols).items() if count > 1]
        if bad:
            raise TextError("A vocabulary holds distinct single characters; {symbol!r} breaks that.", symbol=bad[0])

    def __len__(self) -> int:
        return len(self.symbols)

    @functools.cached_property
    def id_of(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @property
    def unknown_id(self) -> int | None:
        """The id of the unknown symbol, if there is one."""
        return self.id_of.get(UNKNOWN)

    @property
    def id_type(self) -> type[np.unsignedinteger[Any]]:
        """One byte a character up to 256 symbols, two up to 65,536."""
        return np.uint8 if len(self) <= 1 << 8 else np.uint16 if len(self) <= 1 << 16 else np.uint32

    @functools.cached_property
    def _points(self) -> npt.NDArray[np.uint32]:
        """The code point of each id."""
        return np.array([ord(symbol) for symbol in self.symbols], np.uint32)  # (V,)

    def encode(self, text: str) -> Ids:
        """Ids (N,) of a text. Characters outside the vocabulary become the unknown symbol; without one, TextError."""
        missing = len(self) if self.unknown_id is None else self.unknown_id
        table = np.full(CODE_POINTS, missing, np.uint32)  # (code points,)
        table[self._points] = np.arange(len(self), dtype=np.uint32)
        ids = np.empty(len(text), self.id_type)  # (N,)
        for start, points in _pieces(text):
            found = table[points]  # (piece,)
            if missing == len(self) and found.max() == missing:
                char = text[start + int(np.argmax(found))]
                raise TextError("The character {char!r} is not in the vocabulary. Replace it.", char=char)
            ids[start : start + len(points)] = found
        return ids

    def decode(self, ids: Iterable[int] | Ids) -> str:
        """The text of ids."""
        places = ids if isinstance(ids, np.ndarray) else np.fromiter(ids, np.int64)  # (N,)
        return self._points[places].tobytes().decode("utf-32-le")

    def encode_prompt(self, prompt: str) -> Prompt:
        """A prompt under the text's own conventions (NFC, LF); characters it does not know are replaced and named."""
        text = conventional(prompt)
        replaced = {char: self._stand_in(char) for char in dict.fromkeys(text) if char not in self.id_of}
        text = text.translate({ord(char): known for char, known in replaced.items()})
        return Prompt(text, tuple(self.encode(text).tolist()), tuple(replaced.items()))

    def _stand_in(self, char: str) -> str:
        """The nearest known symbol: without its accent, in the other case, unknown, a blank; else the first symbol."""
        bare = ASCII_FORMS.get(char) or unicodedata.normalize("NFKD", char)
        candidates = (bare[0], char.lower(), char.upper(), bare[0].lower(), bare[0].upper(), UNKNOWN, " ")
        return next((symbol for symbol in candidates if symbol in self.id_of), self.symbols[0])


def is_symbol(item: object) -> bool:
    """One Unicode code point that is no half of a surrogate pair."""
    return isinstance(item, str) and len(item) == 1 and not 0xD800 <= ord(item) <= 0xDFFF


def count_symbols(text: str) -> dict[str, int]:
    """Symbol -> occurrences, in the order of code points. Proportional to the text, whatever the script."""
    counts = np.zeros(CODE_POINTS, np.int64)  # (code points,)
    for _, points in _pieces(text):
        found = np.bincount(points)  # (highest code point + 1,)
        counts[: len(found)] += found
    return {chr(point): int(counts[point]) for point in np.flatnonzero(counts)}


def build_vocabulary(
    counts: dict[str, int], min_count: int = 1, alphabet: str = "text"
) -> tuple[Vocabulary, tuple[Note, ...]]:
    """The vocabulary of a counted text, and notes on what was folded into the unknown symbol, the last one."""
    kept, why = _kept_symbols(counts, min_count, alphabet)
    symbols = sorted(kept - {UNKNOWN})
    folded = [symbol for symbol in counts if symbol not in kept]
    if not folded:
        return Vocabulary((*symbols, UNKNOWN) if UNKNOWN in kept else tuple(symbols)), ()
    chars = sum(counts[symbol] for symbol in folded)
    told = note(
        "symbols {why}, now unknown: {count:,} (characters: {chars:,})", why=why, count=len(folded), chars=chars
    )
    return Vocabulary((*symbols, UNKNOWN)), (told,)


def _kept_symbols(counts: dict[str, int], min_count: int, alphabet: str) -> tuple[set[str], Note]:
    """The symbols with an id of their own, and which ones have none."""
    if alphabet == "printable":
        return set(string.printable) | (counts.keys() & {UNKNOWN}), note("outside string.printable")
    kept = {symbol for symbol, count in counts.items() if count >= min_count or symbol == UNKNOWN}
    if len(kept) <= MAX_SYMBOLS:
        return kept, note("that occur fewer than {least:,} times", least=min_count)
    most = MAX_SYMBOLS - 1  # and the unknown symbol
    by_rank = sorted(kept - {UNKNOWN}, key=lambda symbol: (-counts[symbol], symbol))
    return {*by_rank[:most], *(kept & {UNKNOWN})}, note("beyond the {most:,} most frequent", most=most)


def _pieces(text: str) -> Iterable[tuple[int, npt.NDArray[np.uint32]]]:
    """(start, code points of a piece): what keeps counting and encoding of a long text in bounded memory."""
    for start in range(0, len(text), CHUNK_CHARS):
        yield start, np.frombuffer(text[start : start + CHUNK_CHARS].encode("utf-32-le"), np.uint32)
