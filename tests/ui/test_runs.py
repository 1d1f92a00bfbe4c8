"""What a visitor may see, name and begin. Names and limits come from strangers."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from charlm.checkpoint import NAME, checked_name, read_config
from charlm.errors import CharlmError, CheckpointError, LimitError
from charlm.events import Step, to_line
from charlm.jobs import JobBoard
from charlm.log import EVENTS
from charlm.racing import CELLS, Race, read_race
from charlm.recipes import Plan
from charlm.ui import runs as module
from charlm.ui.runs import (
    Follower,
    Recent,
    begin_race,
    begin_run,
    folder_of,
    new_run_folder,
    owner_of,
    resume_run,
    speaker,
    version_of,
    visible_runs,
)
from charlm.ui.words import say

MakeBoard = Callable[..., JobBoard]
MakeRun = Callable[[str], Path]
NO_NAMES = [
    None, "", ".", "..", "../other", "../../etc/passwd", "/etc", "/", "a/b", "a\\b", "..\\a", "C:\\a", "~", ".hidden",
    "-rf", "a\0b", "a\nb", "a b", "é", "run\u202egnp", "a" * 97, "a" * 100_000, "%2e%2e", "..%2fother", "tiny/",
    "tiny/.", "tiny/../tiny", "${x}", "<script>",
]  # fmt: skip


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda name: ascii(name)[:20])
def test_what_is_no_name_is_no_run(name: str | None, runs: Path, make_run: MakeRun) -> None:
    make_run("tiny")
    (runs.parent / "config.json").write_text("{}")  # what ".." would find
    (runs / "config.json").write_text("{}")  # what "." would find
    with pytest.raises(CheckpointError, match=say("not_yours")):
        folder_of(name)


def test_a_run_is_found_by_its_name(make_run: MakeRun) -> None:
    folder = make_run("tiny")
    assert folder_of("tiny") == folder
    for other in ("other", "Tiny2", "tiny.", "tin"):
        with pytest.raises(CheckpointError):
            folder_of(other)


def test_a_folder_without_a_config_is_no_run(runs: Path) -> None:
    (runs / "empty").mkdir()
    with pytest.raises(CheckpointError):
        folder_of("empty")


@pytest.mark.parametrize(
    "stem",
    [
        "a book",
        "../../etc",
        "/etc/passwd",
        "",
        "...",
        "Молоко",
        "x" * 500,
        "a\0b\n",
        "CON",
        "<img>",
        "-a-",
        "war.txt-lstm",
    ],
)
def test_a_new_run_has_a_harmless_name(stem: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for is_public in ("", "1"):
        monkeypatch.setenv("CHARLM_PUBLIC", is_public)
        folder = new_run_folder(f"{stem}-lstm")
        assert folder.parent == runs and NAME.fullmatch(folder.name) and not folder.exists()
        assert checked_name(folder.name) == folder.name


def test_new_names_at_home_are_for_people(runs: Path) -> None:
    names = []
    for _ in range(3):
        folder = new_run_folder("My Book-lstm")
        folder.mkdir()
        names.append(folder.name)
    assert names == ["my-book-lstm", "my-book-lstm-2", "my-book-lstm-3"]


def test_new_names_on_a_public_server_cannot_be_guessed(public: None) -> None:
    names = {new_run_folder("book-lstm").name for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.startswith("book-lstm-") and len(name) - len("book-lstm-") >= 22 for name in names)


# --- who sees what ----------------------------------------------------------------------------------------------------


def test_at_home_all_runs_are_seen_newest_first(make_run: MakeRun) -> None:
    for name in ("one", "two", "three"):
        make_run(name)
    (make_run("mute") / "model.safetensors").unlink()
    assert visible_runs(None) == ["three", "two", "one"]


def secret_run(make_run: MakeRun) -> str:
    return make_run(new_run_folder("book-lstm").name).name


def test_a_stranger_sees_the_examples_and_his_own(make_run: MakeRun, public: None) -> None:
    theirs, mine = secret_run(make_run), secret_run(make_run)
    for name in ("the-hosts-own", "comedy-lstm"):
        make_run(name)
    assert visible_runs("[]") == ["comedy-lstm"]
    assert visible_runs(json.dumps([mine])) == [mine, "comedy-lstm"]  # the examples last
    assert theirs not in visible_runs(json.dumps([mine, "theirs", "../" + theirs]))


def test_a_stranger_does_not_guess_the_names_of_the_host(make_run: MakeRun, public: None) -> None:
    make_run("moliere-lstm")
    assert visible_runs('["moliere-lstm"]') == []
    with pytest.raises(CheckpointError, match=say("not_yours")):
        folder_of("moliere-lstm")
    mine = secret_run(make_run)
    assert folder_of(mine).name == mine
    make_run("comedy-lstm")
    assert folder_of("comedy-lstm").name == "comedy-lstm"


@pytest.mark.parametrize(
    "remembered",
    [None, "", "null", "5", "{}", '{"a": 1}', "[1, null, [], {}]", "not json", "[" * 100_000, '"name"', "[NaN]"],
)
def test_a_strange_memory_is_none(remembered: str | None, make_run: MakeRun, public: None) -> None:
    make_run("comedy-lstm")
    assert visible_runs(remembered) == ["comedy-lstm"]


@pytest.mark.parametrize("token", [None, "", "short", "a" * 65, "with blank and more", "x" * 20 + "\n", "é" * 20])
def test_what_is_no_token_is_a_session(token: str | None) -> None:
    assert owner_of(token, "abc") == "session-abc"


def test_a_token_is_an_owner() -> None:
    assert owner_of("abcdefghijklmnop_-123456", "abc") == "abcdefghijklmnop_-123456"


# --- beginning --------------------------------------------------------------------------------------------------------


def begin(board: JobBoard, **given: float) -> str:
    return begin_run(board, "me", "tiny", tiny.corpus(), Plan(*tiny.settings(**given), recipe=""))


def test_a_run_begins(board: JobBoard, runs: Path) -> None:
    name = begin(board)
    assert name == "tiny-lstm" and board.view(name).state == "running"
    assert sorted(path.name for path in (runs / name).iterdir() if path.suffix in (".json", ".txt")) == [
        "config.json",
        "text.txt",
    ]


@pytest.mark.parametrize(
    ("limits", "asked", "sentence"),
    [
        ({"parameters": 1000}, {"hidden_size": 64}, "parameters; at most 1,000 are allowed here"),
        ({"seconds": 60.0}, {"seconds": 61.0}, "61 seconds are more than the 60 that a run may take here"),
        ({"jobs": 0}, {}, "You have 0 runs under way; at most 0 are allowed"),
    ],
)
def test_limits_are_told_before_anything_is_written(
    limits: dict[str, float], asked: dict[str, float], sentence: str, make_board: MakeBoard, runs: Path
) -> None:
    with pytest.raises(LimitError, match=sentence):
        begin(make_board(**limits), **asked)
    assert list(runs.iterdir()) == []


def test_two_clicks_at_the_same_time_leave_no_stray_folder(
    make_board: MakeBoard, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were admitted; the second one's folder is cleared away when it turns out that there is no room."""
    board = make_board(jobs=1)
    monkeypatch.setattr(board, "admit", lambda owner: None)
    first = begin(board)
    monkeypatch.undo()
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(runs))
    real = board.admit
    calls = iter([lambda owner: None, real])
    monkeypatch.setattr(board, "admit", lambda owner: next(calls)(owner))
    with pytest.raises(LimitError):
        begin(board)
    assert [path.name for path in runs.iterdir()] == [first]


