"""A text ready to be learned: encoded once, split into a training and a validation part, with its digest.

Knows nothing of networks. The first 90 % of the characters train, the last 10 % validate.
"""

import dataclasses
import hashlib
from dataclasses import dataclass

from charlm.config import TextConfig
from charlm.errors import TextError
from charlm.notes import listed
from charlm.text import Text, TextReport, clean_text, decode_text
from charlm.vocabulary import UNKNOWN, Ids, Vocabulary, build_vocabulary, count_symbols

MIN_CHARS = 100
TRAIN_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Corpus:
    """`ids` holds one or two bytes a character; `train` and `validation` are views of it."""

    title: str
    text: str
    vocabulary: Vocabulary
    counts: dict[str, int]  # symbol -> occurrences in the text
    ids: Ids  # (N,)
    digest: str  # SHA-256 of the text in UTF-8
    config: TextConfig
    report: TextReport

    @property
    def cut(self) -> int:
        """How many characters train."""
        return int(TRAIN_SHARE * len(self.ids))

    @property
    def train(self) -> Ids:
        return self.ids[: self.cut]  # (0.9 N,)

    @property
    def validation(self) -> Ids:
        return self.ids[self.cut :]  # (0.1 N,)


def corpus_from_bytes(data: bytes, title: str, config: TextConfig | None = None) -> Corpus:
    """A corpus of a file's bytes. Raises TextError, one sentence, when there is nothing to learn in it."""
    config = config or TextConfig()
    return _corpus(decode_text(data, config), title, config)


def corpus_from_text(text: str, title: str, config: TextConfig | None = None) -> Corpus:
    """A corpus of a text that is a string already: pasted, generated, or read back from a run."""
    config = config or TextConfig()
    return _corpus(clean_text(text, config), title, config)


def _corpus(read: Text, title: str, config: TextConfig) -> Corpus:
    counts = count_symbols(read.text)
    _refuse_hopeless(read, counts)
    vocabulary, folded = build_vocabulary(counts, config.min_count, config.alphabet)
    if len(counts.keys() & set(vocabulary.symbols) - {UNKNOWN}) < 2:
        raise TextError(
            "Fewer than two symbols of the text are left (alphabet {alphabet}, min_count {count})."
            " Lower min_count, or use the alphabet of the text.",
            alphabet=config.alphabet, count=config.min_count,
        )  # fmt: skip
    report = dataclasses.replace(read.report, notes=(*read.report.notes, *folded))
    digest = hashlib.sha256(read.text.encode("utf-8")).hexdigest()
    return Corpus(title, read.text, vocabulary, counts, vocabulary.encode(read.text), digest, config, report)


def _refuse_hopeless(read: Text, counts: dict[str, int]) -> None:
    if len(read.text) < MIN_CHARS:
        if not read.report.notes:
            raise TextError(
                "The text has {chars} characters; at least {least} are needed. Choose a longer one.",
                chars=len(read.text), least=MIN_CHARS,
            )  # fmt: skip
        raise TextError(
            "The text has {chars} characters ({why}); at least {least} are needed. Choose a longer one.",
            chars=len(read.text), why=listed(read.report.notes), least=MIN_CHARS,
        )  # fmt: skip
    if len(counts) < 2:
        raise TextError(
            "The text is one character, {char!r}, over and over. Choose another one.", char=next(iter(counts))
        )
