"""What all tests share: one thread, no network, no run of the user's own. Runs before anything imports torch."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes with two spinning threads each are 100 times slower
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir(), "hypothesis")))  # not the project
hypothesis.settings.register_profile("charlm", database=None, deadline=None, derandomize=True)  # each time the same
hypothesis.settings.load_profile("charlm")


@pytest.fixture(scope="session", autouse=True)
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs that tests make by name go into a temporary folder, never into the project's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("checkpoints")
        patch.setenv("CHARLM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def corpora_folder() -> Path:
    """The folder with the tutorials' texts; where there is none, the test is skipped."""
    own = Path(__file__).parent.parent.parent / "shared" / "corpora"
    folder = Path(os.environ.get("CHARLM_CORPORA") or own)
    if not folder.is_dir():
        pytest.skip("there is no folder of corpora (CHARLM_CORPORA)")
    return folder
