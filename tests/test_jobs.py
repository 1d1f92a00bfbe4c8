"""Jobs: the queue, limits and ends of real processes that do fake work, and one that really trains."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import fakes
import pytest

from charlm import jobs
from charlm.errors import LimitError
from charlm.events import Event, Finished, Started, Step
from charlm.jobs import HOME, PUBLIC, JobBoard, Limits

ROOT = Path(__file__).parent.parent
SECONDS = 30.0  # that anything may take on a busy machine
MakeBoard = Callable[..., JobBoard]


def eventually(is_so: Callable[[], bool]) -> None:
    """Waits until it is so; fails when it never is."""
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


@pytest.fixture
def make_board() -> Iterator[MakeBoard]:
    boards: list[JobBoard] = []

    def make(work: jobs.Work | None = fakes.until_stopped, places: int = 1, **limits: float) -> JobBoard:
        boards.append(JobBoard(replace(HOME, **limits), places, work))  # type: ignore[arg-type]
        return boards[-1]

    yield make
    for board in boards:
        board.close()
        assert not any(job.process for job in board.jobs.values())


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], Path]:
    def folder(name: str = "a") -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        return path

    return folder


def has_begun(folder: Path) -> Callable[[], bool]:
    return lambda: (folder / "pid").exists() and (folder / "pid").read_text() != ""


def has_ended(board: JobBoard, run: str) -> Callable[[], bool]:
    return lambda: board.view(run).state == "ended"


def is_running(pid: int) -> bool:
    """A process that has ended and waits to be noticed does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- the queue --------------------------------------------------------------------------------------------------------


