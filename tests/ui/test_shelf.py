"""What a visitor may do with his runs, and that nobody does it with another's."""

import io
import json
import math
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from charlm import archive, hub
from charlm.checkpoint import MAX_NAME, load_trainer, read_config
from charlm.errors import CharlmError, CheckpointError, HubError, LimitError
from charlm.hub import Pulled, Seen, Stage
from charlm.jobs import JobBoard
from charlm.log import EVENTS, locked_log
from charlm.recipes import Plan
from charlm.ui.runs import bare_name, begin_run, folder_of, new_run_folder
from charlm.ui.shelf import Shelf, the_one
from charlm.ui.words import say

MakeBoard = Callable[..., JobBoard]
MakeRun = Callable[[str], Path]


@pytest.fixture
def shelf(board: JobBoard) -> Shelf:
    return Shelf(board)


def secret_run(make_run: MakeRun) -> str:
    return make_run(new_run_folder("book-lstm").name).name


def zipped(folder: Path, place: Path) -> Path:
    """A zip of a run, as somebody would upload it."""
    with open(place, "wb") as file:
        archive.pack(folder, file)
    return place


# --- seeing -----------------------------------------------------------------------------------------------------------


def test_every_run_is_listed_the_newest_first(shelf: Shelf, make_run: MakeRun, runs: Path) -> None:
    for name in ("one", "two"):
        make_run(name)
    tiny.run(runs / "begun")
    os.utime(runs / "begun" / "config.json", (2e9, 2e9))
    listed = shelf.runs(None)
    assert [one.run for one in listed] == ["begun", "two", "one"]
    assert [one.state for one in listed] == ["ended", "budget", "budget"]
    finished, begun = listed[1], listed[0]
    assert (finished.step, finished.begun) == (12, 1e9 + 2) and math.isnan(begun.loss)
    assert finished.loss == shelf.story("two").measured["stream"]
    assert finished.size == sum(path.stat().st_size for path in (runs / "two").iterdir())


def test_a_run_at_work_says_so(shelf: Shelf, runs: Path, make_run: MakeRun) -> None:
    for name in ("first", "second"):
        shelf.board.start(make_run(name), "me")
    assert {one.run: one.state for one in shelf.runs(None)} == {"first": "running", "second": "queued"}


def test_a_damaged_run_is_listed_and_can_be_deleted(shelf: Shelf, make_run: MakeRun) -> None:
    (make_run("broken") / "config.json").write_text("{}")
    (one,) = shelf.runs(None)
    assert (one.state, one.config) == ("damaged", None)
    with pytest.raises(CheckpointError):
        shelf.story("broken")
    shelf.delete("broken")
    assert shelf.runs(None) == []


def test_a_stranger_sees_his_own_and_the_examples(shelf: Shelf, make_run: MakeRun, public: None) -> None:
    mine, theirs = secret_run(make_run), secret_run(make_run)
    for name in ("comedy-lstm", "the-hosts-own"):
        make_run(name)
    listed = shelf.runs(json.dumps([mine, "the-hosts-own", "../" + theirs]))
    assert {one.run for one in listed} == {mine, "comedy-lstm"}
    assert {one.shown for one in listed} == {"book-lstm", "comedy-lstm"}  # what cannot be guessed is not shown


# --- whose they are ---------------------------------------------------------------------------------------------------

