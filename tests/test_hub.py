"""hub: runs and the page to a Hub on the loopback and back, by huggingface_hub itself, with LFS and with Xet.

In all of these tests the surroundings hold the token of the server's owner, as a variable and as a file: it must never
be seen. A second client, npm's @huggingface/hub, reads back what was pushed, so that this project's own reading of the
protocol is not the only witness. CHARLM_LIVE_HUB=1 with a token in HF_TOKEN tries the real Hub.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tiny
import torch
from loopback_hub import ALICE, BOB, OWNER, READER, LoopbackHub

import charlm
from charlm import CharLM
from charlm.archive import FILES
from charlm.card import PICTURE, card_of
from charlm.checkpoint import (
    CARD,
    CONFIG,
    ORIGIN,
    TEXT,
    TRAINER,
    WEIGHTS,
    list_runs,
    load_checkpoint,
    load_trainer,
)
from charlm.errors import CharlmError, CheckpointError, ConfigError, HubError, RunExistsError
from charlm.hub import (
    Origin,
    Stage,
    account_of,
    checked_repo,
    deploy,
    errand,
    look_at,
    origin_of,
    pull_run,
    push_run,
    stored_token,
)
from charlm.log import EVENTS
from charlm.recording import recorded, resumed
from charlm.space import space_files

REPO = "alice/my-rnn"
INVALID = "Invalid credentials in Authorization header"
WAY_OUT = {  # the requests of a push, in their order
    "look": ("GET", r"/api/models/alice/my-rnn\?blobs"),
    "create": ("POST", r"/api/repos/create"),
    "info": ("GET", r"/api/models/alice/my-rnn$"),
    "card": ("POST", r"/api/validate-yaml"),
    "modes": ("POST", r"/preupload/"),
    "batch": ("POST", r"/objects/batch"),
    "put": ("PUT", r"/large/"),
    "verify": ("POST", r"/verify"),
    "commit": ("POST", r"/commit/"),
    "tag": ("POST", r"/tag/"),
}
WAY_IN = {
    "look": ("GET", r"/api/models/alice/my-rnn\?blobs"),
    "head": ("HEAD", r"/resolve/"),
    "file": ("GET", r"/resolve/"),
    "store": ("GET", r"/large/"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run. Not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "my-rnn"
    list(recorded(tiny.run(folder), folder))
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "mine" / "my-rnn"))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the runs of somebody else."""
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose owner is signed in."""
    home = tmp_path / "owners-home"
    home.mkdir()
    (home / "token").write_text(OWNER)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_TOKEN", OWNER)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_TOKEN_PATH", str(home / "token"))


@pytest.fixture
def hub(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield hub


@contextmanager
def cut_off(hub: LoopbackHub, method: str, path: str, how: str) -> Iterator[None]:
    """A Hub that drops or hangs such requests, and somebody with little patience."""
    hub.fault(method, path, **{how: True}, times=99)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errand, "START_SECONDS", 6.0)
        yield
    assert hub.faults.pop().times < 99, "it never came to that"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def travelling(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if name in FILES and name != CARD}


def an_older_version(hub: LoopbackHub, run: Path) -> str:
    """A repository as an earlier push left it; its commit."""
    card = card_of(run, REPO).text.replace("# my-rnn", "# an older one").encode()
    files = {CONFIG: b"{}", WEIGHTS: b"older", CARD: card, PICTURE: b"\x89PNG", ".gitattributes": b""}
    return hub.put(REPO, files).head


# --- there and back ---


@pytest.mark.parametrize("way", ["lfs", "xet"])
def test_a_run_travels_byte_for_byte(
    way: str, run: Path, runs: Path, tmp_path: Path, surroundings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackHub(xet=tmp_path / "store" if way == "xet" else None) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1" if way == "lfs" else "0")
        done = push_run(run, REPO, ALICE)
        assert (done.repo, done.commit, done.url) == (REPO, hub.repositories["models", REPO].head, f"{hub.url}/{REPO}")
        back = pull_run(REPO, runs / "back")
        assert bool(hub.xet_hashes) == (way == "xet")
    assert (back.run, back.repo, back.commit) == ("back", REPO, done.commit)
    there, here = contents(run), contents(runs / "back")
    assert here.keys() == {*FILES, ORIGIN}
    assert {name: here[name] for name in travelling(run)} == travelling(run)
    assert here[CARD].decode().startswith("---\n")
    assert there.keys() == {*FILES, TEXT} - {CARD}
    assert origin_of(runs / "back") == Origin(REPO, done.commit) and origin_of(run) is None
    assert load_checkpoint(runs / "back").loss == load_checkpoint(run).loss


def test_with_its_text_a_pulled_run_goes_on_exactly(run: Path, runs: Path, hub: LoopbackHub) -> None:
    push_run(run, REPO, ALICE)
    pull_run(REPO, runs / "back")
    with pytest.raises(CheckpointError, match="came without its text"):
        load_trainer(runs / "back")
    shutil.copy(run / TEXT, runs / "back")
    assert tiny.digest(load_trainer(runs / "back")[0]) == tiny.digest(load_trainer(run)[0])


def test_the_text_stays_at_home(run: Path, hub: LoopbackHub) -> None:
    push_run(run, REPO, ALICE)
    text = (run / TEXT).read_bytes()
    assert set(hub.files(REPO)) == {*FILES, PICTURE, ".gitattributes"}
    assert not any(text[:100] in data for data in hub.blobs.values())


def test_pushing_again_adds_a_version_with_a_tag_of_its_own(run: Path, runs: Path, hub: LoopbackHub) -> None:
    first = push_run(run, REPO, ALICE, license="mit")
    again = push_run(run, REPO, ALICE)
    assert (again.commit, again.tag) == (first.commit, first.tag) != ("", "")
    training = tiny.settings(steps=18)[1]
    list(resumed(run, training)[1])
    second = push_run(run, REPO, ALICE)
    repository = hub.repositories["models", REPO]
    assert repository.tags == {first.tag: first.commit, second.tag: second.commit}
    assert len(hub.commits(REPO)) == 3  # with the Hub's own first one
    assert b"\nlicense: mit\n" in hub.files(REPO)[CARD]
    pull_run(REPO, runs / "old", revision=first.tag)
    pull_run(REPO, runs / "new")
    assert contents(runs / "old")[WEIGHTS] == hub.files(REPO, first.commit)[WEIGHTS]
    assert contents(runs / "new")[EVENTS] == (run / EVENTS).read_bytes() != contents(runs / "old")[EVENTS]


def test_a_file_that_the_run_no_longer_has_goes_and_others_stay(run: Path, hub: LoopbackHub) -> None:
    push_run(run, REPO, ALICE)
    repository = hub.repositories["models", REPO]
    files = {**repository.revisions[repository.head].files, "notes.md": hub.entry("notes.md", b"by hand")}
    repository.commit(files, "by hand")
    (run / TRAINER).unlink()
    push_run(run, REPO, ALICE)
    assert set(hub.files(REPO)) == {*FILES, PICTURE, ".gitattributes", "notes.md"} - {TRAINER}


def test_who_waits_is_told_what_is_done(run: Path, runs: Path, hub: LoopbackHub) -> None:
    told = list[Stage]()
    push_run(run, REPO, ALICE, progress=told.append)
    assert told == [Stage.PREPARE, Stage.CREATE, Stage.UPLOAD, Stage.TAG]
    told.clear()
    pull_run(REPO, runs / "back", progress=told.append)
    assert told == [Stage.LOOK, Stage.DOWNLOAD, Stage.CHECK]


def test_a_private_run_is_its_owners(run: Path, runs: Path, hub: LoopbackHub) -> None:
    push_run(run, REPO, ALICE, private=True)
    for token in ("", BOB):
        with pytest.raises(HubError) as caught:
            pull_run(REPO, runs / "back", token)
        assert caught.value.code == "missing"
    pull_run(REPO, runs / "back", ALICE)
    assert list_runs() == ["back"]


def test_a_link_in_a_run_is_not_followed(run: Path, hub: LoopbackHub) -> None:
    (run / EVENTS).unlink()
    (run / EVENTS).symlink_to("/etc/hostname")
    push_run(run, REPO, ALICE)
    assert EVENTS not in hub.files(REPO)


# --- whose token ---


def test_nobodys_call_carries_a_token(run: Path, runs: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a public server whose owner is signed in: the owner's private run does not even exist."""
    monkeypatch.setenv("SPACE_ID", "owner/charlm")
    hub.put("owner/secret", {CONFIG: b"{}", WEIGHTS: b""}, private=True)
    hub.put(REPO, {**travelling(run), CARD: b"# a card"})
    pull_run(REPO, runs / "back")
    assert stored_token() == ""
    with pytest.raises(HubError) as caught:
        pull_run("owner/secret", runs / "secret", stored_token())
    assert caught.value.code == "missing"
    with pytest.raises(HubError) as caught:
        push_run(run, "owner/new", stored_token())
    assert caught.value.code == "sign_in"
    with pytest.raises(HubError):
        account_of("")
    assert len(hub.calls) > 8
    assert {call.token for call in hub.calls} == {""}
    assert not any(OWNER in value for call in hub.calls for value in (call.path, call.about, *call.headers.values()))


