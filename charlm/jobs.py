"""Jobs: runs being trained here for visitors, each in a process of its own. Knows nothing of networks, and no torch.

A job is "go on with this run folder": a new folder begins, a stopped one resumes, with other settings of training a
finished one is extended. Its memory, random state, threads and crash are its own. What it does is read from the run's
event log, by anybody; this module only knows whether it is waiting, running or over. The runs of a race are one job: it
learns them in turns (racing.py says why).

    queued --> running --> ended            ended: over, stopped, failed or killed; the run folder says how far it got
       \\--> ended  (stop)

Processes come from a fork server that has torch loaded already (spawn where there is none). A line connects the board
with each job; what is said on it is obeyed between two events. "pause": save and go; it can go on exactly from there.
"end": be over now, as if the budget were used. A number: multiply the learning rate by it. When this program is gone,
killed even, its end of the line is closed, which means pause. A job that fails leaves its error on it.
"""

import atexit
import contextlib
import heapq
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import connection, context, get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal

from charlm.config import TrainConfig
from charlm.errors import CharlmError, ConfigError, LimitError
from charlm.notes import note

if TYPE_CHECKING:
    from charlm.trainer import Trainer

JobState = Literal["queued", "running", "ended"]
TICK_SECONDS = 0.1
KILL_SECONDS = 20.0  # that a stopping job has to save
OVERTIME = 1.25  # a job's clock also counts loading, evaluating and saving, which its budget leaves out
PRELOADED = ["charlm.recording", "torch._dynamo"]  # a first optimizer imports the second, for more than a second
CANNOT_START = "The job could not be started: {reason}. Try again in some minutes."
NO_MEMORY = "There is no memory left for this run. Use a smaller network, fewer streams or a shorter text."
ENDED_KEPT = 256  # jobs that have ended, to tell how
RATES = (0.01, 100.0)  # a change of the learning rate at one order
Order = float | Literal["pause", "end"]
Work = Callable[[Path, Callable[[], bool]], None]  # on a run, or on the first one of a race


@dataclass(frozen=True)
class Limits:
    """What this server does for one visitor, and in all. Enforced here and where runs are made, not by the page."""

    text_bytes: int
    parameters: int
    seconds: float  # of one job, by the clock
    jobs: int  # of one visitor, waiting and running
    queue: int  # of all visitors, waiting
    characters: int  # generated at a time
    memory: int = 0  # bytes of one job; 0: as many as there are
    run_bytes: int = (1 << 31) - 1  # of a run from elsewhere, all its files
    free_bytes: int = 0  # of the disk, that visitors leave free


HOME = Limits(text_bytes=200 << 20, parameters=200_000_000, seconds=1e9, jobs=4, queue=16, characters=100_000)
PUBLIC = Limits(
    text_bytes=5 << 20, parameters=5_000_000, seconds=1800.0, jobs=1, queue=32, characters=5_000, memory=4 << 30,
    run_bytes=128 << 20, free_bytes=1 << 30,
)  # fmt: skip


def is_public() -> bool:
    """Whether strangers use this server: a Hugging Face Space, or CHARLM_PUBLIC=1."""
    return bool(os.environ.get("SPACE_ID")) or os.environ.get("CHARLM_PUBLIC") == "1"


def limits_here() -> Limits:
    """The limits of this server."""
    return PUBLIC if is_public() else HOME


def cores() -> int:
    """Processor cores that this program may use: its container's share where there is one, not the whole machine's."""
    known = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        known.append(len(os.sched_getaffinity(0)))
    with contextlib.suppress(OSError, ValueError):  # "max": no share is set
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        known.append(math.ceil(int(quota) / int(period)))
    return max(1, min(known))


