"""What the commands have in common: reading a text by file or name, stopping cleanly, showing a run, exit codes.

Knows nothing of the page. Sentences go to stderr, results to stdout.
"""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from charlm.config import TextConfig
from charlm.corpora import is_named, load_corpus
from charlm.corpus import Corpus, corpus_from_bytes
from charlm.errors import CharlmError, TextError
from charlm.events import Changed, Evaluated, Event, Finished, Sampled, Started, Step
from charlm.history import History
from charlm.metrics import bits_per_char

BAD_INPUT = 2
ENDS = {
    "budget": "the budget is used",
    "patience": "no better evaluation for long enough",
    "diverged": "the loss was no longer finite",
    "ended": "ended before the budget was used",
    "stopped": "stopped; --resume goes on from here",
}


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; an error for people becomes one sentence and exit code 2, a closed pipe a silent end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character shows another
    try:
        code = command()
        sys.stdout.flush()
        return code
    except CharlmError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:  # before training began, or while text is written
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `... | head` has read enough
        return 0


def read_corpus(source: str, config: TextConfig | None = None) -> Corpus:
    """The corpus of a file, of stdin ("-"), or of a name. Raises CharlmError."""
    if source == "-":
        return corpus_from_bytes(sys.stdin.buffer.read(), "stdin", config)
    if is_named(source) and not os.path.exists(source):
        return load_corpus(source, config)
    return corpus_from_bytes(read_file(source), Path(source).name, config)


def read_file(path: str) -> bytes:
    """The bytes of a file; what is wrong with it in one sentence."""
    if os.path.isdir(path):
        raise TextError("{path} is a folder. Name a text file in it.", path=path)
    if not os.path.exists(path):
        raise TextError(
            "There is no file {path}, and no corpus of that name (python -m charlm corpora lists them).",
            path=path[:100],
        )
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise TextError("{path} cannot be read: {reason}.", path=path, reason=error.strerror or error) from error


class Stop:
    """Whether a signal asked to stop, and which."""

    signal = 0

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 0 without either."""
        return 128 + self.signal if self.signal else 0


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM are noted and acted on between two events; a second one ends the process at once."""
    stop = Stop()

    def note(number: int, _: FrameType | None) -> None:
        stop.signal = number
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Shows the events of a run: a bar with the loss, a line for every evaluation, the samples."""

    def __init__(self, history: History, samples: bool = True) -> None:
        self.history, self.samples = history, samples
        self.bar = tqdm(
            total=1.0, file=sys.stderr, leave=False, dynamic_ncols=True,
            bar_format="{percentage:3.0f}% {bar:20} {elapsed}<{remaining}{postfix}",
        )  # fmt: skip

    def show(self, event: Event) -> None:
        self.history.add(event)
        match event:
            case Started():
                self._write(started_line(event))
            case Step():
                speed = f"{event.chars_seen / max(event.seconds, 1e-9):,.0f} chars/s"
                self.bar.set_postfix_str(
                    f"loss {event.loss:.4f}, {bits_per_char(event.loss):.3f} bits/char, {speed}", refresh=False
                )
                self.bar.update(max(0.0, event.progress - self.bar.n))
            case Evaluated():
                self._write(evaluated_line(event))
            case Changed():
                self._write(f"from step {event.step:,} on: {event.knob.replace('_', ' ')} {event.value:g}")
            case Sampled() if self.samples:
                self._write("\n" + "\n".join("    " + line for line in event.text.splitlines()[:8]) + "\n")
            case Finished():
                self.close()

    def _write(self, text: str) -> None:
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()  # `| tee log` shows it now

    def close(self) -> None:
        self.bar.close()


def started_line(event: Started) -> str:
    chars = f"{event.train_chars:,} characters to learn, {event.validation_chars:,} to check"
    is_all = event.evaluated_chars == event.validation_chars
    part = "" if is_all else f" (the first {event.evaluated_chars:,} while learning)"
    return (
        f"{event.parameters:,} parameters, {event.vocabulary_size} symbols, {chars}{part};"
        f" {event.device} {event.precision}, {event.threads} threads"
    )


def evaluated_line(event: Evaluated) -> str:
    best = "  best" if event.is_best else ""
    return (
        f"step {event.step:>7,}  epoch {event.epoch:7.2f}  training {event.train_loss:.4f}"
        f"  validation {event.loss:.4f}  ({bits_per_char(event.loss):.3f} bits/char){best}"
    )


def result_table(history: History) -> str:
    """The final losses under both protocols among the yardsticks, best first."""
    rows = sorted(history.measured.items(), key=lambda row: row[1])
    lines = [f"  {'':14} {'nats/char':>9} {'bits/char':>9}"]
    for name, loss in rows:
        mark = "  <- this network" if name in ("stream", "cold-256") else ""
        lines.append(f"  {name:14} {loss:9.4f} {bits_per_char(loss):9.4f}{mark}")
    return "\n".join(lines)


def end_line(event: Finished) -> str:
    where = f"Finished at step {event.step:,} after {event.seconds:.1f} s of training"
    return f"{where}: {ENDS[event.reason]}. {event.advice}".rstrip()
