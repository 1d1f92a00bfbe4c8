"""python -m charlm runs, zip, unzip, push, pull, deploy, as a person types them: results, sentences, exit codes."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny
from loopback_hub import ALICE, LoopbackHub

import charlm.__main__ as program
import train
from charlm.checkpoint import CARD, CONFIG, TEXT, WEIGHTS, list_runs, load_trainer
from charlm.history import history_of
from charlm.log import read_events
from charlm.recording import recorded
from charlm.terminal import guarded

Told = tuple[int, str, str]
Call = Callable[..., Told]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("travel") / "mine"
    list(recorded(tiny.run(folder), folder))
    return folder


@pytest.fixture
def runs(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runs with one in it, and a folder to work in."""
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path / "runs"))
    shutil.copytree(finished, tmp_path / "runs" / "mine")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "runs"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object, main: Callable[[], int] = program.main) -> Told:
        monkeypatch.setattr(sys, "argv", ["charlm", *map(str, arguments)])
        capsys.readouterr()
        return guarded(main), *capsys.readouterr()

    return run


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A Hub, and somebody who is signed in to it."""
    with LoopbackHub() as hub:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        for name, value in {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": ALICE}.items():
            monkeypatch.setenv(name, value)
        yield hub


def test_runs_are_listed_with_what_one_wants_to_know(call: Call, runs: Path) -> None:
    tiny.run(runs / "new", cell="gru")
    os.utime(runs / "mine" / CONFIG, (0, 0))
    (runs / "bad").mkdir()
    (runs / "bad" / CONFIG).write_text("{")
    code, out, _ = call("runs")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert (code, list(lines)[0], list(lines)[-1]) == (0, "run", "mine")
    assert {*lines} == {"run", "new", "bad", "mine"}
    loss = history_of(read_events(runs / "mine")).measured["stream"]
    assert re.fullmatch(rf"mine +tiny +lstm 8 +{loss:.4f} +0\.0  (1970|1969)-\d\d-\d\d \d\d:\d\d", lines["mine"])
    assert re.search(r"tiny +gru 8 +- ", lines["new"])
    assert "not valid JSON" in lines["bad"]


def test_a_run_goes_into_a_zip_and_comes_out_under_another_name(call: Call, runs: Path) -> None:
    code, out, err = call("zip", "mine")
    assert code == 0 and out.startswith("mine.zip   ") and "without its text" in out, err
    assert call("unzip", "mine.zip", "--run", "yours")[1].startswith(f"{runs / 'yours'}   python -m charlm generate")
    assert (runs / "yours" / WEIGHTS).read_bytes() == (runs / "mine" / WEIGHTS).read_bytes()
    assert (runs / "yours" / CARD).read_text("utf-8").startswith("---\n") and not (runs / "yours" / TEXT).exists()
    assert call("zip", runs / "mine", "--with-text", "--output", "whole.zip")[0] == 0
    assert call("unzip", "whole.zip", "--run", "whole")[0] == 0
    load_trainer(runs / "whole")


def test_a_pulled_run_is_trained_on_with_its_text(call: Call, runs: Path, tmp_path: Path) -> None:
    call("zip", "mine")
    call("unzip", "mine.zip", "--run", "yours")
    (tmp_path / "book.txt").write_text(tiny.text(1500), "utf-8")
    (tmp_path / "other.txt").write_text(tiny.text(1500, seed=1), "utf-8")
    code, _, err = call("--resume", "yours", "--steps", 15, main=train.main)
    assert code == 2 and "came without its text; to go on it needs tiny again" in err
    code, _, err = call(tmp_path / "other.txt", "--resume", "yours", "--steps", 15, main=train.main)
    assert code == 2 and "other.txt is not the text that this run learned from" in err
    code, _, err = call(tmp_path / "book.txt", "--resume", "yours", "--steps", 15, main=train.main)
    assert code == 0, err
    code, _, err = call("--resume", "mine", "--steps", 15, main=train.main)
    assert code == 0, err
    assert (runs / "yours" / WEIGHTS).read_bytes() == (runs / "mine" / WEIGHTS).read_bytes()


def test_what_cannot_be_zipped_is_a_sentence(call: Call, runs: Path) -> None:
    assert call("zip", "gone") == (2, "", "error: There is no run gone. Runs: mine.\n")
    tiny.run(runs / "new")
    assert call("zip", "new")[2].startswith("error: model.safetensors is missing in the run new")
    assert os.listdir() == []
    Path("mine.zip").write_text("precious")
    assert "There is a file mine.zip already" in call("zip", "mine")[2]
    assert call("zip", "mine", "--output", "no/where.zip")[2].startswith("error: no/where.zip could not be written")
    assert call("unzip", "mine.zip", "--run", "x") == (2, "", "error: This is no zip file, or it is damaged.\n")
    assert "cannot be read" in call("unzip", "nowhere.zip")[2]
    assert Path("mine.zip").read_text() == "precious" and list_runs() == ["mine", "new"]
    assert call("zip", "mine", "--output", "b.zip")[0] == 0
    assert "There is a run mine already" in call("unzip", "b.zip")[2]


def test_a_run_goes_to_the_hub_and_back(call: Call, runs: Path, hub: LoopbackHub) -> None:
    code, out, err = call("push", "mine", "alice/my-rnn", "--private", "--license", "mit")
    repository = hub.repositories["models", "alice/my-rnn"]
    (tag,) = repository.tags
    assert (code, out) == (0, f"{hub.url}/alice/my-rnn   commit {repository.head[:7]}, tag {tag}\n"), err
    assert err.splitlines() == ["preparing …", "making the repository …", "uploading …", "tagging …"]
    assert repository.private and b"license: mit" in hub.files("alice/my-rnn")[CARD]
    code, out, err = call("pull", "alice/my-rnn")
    assert (code, list_runs()) == (0, ["mine", "my-rnn"]), err
    assert f"alice/my-rnn at commit {repository.head}" in out
    assert f"from alice/my-rnn at {repository.head[:7]}" in call("runs")[1]
    assert call("pull", "alice/my-rnn", "--run", "again", "--revision", tag)[0] == 0
    code, out, _ = call("generate", "my-rnn", "--length", 20, "--seed", 1)
    assert (code, out) == call("generate", "mine", "--length", 20, "--seed", 1)[:2]


def test_what_the_hub_refuses_is_a_sentence(
    call: Call, runs: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("push", "mine", "bob/x")[::2] == (
        2, "preparing …\nmaking the repository …\nerror: This sign-in may not write to bob/x.\n",
    )  # fmt: skip
    assert "is USER/NAME" in call("push", "mine", "x")[2]
    assert "There is no alice/nothing on the Hub" in call("pull", "alice/nothing")[2]
    assert "There is a run mine already" in call("pull", "alice/mine")[2]
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN_PATH", "nowhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charlm.__main__.stored_token", lambda: "")
        assert call("push", "mine", "alice/x")[2].startswith("error: Sign in first")
    assert list_runs() == ["mine"]


def test_the_page_becomes_a_space(call: Call, hub: LoopbackHub) -> None:
    code, out, err = call("deploy", "alice/charlm", "--hardware", "cpu-upgrade", "--private")
    repository = hub.repositories["spaces", "alice/charlm"]
    assert code == 0, err
    assert out.startswith(f"{hub.url}/spaces/alice/charlm   commit {repository.head[:7]};")
    assert repository.private and repository.hardware == "cpu-upgrade"
