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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import texts
from tests.bench.at_once import MODEL, TRAINING, speeds
from tests.bench.row import Figure, Row, Scale

ROOT = Path(__file__).parents[2]
VIEWERS = 5
POLL_SECONDS = 1.0


# --- row 10: the page is open -----------------------------------------------------------------------------------------


def row_10(scale: Scale) -> Row:
    """Terminal and page take turns; each time both are begun anew."""
    seconds, bare, served, viewers = scale.pick(10, 5), [], [], Viewers()
    for _ in range(scale.pick(3, 1)):
        with tempfile.TemporaryDirectory() as place:
            bare.append(_terminal(Path(place), seconds))
        with tempfile.TemporaryDirectory() as place:
            served.append(_page(Path(place), seconds, viewers))
    both = [f"{name} {', '.join(f'{v:,.0f}' for v in values)}" for name, values in (("bare", bare), ("page", served))]
    return Row(
        "10", f"training with the page open and polled by {VIEWERS} viewers, against the bare terminal",
        f"chars/s of the Step events in {seconds} s of events.jsonl, the same settings (LSTM H256 B16 T32 AdamW): a job"
        f" of the page's board while {VIEWERS} threads post the page's own poll once a second, against train.py alone;"
        " the best of each, in turns",
        (Figure("", 100 * max(served) / max(bare), "%", 95, 99),), (f"chars/s: {'; '.join(both)}", str(viewers)),
    )  # fmt: skip


def _environment(place: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "CHARLM_CHECKPOINTS": str(place), "GRADIO_ANALYTICS_ENABLED": "False", **more}


def _text() -> str:
    return str(texts.file_of("tinyshakespeare.txt") or "comedy-en")


def _terminal(place: Path, seconds: float) -> float:
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in {**MODEL, **TRAINING}.items()]
    command = [sys.executable, "train.py", _text(), "--run=bare", *flags]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=_environment(place), **quiet) as process:
        try:
            return speeds([place / "bare"], seconds)[0]
        finally:
            process.send_signal(signal.SIGTERM)


def _page(place: Path, seconds: float, viewers: "Viewers") -> float:
    with served_page(place) as (address, process), viewers.polling(address, _begin(process)) as run:
        return speeds([place / run], seconds)[0]


@contextlib.contextmanager
def served_page(place: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Address and process of a page (tests.bench.page) whose runs lie in `place`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.page", str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=_environment(place), **pipes) as process:
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
    def polling(self, address: str, run: str) -> Iterator[str]:
        """VIEWERS threads poll the run until the block ends."""
        ended = threading.Event()
        ask = _poll(address, run)
        threads = [threading.Thread(target=self._watch, args=(ask, i, ended), daemon=True) for i in range(VIEWERS)]
        for thread in threads:
            thread.start()
        try:
            yield run
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


def _poll(address: str, run: str) -> urllib.request.Request:
    """The request that the page's timer makes: its handler is the one that a "tick" triggers, the run its first input,
    and the others are as the page has them at first.
    """
    with urllib.request.urlopen(f"{address}/config", timeout=20) as answer:
        page = json.load(answer)
    values = {part["id"]: part["props"].get("value") for part in page["components"]}
    ticked = next(one for one in page["dependencies"] if any(event == "tick" for _, event in one["targets"]))
    data = [run, *(values[part] for part in ticked["inputs"][1:])]
    body = json.dumps({"fn_index": ticked["id"], "data": data, "session_hash": "bench"}).encode()
    headers = {"Content-Type": "application/json"}
    return urllib.request.Request(f"{address}/gradio_api/run/predict", body, headers)


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