def test_a_visitors_call_carries_the_visitors_token_alone(run: Path, runs: Path, hub: LoopbackHub) -> None:
    push_run(run, REPO, ALICE, private=True)
    pull_run(REPO, runs / "back", ALICE)
    assert {call.token for call in hub.calls if call.server == "hub"} == {ALICE}
    assert {call.token for call in hub.calls if call.server == "store"} == {""}
    assert account_of(BOB) == "bob"


def test_at_home_the_stored_token_is_the_ones_who_signed_in(surroundings: None, tmp_path: Path) -> None:
    assert stored_token() == OWNER
    code = "import os; os.environ.pop('HF_TOKEN'); from charlm.hub import stored_token; print(stored_token())"
    done = subprocess.run([sys.executable, "-c", code], env=tiny.environment(), capture_output=True, text=True)
    assert done.stdout.strip() == OWNER, done.stderr  # out of the file


def test_the_token_is_nowhere_but_in_the_pipe(
    run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started = list[Any]()
    popen = subprocess.Popen

    def watched(*arguments: Any, **options: Any) -> Any:
        started.append((arguments, options))
        return popen(*arguments, **options)

    monkeypatch.setattr(errand.subprocess, "Popen", watched)
    hub.fault("POST", "/commit/", status=400, body=json.dumps({"error": f"bad token {ALICE}, says the Hub\n"}))
    with pytest.raises(HubError, match=r"error 400.*bad token \(token\), says the Hub$") as caught:
        push_run(run, REPO, ALICE)
    assert len(started) == 2
    assert not {ALICE, OWNER} & {word for word in str(started).split("'")}
    trace = "".join(str(value) for value in (caught.value, caught.value.values, caught.value.__cause__))
    assert ALICE not in trace + caplog.text
    assert not any(ALICE.encode() in data for data in hub.blobs.values())


# --- what may go wrong on the way out ---


def refused(action: Callable[[], object]) -> HubError:
    with pytest.raises(HubError) as caught:
        action()
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("step", "fault", "code"),
    [
        ("look", {"status": 401, "headers": {"X-Error-Message": INVALID}}, "expired"),
        ("look", {"status": 503, "headers": {"Retry-After": "3600"}}, "trouble"),
        ("create", {"status": 401}, "expired"),
        ("create", {"status": 403}, "forbidden"),
        ("create", {"status": 402}, "payment"),
        ("create", {"status": 400, "body": '{"error": "Invalid name"}'}, "refused"),
        ("create", {"status": 429, "headers": {"Retry-After": "3600"}}, "busy"),
        ("card", {"status": 400, "body": '{"errors": [{"message": "bad emoji"}], "warnings": []}'}, "card"),
        ("modes", {"status": 403}, "forbidden"),
        ("modes", {"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, "missing"),
        ("put", {"status": 403}, "trouble"),
        ("put", {"status": 429, "headers": {"Retry-After": "3600"}}, "busy"),
        ("commit", {"status": 409}, "conflict"),
        ("commit", {"status": 412}, "changed"),
        ("commit", {"status": 429}, "busy"),
        ("commit", {"status": 500}, "trouble"),
        ("tag", {"status": 500}, "trouble"),
    ],
)  # fmt: skip
def test_what_the_hub_answers_is_one_sentence(
    step: str, fault: dict[str, Any], code: str, run: Path, hub: LoopbackHub
) -> None:
    before = an_older_version(hub, run) if step != "create" else ""
    hub.fault(*WAY_OUT[step], **fault)
    error = refused(lambda: push_run(run, REPO, ALICE))
    assert error.code == code
    assert hub.faults[0].times == 0
    if code == "busy":
        assert error.values["seconds"] == (3600 if "headers" in fault else 60)
    if step == "create":
        assert hub.repositories == {}
    else:
        assert (hub.repositories["models", REPO].head == before) == (step != "tag")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "how"), [*((step, "drop") for step in WAY_OUT), ("look", "hang"), ("put", "hang"), ("commit", "hang")]
)
def test_cut_off_anywhere_a_push_leaves_a_whole_revision_and_can_be_repeated(
    step: str, how: str, run: Path, hub: LoopbackHub
) -> None:
    before = an_older_version(hub, run)
    old = hub.files(REPO)
    with cut_off(hub, *WAY_OUT[step], how):
        error = refused(lambda: push_run(run, REPO, ALICE))
    assert error.code in {"drop": ("unreachable", "slow"), "hang": ("slow",)}[how]
    assert "Nothing is lost here" in str(error)
    repository = hub.repositories["models", REPO]
    if step == "tag":
        assert hub.files(REPO)[WEIGHTS] == (run / WEIGHTS).read_bytes()
    else:
        assert repository.head == before and hub.files(REPO) == old
    done = push_run(run, REPO, ALICE)
    assert {**hub.files(REPO), **travelling(run)} == hub.files(REPO)
    assert repository.tags == {done.tag: repository.head}
    assert len(hub.commits(REPO)) == 2


