"""The event log of a run: written by one process, read by anybody who wants to watch. Knows nothing of networks.

One JSON object a line. A reader goes on from where he left off, leaves a line alone until it is whole, and notices when
a resumed run has cut the log back and tells another story from there.
"""

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from charlm.errors import CheckpointError
from charlm.events import Event, Measured, from_line, from_lines, to_line
from charlm.history import History

EVENTS = "events.jsonl"
LINE_BYTES = 1 << 20  # that no event has
MOST_FIGURES = 100  # yardsticks and final losses of a run
TAIL_BYTES = 256  # of what was read last: if they have changed, the log was cut back


def read_events(folder: Path) -> Iterator[Event]:
    """The events of a run so far; none when it has no log. Raises CheckpointError when it cannot be read."""
    with _opened(folder / EVENTS) as log:
        yield from _whole_events(log)


def _opened(path: Path) -> IO[bytes]:
    """A log for reading; an empty one when there is none."""
    try:
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError):
        return io.BytesIO()
    except OSError as error:
        raise CheckpointError("{file} cannot be read: {reason}.", file=path, reason=error.strerror or error) from error


def _whole_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """A line without its end is still being written."""
    return from_lines(line.decode("utf-8", errors="replace") for line in lines if line.endswith(b"\n"))


def check_log(folder: Path) -> None:
    """Judge the log of a run from elsewhere: no page must choke on it. Raises CheckpointError."""
    figures = set[str]()
    with _opened(folder / EVENTS) as log:
        while line := log.readline(LINE_BYTES):
            event = from_line(line.decode("utf-8", errors="replace"))
            texts = [value for value in dataclasses.astuple(event) if isinstance(value, str)] if event else []
            figures |= {event.name} if isinstance(event, Measured) else set()
            if len(line) == LINE_BYTES or len(figures) > MOST_FIGURES or not all(map(_can_be_shown, texts)):
                raise CheckpointError("{file} is damaged or no history of a run.", file=EVENTS)


def _can_be_shown(text: str) -> bool:
    """No halves of surrogate pairs, which no output takes."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def append(log: IO[bytes], event: Event) -> None:
    """Writes one event so that a reader sees it at once. Raises CheckpointError, as on a full disk."""
    try:
        log.write(to_line(event).encode("utf-8", errors="replace"))
        log.flush()
    except OSError as error:
        raise CheckpointError(
            "{file} could not be written: {reason}.", file=EVENTS, reason=error.strerror or error
        ) from error


@contextlib.contextmanager
def locked_log(folder: Path, log_bytes: int) -> Iterator[IO[bytes]]:
    """The log, cut back to where the run goes on, and held for this process alone."""
    try:
        log = open(folder / EVENTS, "ab")
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError("{file} could not be opened: {reason}.", file=folder / EVENTS, reason=reason) from error
    with log:
        if sys.platform != "win32":  # there a lock would also keep readers out
            import fcntl

            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError("The run {run} is being trained by another process.", run=folder.name) from error
            except OSError:  # a file system that has no locks
                pass
        log.truncate(min(log_bytes, log.seek(0, os.SEEK_END)))
        log.seek(0, os.SEEK_END)
        yield log


class LogReader:
    """Follows the log of a run. `read` folds in what has come since the last time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / EVENTS
        self.history = History()
        self._offset, self._tail = 0, b""

    def read(self) -> History:
        """The history up to now. Costs what is new, not what is there."""
        with _opened(self.path) as log:
            if not self._is_same_story(log):
                self.history, self._offset, self._tail = History(), 0, b""
            log.seek(self._offset)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._tail = (self._tail + whole)[-TAIL_BYTES:]
        for event in _whole_events(io.BytesIO(whole)):
            self.history.add(event)
        return self.history

    def _is_same_story(self, log: IO[bytes]) -> bool:
        log.seek(max(0, self._offset - len(self._tail)))
        return log.read(len(self._tail)) == self._tail
