"""A visitor's runs as things that are kept: listed, compared, named, deleted, packed up, taken in. No components here.

What he may touch is decided in runs.py by the run's name alone, and asked here in every function, so that a program
that calls the page's handlers by itself gets no further than the page.
"""

import contextlib
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from charlm import archive, hub
from charlm.card import PICTURE, card_of
from charlm.checkpoint import CARD, TEXT, RunConfig, give_text, read_config, remove_run, write_name
from charlm.corpus import corpus_from_bytes
from charlm.errors import CheckpointError, LimitError
from charlm.events import Evaluated, Reason
from charlm.history import History, history_of
from charlm.hub import Origin, Pulled, Pushed, Stage, seconds_for
from charlm.jobs import JobBoard, JobState
from charlm.log import read_events
from charlm.ui.report import report_page
from charlm.ui.runs import (
    Follower,
    Recent,
    bare_name,
    begun_at,
    check_room,
    folder_of,
    known_runs,
    new_run_folder,
    own_folder_of,
)  # fmt: skip
from charlm.ui.words import say

State = Literal[JobState, Reason, "damaged"]
REPORT = "report.html"


@dataclass(frozen=True)
class RunFacts:
    """A run as it is listed."""

    run: str  # its folder's name: on a public server the right to it
    shown: str  # what people call it
    config: RunConfig | None  # None: damaged
    step: int  # that it has come to
    loss: float  # of the whole validation text, else as it was measured while it learned; stream, nats; NaN: none yet
    size: int  # bytes on disk
    begun: float  # seconds since 1970
    state: State  # "ended": neither finished nor at work here: cut off, or at work in a terminal


@dataclass(frozen=True)
class Story:
    """What a run has told up to one moment, for a comparison."""

    run: str
    shown: str
    config: RunConfig
    parameters: int  # 0: not told yet
    evaluated: tuple[Evaluated, ...]
    measured: Mapping[str, float]
    origin: Origin | None  # where on the Hub it came from
    has_text: bool  # a run from elsewhere mostly came without it


