"""Which text a row reads: the tutorials' own where they are at hand, else the built-in comedy. Never a download."""

import os
from dataclasses import dataclass
from pathlib import Path

from charlm.config import TextConfig
from charlm.corpora import load_corpus
from charlm.corpus import Corpus, corpus_from_bytes

BESIDE = Path(__file__).parents[3] / "shared" / "corpora"


@dataclass(frozen=True)
class Source:
    """A corpus, and whether it is the text that the goals were set on."""

    corpus: Corpus
    is_real: bool

    @property
    def unjudged(self) -> str:
        """Why figures on this text are not held against the goals; "" when they are."""
        return "" if self.is_real else "measured on the built-in comedy: the goals belong to another text"


def shakespeare(config: TextConfig | None = None) -> Source:
    return _source("tinyshakespeare.txt", config)


def moliere(chars: int) -> Source:
    """The first characters of Molière's dialogues, as the notebooks have them."""
    return _source("moliere.txt", TextConfig(max_chars=chars))


def file_of(name: str) -> Path | None:
    """Where a text lies, if it does."""
    folders = [Path(os.environ["CHARLM_CORPORA"])] if os.environ.get("CHARLM_CORPORA") else []
    return next((folder / name for folder in (*folders, BESIDE) if (folder / name).is_file()), None)


def _source(name: str, config: TextConfig | None) -> Source:
    path = file_of(name)
    if path is None:
        return Source(load_corpus("comedy-en", config), is_real=False)
    return Source(corpus_from_bytes(path.read_bytes(), path.stem, config), is_real=True)
