"""Jobs: runs being trained here for visitors, each in a process of its own. Knows nothing of networks, and no torch.

A job is "go on with this run folder": a new folder begins, a stopped one resumes. Its memory, random state, threads and
crash are its own. What it does is read from the run's event log, by anybody; this module only knows whether it is
waiting, running or over.

    queued --> running --> ended            ended: over, stopped, failed or killed; the run folder says how far it got
       \\--> ended  (stop)

Processes come from a fork server that has torch loaded already (spawn where there is none). Stop is a signal that the
job acts on between two events: it saves, and ends. When this program ends, its jobs save and end too.
"""

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import connection, context, get_all_start_methods, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from charlm.errors import CharlmError, LimitError

JobState = Literal["queued", "running", "ended"]
TICK_SECONDS = 0.1
KILL_SECONDS = 20.0  # that a stopping job has to save
Work = Callable[[Path, Callable[[], bool]], None]


@dataclass(frozen=True)
class Limits:
    """What this server does for one visitor, and in all. Enforced here and where runs are made, not by the page."""

    text_bytes: int
    parameters: int
    seconds: float  # of one job, by the clock
    jobs: int  # of one visitor, waiting and running
    queue: int  # of all visitors, waiting
    characters: int  # generated at a time


HOME = Limits(text_bytes=200 << 20, parameters=200_000_000, seconds=1e9, jobs=4, queue=16, characters=100_000)
PUBLIC = Limits(text_bytes=5 << 20, parameters=5_000_000, seconds=1800.0, jobs=1, queue=32, characters=5_000)


def is_public() -> bool:
    """Whether strangers use this server: a Hugging Face Space, or CHARLM_PUBLIC=1."""
    return bool(os.environ.get("SPACE_ID")) or os.environ.get("CHARLM_PUBLIC") == "1"


def limits_here() -> Limits:
    """The limits of this server."""
    return PUBLIC if is_public() else HOME


@dataclass(frozen=True)
class JobView:
    """What a visitor may know of a job. `place` counts from 1 in the queue; `error` is a sentence, "" for none."""

    state: JobState
    place: int = 0
    wait_seconds: float = 0.0
    error: str = ""


@dataclass
class Job:
    """A run folder being worked on for `owner`; `budget` is what it may take, to tell others how long they wait."""

    folder: Path
    owner: str
    budget: float  # seconds, a guess
    process: BaseProcess | None = None
    messages: connection.Connection | None = None
    started: float = 0.0
    stopped: float = 0.0  # when it was asked to stop
    is_over: bool = False
    error: str = ""

    @property
    def state(self) -> JobState:
        return "ended" if self.is_over else "running" if self.process else "queued"