class Shelf:
    """The runs behind one page. Several visitors may ask at a time."""

    def __init__(self, board: JobBoard) -> None:
        self.board = board
        self.followers = Recent(Follower, most=256)

    def runs(self, remembered: str | None) -> list[RunFacts]:
        """All that the visitor may see, newest first. `remembered` is the JSON list of names that his browser keeps."""
        found = []
        for run in known_runs(remembered):
            with contextlib.suppress(CheckpointError):  # deleted meanwhile
                found.append(self._facts(run, folder_of(run)))
        return found

    def _facts(self, run: str, folder: Path) -> RunFacts:
        size, begun, state = _size(folder), begun_at(folder), self.board.view(run).state
        try:
            config = read_config(folder)
            with self.followers.get(folder).history() as history:
                reason, step, loss = history.finished and history.finished.reason, _step(history), _loss(history)
        except CheckpointError:
            return RunFacts(run, bare_name(run), None, 0, math.nan, size, begun, "damaged")
        told = reason if reason and state == "ended" else state
        return RunFacts(run, shown_name(run, config), config, step, loss, size, begun, told)

    def story(self, run: str) -> Story:
        """Raises CheckpointError for a run that the visitor may not see, or that is damaged."""
        folder = folder_of(run)
        config = read_config(folder)
        with self.followers.get(folder).history() as history:
            parameters = history.started.parameters if history.started else 0
            return Story(
                run, shown_name(run, config), config, parameters, tuple(history.evaluated), dict(history.measured),
                hub.origin_of(folder), (folder / TEXT).exists(),
            )  # fmt: skip

    # --- changing -----------------------------------------------------------------------------------------------------

    def rename(self, run: str, name: str) -> None:
        """What people call it from now on; "": as its folder. Raises CheckpointError."""
        write_name(own_folder_of(run), name)

    def delete(self, run: str) -> None:
        """For good. Raises CheckpointError, or LimitError while it waits or learns."""
        folder = own_folder_of(run)
        if self.board.is_active(run):
            raise LimitError(say("stop_first"))
        remove_run(folder)

    def give_text(self, run: str, path: Path) -> None:
        """The text that a run from elsewhere learned, read as it was then, so that it can be trained on.

        Raises LimitError, TextError, or CheckpointError for any other text.
        """
        folder, most = own_folder_of(run), self.board.limits.text_bytes
        size = path.stat().st_size
        if size > most:
            raise LimitError(say("text_limit"), size=size, most=most)
        give_text(folder, corpus_from_bytes(path.read_bytes(), path.name, read_config(folder).text))

    # --- coming and going ---------------------------------------------------------------------------------------------

    def pack(self, run: str, target: BinaryIO, with_text: bool, language: str) -> None:
        """The run as one zip, with a card, and a report in the visitor's language. Raises CheckpointError."""
        folder = folder_of(run)
        check_room(self.board.limits)
        card = card_of(folder, f"USER/{bare_name(run)}")
        texts = {CARD: card.text, REPORT: self.report(run, language)}
        beside = {name: text.encode("utf-8") for name, text in texts.items()} | {PICTURE: card.picture}
        archive.pack(folder, target, with_text, beside, called=bare_name(run))

    def report(self, run: str, language: str) -> str:
        """The run as a page of its own. Raises CheckpointError."""
        folder = folder_of(run)
        config = read_config(folder)
        return report_page(shown_name(run, config), config, _history(folder), language)

    def take_in(self, zipped: Path) -> str:
        """A run from a visitor's zip; its name here. Raises CheckpointError or LimitError, having kept nothing."""
        check_room(self.board.limits)
        folder = new_run_folder(archive.run_name(zipped))
        archive.unpack(zipped, folder, self.board.limits.run_bytes)
        return self.admitted(folder)

    def push(
        self, run: str, repo: str, token: str, private: bool, license: str, tell: Callable[[Stage], None]
    ) -> Pushed:
        """The run to the Hub, with the token of whoever asks. Raises HubError, CheckpointError or ConfigError."""
        return hub.push_run(folder_of(run), repo, token, private=private, license=license, progress=tell)

    def pull(self, repo: str, token: str, tell: Callable[[Stage | float], None]) -> Pulled:
        """A run from the Hub, at the commit that is there now; `tell` also hears how many seconds it may take.

        Raises HubError, CheckpointError or LimitError, having kept nothing.
        """
        check_room(self.board.limits)
        tell(Stage.LOOK)
        seen = hub.look_at(repo, token)
        tell(seconds_for(0) + seconds_for(seen.size))
        folder, most = new_run_folder(seen.repo.rpartition("/")[2]), self.board.limits.run_bytes
        pulled = hub.pull_run(seen.repo, folder, token, revision=seen.commit, most=most, progress=tell)
        self.admitted(folder)
        return pulled

    def size_of(self, run: str) -> int:
        """Bytes on disk."""
        return _size(folder_of(run))

    def admitted(self, folder: Path) -> str:
        """The name of a run that has just come from elsewhere, if its network is within this server's limit.

        Raises LimitError, and has then removed it.
        """
        config = read_config(folder)
        parameters = config.model.parameters(len(config.vocabulary))
        if parameters > self.board.limits.parameters:
            shutil.rmtree(folder, ignore_errors=True)
            raise LimitError(say("parameter_limit"), parameters=parameters, most=self.board.limits.parameters)
        return folder.name


def the_one(chosen: list[str]) -> str:
    """The run that is chosen. Raises CheckpointError when none is, or several are."""
    if len(chosen or []) != 1:
        raise CheckpointError(say("choose_first"))
    return chosen[0]


def shown_name(run: str, config: RunConfig) -> str:
    """What people call a run: the name that they gave it, else its folder's, without what nobody shall guess."""
    return config.name or bare_name(run)


def _step(history: History) -> int:
    return history.last_step.step if history.last_step else 0


def _loss(history: History) -> float:
    """The final figure of a run that has one and has not gone on since; else that of its best evaluation."""
    if history.finished and "stream" in history.measured:
        return history.measured["stream"]
    return history.best.loss if history.best else math.nan


def _history(folder: Path) -> History:
    return history_of(read_events(folder))


def _size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    sizes = []
    with contextlib.suppress(OSError):  # deleted, or replaced, while it is looked at
        sizes = [path.lstat().st_size for path in folder.iterdir()]
    return sum(sizes)
