"""Rows 10 and 10b: what training loses to a page that is being watched, and to another training beside it."""

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from charlm.log import LogReader
from tests.bench import texts
from tests.bench.at_once import MODEL, PATIENCE, TRAINING, WARM_STEPS
from tests.bench.row import Figure, Row, Scale

ROOT = Path(__file__).parents[2]
VIEWERS = 5
POLL_SECONDS = 1.0
SETTLING = 0.3  # of a turn: what was halted has its caches to fill


# --- row 10: the page is open -----------------------------------------------------------------------------------------


def row_10(scale: Scale) -> Row:
    """Both train all the while and take turns: the one that is not measured is halted, with all its processes."""
    seconds, turns, viewers = 1.0, scale.pick(60, 10), Viewers()
    with tempfile.TemporaryDirectory() as place, _terminal(Path(place)) as bare, _page(Path(place), viewers) as page:
        pairs = [(bare.speed(seconds), page.speed(seconds)) for _ in range(turns)]
    ratios = sorted(100 * served / alone for alone, served in pairs)
    fifth = len(pairs) // 5
    alone, served = (statistics.median(each) for each in zip(*pairs, strict=True))
    return Row(
        "10", f"training with the page open and polled by {VIEWERS} viewers, against the bare terminal",
        f"the same settings (LSTM H256 B16 T32 AdamW): a job of the page's board while {VIEWERS} threads ask for"
        f" what a viewer's page does once a second, against train.py alone; {turns} turns of {seconds:.0f} s each, one"
        " halted (SIGSTOP) while the other learns; the median of page / bare over the pairs of turns",
        (Figure("", statistics.median(ratios), "%", 95, 99),),
        (
            f"chars/s, medians: bare {alone:,.0f}, page {served:,.0f}",
            f"three fifths of the pairs lie between {ratios[fifth]:.1f} and {ratios[-1 - fifth]:.1f} %",
            str(viewers),
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """A run in processes of its own, which learn only while its speed is taken."""

    process: subprocess.Popen[str]
    log: LogReader
    watched: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext

    def speed(self, seconds: float) -> float:
        """Characters a second by the clock, over that time."""
        with self.going(), self.watched():
            time.sleep(SETTLING)
            before, began = self._told()
            time.sleep(seconds)
            after, ended = self._told()
            return (after - before) / (ended - began)

    def warm_up(self) -> None:
        """Go on until the yardsticks are made, and halt. Raises RuntimeError when it does not learn."""
        deadline = time.monotonic() + PATIENCE
        with self.going():
            while self._told()[0] < WARM_STEPS * TRAINING["streams"] * TRAINING["window"]:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"The run {self.log.path.parent.name} learned nothing within {PATIENCE:.0f} s.")
                time.sleep(0.05)

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """The process and its children go on until the block ends."""
        os.killpg(self.process.pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGSTOP)

    def _told(self) -> tuple[int, float]:
        """Characters learned by the last Step, and when it was told."""
        last = self.log.read().last_step
        return (last.chars_seen, self.log.path.stat().st_mtime) if last else (0, 0.0)


def _environment(place: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "CHARLM_CHECKPOINTS": str(place), "GRADIO_ANALYTICS_ENABLED": "False", **more}


def _text() -> str:
    return str(texts.file_of("tinyshakespeare.txt") or "comedy-en")


@contextlib.contextmanager
def _terminal(place: Path) -> Iterator[Contender]:
    """train.py, halted."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in {**MODEL, **TRAINING}.items()]
    command = [sys.executable, "train.py", _text(), "--run=bare", *flags]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=_environment(place), process_group=0, **pipes) as process:
        bare = Contender(process, LogReader(place / "bare"))
        try:
            bare.warm_up()
            yield bare
        finally:
            os.killpg(process.pid, signal.SIGCONT)
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def _page(place: Path, viewers: "Viewers") -> Iterator[Contender]:
    """A run that was begun on a page, both halted; while it goes on, the viewers poll."""
    with served_page(place) as (address, process):
        run = _begin(process)
        page = Contender(process, LogReader(place / run), partial(viewers.polling, _glance(address, run)))
        page.warm_up()
        try:
            yield page
        finally:
            os.killpg(process.pid, signal.SIGCONT)


@contextlib.contextmanager
def served_page(place: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address and process of a page (tests.bench.page) whose runs lie in `place`; its process leads a group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.page", str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=_environment(place), process_group=0, **pipes) as process:
        try:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("the page did not start; python -m tests.bench.page 7900 says why")
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.stdin.close()  # the end of its input: it stops the run and ends


def _begin(process: subprocess.Popen[str]) -> str:
    """Begin a run on the page's board; its name."""
    process.stdin.write(json.dumps({"text": _text(), "model": MODEL, "training": TRAINING}) + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@dataclass
class Viewers:
    """What the viewers' polls took, how much came back, and whose polls failed."""

    seconds: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    failed: list[OSError] = field(default_factory=list)

    @contextlib.contextmanager
    def polling(self, ask: urllib.request.Request) -> Iterator[None]:
        """VIEWERS threads poll until the block ends."""
        ended = threading.Event()
        threads = [threading.Thread(target=self._watch, args=(ask, i, ended), daemon=True) for i in range(VIEWERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        if self.failed:
            raise self.failed[0]

    def _watch(self, ask: urllib.request.Request, viewer: int, ended: threading.Event) -> None:
        ended.wait(viewer / VIEWERS)
        while not ended.is_set():
            began = time.perf_counter()
            try:
                with urllib.request.urlopen(ask, timeout=20) as answer:
                    self.bytes.append(len(answer.read()))
            except OSError as error:
                self.failed.append(error)
                return
            self.seconds.append(time.perf_counter() - began)
            ended.wait(POLL_SECONDS - (time.perf_counter() - began))

    def __str__(self) -> str:
        if not self.seconds:
            return "no poll was answered"
        return (
            f"{len(self.seconds)} polls answered, in the middle after {1e3 * statistics.median(self.seconds):.0f} ms,"
            f" at most {1e3 * max(self.seconds):.0f} ms, {statistics.mean(self.bytes):,.0f} bytes each"
        )


def _glance(address: str, run: str) -> urllib.request.Request:
    """What the page of somebody who watches the run asks for every second (charlm.ui.glance)."""
    return urllib.request.Request(f"{address}/glance?run={run}&language=en&unit=nats")


# --- row 10b: two jobs at once ----------------------------------------------------------------------------------------

ALONE, TOGETHER = "one job, as the board sets it", "two jobs, as a board of two places sets them"
CASES: dict[str, tuple[int, int, int, dict[str, str]]] = {  # jobs, places, threads (0: the board's choice), environment
    ALONE: (1, 0, 0, {}),
    TOGETHER: (2, 2, 0, {}),
    "one job, 2 threads, never spinning": (1, 1, 2, {"OMP_WAIT_POLICY": "passive"}),
    "two jobs, 2 threads each, never spinning": (2, 2, 2, {"OMP_WAIT_POLICY": "passive"}),
    "one job, 1 thread": (1, 1, 1, {}),
    "two jobs, 1 thread each": (2, 2, 1, {}),
    "two jobs, 2 threads each": (2, 2, 2, {}),
    "two jobs, 2 threads each, always spinning": (2, 2, 2, {"OMP_WAIT_POLICY": "active"}),
}


def row_10b(scale: Scale) -> Row:
    """The first two cases take turns and make the figure; the others, in full runs, are there to choose from."""
    seconds, found = scale.pick(8, 3), dict[str, list[float]]()
    for name in scale.pick([ALONE, TOGETHER, *CASES], [ALONE, TOGETHER]):
        each = _at_once(CASES[name], seconds)
        found[name] = max(found.get(name, []), each, key=sum)
    alone = sum(found[ALONE])
    lines = [
        f"{name}: {' + '.join(f'{speed:,.0f}' for speed in each)} chars/s = {100 * sum(each) / alone:.0f} %"
        for name, each in found.items()
    ]
    return Row(
        "10b", "two jobs at once, sum of both, against one job alone",
        f"chars/s of the Step events in {seconds} s of events.jsonl, LSTM H256 B16 T32 AdamW fp32, a JobBoard of one"
        " place and one of two, threads as it sets them; 0 chars/s: nothing was told in that time",
        (Figure("", 100 * sum(found[TOGETHER]) / alone, "%", 90, 100),), tuple(lines),
    )  # fmt: skip


def _at_once(case: tuple[int, int, int, dict[str, str]], seconds: int) -> list[float]:
    jobs, places, threads, environment = case
    command = [sys.executable, "-m", "tests.bench.at_once", *map(str, (jobs, places, threads, seconds))]
    told = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return json.loads(told.stdout)
