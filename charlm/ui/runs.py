"""The runs behind the page: who may see which, how one begins, how it is followed, how it speaks. No components here.

What a visitor sends is a name, never a path. On a public server an unguessable name is the right to a run.
"""

import contextlib
import dataclasses
import json
import re
import secrets
import shutil
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from charlm.checkpoint import (
    CONFIG,
    NAME,
    TRAINER,
    WEIGHTS,
    Checkpoint,
    create_run,
    list_runs,
    load_checkpoint,
    read_config,
    runs_folder,
)
from charlm.corpus import Corpus
from charlm.errors import CharlmError, CheckpointError, ConfigError, LimitError
from charlm.history import History
from charlm.jobs import JobBoard, Limits, is_public
from charlm.log import LogReader
from charlm.racing import Race, write_race
from charlm.recipes import DEFAULT_SECONDS, Plan
from charlm.space import EXAMPLES
from charlm.stepping import Folded, fold
from charlm.ui.words import say

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
SECRET_CHARS = 32  # of the name of a run that a stranger began
SECRET = re.compile(rf".+-[0-9a-f]{{{SECRET_CHARS}}}")
NOMINAL_SPEED = 50_000  # chars/s, to guess how long a budget in steps or epochs will take
T = TypeVar("T")


# --- names ------------------------------------------------------------------------------------------------------------


def owner_of(token: str | None, session: str | None) -> str:
    """Whom a job belongs to: the browser's token, else this page's session."""
    return token if token and TOKEN.fullmatch(token) else f"session-{session}"


def folder_of(run: str | None) -> Path:
    """The folder of a run that a visitor named. Raises CheckpointError; no name leads out of the folder of runs."""
    if not run or not NAME.fullmatch(run) or not _may_be_named(run) or not (runs_folder() / run / CONFIG).is_file():
        raise CheckpointError(say("not_yours"))
    return runs_folder() / run


def own_folder_of(run: str | None) -> Path:
    """The folder of a run that the visitor may change: none that everybody has. Raises CheckpointError."""
    folder = folder_of(run)
    if run in EXAMPLES:
        raise CheckpointError(say("example_stays"), run=run)
    return folder


def bare_name(run: str) -> str:
    """A run's name without what cannot be guessed of it, for all that others may see: a file's name, a report."""
    return run[: -SECRET_CHARS - 1] if SECRET.fullmatch(run) else run


def _may_be_named(run: str) -> bool:
    """On a public server the host's own runs are not there to be guessed."""
    return not is_public() or run in EXAMPLES or SECRET.fullmatch(run) is not None


def visible_runs(remembered: str | None) -> list[str]:
    """Of known_runs those that can speak already."""
    return [run for run in known_runs(remembered) if (runs_folder() / run / WEIGHTS).exists()]


def known_runs(remembered: str | None) -> list[str]:
    """The runs that a visitor may choose from, newest first, and the examples last: at home all, on a public server his
    own and the examples.

    `remembered` is the JSON list of names that his browser keeps.
    """
    found = list_runs()
    newest = sorted({*found} - {*EXAMPLES}, key=lambda run: (begun_at(runs_folder() / run), run), reverse=True)
    ordered = newest + [run for run in EXAMPLES if run in found]
    if not is_public():
        return ordered
    mine = {*_names(remembered), *EXAMPLES}
    return [run for run in ordered if run in mine and _may_be_named(run)]


def begun_at(folder: Path) -> float:
    """When a run was begun, or came here, in seconds since 1970; 0 when it is gone."""
    try:
        return (folder / CONFIG).stat().st_mtime
    except OSError:  # deleted meanwhile
        return 0.0