def begin_a_race(board: JobBoard, **given: float) -> tuple[str, ...]:
    racers = [Plan(*tiny.settings(cell=cell, **given), recipe="") for cell in CELLS]
    return begin_race(board, "me", "tiny", tiny.corpus(), racers, "seconds")


def test_a_race_begins(board: JobBoard, runs: Path) -> None:
    names = begin_a_race(board)
    assert names == ("tiny-rnn", "tiny-gru", "tiny-lstm")
    assert [read_config(runs / name).model.cell for name in names] == list(CELLS)
    assert all(board.view(name).state == "running" for name in names) and len(board.jobs) == 1
    assert read_race(runs / names[0]) == Race("seconds", names)


@pytest.mark.parametrize(
    ("limits", "asked", "sentence"),
    [
        ({"parameters": 1000}, {"hidden_size": 64}, "parameters; at most 1,000 are allowed here"),
        ({"seconds": 60.0}, {"seconds": 21.0}, "63 seconds are more than the 60 that a run may take here"),
        ({"jobs": 0}, {}, "You have 0 runs under way; at most 0 are allowed"),
    ],
)
def test_a_race_keeps_to_the_limits_of_a_run(
    limits: dict[str, float], asked: dict[str, float], sentence: str, make_board: MakeBoard, runs: Path
) -> None:
    with pytest.raises(LimitError, match=sentence):
        begin_a_race(make_board(**limits), **asked)
    assert list(runs.iterdir()) == []