ACTS: dict[str, Callable[[Shelf, str], object]] = {
    "story": lambda shelf, run: shelf.story(run),
    "rename": lambda shelf, run: shelf.rename(run, "mine now"),
    "delete": lambda shelf, run: shelf.delete(run),
    "pack": lambda shelf, run: shelf.pack(run, io.BytesIO(), True, "en"),
    "report": lambda shelf, run: shelf.report(run, "en"),
    "push": lambda shelf, run: shelf.push(run, "a/b", "token", True, "", lambda stage: None),
    "give_text": lambda shelf, run: shelf.give_text(run, Path(__file__)),
    "size_of": lambda shelf, run: shelf.size_of(run),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("guess", ["the-hosts-own", "../outside", "", "book-lstm", "book-lstm-" + "0" * 32])
def test_nobody_reaches_anothers_run(
    act: str, guess: str, shelf: Shelf, make_run: MakeRun, runs: Path, public: None
) -> None:
    make_run("the-hosts-own")
    theirs = secret_run(make_run)
    shutil.copytree(runs / theirs, runs.parent / "outside")
    before = {path: path.read_bytes() for path in runs.parent.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=say("not_yours")):
        ACTS[act](shelf, guess)
    assert {path: path.read_bytes() for path in runs.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("is_public", ["", "1"])
@pytest.mark.parametrize("act", ["rename", "delete"])
def test_an_example_stays_as_it_is(
    act: str, is_public: str, shelf: Shelf, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("comedy-lstm")
    monkeypatch.setenv("CHARLM_PUBLIC", is_public)
    with pytest.raises(CheckpointError, match="comedy-lstm is an example"):
        ACTS[act](shelf, "comedy-lstm")
    assert read_config(folder).name == "" and shelf.story("comedy-lstm").parameters > 0


# --- changing ---------------------------------------------------------------------------------------------------------


def test_a_name_is_for_people_and_the_folder_keeps_its_own(shelf: Shelf, make_run: MakeRun, public: None) -> None:
    run = secret_run(make_run)
    (before,) = shelf.runs(json.dumps([run]))
    shelf.rename(run, "  My\nfirst   one ")
    (one,) = shelf.runs(json.dumps([run]))
    assert (one.run, one.shown, one.begun) == (run, "My first one", before.begun)
    shelf.rename(run, "")
    assert shelf.story(run).shown == "book-lstm"
    with pytest.raises(CheckpointError, match=f"at most {MAX_NAME} characters; this one has {MAX_NAME + 1}"):
        shelf.rename(run, "x" * (MAX_NAME + 1))


def test_a_run_may_be_named_while_it_learns(shelf: Shelf, make_run: MakeRun) -> None:
    shelf.board.start(make_run("mine"), "me")
    shelf.rename("mine", "at work")
    assert [(one.shown, one.state) for one in shelf.runs(None)] == [("at work", "running")]


def test_a_run_at_work_is_not_deleted(shelf: Shelf, make_run: MakeRun) -> None:
    folder = make_run("mine")
    shelf.board.start(folder, "me")
    with pytest.raises(LimitError, match=say("stop_first")):
        shelf.delete("mine")
    assert (folder / "config.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
def test_a_run_at_work_elsewhere_is_not_deleted(shelf: Shelf, make_run: MakeRun) -> None:
    folder = make_run("mine")
    log = (folder / EVENTS).read_bytes()
    with locked_log(folder, 10**9), pytest.raises(CheckpointError, match="trained by another process"):
        shelf.delete("mine")
    assert (folder / EVENTS).read_bytes() == log and (folder / "config.json").exists()


def test_a_deleted_run_is_gone(shelf: Shelf, make_run: MakeRun, runs: Path) -> None:
    make_run("mine")
    shelf.story("mine")
    shelf.delete("mine")
    assert list(runs.iterdir()) == []
    for act in ACTS.values():
        with pytest.raises(CheckpointError, match=say("not_yours")):
            act(shelf, "mine")


def test_what_a_link_points_to_is_not_deleted(shelf: Shelf, make_run: MakeRun, runs: Path, tmp_path: Path) -> None:
    shutil.move(make_run("mine"), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", runs / "mine")
    with pytest.raises(CheckpointError, match="is a link"):
        shelf.delete("mine")
    assert (tmp_path / "elsewhere" / "config.json").exists()


# --- zips -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_text", [False, True])
def test_a_zip_holds_the_run_and_its_report_but_no_secret(
    with_text: bool, shelf: Shelf, make_run: MakeRun, public: None
) -> None:
    run, target = secret_run(make_run), io.BytesIO()
    shelf.pack(run, target, with_text, "fr")
    packed = zipfile.ZipFile(target)
    names = {name.removeprefix("book-lstm/") for name in packed.namelist()}
    wanted = {"config.json", "model.safetensors", "trainer.safetensors", "events.jsonl", "README.md", "report.html"}
    assert names == wanted | {"curve.png"} | ({"text.txt"} if with_text else set())
    secret = run.removeprefix("book-lstm-").encode()
    assert not any(secret in packed.read(name) for name in packed.namelist())
    assert say("settings", "fr").encode() in packed.read("book-lstm/report.html")


def test_a_run_comes_back_from_its_zip(shelf: Shelf, make_run: MakeRun, tmp_path: Path) -> None:
    make_run("mine")
    shelf.rename("mine", "My first")
    with open(tmp_path / "download.zip", "wb") as file:
        shelf.pack("mine", file, True, "en")
    name = shelf.take_in(tmp_path / "download.zip")
    assert name == "mine-2" and shelf.story(name).shown == "My first"
    assert shelf.story(name).measured == shelf.story("mine").measured


def test_a_run_gets_the_text_back_that_it_learned_and_no_other(
    shelf: Shelf, make_run: MakeRun, make_board: MakeBoard, tmp_path: Path
) -> None:
    text = (make_run("mine") / "text.txt").read_bytes()
    name = shelf.take_in(zipped(folder_of("mine"), tmp_path / "x.zip"))
    assert not shelf.story(name).has_text
    (tmp_path / "other.txt").write_bytes(text + b"more")
    with pytest.raises(CheckpointError, match="is not the text that this run learned from"):
        shelf.give_text(name, tmp_path / "other.txt")
    (tmp_path / "text.txt").write_bytes(text.replace(b"\n", b"\r\n"))  # read as it was then, it is the same
    with pytest.raises(LimitError, match="at most 100 are taken here"):
        Shelf(make_board(text_bytes=100)).give_text(name, tmp_path / "text.txt")
    assert not shelf.story(name).has_text
    shelf.give_text(name, tmp_path / "text.txt")
    trainer, _ = load_trainer(folder_of(name))
    assert shelf.story(name).has_text and trainer.step == 12


def test_a_strangers_zip_becomes_a_run_that_cannot_be_guessed(
    shelf: Shelf, make_run: MakeRun, tmp_path: Path, public: None
) -> None:
    source = zipped(make_run("the-hosts-own"), tmp_path / "x.zip")
    name = shelf.take_in(source)
    assert bare_name(name) == "the-hosts-own" and len(name) - len(bare_name(name)) == 33
    assert [one.run for one in shelf.runs(json.dumps([name]))] == [name]


def test_a_network_that_is_too_large_here_is_not_kept(
    make_board: MakeBoard, make_run: MakeRun, runs: Path, tmp_path: Path
) -> None:
    source = zipped(make_run("mine"), tmp_path / "x.zip")
    shutil.rmtree(runs / "mine")
    with pytest.raises(LimitError, match="parameters; at most 100 are allowed here"):
        Shelf(make_board(parameters=100)).take_in(source)
    with pytest.raises(CheckpointError, match="at most 1,000 fit"):
        Shelf(make_board(run_bytes=1000)).take_in(source)
    assert list(runs.iterdir()) == []


def test_a_full_disk_stays_as_it_is(make_board: MakeBoard, make_run: MakeRun, runs: Path, tmp_path: Path) -> None:
    source = zipped(make_run("mine"), tmp_path / "x.zip")
    free = shutil.disk_usage(runs).free
    shelf = Shelf(make_board(free_bytes=10 * free))
    for act in (
        lambda: shelf.take_in(source),
        lambda: shelf.pull("user/there", "", lambda stage: None),
        lambda: shelf.pack("mine", io.BytesIO(), False, "en"),
        lambda: begin_run(shelf.board, "me", "mine", tiny.corpus(), Plan(*tiny.settings(), recipe="")),
    ):
        with pytest.raises(LimitError, match=say("no_room")):
            act()
    assert [path.name for path in runs.iterdir()] == ["mine"]


# --- the Hub ----------------------------------------------------------------------------------------------------------


def test_a_pulled_run_is_within_this_servers_limits(
    make_board: MakeBoard, trained: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the Hub sends is judged by the hub's own tests; here: at which commit, how large, under which name."""
    asked: list[tuple[str, str, int]] = []

    def pull(
        repo: str, folder: Path, token: str, revision: str, most: int, progress: Callable[[Stage], None]
    ) -> Pulled:
        asked.append((token, revision, most))
        shutil.copytree(trained, folder)
        return Pulled(folder.name, repo, revision)

    monkeypatch.setattr(hub, "look_at", lambda repo, token: Seen(repo, "c0ffee", {"config.json": 10}, ""))
    monkeypatch.setattr(hub, "pull_run", pull)
    told: list[object] = []
    shelf = Shelf(make_board(run_bytes=5000))
    pulled = shelf.pull("user/my-book", "", told.append)
    assert pulled == Pulled("my-book", "user/my-book", "c0ffee") and asked == [("", "c0ffee", 5000)]
    assert told[0] == Stage.LOOK and isinstance(told[1], float)
    with pytest.raises(LimitError, match="parameters; at most 100"):
        Shelf(make_board(parameters=100)).pull("user/other", "", told.append)
    assert [path.name for path in runs.iterdir()] == ["my-book"]


def test_a_run_is_pushed_with_the_callers_token_or_not_at_all(shelf: Shelf, make_run: MakeRun) -> None:
    make_run("mine")
    with pytest.raises(HubError, match="Sign in first"):
        shelf.push("mine", "user/mine", "", True, "", lambda stage: None)


# --- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [[], ["a", "b"], None])
def test_one_run_is_chosen_or_it_is_said(chosen: list[str]) -> None:
    with pytest.raises(CharlmError, match=say("choose_first")):
        the_one(chosen)
    assert the_one(["a"]) == "a"