def test_a_job_runs_and_ends(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board, folder = make_board(), run("a")
    board.start(folder, "me")
    assert board.view("a").state == "running" and board.is_active("a")
    eventually(has_begun(folder))
    board.stop("a")
    eventually(has_ended(board, "a"))
    assert (folder / "saved").exists()
    assert board.view("a").error is None


def test_a_run_without_a_job_has_ended(make_board: MakeBoard) -> None:
    assert make_board().view("never heard of").state == "ended"


def test_the_longest_waiting_goes_first(make_board: MakeBoard, run: Callable[[str], Path], tmp_path: Path) -> None:
    board, names = make_board(fakes.at_once, jobs=9), [f"run-{i}" for i in range(6)]
    for name in reversed(names):
        board.start(run(name), "me")
    eventually(lambda: not any(map(board.is_active, names)))
    assert (tmp_path / "order").read_text().split() == names[::-1]


def test_places_and_waits_are_told(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board()
    for name, budget in (("a", 100.0), ("b", 50.0), ("c", 30.0)):
        board.start(run(name), "me", budget)
    assert board.view("a").place == 0
    assert (board.view("b").state, board.view("b").place) == ("queued", 1)
    assert board.view("c").place == 2
    assert board.view("b").wait_seconds == pytest.approx(100, abs=SECONDS)
    assert board.view("c").wait_seconds == pytest.approx(150, abs=SECONDS)
    board.stop("b")
    assert board.view("b").state == "ended" and board.view("c").place == 1
    board.stop("a")
    eventually(lambda: board.view("c").state == "running")
    assert not (run("b") / "pid").exists()  # it was stopped before its turn came


def test_so_many_run_at_a_time(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(places=2)
    for name in "abc":
        board.start(run(name), "me", 60.0)
    assert [board.view(name).state for name in "abc"] == ["running", "running", "queued"]
    assert board.view("c").wait_seconds == pytest.approx(60, abs=SECONDS)
    board.stop("b")
    eventually(lambda: board.view("c").state == "running")
    assert board.view("a").state == "running"


def test_a_budget_is_no_longer_than_a_job_may_take(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(seconds=20.0)
    for name in "ab":
        board.start(run(name), "me", 1e9)
    assert board.view("b").wait_seconds <= 20


def test_a_wait_goes_by_the_first_free_place(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    """Of two places, one is free after 10 s and again after 20, the other after 500: nobody waits for that one."""
    board = make_board(places=2)
    for name, budget in (("a", 500.0), ("b", 10.0), ("c", 10.0), ("d", 30.0)):
        board.start(run(name), f"owner of {name}", budget)
    assert board.view("c").wait_seconds == pytest.approx(10, abs=9)
    assert board.view("d").wait_seconds == pytest.approx(20, abs=9)
    board.start(run("e"), "owner of e")
    assert board.view("e").wait_seconds == pytest.approx(50, abs=9)


# --- races ------------------------------------------------------------------------------------------------------------


def test_a_race_is_one_job(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    """It has one place, counts once among the visitor's jobs, and all of its runs are waiting, running and over."""
    board = make_board(jobs=1)
    board.start(run("a"), "me", others=(run("b"), run("c")))
    board.start(run("d"), "you", others=(run("e"),))
    assert [board.view(name).state for name in "abc"] == ["running"] * 3
    assert [(board.view(name).state, board.view(name).place) for name in "de"] == [("queued", 1)] * 2
    with pytest.raises(LimitError, match="You have 1 runs under way"):
        board.start(run("f"), "me")
    for name in "ace":
        with pytest.raises(LimitError, match="being trained already"):
            board.start(run(name), "somebody")
    with pytest.raises(LimitError, match="being trained already"):
        board.start(run("f"), "somebody", others=(run("c"),))
    board.stop("c")
    eventually(has_ended(board, "a"))
    assert [board.view(name).state for name in "abcde"] == ["ended"] * 3 + ["running"] * 2


def test_a_run_of_a_race_may_go_on_alone(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board()
    board.start(run("a"), "me", others=(run("b"),))
    board.stop("a")
    eventually(has_ended(board, "b"))
    board.start(run("b"), "me")
    assert (board.view("a").state, board.view("b").state) == ("ended", "running")
    with pytest.raises(LimitError, match="being trained already"):
        board.start(run("a"), "me", others=(run("b"),))
    board.stop("b")
    eventually(has_ended(board, "b"))
    board.start(run("a"), "me", others=(run("b"),))
    assert board.view("b").state == "running"


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_visitor_has_so_many_jobs(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(jobs=2)
    board.start(run("a"), "me")
    board.start(run("b"), "me")
    with pytest.raises(LimitError, match="You have 2 runs under way; at most 2 are allowed"):
        board.start(run("c"), "me")
    board.start(run("d"), "you")
    board.stop("b")
    board.start(run("c"), "me")


def test_so_many_wait(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(queue=2)
    for name in "abc":
        board.start(run(name), f"owner of {name}")
    with pytest.raises(LimitError, match="The queue is full \\(2 runs wait\\)"):
        board.start(run("d"), "owner of d")
    assert not board.is_active("d")


def test_a_run_is_trained_once_at_a_time(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board()
    board.start(run("a"), "me")
    board.start(run("b"), "me")
    for name in "ab":
        with pytest.raises(LimitError, match="being trained already"):
            board.start(run(name), "me")
    eventually(has_begun(run("a")))
    board.stop("a")
    eventually(has_ended(board, "a"))
    (run("a") / "pid").unlink()
    board.start(run("a"), "me")
    board.stop("b")
    eventually(has_begun(run("a")))


def test_a_job_ends_when_its_time_is_up(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board, folder = make_board(seconds=0.3), run("a")
    board.start(folder, "me")
    eventually(has_ended(board, "a"))
    assert (folder / "saved").exists() and board.view("a").error is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory so")
def test_a_job_takes_no_more_memory_than_it_may(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(fakes.too_large, memory=1 << 30)
    board.start(run("a"), "me")
    eventually(has_ended(board, "a"))
    assert str(board.view("a").error).startswith("There is no memory left for this run.")


def test_strangers_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("CHARLM_PUBLIC", raising=False)
    assert jobs.limits_here() is HOME
    monkeypatch.setenv("CHARLM_PUBLIC", "1")
    assert jobs.limits_here() is PUBLIC
    monkeypatch.setenv("CHARLM_PUBLIC", "0")
    monkeypatch.setenv("SPACE_ID", "somebody/charlm")
    assert jobs.limits_here() is PUBLIC
    for name in Limits.__dataclass_fields__:
        most_at_home = getattr(HOME, name) or float("inf")  # 0 stands for no limit
        assert getattr(PUBLIC, name) < most_at_home or name == "queue"


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [jobs._threads(places) for places in (1, 2, 4, 16)] == [8, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert jobs._threads(2) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "99")
    assert jobs._threads(2) == 4


def test_a_host_may_say_how_many_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "cores", lambda: 8)
    for said, places in (("", 4), ("3", 3), ("0", 4), ("-1", 4), ("many", 4), ("12", 12)):
        monkeypatch.setenv("CHARLM_PLACES", said)
        assert jobs.places_here() == places
    monkeypatch.delenv("CHARLM_PLACES")
    monkeypatch.setattr(jobs, "cores", lambda: 1)
    assert jobs.places_here() == 1


def test_there_is_a_core() -> None:
    assert 1 <= jobs.cores() <= (os.cpu_count() or 1)


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_stop_at_once(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    """Before the process could even begin: nothing has failed."""
    board = make_board()
    for i in range(5):
        board.start(run(f"{i}"), "me")
        board.stop(f"{i}")
        eventually(has_ended(board, f"{i}"))
        assert board.view(f"{i}").error is None
        assert (run(f"{i}") / "saved").exists()


def test_stop_twice_and_after_the_end(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board, folder = make_board(fakes.slow_to_save), run("a")
    board.start(folder, "me")
    eventually(has_begun(folder))
    board.stop("a")
    eventually((folder / "saved").exists)
    board.stop("a")  # it is saving
    assert board.view("a").state == "running"
    eventually(has_ended(board, "a"))
    board.stop("a")
    board.stop("never heard of")
    assert (folder / "saved slowly").exists() and board.view("a").error is None


def test_a_place_is_free_soon_after_a_stop(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(jobs=1)
    board.start(run("a"), "me")
    eventually(has_begun(run("a")))
    stopped = time.monotonic()
    board.stop("a")
    eventually(has_ended(board, "a"))
    board.start(run("b"), "me")
    assert time.monotonic() - stopped < 2


def test_a_job_that_does_not_listen_is_killed(
    make_board: MakeBoard, run: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KILL_SECONDS", 0.3)
    board = make_board(fakes.deaf)
    board.start(run("a"), "me")
    eventually(has_begun(run("a")))
    board.stop("a")
    eventually(has_ended(board, "a"))
    assert "it took too long to save" in str(board.view("a").error)


def test_an_outsider_may_stop_a_job_with_a_signal(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board, folder = make_board(), run("a")
    board.start(folder, "me")
    eventually(has_begun(folder))
    os.kill(int((folder / "pid").read_text()), signal.SIGINT)  # Ctrl-C reaches the whole group; the board decides
    os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
    eventually(has_ended(board, "a"))
    assert (folder / "saved").exists() and board.view("a").error is None


# --- failing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (fakes.refused, "The text has 5 characters."),
        (fakes.gone, "The job ended unexpectedly (exit code 3). What it had saved is kept; Resume goes on from there."),
        (fakes.failing, "The job ended unexpectedly (exit code 7)."),
        (fakes.killed, "The job ended unexpectedly (killed, most likely because memory ran out)."),
    ],
)
def test_a_failed_job_leaves_a_sentence_and_its_place(
    make_board: MakeBoard, run: Callable[[str], Path], work: jobs.Work, sentence: str
) -> None:
    board = make_board(work, jobs=1)
    board.start(run("a"), "me")
    eventually(has_ended(board, "a"))
    assert str(board.view("a").error).startswith(sentence)
    board.work = fakes.until_stopped
    board.start(run("b"), "me")
    assert board.view("b").state == "running"
    board.stop("b")
    eventually(has_ended(board, "b"))
    board.start(run("a"), "me")  # the next job of the run has not failed
    assert board.view("a").error is None


def test_a_job_that_cannot_be_started(
    make_board: MakeBoard, run: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board()

    def full(job: jobs.Job) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(board, "_begin", full)
        board.start(run("a"), "me")
        assert "could not be started: [Errno 24] Too many open files" in str(board.view("a").error)
    board.start(run("b"), "me")
    eventually(has_begun(run("b")))


def test_when_the_fork_server_dies(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    """The board loses sight of its jobs: they save and end, and the next one gets a new fork server."""
    board, folder = make_board(), run("a")
    board.start(folder, "me")
    eventually(has_begun(folder))
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGKILL)
    eventually(has_ended(board, "a"))
    eventually((folder / "saved").exists)
    assert "unexpectedly" in str(board.view("a").error)
    board.start(run("b"), "me")
    eventually(has_begun(run("b")))


# --- the end of the program -------------------------------------------------------------------------------------------


def test_close_lets_jobs_save(make_board: MakeBoard, run: Callable[[str], Path]) -> None:
    board = make_board(places=2)
    for name in "abc":
        board.start(run(name), "me")
    for name in "ab":
        eventually(has_begun(run(name)))
    board.close()
    board.close()
    assert [(run(name) / "saved").exists() for name in "abc"] == [True, True, False]
    assert [board.view(name).state for name in "abc"] == ["ended"] * 3
    with pytest.raises(LimitError, match="being closed"):
        board.start(run("d"), "me")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_jobs_save_when_their_program_is_killed(
    run: Callable[[str], Path], tmp_path: Path, how: signal.Signals
) -> None:
    """The program stands in another folder than charlm: its jobs still find torch loaded."""
    folder = run("a")
    program = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "fakes.py", folder], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    eventually(has_begun(folder))
    program.send_signal(how)
    program.wait(SECONDS)
    eventually((folder / "saved").exists)
    eventually(lambda: not is_running(int((folder / "pid").read_text())))
    assert set(jobs.PRELOADED) < set(json.loads((folder / "loaded").read_text()))


# --- what does not grow -----------------------------------------------------------------------------------------------


def test_ended_jobs_do_not_pile_up(make_board: MakeBoard, run: Callable[[str], Path], tmp_path: Path) -> None:
    board = make_board(jobs=10_000, queue=10_000)
    board.start(run("a"), "me")
    for i in range(3000):
        board.start(tmp_path / f"{i}", "me")
        board.stop(f"{i}")
    eventually(lambda: len(board.jobs) <= jobs.ENDED_KEPT + 1)
    assert board.view("a").state == "running" and board.view("0").state == board.view("2999").state == "ended"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_ended_jobs_keep_no_files_open(
    make_board: MakeBoard, run: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ENDED_KEPT", 5)
    board, counts = make_board(fakes.at_once, jobs=100, places=4), []
    for turn in range(3):
        names = [f"{turn}-{i}" for i in range(20)]
        for name in names:
            board.start(run(name), "me")
        eventually(lambda names=names: not any(map(board.is_active, names)))  # type: ignore[misc]
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[2] <= counts[0] + 2
    eventually(lambda: len(board.jobs) == 5)


# --- the real thing ---------------------------------------------------------------------------------------------------


def test_the_board_knows_no_torch() -> None:
    code = "import sys, charlm.jobs; print({'torch', 'numpy', 'gradio', 'plotly'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_job_trains(make_board: MakeBoard, tmp_path: Path) -> None:
    """A new run, stopped and gone on with; prints how long after the click the first Step stands in the log."""
    from charlm.checkpoint import create_run
    from charlm.corpora import load_corpus
    from charlm.log import read_events
    from charlm.recipes import plan

    board, folder, corpus = make_board(None), tmp_path / "real", load_corpus("comedy-en")

    def told(*kinds: type[Event]) -> list[Event]:
        return [event for event in read_events(folder) if isinstance(event, kinds)]

    clicked = time.monotonic()
    create_run(folder, corpus, plan(corpus, "", {"hidden_size": 32}, {"steps": 100_000}))
    board.start(folder, "me")
    eventually(lambda: len(told(Step)) > 0)
    print(f"\nclick to first Step: {time.monotonic() - clicked:.2f} s", end=" ")
    assert isinstance(next(read_events(folder)), Started)
    board.stop("real")
    eventually(has_ended(board, "real"))
    last = told(Step, Finished)[-1]
    assert isinstance(last, Finished) and last.reason == "stopped" and last.step > 0
    board.start(folder, "me")
    eventually(lambda: told(Step)[-1].step > last.step)
    board.close()
    assert len(told(Started)) == 1 and board.view("real").error is None


def test_a_run_that_cannot_go_on_says_why(make_board: MakeBoard, tmp_path: Path) -> None:
    board = make_board(None)
    board.start(tmp_path / "empty", "me")
    eventually(has_ended(board, "empty"))
    assert str(board.view("empty").error).startswith("config.json is missing in the run empty")


def test_a_race_trains_all_of_its_runs(make_board: MakeBoard, tmp_path: Path) -> None:
    import tiny

    from charlm.log import read_events

    board, folders = make_board(None), [tmp_path / cell for cell in ("rnn", "gru", "lstm")]
    for folder in folders:
        tiny.run(folder, cell=folder.name, steps=30)
    board.start(folders[0], "me", others=tuple(folders[1:]))
    eventually(has_ended(board, "lstm"))
    assert board.view("rnn").error is None
    for folder in folders:
        told = list(read_events(folder))
        assert [event for event in told if isinstance(event, Finished)] == [Finished(30, "budget", 0.0)]
        assert sum(isinstance(event, Started) for event in told) == 1


def test_a_race_that_is_stopped_keeps_all(make_board: MakeBoard, tmp_path: Path) -> None:
    import tiny

    from charlm.log import read_events

    board, folders = make_board(None), [tmp_path / cell for cell in ("rnn", "gru", "lstm")]
    for folder in folders:
        tiny.run(folder, cell=folder.name, steps=1_000_000)
    board.start(folders[0], "me", others=tuple(folders[1:]))
    eventually(lambda: all(any(isinstance(one, Step) for one in read_events(folder)) for folder in folders))
    board.stop("gru")
    eventually(has_ended(board, "rnn"))
    for folder in folders:
        last = [event for event in read_events(folder) if isinstance(event, Finished)][-1]
        assert last.reason == "stopped" and (folder / "trainer.safetensors").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory so")
def test_a_network_too_large_for_the_memory_says_so(make_board: MakeBoard, tmp_path: Path) -> None:
    from charlm.checkpoint import create_run
    from charlm.corpora import load_corpus
    from charlm.recipes import plan

    board, corpus = make_board(None, memory=1 << 30), load_corpus("toy-markov")
    large = plan(corpus, "", {"hidden_size": 1024}, {"steps": 10, "streams": 1024, "window": 128})
    create_run(tmp_path / "large", corpus, large)
    board.start(tmp_path / "large", "me")
    eventually(has_ended(board, "large"))
    assert str(board.view("large").error).startswith("There is no memory left for this run.")