def test_a_race_that_finds_no_room_leaves_nothing(
    make_board: MakeBoard, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make_board(jobs=1)
    first = begin(board)
    calls = iter([lambda owner: None, board.admit])
    monkeypatch.setattr(board, "admit", lambda owner: next(calls)(owner))
    with pytest.raises(LimitError):
        begin_a_race(board)
    assert [path.name for path in runs.iterdir()] == [first]


def test_who_waits_behind_a_resumed_run_is_told_what_that_has_left(make_board: MakeBoard, make_run: MakeRun) -> None:
    """By the speed that it had; of a race, what all of its runs have left."""
    board = make_board(places=1)
    half, tenth, other = (make_run(name) for name in ("half", "tenth", "other"))
    for folder, progress in ((half, 0.5), (tenth, 0.1)):
        (folder / EVENTS).write_text(to_line(Step(5, 1.0, 2.0, 1.0, 0.1, 100, 100.0, progress)), "utf-8")
    resume_run(board, "me", half.name)
    resume_run(board, "you", other.name)
    assert board.view(other.name).wait_seconds == pytest.approx(100, abs=20)
    board.stop(other.name)
    board.stop(half.name)
    while board.is_active(half.name):
        time.sleep(0.01)
    resume_run(board, "me", half.name, [tenth.name])
    resume_run(board, "you", other.name)
    assert board.view(other.name).wait_seconds == pytest.approx(100 + 900, abs=20)


def test_a_run_of_steps_has_a_guessed_budget(make_board: MakeBoard) -> None:
    board = make_board(places=1)
    begin(board, steps=1_000_000)
    second = begin(board, epochs=2)
    assert 1 < board.view(second).wait_seconds < 1e5


# --- following and speaking -------------------------------------------------------------------------------------------


def test_recent_keeps_the_last_ones() -> None:
    made: list[Path] = []
    recent = Recent(lambda folder: made.append(folder) or str(folder), most=2)  # type: ignore[func-returns-value]
    for name in ("a", "b", "a", "c", "a", "b"):
        assert recent.get(Path(name)) == name
    assert [path.name for path in made] == ["a", "b", "c", "b"]
    recent.get(Path("b"), version=2.0)
    assert len(made) == 5


def test_a_follower_goes_on_from_where_it_was(trained: Path, runs: Path) -> None:
    lines = (trained / EVENTS).read_bytes().splitlines(keepends=True)
    (runs / "growing").mkdir()
    follower, log = Follower(runs / "growing"), runs / "growing" / EVENTS
    with follower.history() as history:
        assert history.started is None
    log.write_bytes(b"".join(lines[:5]) + lines[5][:10])
    with follower.history() as history:
        assert history.started is not None and history.finished is None
        steps = list(history.train.x)
    log.write_bytes(b"".join(lines))
    with follower.history() as history:
        assert history.finished is not None and history.train.x[: len(steps)] == steps


def test_a_run_speaks_with_its_newest_weights(make_run: MakeRun) -> None:
    folder = make_run("tiny")
    checkpoint, folded = speaker(folder)
    assert folded.output.shape[0] == len(checkpoint.vocabulary)
    before = version_of(folder)
    (folder / "model.safetensors").unlink()
    assert version_of(folder) != before
    with pytest.raises(CharlmError):
        speaker(folder)


def test_the_examples_are_those_that_are_shipped() -> None:
    assert all(NAME.fullmatch(name) for name in module.EXAMPLES)
