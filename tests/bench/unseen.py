"""The row "new": the preset `quick` on texts that its settings were not chosen on.

They were chosen on tinyshakespeare, Molière's first 100,000 characters and the built-in comedy. Here are tales in four
languages, the beginning of one as a text of a poem's length, source code, a list of names, the rest of Molière, and
10 MB; all but Molière are on every machine. A text is passed when the network is better than the best table of
n-grams, which is what counting achieves on the same split.
"""

import random
import sysconfig
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from charlm.config import TextConfig
from charlm.corpora import load_corpus
from charlm.corpus import Corpus, corpus_from_bytes, corpus_from_text
from tests.bench import quality, texts
from tests.bench.row import Figure, Row, Scale

TALES = ("tale-es", "tale-fr", "tale-zh", "tale-ko")
POEM, CODE, LONG, TUNED_ON = 5_000, 300_000, 10_000_000, 100_000  # characters
NAMES = 8_000


def row_new(scale: Scale) -> Row:
    """Each text with the whole preset, or shortened; the figure is our loss in percent of the counting's."""
    figures, detail = [], []
    for corpus in _texts():
        run = quality.train(corpus, "quick", {}, {"seconds": 3} if scale.is_quick else {})
        share = 100 * run.losses[quality.STREAM] / run.counted
        figures.append(Figure(corpus.title, share, "%", 100, is_less_better=True))
        detail.append(
            f"{corpus.title}, {len(corpus.text):,} characters, {len(corpus.vocabulary)} symbols, best n-gram"
            f" {run.counted:.4f}: {run}"
        )
    return Row(
        "new", "`quick` on texts that it was not chosen on: loss (stream), of the best n-gram's",
        "stream, all of the last 10 % of each text, the weights that the run publishes; Witten-Bell n-grams of orders"
        " 1 to 6 on the same split", tuple(figures), tuple(detail), scale.pick("", "shortened: 3 s each"),
    )  # fmt: skip


def _texts() -> Iterator[Corpus]:
    for name in TALES:
        yield load_corpus(name)
    yield corpus_from_text(load_corpus("tale-fr").text[:POEM], "a poem's length")
    yield corpus_from_text(_code(CODE), "code")
    yield corpus_from_text("\n".join(_names()), "names")
    if path := texts.file_of("moliere.txt"):
        whole = corpus_from_bytes(path.read_bytes(), "moliere", TextConfig()).text
        yield corpus_from_text(whole[TUNED_ON:], "the rest of Molière")
    yield corpus_from_text(_code(LONG), "10 MB of code")


def _code(chars: int) -> str:
    """So much of Python's own standard library."""
    parts, total = [], 0
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(path for path in library.rglob("*.py") if "site-packages" not in path.parts):
        parts.append(path.read_text("utf-8", errors="replace"))
        total += len(parts[-1])
        if total >= chars:
            break
    return "\n".join(parts)[:chars]


def _names() -> list[str]:
    """Names of characters as Unicode has them, in an order that tells nothing."""
    names = {unicodedata.name(chr(code), "") for code in range(0x20, 0x1FBFF)}
    mixed = sorted(name.title() for name in names if name and not any(c.isdigit() for c in name))
    random.Random(0).shuffle(mixed)
    return mixed[:NAMES]
