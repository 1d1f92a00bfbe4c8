"""What the tests of the page share: an empty folder of runs, runs that can speak, a board that only pretends, and real
servers.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from browser import chromium, page, visitor  # noqa: F401  (fixtures)
from servers import Server, ended, started, until_used, wait_until_ready

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported

from charlm.jobs import HOME, PUBLIC, JobBoard  # noqa: E402
from charlm.recording import recorded  # noqa: E402

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs, empty; at home unless a test asks for `public`."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(folder))
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("CHARLM_PUBLIC", raising=False)
    return folder


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_PUBLIC", "1")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that has ended."""
    import tiny

    folder = tmp_path_factory.mktemp("trained") / "tiny"
    for _ in recorded(tiny.run(folder), folder):
        pass
    return folder


@pytest.fixture
def make_run(runs: Path, trained: Path) -> MakeRun:
    """make_run("name") is the folder of a run that can speak; the one made later is the newer one."""
    made: list[Path] = []

    def make(name: str) -> Path:
        folder = shutil.copytree(trained, runs / name)
        made.append(folder)
        os.utime(folder / "config.json", (1e9 + len(made),) * 2)
        return folder

    return make


@pytest.fixture
def make_board() -> Iterator[Callable[..., JobBoard]]:
    """Boards whose jobs do nothing until they are stopped."""
    boards: list[JobBoard] = []

    def make(is_public: bool = False, places: int = 1, **limits: float) -> JobBoard:
        bounds = replace(PUBLIC if is_public else HOME, **limits)  # type: ignore[arg-type]
        boards.append(JobBoard(bounds, places, fakes.until_stopped))
        return boards[-1]

    yield make
    for board in boards:
        board.close()


@pytest.fixture
def board(make_board: Callable[..., JobBoard]) -> JobBoard:
    return make_board()


# --- real servers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page as it is at home, used by many tests."""
    yield from until_used(started(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def public_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page as strangers see it, used by many tests."""
    yield from until_used(started(tmp_path_factory.mktemp("public"), CHARLM_PUBLIC="1"))


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """start_server(CHARLM_PUBLIC="1") is one for this test alone, which may end it."""
    servers: list[Server] = []

    def start(**environment: str) -> Server:
        servers.append(started(tmp_path_factory.mktemp("own"), **environment))
        wait_until_ready(servers[-1])
        return servers[-1]

    yield start
    for server in servers:
        ended(server)
