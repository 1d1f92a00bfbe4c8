"""Pushing and pulling on the page: whose token it is, what is told meanwhile, and that each end is a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from charlm import hub
from charlm.errors import HubError
from charlm.hub import Pulled, Pushed, Seen, Stage
from charlm.jobs import JobBoard
from charlm.ui.hub_panel import HubActs
from charlm.ui.runs import new_run_folder
from charlm.ui.shelf import Shelf
from charlm.ui.words import LANGUAGES, say

MakeRun = Callable[[str], Path]
PASTED, HOST = "hf_abcdefghijklmnopqrstuvwxyz", "hf_of_the_host"
HERE: Any = SimpleNamespace(headers={})
ELSEWHERE: Any = SimpleNamespace(headers={"origin": "https://evil.example", "host": "localhost:7860"})


@pytest.fixture
def acts(board: JobBoard) -> HubActs:
    return HubActs(Shelf(board))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, trained: Path) -> list[tuple[str, ...]]:
    """What the Hub was asked, and with which token; it has user/there, and takes everything."""
    asked: list[tuple[str, ...]] = []

    def push(folder: Path, repo: str, token: str, *, private: bool, license: str, progress: Any) -> Pushed:
        asked.append(("push", repo, token, str(private), license))
        for stage in (Stage.PREPARE, Stage.CREATE, Stage.UPLOAD, Stage.TAG):
            progress(stage)
        return Pushed(repo, "0123456789abcdef", "step-12", f"https://huggingface.co/{repo}")

    def pull(repo: str, folder: Path, token: str, *, revision: str, most: int, progress: Any) -> Pulled:
        asked.append(("pull", repo, token, revision))
        for stage in (Stage.LOOK, Stage.DOWNLOAD, Stage.CHECK):
            progress(stage)
        shutil.copytree(trained, folder)
        return Pulled(folder.name, repo, revision)

    def look_at(repo: str, token: str = "", revision: str = "") -> Seen:
        asked.append(("look", repo, token))
        if repo != "user/there":
            raise HubError("There is no {repo} on the Hub, or it is private.", repo=repo)
        return Seen(repo, "fedcba9876543210", {"config.json": 3_000_000}, "")

    def account_of(token: str) -> str:
        asked.append(("who", token))
        return "zoe"

    for name, fake in (("push_run", push), ("pull_run", pull), ("look_at", look_at), ("account_of", account_of)):
        monkeypatch.setattr(hub, name, fake)
    monkeypatch.setattr(hub, "stored_token", lambda: "")
    return asked


def pushed(acts: HubActs, run: str = "mine", repo: str = "user/mine", token: str = PASTED, **given: Any) -> list[Any]:
    language, request, signed_in = (given.get(name) for name in ("language", "request", "signed_in"))
    return list(acts.push([run], repo, "mit", False, token, language or "en", request or HERE, signed_in))


def pulled(acts: HubActs, repo: str = "user/there", token: str = "", request: Any = HERE) -> list[Any]:
    return list(acts.pull(repo, token, "en", request, None))


# --- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_a_push_is_told(language: str, acts: HubActs, make_run: MakeRun, asked: list[Any]) -> None:
    make_run("mine")
    told = [sentence for sentence, _ in pushed(acts, language=language)]
    for key in ("stage_prepare", "stage_create", "stage_upload", "stage_tag"):
        assert any(say(key, language) in sentence for sentence in told)
    assert "0123456789ab" in told[-1] and "step" in told[-1]
    assert asked == [("push", "user/mine", PASTED, "False", "mit")]


def test_a_bare_name_is_the_callers_own(acts: HubActs, make_run: MakeRun, asked: list[Any]) -> None:
    make_run("mine")
    pushed(acts, repo=" my-rnn ")
    assert asked == [("who", PASTED), ("push", "zoe/my-rnn", PASTED, "False", "mit")]


def test_a_pull_becomes_a_run_at_the_commit_that_was_seen(acts: HubActs, runs: Path, asked: list[Any]) -> None:
    told = pulled(acts)
    assert told[-1][2] == "there" and "fedcba987654" in told[-1][0] and (runs / "there").is_dir()
    assert asked == [("look", "user/there", ""), ("pull", "user/there", "", "fedcba9876543210")]
    deadlines = [sentence for sentence, *_ in told if "The Hub has" in sentence]
    assert "1:00 at most" in deadlines[0] and "2:20 at most" in deadlines[-1]  # 60 s; then twice, and 20 s for 3 MB


@pytest.mark.parametrize("repo", ["user/nothing", "", " ", "../../etc", "user/there"])
def test_what_goes_wrong_is_a_sentence_and_nothing_is_kept(
    repo: str, acts: HubActs, runs: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> Any:
        raise HubError("The Hub cannot be reached. Nothing is lost here; try again later.")

    monkeypatch.setattr(hub, "pull_run", lost)
    sentence, _, run = pulled(acts, repo)[-1]
    assert sentence.startswith("⚠️ ") and run == "" and list(runs.iterdir()) == []


def test_what_nobody_foresaw_is_a_sentence_too(
    acts: HubActs, make_run: MakeRun, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own words are not shown: a token may be among them. The log has where, not with what."""
    make_run("mine")
    caught: list[Any] = []
    monkeypatch.setattr("threading.excepthook", caught.append)

    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("somewhere")

    monkeypatch.setattr(hub, "push_run", broken)
    assert say("hub_failed", kind="KeyError").split("(")[0] in pushed(acts)[-1][0].replace("\\", "")
    assert [one.exc_type for one in caught] == [KeyError]


