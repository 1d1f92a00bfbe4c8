"""The row "also": cost grows in proportion to the text, and a long run takes no more memory than a short one."""

import pickle
import resource
import tempfile
import time
from pathlib import Path

from charlm.corpora import load_corpus
from charlm.corpus import corpus_from_bytes
from charlm.events import Evaluated, Sampled, Step
from charlm.history import History
from tests.bench import quality, texts
from tests.bench.row import Figure, Row, Scale

MB = 1_000_000


def row_also(scale: Scale) -> Row:
    """A file of so many MB, from the disk to its ids; a history of so many steps; a short run's evaluations."""
    whole, events, seconds = scale.pick(100, 30) * MB, scale.pick(1_000_000, 100_000), scale.pick(20, 4)
    figures, detail = [], []
    for name, file in (("reading English", "tinyshakespeare.txt"), ("reading French", "moliere.txt")):
        speeds = {size: _reading(file, size) for size in (whole // 10, whole)}
        figures.append(Figure(name, speeds[whole], "MB/s", 20))
        detail.append(f"{name}: " + ", ".join(f"{speed:.0f} MB/s of {size // MB} MB" for size, speed in speeds.items()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    detail.append(f"most memory held while {whole // MB} MB were read: {memory:,.0f} MB, torch and charlm among them")
    points, size = _history(events)
    run = quality.train(texts.shakespeare().corpus, "", {}, {"seconds": seconds})
    figures += [
        Figure("points of a curve", points, "points", 600, is_less_better=True),
        Figure("evaluation", 100 * run.evaluation_seconds / run.seconds, "%", 10, is_less_better=True),
    ]
    detail += [f"a history of {events:,} steps and {events // 100:,} evaluations pickles to {size:,} bytes", f"{run}"]
    return Row(
        "also", "text read, counted and encoded; a history's points; evaluation's share of the training seconds",
        f"{whole // MB} MB of the tutorials' texts repeated, file -> corpus (decoding, conventions, counts, ids,"
        f" digest), MB of UTF-8 a second; History after {events:,} steps; a recorded run of {seconds} s",
        tuple(figures), tuple(detail),
        "" if texts.file_of("moliere.txt") else "measured on the built-in comedy",
    )  # fmt: skip


def _reading(file: str, size: int) -> float:
    """MB/s of a text repeated to that many bytes."""
    path = texts.file_of(file)
    one = path.read_bytes() if path else load_corpus("comedy-en").text.encode()
    with tempfile.TemporaryDirectory() as place:
        long = Path(place) / "long.txt"
        long.write_bytes(one * (size // len(one) + 1))
        began = time.perf_counter()
        corpus = corpus_from_bytes(long.read_bytes(), "long")
        seconds = time.perf_counter() - began
        if corpus.ids.itemsize != 1:
            raise AssertionError("a vocabulary this small fits into one byte a character")
        return long.stat().st_size / MB / seconds


def _history(steps: int) -> tuple[int, int]:
    """Points of the longest curve, and the size of a pickle, after a run of so many steps."""
    history = History()
    for step in range(1, steps + 1):
        history.add(Step(step, step / 100, 2.0, 1.0, 1e-3, 1000 * step, step / 10, step / steps))
        if step % 100 == 0:
            history.add(Evaluated(step, step / 100, 2.0, 2.0, True, step / 10))
            history.add(Sampled(step, "", "x" * 200, 0.8, 1))
    curves = (history.train, history.validation, history.learning_rate)
    return max(len(curve.x) for curve in curves), len(pickle.dumps(history))