def places_here() -> int:
    """How many jobs run at a time: what CHARLM_PLACES says, else one for every two cores."""
    wanted = os.environ.get("CHARLM_PLACES", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else max(1, cores() // 2)


@dataclass(frozen=True)
class JobView:
    """What a visitor may know of a job. `place` counts from 1 in the queue; `error` says why it failed."""

    state: JobState
    place: int = 0
    wait_seconds: float = 0.0
    error: CharlmError | None = None


@dataclass
class Job:
    """A run folder being worked on for `owner`; `budget` is what it may take, to tell others how long they wait."""

    folder: Path
    owner: str
    budget: float  # seconds, a guess
    training: TrainConfig | None = None  # other settings than the run has had
    process: BaseProcess | None = None
    line: connection.Connection | None = None
    started: float = 0.0
    stopped: float = 0.0  # when it was asked to stop
    is_over: bool = False
    error: CharlmError | None = None
    others: tuple[Path, ...] = ()  # of a race: the folders that take turns with it

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.folder, *self.others)

    @property
    def state(self) -> JobState:
        return "ended" if self.is_over else "running" if self.process else "queued"


@dataclass
class JobBoard:
    """All jobs of this program. One thread of its own starts waiting jobs and clears up what has ended."""

    limits: Limits = field(default_factory=limits_here)
    places: int = field(default_factory=places_here)
    work: Work | None = None  # what a job does; a test gives another
    jobs: dict[str, Job] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._context = _context()
        self._is_closed = False
        threading.Thread(target=self._tend, name="job-board", daemon=True).start()
        atexit.register(self.close)

    def start(
        self, folder: Path, owner: str, budget: float = 60.0, training: TrainConfig | None = None,
        others: tuple[Path, ...] = (),
    ) -> None:  # fmt: skip
        """Queue the run in a folder; with `others`, the race of them all, which is one job in one place.

        Raises LimitError, one sentence, when the visitor or the server has enough.
        """
        with self._lock:
            if self._is_closed:
                raise LimitError("The server is being closed. Try again in some minutes.")
            if any(self.is_active(one.name) for one in (folder, *others)):
                raise LimitError("This run is being trained already.")
            self.admit(owner)
            self.jobs.pop(folder.name, None)
            self.jobs[folder.name] = Job(folder, owner, min(budget, self.limits.seconds), training, others=others)
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
        """Ask a job to save and go. A waiting one goes at once, one that has ended stays so."""
        with self._lock:
            job = self._job_of(run)
            if job is not None and self._say(job, "pause"):
                job.stopped = time.monotonic()

    def end(self, run: str) -> None:
        """Ask a job to be over now, as if its budget were used. A waiting one goes at once."""
        with self._lock:
            job = self._job_of(run)
            if job is not None:
                self._say(job, "end")

    def change_rate(self, run: str, factor: float) -> None:
        """Multiply a running job's learning rates. Raises ConfigError for a factor outside RATES."""
        low, high = RATES
        if not low <= factor <= high:
            raise ConfigError(
                "The learning rate can be multiplied by {low:g} to {high:g} at a time, not by {value:g}.",
                knob="learning_rate", low=low, high=high, value=factor,
            )  # fmt: skip
        with self._lock:
            job = self._job_of(run)
            if job is not None and job.process is not None:
                self._say(job, factor)

    def _say(self, job: Job, order: Order) -> bool:
        """Whether the job's process was told; a waiting job is over at a word."""
        if job.is_over or job.stopped:
            return False
        if job.process is None or job.line is None:
            job.is_over = True
            return False
        with contextlib.suppress(OSError):  # it has just ended by itself
            job.line.send(order)
        return True

    def view(self, run: str) -> JobView:
        """Where the job of a run stands; a run without one has ended."""
        with self._lock:
            job = self._job_of(run)
            if job is None or job.state == "ended":
                return JobView("ended", error=job.error if job else None)
            if job.state == "running":
                return JobView("running")
            queue = [other for other in self.jobs.values() if other.state == "queued"]
            place = queue.index(job) + 1
            return JobView("queued", place, self._wait(queue[: place - 1]))

    def is_active(self, run: str) -> bool:
        """Whether a job of this run is waiting or running."""
        return self.view(run).state != "ended"

    def _job_of(self, run: str) -> Job | None:
        """The last job that worked on a run: the one under way where there is one."""
        return next((job for job in reversed(self.jobs.values()) if any(one.name == run for one in job.folders)), None)

    def close(self) -> None:
        """Ask every job to save, and wait until they have."""
        with self._lock:
            self._is_closed = True
            for run in list(self.jobs):
                self.stop(run)
        while any(job.state == "running" for job in list(self.jobs.values())):  # _clear_ended kills the last ones
            time.sleep(TICK_SECONDS / 2)
            with self._lock:
                self._clear_ended()
        atexit.unregister(self.close)

    # --- the board's own thread ---------------------------------------------------------------------------------------

    def _tend(self) -> None:
        while not self._is_closed:
            with self._lock:
                self._clear_ended()
                self._start_waiting()
            time.sleep(TICK_SECONDS)

    def warm_up(self) -> None:
        """Begin the fork server where it is not there yet: it loads torch for some seconds, beside all else, and the
        first job need not wait for it."""
        if self._context.get_start_method() == "forkserver":
            from multiprocessing.forkserver import ensure_running

            with self._lock, _findable():
                ensure_running()

    def _start_waiting(self) -> None:
        """The longest waiting jobs take the free places."""
        running = sum(job.state == "running" for job in self.jobs.values())
        waiting = [job for job in self.jobs.values() if job.state == "queued"]
        for job in waiting[: 0 if self._is_closed else max(0, self.places - running)]:
            try:
                self._begin(job)
            except (OSError, EOFError) as error:  # no file handles, no memory, no fork server
                job.error, job.is_over = CharlmError(CANNOT_START, reason=str(error)), True

    def _begin(self, job: Job) -> None:
        ours, theirs = self._context.Pipe()
        with theirs:
            process = self._context.Process(
                target=_run_job,
                args=(self.work, job.folders, job.training, _threads(self.places), self.limits.memory, theirs),
                name=f"charlm-{job.folder.name}",
                daemon=False,
            )
            with _findable():  # a fork server that is not there, or no longer, is begun
                process.start()
        job.process, job.line, job.started = process, ours, time.monotonic()

    def _clear_ended(self) -> None:
        now = time.monotonic()
        for job in self.jobs.values():
            if job.process is None or job.is_over:
                continue
            if not job.process.is_alive():
                _end(job)
            elif now - job.started > OVERTIME * self.limits.seconds and not job.stopped:
                self.stop(job.folder.name)
            elif job.stopped and now - job.stopped > KILL_SECONDS:
                job.process.kill()
        ended = [run for run, job in self.jobs.items() if job.is_over]
        for run in ended[:-ENDED_KEPT]:
            del self.jobs[run]

    def _wait(self, before: list[Job]) -> float:
        """Seconds until a place is free after those before, by all budgets: a guess, and said to be one."""
        now = time.monotonic()
        free = [max(0.0, job.budget - (now - job.started)) for job in self.jobs.values() if job.state == "running"]
        free += [0.0] * (self.places - len(free))  # each place, by when it is free
        heapq.heapify(free)
        for job in before:
            heapq.heapreplace(free, free[0] + job.budget)
        return free[0]


def _end(job: Job) -> None:
    """Note how a job ended, and let its process and line go."""
    assert job.process is not None and job.line is not None
    job.error, job.is_over = _last_words(job, job.process.exitcode or 0), True
    job.line.close()
    job.process.close()
    job.process = job.line = None


def _last_words(job: Job, code: int) -> CharlmError | None:
    """The error that a failed job left; one of our own when it could not leave any."""
    assert job.line is not None
    with contextlib.suppress(EOFError, OSError):
        if job.line.poll():
            error: CharlmError = job.line.recv()
            return error
    if code == 0:
        return None
    killed = note("it took too long to save") if job.stopped else note("killed, most likely because memory ran out")
    why = killed if code == -9 else note("exit code {code}", code=code)
    return CharlmError(
        "The job ended unexpectedly ({why}). What it had saved is kept; Resume goes on from there.", why=why
    )


def _threads(places: int) -> int:
    """Of one job. More than there are cores for would wait for each other; OMP_NUM_THREADS may ask for fewer."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    most = max(1, cores() // places)
    return min(most, int(wanted)) if wanted.isdecimal() and int(wanted) else most


def _context() -> context.SpawnContext | context.ForkServerContext:
    """A fork server that loads torch and charlm when it begins; spawn on Windows."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    chosen = get_context("forkserver")
    chosen.set_forkserver_preload(PRELOADED)
    return chosen


@contextlib.contextmanager
def _findable() -> Iterator[None]:
    """The fork server looks for charlm in PYTHONPATH alone (before Python 3.13), and is silent when it is not there."""
    before, root = os.environ.get("PYTHONPATH"), str(Path(__file__).parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([root, before] if before else [root])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


# --- inside the job's process ---------------------------------------------------------------------------------------


class Orders:
    """What a job has been told and has not obeyed yet. A thread listens, the training asks between two events."""

    def __init__(self, line: connection.Connection) -> None:
        self._is_paused, self._others = threading.Event(), SimpleQueue[Order]()
        threading.Thread(target=self._listen, args=(line,), name="line", daemon=True).start()

    def pause(self) -> None:
        self._is_paused.set()

    def is_paused(self) -> bool:
        return self._is_paused.is_set()

    def others(self) -> Iterator[Order]:
        """The other orders, each once."""
        with contextlib.suppress(Empty):
            while True:
                yield self._others.get_nowait()

    def _listen(self, line: connection.Connection) -> None:
        """The end of the line means pause: the program that asked for the job is gone."""
        with contextlib.suppress(EOFError, OSError):
            while (order := line.recv()) != "pause":
                self._others.put(order)
        self.pause()


def _run_job(
    work: Work | None, folders: tuple[Path, ...], training: TrainConfig | None, threads: int, memory: int,
    line: connection.Connection,
) -> None:  # fmt: skip
    """What a job's process does: go on with a run, or with those of a race, until they end or it is told to."""
    orders = Orders(line)
    signal.signal(signal.SIGTERM, lambda *_: orders.pause())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal goes to the page, which asks its jobs to stop
    _bound_memory(memory)
    try:
        if work is None:
            _train(folders, training, threads, orders)
        else:
            work(folders[0], orders.is_paused)
    except CharlmError as error:
        _leave(line, error)
    except MemoryError:
        _leave(line, CharlmError(NO_MEMORY))


def _train(folders: tuple[Path, ...], training: TrainConfig | None, threads: int, orders: Orders) -> None:
    import torch

    from charlm.racing import in_turns
    from charlm.recording import resumed

    torch.set_num_threads(threads)
    try:
        racers = [resumed(folder, training) for folder in folders]
        with contextlib.closing(in_turns(racers)) as events:
            for _ in events:
                if orders.is_paused():
                    break
                for order in orders.others():
                    for trainer, _ in racers:
                        _obey(trainer, order)
    except RuntimeError as error:
        if not any(words in str(error) for words in ("allocate memory", "out of memory")):  # torch has no other sign
            raise
        raise MemoryError from error


def _obey(trainer: "Trainer", order: Order) -> None:
    if order == "end":
        trainer.end()
        return
    with contextlib.suppress(ConfigError):  # it would leave the limits of a learning rate
        trainer.change_rate(float(order))


def _leave(line: connection.Connection, error: CharlmError) -> None:
    with contextlib.suppress(OSError):  # nobody is there to read it
        line.send(error)


def _bound_memory(most: int) -> None:
    """A run that needs more fails by itself, instead of having the whole machine's memory used up."""
    if most and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
