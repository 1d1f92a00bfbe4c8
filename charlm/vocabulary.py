"""Symbols <-> ids, the unknown symbol, and prompts. Knows nothing of where the text came from.

An id is a place in `symbols`. The unknown symbol, where there is one, is U+FFFD: rare characters of the text and
unknown ones of a prompt become it.
"""

import functools
import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charlm.errors import TextError
from charlm.text import conventional

Ids = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
UNKNOWN = "\ufffd"
MAX_SYMBOLS = 2000  # beyond it rare characters fold by themselves: the output layer would be most of the model
CODE_POINTS = 0x110000
CHUNK_CHARS = 1 << 22  # a text is counted and encoded in pieces of 16 MiB of code points


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
        if len(set(self.symbols)) != len(self.symbols) or not all(map(is_symbol, self.symbols)):
            raise TextError("A vocabulary holds distinct single characters.")

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
    def id_type(self) -> type[np.unsignedinteger]:
        """One byte a character up to 256 symbols, two up to 65,536."""
        return np.uint8 if len(self) <= 1 << 8 else np.uint16 if len(self) <= 1 << 16 else np.uint32

    def encode(self, text: str) -> Ids:
        """Ids (N,) of a text. Characters outside the vocabulary become the unknown symbol; without one, TextError."""
        missing = 0 if self.unknown_id is None else self.unknown_id
        table = np.full(CODE_POINTS, len(self) if self.unknown_id is None else missing, np.uint32)  # (code points,)
        table[[ord(symbol) for symbol in self.symbols]] = np.arange(len(self), dtype=np.uint32)
        ids = np.empty(len(text), self.id_type)  # (N,)
        for start, points in _pieces(text):
            found = table[points]  # (piece,)
            if self.unknown_id is None and (found == len(self)).any():
                char = text[start + int(np.argmax(found == len(self)))]
                raise TextError("The character {char!r} is not in the vocabulary.", char=char)
            ids[start : start + len(points)] = found
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids."""
        return "".join(self.symbols[i] for i in ids)

    def encode_prompt(self, prompt: str) -> Prompt:
        """A prompt under the text's own conventions (NFC, LF); characters it does not know are replaced and named."""
        chars, replaced = [], {}
        for char in conventional(prompt):
            known = char if char in self.id_of else self._stand_in(char)
            chars.append(known)
            if known != char:
                replaced[char] = known
        text = "".join(chars)
        return Prompt(text, tuple(self.id_of[char] for char in text), tuple(replaced.items()))

    def _stand_in(self, char: str) -> str:
        """The nearest known symbol: without its accent, in the other case, unknown, a blank; else the first symbol."""
        bare = unicodedata.normalize("NFKD", char)[:1]
        candidates = (bare, char.lower(), char.upper(), bare.lower(), bare.upper(), UNKNOWN, " ", self.symbols[0])
        return next(symbol for symbol in candidates if symbol in self.id_of)


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
) -> tuple[Vocabulary, tuple[str, ...]]:
    """The vocabulary of a counted text, and notes on what was folded into the unknown symbol."""
    if alphabet == "printable":
        outside = set(counts) - set(string.printable)
        unknown = (UNKNOWN,) if outside else ()
        note = (f"{len(outside):,} symbols outside string.printable became unknown",) if outside else ()
        return Vocabulary((*sorted(string.printable), *unknown)), note
    fewest = max(min_count, _fewest_for(counts))
    kept = [symbol for symbol, count in counts.items() if count >= fewest and symbol != UNKNOWN]
    folded = len(counts) - len(kept)
    if not folded:
        return Vocabulary(tuple(sorted(kept))), ()
    share = sum(count for count in counts.values()) - sum(counts[symbol] for symbol in kept)
    why = "" if fewest == min_count else f" (more than {MAX_SYMBOLS:,} symbols)"
    note = f"{folded:,} symbols that occur fewer than {fewest:,} times became unknown{why}: {share:,} characters"
    return Vocabulary((*sorted(kept), UNKNOWN)), (note,)


def _fewest_for(counts: dict[str, int]) -> int:
    """The smallest number of occurrences at which at most MAX_SYMBOLS symbols stay."""
    if len(counts) <= MAX_SYMBOLS:
        return 1
    return sorted(counts.values(), reverse=True)[MAX_SYMBOLS - 1] + 1


def _pieces(text: str) -> Iterable[tuple[int, npt.NDArray[np.uint32]]]:
    """(start, code points of a piece): what keeps counting and encoding of a long text in bounded memory."""
    for start in range(0, len(text), CHUNK_CHARS):
        yield start, np.frombuffer(text[start : start + CHUNK_CHARS].encode("utf-32-le"), np.uint32)