# --- whose token ------------------------------------------------------------------------------------------------------


def test_a_pasted_token_is_given_back_to_nobody(
    acts: HubActs, make_run: MakeRun, asked: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_run("mine")
    told = pushed(acts) + pushed(acts, run="no such run") + pulled(acts, "user/nothing", PASTED)
    assert all(one[1] == "" for one in told)  # the box is emptied at the first word
    assert PASTED not in json.dumps(told) and PASTED not in "".join(capfd.readouterr())
    assert not any(PASTED.encode() in path.read_bytes() for path in folder.iterdir())


def test_at_home_the_stored_token_will_do(
    acts: HubActs, make_run: MakeRun, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("mine")
    assert say("token_first") in pushed(acts, token="")[-1][0].replace("\\", "") and asked == []
    monkeypatch.setattr(hub, "stored_token", lambda: "hf_stored")
    pushed(acts, token="")
    assert asked == [("push", "user/mine", "hf_stored", "False", "mit")]


def test_on_a_space_it_is_the_visitors_sign_in_or_nobodys(
    acts: HubActs, make_run: MakeRun, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a pasted one, and never the host's."""
    for variable, value in (("SPACE_ID", "a/b"), ("OAUTH_CLIENT_ID", "x"), ("HF_TOKEN", HOST)):
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(hub, "stored_token", lambda: HOST)
    run = make_run(new_run_folder("book-lstm").name).name
    assert say("sign_in_first") in pushed(acts, run)[-1][0].replace("\\", "") and asked == []
    pulled(acts, token=PASTED)
    assert {one[2] for one in asked} == {""}
    asked.clear()
    signed_in: Any = SimpleNamespace(token="hf_of_the_visitor")
    pushed(acts, run, signed_in=signed_in)
    assert asked == [("push", "user/mine", "hf_of_the_visitor", "False", "mit")]


# --- who may ----------------------------------------------------------------------------------------------------------


def test_another_site_pushes_and_pulls_nothing(acts: HubActs, make_run: MakeRun, asked: list[Any]) -> None:
    make_run("mine")
    for told in (pushed(acts, request=ELSEWHERE), pulled(acts, request=ELSEWHERE)):
        assert say("from_elsewhere") in told[-1][0].replace("\\", "")
    assert asked == []


def test_nobody_pushes_anothers_run(acts: HubActs, make_run: MakeRun, asked: list[Any], public: None) -> None:
    make_run("the-hosts-own")
    assert say("not_yours") in pushed(acts, "the-hosts-own")[-1][0].replace("\\", "") and asked == []
