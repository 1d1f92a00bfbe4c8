"""space: which files a Space gets, and what is written for it. The front matter is read by PyYAML and by the Hub's own
reader; the files are compared with what git knows."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import yaml

from charlm.checkpoint import CONFIG, TEXT
from charlm.errors import ConfigError
from charlm.log import EVENTS
from charlm.space import (
    DEFAULT_HARDWARE,
    EXAMPLES,
    HARDWARE,
    ROOT,
    ZERO,
    bring_examples,
    checked_hardware,
    keeps_runs,
    space_files,
)


def front(files: dict[str, bytes]) -> dict[str, object]:
    found = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_the_files_are_the_projects_own_and_those_written_for_it() -> None:
    """Nothing that git does not know: no private run, no cache."""
    git = shutil.which("git")
    listed = git and subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if not listed or listed.returncode:
        pytest.skip("this is no git repository")
    known, files = set(listed.stdout.splitlines()), space_files()
    assert files.keys() <= known
    needed = {path for path in known if path.startswith("charlm/")} | {"app.py", "LICENSE"}
    assert needed <= files.keys()
    runs = {path.split("/")[1] for path in files if path.startswith("checkpoints/")}
    assert runs == {*EXAMPLES}
    assert not any(path.startswith(("tests/", ".")) for path in files)
    written = {"README.md", "requirements.txt"}
    assert all((ROOT / path).read_bytes() == data for path, data in files.items() if path not in written)


def test_nothing_odd_gets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("app.py", "LICENSE", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "charlm" / "__pycache__").mkdir(parents=True)
    (tmp_path / "charlm" / ".hidden").mkdir()
    odd = ("charlm/__pycache__/a.py", "charlm/.hidden/a.py", "charlm/a.pyc", "charlm/token", "charlm/.env", "secret.py")
    for name in (*odd, "charlm/good.py"):
        (tmp_path / name).write_text("x")
    (tmp_path / "charlm" / "link.py").symlink_to("/etc/hostname")
    (tmp_path / "charlm" / "folder.txt").symlink_to("/etc")
    for run in ("private", "comedy-lstm"):
        tiny.run(tmp_path / "checkpoints" / run)
    monkeypatch.setattr("charlm.space.ROOT", tmp_path)
    assert set(space_files()) == {
        "app.py", "LICENSE", "README.md", "requirements.txt", "charlm/good.py",
        *(f"checkpoints/comedy-lstm/{name}" for name in (CONFIG, EVENTS, TEXT)),
    }  # fmt: skip


@pytest.mark.parametrize("hardware", HARDWARE)
def test_the_front_matter_sets_the_space_up(hardware: str) -> None:
    files = space_files(hardware)
    facts = front(files)
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert pinned and facts["sdk_version"] == pinned[1]
    assert (facts["sdk"], facts["python_version"]) == ("gradio", "3.12")  # quoted: else YAML makes 3.1 of 3.10
    assert facts["app_file"] in files
    assert facts["hf_oauth"] is True and facts["hf_oauth_scopes"] == ["contribute-repos"]
    assert facts["suggested_hardware"] == hardware
    assert "charlm" in facts["tags"]  # type: ignore[operator]
    assert len(str(facts["short_description"])) <= 60


def test_the_hubs_own_reader_accepts_the_front_matter() -> None:
    from huggingface_hub import SpaceCard

    card = SpaceCard(space_files()["README.md"].decode())
    assert (card.data.sdk, card.data.license) == ("gradio", "mit")


def test_the_requirements_fit_the_hardware() -> None:
    own = (ROOT / "requirements.txt").read_text("utf-8").split()
    lines = {hardware: space_files(hardware)["requirements.txt"].decode().splitlines() for hardware in HARDWARE}
    for hardware, wanted in lines.items():
        assert any(line.startswith("gradio[oauth]==") for line in wanted)
        assert any("whl/cpu" in line for line in wanted) == hardware.startswith("cpu")
        torch = next(line for line in wanted if line.startswith("torch=="))
        assert torch in own if hardware != ZERO else torch == "torch==2.11.0"
        assert len(wanted) == len(own) + hardware.startswith("cpu")


def test_on_zerogpu_the_app_marks_a_function_and_starts_the_page(tmp_path: Path) -> None:
    """With a `spaces` and an `app` that only note what happens, in the order in which it does."""
    source = space_files(ZERO)["zero.py"].decode()
    ast.parse(source)
    (tmp_path / "zero.py").write_text(source)
    (tmp_path / "spaces.py").write_text(
        "print('spaces')\ndef GPU(function):\n    print('marked')\n    return function\n"
    )
    (tmp_path / "app.py").write_text("print('app')\ndef main():\n    print('started')\n")
    done = subprocess.run([sys.executable, "zero.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["app", "spaces", "marked", "started"]
    assert "zero.py" not in space_files(DEFAULT_HARDWARE)


def test_hardware_is_one_of_those_that_are_known() -> None:
    assert checked_hardware("") == "" and checked_hardware("t4-small") == "t4-small"
    with pytest.raises(ConfigError, match="hardware must be one of cpu-basic, "):
        checked_hardware("abacus")


def test_the_hub_knows_the_hardware() -> None:
    from huggingface_hub import SpaceHardware

    assert set(HARDWARE) <= {one.value for one in SpaceHardware}


def test_runs_outlive_a_restart_at_home_and_on_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path / "bucket" / "runs"))
    mounts = {tmp_path / "bucket", Path(tmp_path.anchor)}
    monkeypatch.setattr(os.path, "ismount", lambda place: Path(place) in mounts)
    assert keeps_runs()
    monkeypatch.setenv("SPACE_ID", "owner/charlm")
    assert keeps_runs()
    mounts.remove(tmp_path / "bucket")
    assert not keeps_runs()


def test_the_examples_are_brought_to_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path / "runs"))
    bring_examples()  # at home nobody asked for them
    assert not (tmp_path / "runs").exists()
    monkeypatch.setenv("SPACE_ID", "owner/charlm")
    bring_examples()
    assert sorted(os.listdir(tmp_path / "runs")) == sorted(EXAMPLES)
    ours, theirs = tmp_path / "runs" / EXAMPLES[0] / "config.json", ROOT / "checkpoints" / EXAMPLES[0] / "config.json"
    assert ours.read_bytes() == theirs.read_bytes()
    ours.write_text("changed")
    bring_examples()
    assert ours.read_text() == "changed"