def test_when_only_the_answer_is_lost_the_commit_is_not_made_twice(run: Path, hub: LoopbackHub) -> None:
    an_older_version(hub, run)
    hub.fault(*WAY_OUT["commit"], after=True, drop=True)
    assert refused(lambda: push_run(run, REPO, ALICE)).code == "unreachable"
    assert len(hub.commits(REPO)) == 2
    done = push_run(run, REPO, ALICE)
    assert len(hub.commits(REPO)) == 2 and done.tag in hub.repositories["models", REPO].tags


def test_what_another_pushes_meanwhile_is_not_lost(run: Path, hub: LoopbackHub) -> None:
    an_older_version(hub, run)
    repository = hub.repositories["models", REPO]
    theirs = {**repository.revisions[repository.head].files, "theirs.md": hub.entry("theirs.md", b"x")}
    hub.fault(*WAY_OUT["commit"], first=lambda: repository.commit(theirs, "theirs"))
    assert refused(lambda: push_run(run, REPO, ALICE)).code == "changed"
    assert hub.commits(REPO)[-1] == "theirs"
    push_run(run, REPO, ALICE)
    assert hub.files(REPO)["theirs.md"] == b"x"


def test_a_token_that_may_only_read_is_told(run: Path, hub: LoopbackHub) -> None:
    an_older_version(hub, run)
    assert refused(lambda: push_run(run, REPO, READER)).code == "forbidden"
    assert refused(lambda: push_run(run, "alice/new", READER)).code == "forbidden"
    assert refused(lambda: push_run(run, "bob/new", ALICE)).code == "forbidden"
    assert refused(lambda: push_run(run, "alice/new", "hf_invented")).code == "expired"