def _names(remembered: str | None) -> list[str]:
    try:
        names = json.loads(remembered or "[]")
    except (ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def new_run_folder(stem: str) -> Path:
    """A folder for a new run: at home with a name for people, on a public server with one that cannot be guessed."""
    bare = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode("ascii")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", bare).strip("-").lower()[:40].strip("-") or "text"
    if is_public():
        return runs_folder() / f"{stem}-{secrets.token_hex(SECRET_CHARS // 2)}"
    number, folder = 1, runs_folder() / stem
    while folder.exists():
        number += 1
        folder = runs_folder() / f"{stem}-{number}"
    return folder


# --- beginning --------------------------------------------------------------------------------------------------------


def begin_run(board: JobBoard, owner: str, stem: str, corpus: Corpus, settings: Plan) -> str:
    """Make the run folder and queue its job; the name of the run. Raises LimitError before anything is written."""
    check_limits(board.limits, corpus, settings)
    check_room(board.limits)
    board.admit(owner)
    folder = new_run_folder(f"{stem}-{settings.model.cell}")
    create_run(folder, corpus, settings)
    try:
        board.start(folder, owner, _guessed_seconds(corpus, settings))
    except LimitError:  # another click was faster
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder.name


def begin_race(
    board: JobBoard, owner: str, stem: str, corpus: Corpus, racers: Sequence[Plan], equal: str
) -> tuple[str, ...]:
    """Make a run folder for each racer and queue them as one job, which counts as one of the visitor's; their names.

    All of them together may take as long as a run. Raises LimitError before anything is written.
    """
    check_limits(board.limits, corpus, *racers)
    check_room(board.limits)
    board.admit(owner)
    folders: list[Path] = []
    try:
        for settings in racers:
            folder = new_run_folder(f"{stem}-{settings.model.cell}")
            create_run(folder, corpus, settings)
            folders.append(folder)
        first, *others = folders
        write_race(first, Race(equal, tuple(folder.name for folder in folders)))
        budget = sum(_guessed_seconds(corpus, settings) for settings in racers)
        board.start(first, owner, budget, others=tuple(others))
    except CharlmError:  # another click was faster, or the disk is full
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return tuple(folder.name for folder in folders)


def _guessed_seconds(corpus: Corpus, settings: Plan) -> float:
    training = settings.training
    chars = training.steps * training.streams * training.window or training.epochs * len(corpus.train)
    return training.seconds or chars / NOMINAL_SPEED


def check_room(limits: Limits) -> None:
    """Raises LimitError when the disk has no room for what a visitor wants to keep: the host's machine goes on."""
    folder = runs_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < limits.free_bytes:
        raise LimitError(say("no_room"))


def check_limits(limits: Limits, corpus: Corpus, *together: Plan) -> None:
    """Whether a run, or a race of several, is small enough for this server.

    Raises LimitError, whose `knob` is what must be smaller.
    """
    for settings in together:
        parameters = settings.model.parameters(len(corpus.vocabulary))
        if parameters > limits.parameters:
            raise LimitError(say("parameter_limit"), parameters=parameters, most=limits.parameters, knob="hidden_size")
    _check_seconds(limits, sum(settings.training.seconds for settings in together))


def _check_seconds(limits: Limits, seconds: float) -> None:
    if seconds > limits.seconds:
        raise LimitError(say("seconds_limit"), seconds=seconds, most=limits.seconds, knob="seconds")


# --- going on ---------------------------------------------------------------------------------------------------------


def resume_run(board: JobBoard, owner: str, run: str, others: Sequence[str] = ()) -> None:
    """Queue a run that was paused once more; with `others`, those of a race. Raises CheckpointError or LimitError."""
    folder, *beside = (_resumable(one) for one in (run, *others))
    board.start(folder, owner, sum(map(_seconds_left, (folder, *beside))), others=tuple(beside))


def _seconds_left(folder: Path) -> float:
    """What a paused run will still take, by its speed so far: a guess, for those who wait behind it."""
    last = LogReader(folder).read().last_step
    if last is None or not last.progress:
        return read_config(folder).training.seconds or DEFAULT_SECONDS
    return last.seconds / last.progress - last.seconds


def extend_run(board: JobBoard, owner: str, run: str, seconds: float | None) -> None:
    """Queue a run that has ended once more, for so many seconds more than it has used.

    Raises CheckpointError, LimitError, or ConfigError for no time at all.
    """
    folder, more = _resumable(run), float(seconds or 0)
    if not more > 0:
        raise ConfigError(say("longer_than_nothing"))
    _check_seconds(board.limits, more)
    last = LogReader(folder).read().last_step
    used = last.seconds if last else 0.0
    training = dataclasses.replace(read_config(folder).training, seconds=used + more, steps=0, epochs=0.0)
    board.start(folder, owner, more, training)


def _resumable(run: str) -> Path:
    """The folder of a run that holds what going on needs: the examples, which belong to everybody, do not."""
    folder = folder_of(run)
    if (folder / WEIGHTS).exists() and not (folder / TRAINER).exists():
        raise CheckpointError(
            "The run {run} came without {file}; it speaks, but cannot be resumed.", run=folder.name, file=TRAINER
        )
    return folder


# --- following and speaking -------------------------------------------------------------------------------------------


class Recent(Generic[T]):
    """The things made last, by key, so that five viewers of a run share one reader and ten texts share one network."""

    def __init__(self, make: Callable[[Path], T], most: int) -> None:
        self._make, self._most = make, most
        self._things: OrderedDict[tuple[Path, float], T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, folder: Path, version: float = 0.0) -> T:
        """The thing of a folder, made anew when its version is another one."""
        with self._lock:
            key = (folder, version)
            if key not in self._things:
                self._things[key] = self._make(folder)
            self._things.move_to_end(key)
            while len(self._things) > self._most:
                self._things.popitem(last=False)
            return self._things[key]


class Follower:
    """A log reader that several viewers may ask at a time."""

    def __init__(self, folder: Path) -> None:
        self._reader, self._lock = LogReader(folder), threading.Lock()

    @contextlib.contextmanager
    def history(self) -> Iterator[History]:
        """The history up to now, held still while it is looked at."""
        with self._lock:
            yield self._reader.read()


def speaker(folder: Path) -> tuple[Checkpoint, Folded]:
    """A run's best weights, ready to be stepped."""
    checkpoint = load_checkpoint(folder)
    return checkpoint, fold(checkpoint.model)


def version_of(folder: Path) -> float:
    """Changes whenever the weights of a run are replaced."""
    path = folder / WEIGHTS
    return path.stat().st_mtime if path.exists() else 0.0
