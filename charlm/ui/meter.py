"""The copy meter behind the page: keeps the training texts that were compared with last. No components here."""

from dataclasses import dataclass
from pathlib import Path

from charlm.checkpoint import CONFIG, load_corpus_of
from charlm.copies import Copies, copies, passage_chars
from charlm.ui.runs import Recent

TEXTS = 4  # training texts kept


@dataclass(frozen=True)
class Original:
    """What a run learned from, and its author's last pages, which it did not learn from."""

    training: str
    validation: str
    symbols: int


def original(folder: Path) -> Original:
    """Raises CheckpointError when the run came without its text."""
    corpus = load_corpus_of(folder)
    return Original(corpus.text[: corpus.cut], corpus.text[corpus.cut :], len(corpus.vocabulary))


class Meter:
    """Compares texts with what a run learned from."""

    def __init__(self) -> None:
        self._originals = Recent(original, TEXTS)

    def measured(self, folder: Path, text: str) -> tuple[Copies, Copies]:
        """What a text copies; and what as long a piece of the validation text does, for comparison.

        Raises CheckpointError when the run came without its text.
        """
        with_text = self._originals.get(folder, (folder / CONFIG).stat().st_mtime)
        least = passage_chars(with_text.symbols)
        own = copies(with_text.validation[: len(text)], with_text.training, least)
        return copies(text, with_text.training, least), own
