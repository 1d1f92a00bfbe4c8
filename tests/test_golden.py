"""The golden checkpoints: what an older version of CharLM wrote, this one reads; what a newer one writes, it names."""

import io
import json
import shutil
from pathlib import Path

import pytest
import tiny
from golden_run import GOLDEN, logits_of

from charlm.archive import pack, unpack
from charlm.checkpoint import CONFIG, FORMAT_VERSION, TEXT, WEIGHTS, load_checkpoint, save_weights
from charlm.errors import CheckpointError
from charlm.events import Finished, Step
from charlm.history import history_of
from charlm.log import read_events
from charlm.recording import resumed

VERSIONS = [f"v{version}" for version in range(1, FORMAT_VERSION + 1)]
every_run = pytest.mark.parametrize("run", [f"{version}/{cell}" for version in VERSIONS for cell in tiny.CELLS])


def test_each_version_has_its_own() -> None:
    """A new format version comes with a golden checkpoint, and the old ones stay."""
    assert sorted(path.name for path in GOLDEN.glob("v*")) == VERSIONS
    assert sum(path.stat().st_size for path in GOLDEN.glob("v1/**/*") if path.is_file()) < 100_000


@every_run
def test_it_says_what_it_always_said(run: str) -> None:
    expected = json.loads((GOLDEN / run).parent.joinpath("logits.json").read_text("utf-8"))[Path(run).name]
    for ours, theirs in zip(logits_of(GOLDEN / run), expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("cell", tiny.CELLS)
def test_equal_weights_make_equal_bytes(cell: str, tmp_path: Path) -> None:
    """What this version writes, byte for byte: metadata in one order, on every machine."""
    folder = GOLDEN / f"v{FORMAT_VERSION}" / cell
    checkpoint = load_checkpoint(folder)
    save_weights(tmp_path, dict(checkpoint.model.named_parameters()), checkpoint.step, checkpoint.loss)
    assert (tmp_path / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_can_be_trained_on(version: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / version / "lstm", tmp_path / "lstm"))
    before = history_of(read_events(folder))
    assert before.finished and before.finished.reason == "budget" and before.measured["stream"] > 0
    events = list(resumed(folder, tiny.settings(steps=9, average=0.9)[1])[1])
    steps = [event.step for event in events if isinstance(event, Step)]
    assert steps[-1] == 9 and isinstance(events[-1], Finished)


@pytest.mark.parametrize("version", VERSIONS)
def test_it_travels_as_a_zip(version: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pack(GOLDEN / version / "lstm", buffer, with_text=True)
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    unpack(tmp_path / "a.zip", tmp_path / "lstm")
    assert (tmp_path / "lstm" / TEXT).read_bytes() == (GOLDEN / version / "lstm" / TEXT).read_bytes()


def test_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / VERSIONS[-1] / "lstm", tmp_path / "lstm"))
    raw = json.loads((folder / CONFIG).read_text("utf-8"))
    (folder / CONFIG).write_text(json.dumps({**raw, "format_version": FORMAT_VERSION + 1}), "utf-8")
    with pytest.raises(CheckpointError, match=f"format {FORMAT_VERSION + 1}, made by a newer CharLM"):
        load_checkpoint(folder)