def test_what_somebody_else_put_there_is_not_touched(run: Path, hub: LoopbackHub) -> None:
    before = hub.put("alice/bert", {"config.json": b"{}", "pytorch_model.bin": b"x", CARD: b"# BERT"}).head
    assert refused(lambda: push_run(run, "alice/bert", ALICE)).code == "taken"
    assert hub.repositories["models", "alice/bert"].head == before
    hub.put("alice/empty", {CARD: b"# soon", ".gitattributes": b""})
    push_run(run, "alice/empty", ALICE)


def test_a_run_that_cannot_be_pushed_is_refused_before_anything_is_asked(tmp_path: Path, hub: LoopbackHub) -> None:
    tiny.run(tmp_path / "fresh")
    with pytest.raises(CheckpointError, match="fresh has no"):
        push_run(tmp_path / "fresh", REPO, ALICE)
    with pytest.raises(ConfigError, match="license must be"):
        push_run(tmp_path / "fresh", REPO, ALICE, license="WTFPL")
    assert not any(call.method == "POST" for call in hub.calls)


@pytest.mark.parametrize(
    "name",
    ["", "alone", "a/b/c", "../x", "a/..", "a/b--c", "a/é", "a b/c", "a/b.git", "a/" + "b" * 96, "/etc/x/y",
     "a/b\nc",
     "a/b?x", "-a/b", "a/b."],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused_before_anything_is_asked(
    name: str, run: Path, runs: Path, hub: LoopbackHub
) -> None:
    assert refused(lambda: push_run(run, name, ALICE)).code == "name"
    assert refused(lambda: pull_run(name, runs / "back")).code == "name"
    assert refused(lambda: deploy(name, ALICE)).code == "name"
    assert hub.calls == []


def test_a_name_may_be_pasted_as_an_address() -> None:
    assert checked_repo(" https://huggingface.co/alice/my-rnn/ ") == checked_repo("alice/my-rnn") == "alice/my-rnn"
    assert checked_repo("a/b_c.d-e") == "a/b_c.d-e"


def test_without_a_network_the_sentence_says_so(run: Path, runs: Path, hub: LoopbackHub, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert refused(lambda: push_run(run, REPO, ALICE)).code == "unreachable"
    assert refused(lambda: pull_run(REPO, runs / "back")).code == "unreachable"
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    assert refused(lambda: pull_run(REPO, runs / "back")).code == "unreachable"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert refused(lambda: pull_run(REPO, runs / "back")).code == "offline"
    assert not runs.exists() or os.listdir(runs) == []


def test_a_worker_that_dies_is_a_sentence(
    run: Path, hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("", "raise SystemExit(3)", "import sys; sys.stdin.read(); print('{}')"):
        (tmp_path / "worker.py").write_text(code)
        monkeypatch.setattr(errand, "WORKER", tmp_path / "worker.py")
        assert refused(lambda: account_of(ALICE)).code == "failed"


def test_every_code_has_its_sentence() -> None:
    source = Path(errand.WORKER).read_text("utf-8") + Path(errand.WORKER).with_name("__init__.py").read_text("utf-8")
    import re

    told = set(re.findall(r"(?:Refused|refused)\(\s*\"(\w+)\"", source))
    told |= set(re.findall(r"\d{3}: \"(\w+)\"", source)) | set(re.findall(r"Error, \"(\w+)\"\)", source))
    assert len(told) > 15
    assert told <= errand.SENTENCES.keys()


# --- what may go wrong on the way in ---


@pytest.mark.parametrize(
    ("step", "fault", "code"),
    [
        ("look", {"status": 401, "headers": {"X-Error-Code": "GatedRepo"}}, "gated"),
        ("look", {"status": 429, "headers": {"Retry-After": "3600"}}, "busy"),
        ("look", {"status": 500}, "trouble"),
        ("head", {"status": 404, "headers": {"X-Error-Code": "EntryNotFound"}}, "file"),
        ("head", {"status": 429, "headers": {"Retry-After": "3600"}}, "busy"),
        ("store", {"status": 403}, "trouble"),
        ("store", {"status": 429, "headers": {"Retry-After": "3600"}}, "busy"),
    ],
)
def test_what_the_hub_answers_to_a_pull_is_one_sentence(
    step: str, fault: dict[str, Any], code: str, run: Path, runs: Path, hub: LoopbackHub
) -> None:
    hub.put(REPO, travelling(run))
    hub.fault(*WAY_IN[step], **fault)
    assert refused(lambda: pull_run(REPO, runs / "back")).code == code
    assert os.listdir(runs) == []


@pytest.mark.slow
@pytest.mark.parametrize(("step", "how"), [*((step, "drop") for step in WAY_IN), ("look", "hang"), ("store", "hang")])
def test_cut_off_anywhere_a_pull_leaves_nothing_and_can_be_repeated(
    step: str, how: str, run: Path, runs: Path, hub: LoopbackHub
) -> None:
    hub.put(REPO, travelling(run))
    with cut_off(hub, *WAY_IN[step], how):
        assert refused(lambda: pull_run(REPO, runs / "back")).code in ("unreachable", "slow")
    assert os.listdir(runs) == []
    pull_run(REPO, runs / "back")
    assert {**contents(runs / "back"), **travelling(run)} == contents(runs / "back")


def test_what_is_not_there_is_named(run: Path, runs: Path, hub: LoopbackHub) -> None:
    hub.put(REPO, travelling(run))
    assert refused(lambda: pull_run("alice/nothing", runs / "a")).code == "missing"
    assert refused(lambda: pull_run(REPO, runs / "a", revision="v9")).code == "revision"
    assert refused(lambda: pull_run(REPO, runs / "a", revision="../../x")).code == "revision"
    assert refused(lambda: pull_run(REPO, runs / "a", "hf_expired")).code == "expired"
    hub.put("alice/gated", travelling(run), gated=True)
    assert refused(lambda: pull_run("alice/gated", runs / "a")).code == "gated"


def test_a_run_of_that_name_is_never_replaced(run: Path, runs: Path, hub: LoopbackHub) -> None:
    (runs / "mine").mkdir(parents=True)
    with pytest.raises(RunExistsError):
        pull_run(REPO, runs / "mine")
    assert hub.calls == []


def weights_with(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], bytes]:
    def changed(run: Path) -> bytes:
        tensors = safetensors.torch.load((run / WEIGHTS).read_bytes())
        name = sorted(tensors)[0]
        return safetensors.torch.save({**tensors, name: change(tensors[name])})

    return changed


HOSTILE: dict[str, tuple[dict[str, Callable[[Path], bytes] | bytes | None], str]] = {
    "not a number": ({WEIGHTS: weights_with(lambda t: t.fill_(float("nan")))}, "NaN or infinity"),
    "other shapes": ({WEIGHTS: weights_with(lambda t: torch.zeros(3))}, "shapes or types do not fit"),
    "double precision": ({WEIGHTS: weights_with(lambda t: t.double())}, "shapes or types do not fit"),
    "a pickle as weights": ({WEIGHTS: b"\x80\x02cos\nsystem\n(S'id'\ntR."}, "no safetensors file"),
    "a pickle alone": ({WEIGHTS: None, "pytorch_model.bin": b"\x80\x02."}, "it has no model.safetensors"),
    "no config": ({CONFIG: None}, "it has no config.json"),
    "a newer version": ({CONFIG: b'{"format_version": 2}'}, "newer CharLM"),
    "another library's": ({CONFIG: b'{"model_type": "bert"}'}, "no format_version"),
    "a link as git keeps it": ({CONFIG: b"../../../etc/passwd"}, "not valid JSON"),
    "a broken trainer": ({TRAINER: b"\xff" * 99}, "no safetensors file"),
    "half a surrogate pair": (
        {EVENTS: b'{"event": "Measured", "name": "\\ud800", "loss": 1.0}\n'}, "no history of a run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_repository_is_one_sentence_and_nothing_stays(
    name: str, run: Path, runs: Path, hub: LoopbackHub
) -> None:
    changes, sentence = HOSTILE[name]
    files = travelling(run) | {file: data(run) if callable(data) else data for file, data in changes.items()}
    hub.put(REPO, {file: data for file, data in files.items() if data is not None})
    with pytest.raises(CharlmError, match=sentence):
        pull_run(REPO, runs / "back")
    assert os.listdir(runs) == []


def test_sizes_are_looked_at_before_anything_is_fetched(run: Path, runs: Path, hub: LoopbackHub) -> None:
    repository = hub.put(REPO, travelling(run))
    for sizes, most in (({WEIGHTS: 10**12}, 1 << 30), ({WEIGHTS: -1}, 1 << 30), ({}, 1000)):
        repository.sizes = sizes
        assert refused(lambda most=most: pull_run(REPO, runs / "back", most=most)).code == "too_large"  # type: ignore[misc]
    assert not any("/resolve/" in call.path for call in hub.calls)
    assert os.listdir(runs) == []


def test_a_file_that_is_larger_than_announced_is_not_taken(run: Path, runs: Path, hub: LoopbackHub) -> None:
    repository = hub.put(REPO, travelling(run) | {CARD: b"x" * 5000})
    repository.sizes = {CARD: 10}
    assert refused(lambda: pull_run(REPO, runs / "back")).code == "lies"
    assert os.listdir(runs) == []


def test_only_known_files_are_asked_for(run: Path, runs: Path, hub: LoopbackHub) -> None:
    odd = {"pytorch_model.bin": b"x", "../evil": b"x", "run.py": b"x", TEXT: b"x", "a/config.json": b"{}", "a\\b": b"x"}
    hub.put(REPO, travelling(run) | odd)
    pull_run(REPO, runs / "back")
    asked = {call.path.rpartition("/")[2] for call in hub.calls if "/resolve/" in call.path}
    assert asked == set(travelling(run))
    assert contents(runs / "back").keys() == {*travelling(run), ORIGIN}


def test_all_files_are_of_the_one_commit_that_is_shown(run: Path, runs: Path, hub: LoopbackHub) -> None:
    repository = hub.put(REPO, travelling(run))
    done = pull_run(REPO, runs / "back")
    asked = [call.path for call in hub.calls if "/resolve/" in call.path]
    assert asked and all(f"/resolve/{repository.head}/" in path for path in asked)
    assert done.commit == repository.head == look_at(REPO).commit == look_at(REPO, revision=repository.head).commit
    assert look_at(REPO).size == sum(map(len, travelling(run).values()))


def test_an_odd_origin_is_none(run: Path) -> None:
    for data in (b"", b"[]", b"{", b'{"repo": 1}', b"\xff"):
        (run / ORIGIN).write_bytes(data)
        assert origin_of(run) is None


# --- in Python ---


def test_a_run_in_three_lines_of_python(run: Path, hub: LoopbackHub, tmp_path: Path, monkeypatch: Any) -> None:
    push_run(run, REPO, ALICE)
    (tmp_path / "alice" / "my-rnn").mkdir(parents=True)
    (tmp_path / "alice" / "my-rnn" / CONFIG).write_text("{}")
    monkeypatch.chdir(tmp_path)  # a folder of the repository's name is not meant
    model = CharLM.from_pretrained(REPO)
    assert (model.repo, model.commit) == (REPO, hub.repositories["models", REPO].head)
    text = model.generate("the ", length=50, seed=3)
    assert text == "the " + "".join(model.stream("the ", length=50, seed=3))
    assert text == CharLM.from_folder(run).generate("the ", length=50, seed=3)
    with pytest.raises(ConfigError):
        model.generate(length=0)
    with pytest.raises(HubError):
        CharLM.from_pretrained(str(run))
    with pytest.raises(AttributeError):
        charlm.Nothing  # noqa: B018


# --- the page as a Space ---


def test_a_space_holds_what_it_needs_and_no_more(hub: LoopbackHub, runs: Path, run: Path) -> None:
    shutil.copytree(run, runs / "private")
    done = deploy("alice/charlm", ALICE)
    assert done.url == f"{hub.url}/spaces/alice/charlm"
    files = hub.files("alice/charlm", kind="spaces")
    assert {name: data for name, data in files.items() if name != ".gitattributes"} == space_files()
    assert hub.repositories["spaces", "alice/charlm"].hardware == ""


def test_deploying_again_brings_it_up_to_date(hub: LoopbackHub) -> None:
    deploy("alice/charlm", ALICE, hardware="zero-a10g")
    repository = hub.repositories["spaces", "alice/charlm"]
    assert repository.hardware == "zero-a10g" and "zero.py" in hub.files("alice/charlm", kind="spaces")
    old = hub.entry("charlm/gone.py", b"")
    files = {**repository.revisions[repository.head].files, "charlm/gone.py": old, "mine.md": old}
    repository.commit(files, "by hand")
    deploy("alice/charlm", ALICE, hardware="cpu-basic")
    assert set(hub.files("alice/charlm", kind="spaces")) == {*space_files(), ".gitattributes", "mine.md"}
    assert repository.hardware == "cpu-basic"
    assert {call.token for call in hub.calls if call.server == "hub"} == {ALICE}


def test_a_space_of_something_else_is_not_touched(hub: LoopbackHub) -> None:
    before = hub.put("alice/other", {"app.py": b"", CARD: b"---\ntags: [x]\n---\n"}, "spaces").head
    assert refused(lambda: deploy("alice/other", ALICE)).code == "taken"
    assert hub.repositories["spaces", "alice/other"].head == before
    hub.fault("POST", "/repos/create", status=402)
    assert refused(lambda: deploy("alice/charlm", ALICE)).code == "payment"
    with pytest.raises(ConfigError, match="hardware must be one of"):
        deploy("alice/charlm", ALICE, hardware="abacus")


# --- others ---


@pytest.fixture(scope="session")
def npm_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the JavaScript client, from npm's registry."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("there is no Node here")
    folder = tmp_path_factory.mktemp("npm")
    command = [
        "npm",
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(folder),
        "@huggingface/hub@2.17.5",
    ]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    if done.returncode:
        pytest.skip("npm's registry cannot be reached")
    return folder


@pytest.mark.slow
def test_another_client_reads_the_same_bytes(npm_client: Path, run: Path, hub: LoopbackHub) -> None:
    done = push_run(run, REPO, ALICE, private=True)
    script = Path(__file__).with_name("read_back.mjs")
    shutil.copy(script, npm_client)
    target = npm_client / "files"
    command = ["node", str(npm_client / script.name), hub.url, REPO, done.tag, ALICE, str(target)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert contents(target) == hub.files(REPO)


@pytest.mark.skipif(os.environ.get("CHARLM_LIVE_HUB") != "1", reason="CHARLM_LIVE_HUB=1 tries the real Hub")
def test_the_real_hub(run: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a private repository of the account whose token is in HF_TOKEN, and deletes it."""
    from huggingface_hub import HfApi

    monkeypatch.delenv("HF_HUB_OFFLINE")
    token = stored_token()
    repo = f"{account_of(token)}/charlm-test-{secrets.token_hex(4)}"
    try:
        done = push_run(run, repo, token, private=True, license="cc0-1.0")
        assert refused(lambda: pull_run(repo, runs / "stranger")).code == "missing"
        assert pull_run(repo, runs / "back", token, revision=done.tag).commit == done.commit
        assert {**contents(runs / "back"), **travelling(run)} == contents(runs / "back")
        assert push_run(run, repo, token).commit == done.commit
    finally:
        HfApi(token=token).delete_repo(repo, missing_ok=True)