@dataclass
class JobBoard:
    """All jobs of this program. One thread of its own starts waiting jobs and clears up what has ended."""

    limits: Limits = field(default_factory=limits_here)
    places: int = field(default_factory=lambda: max(1, (os.cpu_count() or 1) // 2))
    work: Work | None = None  # what a job does; a test gives another
    jobs: dict[str, Job] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._context = _context()
        self._is_closed = False
        threading.Thread(target=self._tend, name="job-board", daemon=True).start()
        atexit.register(self.close)

    def start(self, folder: Path, owner: str, budget: float = 60.0) -> None:
        """Queue the run in a folder. Raises LimitError, one sentence, when the visitor or the server has enough."""
        with self._lock:
            if self.is_active(folder.name):
                raise LimitError("This run is being trained already.")
            self.admit(owner)
            self.jobs.pop(folder.name, None)
            self.jobs[folder.name] = Job(folder, owner, min(budget, self.limits.seconds))
            self._start_waiting()

    def admit(self, owner: str) -> None:
        """Raises LimitError when `owner`, or the server, has as many jobs as it may."""
        under_way = [job for job in self.jobs.values() if job.state != "ended"]
        mine, most = sum(job.owner == owner for job in under_way), self.limits.jobs
        if mine >= most:
            raise LimitError(
                "You have {mine} runs under way; at most {most} are allowed. Stop one first.", mine=mine, most=most
            )
        if sum(job.state == "queued" for job in under_way) >= self.limits.queue:
            raise LimitError("The queue is full ({most} runs wait). Try again in some minutes.", most=self.limits.queue)

    def stop(self, run: str) -> None:
        """Ask a job to save and end. A waiting one ends at once, one that has ended stays so."""
        with self._lock:
            job = self.jobs.get(run)
            if job is None or job.is_over:
                return
            if job.process is None:
                job.is_over = True
            elif not job.stopped:
                job.stopped = time.monotonic()
                _signal(job.process, signal.SIGTERM)

    def view(self, run: str) -> JobView:
        """Where the job of a run stands; a run without one has ended."""
        with self._lock:
            job = self.jobs.get(run)
            if job is None or job.state == "ended":
                return JobView("ended", error=job.error if job else "")
            if job.state == "running":
                return JobView("running")
            queue = [other for other in self.jobs.values() if other.state == "queued"]
            place = queue.index(job) + 1
            return JobView("queued", place, self._wait(queue[: place - 1]))

    def is_active(self, run: str) -> bool:
        """Whether a job of this run is waiting or running."""
        return self.view(run).state != "ended"

    def close(self) -> None:
        """Ask every job to save, and wait until they have."""
        with self._lock:
            self._is_closed = True
            for run in list(self.jobs):
                self.stop(run)
            running = [job.process for job in self.jobs.values() if job.process and not job.is_over]
        for process in running:
            process.join(KILL_SECONDS)
            if process.is_alive():
                process.kill()

    # --- the board's own thread ---------------------------------------------------------------------------------------

    def _tend(self) -> None:
        while not self._is_closed:
            with self._lock:
                self._clear_ended()
                self._start_waiting()
            time.sleep(TICK_SECONDS)

    def _start_waiting(self) -> None:
        """The longest waiting jobs take the free places."""
        running = sum(job.state == "running" for job in self.jobs.values())
        waiting = [job for job in self.jobs.values() if job.state == "queued"]
        for job in waiting[: 0 if self._is_closed else max(0, self.places - running)]:
            threads = max(1, (os.cpu_count() or 1) // self.places)
            job.messages, theirs = self._context.Pipe(duplex=False)
            job.process = self._context.Process(
                target=_run_job,
                args=(self.work, job.folder, threads, theirs),
                name=f"charlm-{job.folder.name}",
                daemon=False,
            )
            job.process.start()
            theirs.close()
            job.started = time.monotonic()

    def _clear_ended(self) -> None:
        now = time.monotonic()
        for job in self.jobs.values():
            if job.process is None or job.is_over:
                continue
            if not job.process.is_alive():
                job.error, job.is_over = _last_words(job), True
            elif now - job.started > self.limits.seconds and not job.stopped:
                self.stop(job.folder.name)
            elif job.stopped and now - job.stopped > KILL_SECONDS:
                job.process.kill()

    def _wait(self, before: list[Job]) -> float:
        """Seconds until a place is free, by the budgets of those before: a guess, and said to be one."""
        now = time.monotonic()
        running = [max(0.0, job.budget - (now - job.started)) for job in self.jobs.values() if job.state == "running"]
        return (min(running, default=0.0) + sum(job.budget for job in before)) / self.places


def _last_words(job: Job) -> str:
    """The sentence that a failed job left; one of our own when it could not leave any."""
    assert job.process is not None and job.messages is not None
    with contextlib.suppress(EOFError, OSError):
        if job.messages.poll():
            return str(job.messages.recv())
    code = job.process.exitcode
    return (
        ""
        if code == 0
        else f"The job ended unexpectedly (exit code {code}). What it had saved is kept; Resume goes on from there."
    )


def _signal(process: BaseProcess, number: int) -> None:
    if process.pid is not None and process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _context() -> context.SpawnContext | context.ForkServerContext:
    """A fork server that has loaded torch and charlm before the first job is asked for; spawn on Windows."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    chosen = get_context("forkserver")
    chosen.set_forkserver_preload(["charlm.recording"])
    from multiprocessing.forkserver import ensure_running

    ensure_running()
    return chosen


# --- inside the job's process ---------------------------------------------------------------------------------------


def _run_job(work: Work | None, folder: Path, threads: int, messages: connection.Connection) -> None:
    """What a job's process does: go on with a run until it ends or a signal comes."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal goes to the page, which asks its jobs to stop
    _stop_with_parent(stop)
    try:
        if work is None:
            _train(folder, threads, stop.is_set)
        else:
            work(folder, stop.is_set)
    except CharlmError as error:
        messages.send(str(error))
    except MemoryError:
        messages.send("The memory of this machine is used up. Use a smaller network, fewer streams or a shorter text.")


def _train(folder: Path, threads: int, is_stopped: Callable[[], bool]) -> None:
    import torch

    from charlm.recording import resumed

    torch.set_num_threads(threads)
    _, events = resumed(folder)
    with contextlib.closing(events):
        for _ in events:
            if is_stopped():
                break


def _stop_with_parent(stop: threading.Event) -> None:
    """When the program that asked for the job is gone, save and end."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        stop.set()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
