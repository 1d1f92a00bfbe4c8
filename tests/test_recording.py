"""The pipeline: it leaves learning alone, tells everything once; a run that was cut off ends as if it had not been."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import tiny

from charlm import recording
from charlm.checkpoint import WEIGHTS, load_checkpoint, load_trainer, read_config, save_trainer
from charlm.config import SampleConfig
from charlm.corpora import load_corpus
from charlm.corpora.toys import find_toy
from charlm.errors import CheckpointError
from charlm.evaluation import loss_under
from charlm.events import Evaluated, Event, Finished, Measured, Sampled, Saved, Started, Step
from charlm.log import EVENTS, read_events
from charlm.recording import recorded, resumed
from charlm.sampling import generate
from charlm.stepping import fold
from charlm.yardsticks import yardsticks

OPTIONS = {"dropout": 0.3, "average": 0.9, "optimizer": "muon", "num_layers": 2}
SAMPLE = SampleConfig(length=20, seed=1)


COUNTED = {tiny.corpus().digest: yardsticks(tiny.corpus())}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Step event after every optimizer step; the yardsticks of the one corpus counted once; no wait for the disk."""
    monkeypatch.setattr("charlm.trainer.EVENT_CHARS", 1)
    monkeypatch.setattr(recording, "yardsticks", lambda corpus: COUNTED[corpus.digest])
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def whole(folder: Path, **options: object) -> tuple[str, list[Event]]:
    """An uninterrupted run beside: its weights and its log."""
    trainer = tiny.run(folder, **options)
    list(recorded(trainer, folder))
    return tiny.digest(trainer), list(read_events(folder))


def test_recording_leaves_learning_alone(folder: Path) -> None:
    bare, trainer = tiny.trainer(**OPTIONS), tiny.run(folder, **OPTIONS)
    expected = list(bare.events())
    events = list(recorded(trainer, folder))
    assert tiny.digest(trainer) == tiny.digest(bare)
    assert [event for event in events if isinstance(event, Started | Step | Evaluated | Finished)] == expected


def test_the_log_is_what_was_told_but_the_saves(folder: Path) -> None:
    told = list(recorded(tiny.run(folder, **OPTIONS), folder))
    assert list(read_events(folder)) == tiny.told(told)
    assert any(isinstance(event, Saved) for event in told)


def test_what_is_told_when(folder: Path) -> None:
    trainer = tiny.run(folder, **OPTIONS)
    told = list(recorded(trainer, folder))
    names = [type(event).__name__ for event in told]
    assert names[:4] == ["Started", "Sampled", "Saved", "Step"]
    assert names[4:12] == ["Measured"] * 8
    for place, event in enumerate(told):
        if isinstance(event, Evaluated):
            assert names[place + 1 : place + 3] == ["Sampled", "Saved"]
    assert names[-3:] == ["Measured", "Measured", "Finished"]
    measured = [event for event in told if isinstance(event, Measured)]
    expected = [(one.name, one.loss) for one in yardsticks(trainer.corpus)]
    assert [(one.name, one.loss) for one in measured[:8]] == expected
    assert [one.name for one in measured[8:]] == ["stream", "cold-256"]


def test_final_losses_are_those_of_the_best_weights_on_the_validation_text(folder: Path) -> None:
    trainer = tiny.run(folder, steps=20)
    told = []
    for event in recorded(trainer, folder):
        told.append(event)
        if isinstance(event, Evaluated) and event.step == 10:
            trainer.best = 0.0  # from here on nothing is better
    evaluated = [event for event in told if isinstance(event, Evaluated)]
    best = evaluated[1]
    assert best.is_best and best.step == 10 and evaluated[-1].loss != best.loss
    checkpoint, corpus = load_checkpoint(folder), tiny.corpus()
    assert (checkpoint.step, checkpoint.loss) == (best.step, best.loss)
    import torch

    ids = torch.from_numpy(corpus.validation).long()
    for event in told[-3:-1]:
        assert isinstance(event, Measured)
        assert event.loss == loss_under(event.name, checkpoint.model, ids)


def test_final_losses_of_a_very_long_text_are_of_its_first_part(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(recording, "FINAL_CHARS", 60)
    monkeypatch.setattr(recording, "loss_under", lambda name, model, ids: float(seen.append(len(ids)) or 1.0))
    list(recorded(tiny.run(folder), folder))
    assert seen == [60, 60]


def test_samples_are_of_the_published_weights_and_show_their_seed(folder: Path) -> None:
    trainer = tiny.run(folder, **OPTIONS)
    for event in recorded(trainer, folder, sample=SampleConfig(length=30, temperature=0.7, seed=9)):
        if isinstance(event, Sampled):
            model = type(trainer.model)(trainer.model.vocabulary_size, trainer.model.config)
            model.load_state_dict(trainer.published())
            config = SampleConfig(length=30, temperature=0.7, seed=9)
            expected = "".join(generate(fold(model), trainer.corpus.vocabulary, "", config))
            assert event == Sampled(trainer.step, "", expected, 0.7, 9)
            assert len(event.text) == 30


def test_of_a_toy_language_its_entropy_is_told_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "yardsticks", lambda corpus: ())
    corpus = load_corpus("toy-markov")
    told = list(recorded(tiny.run(folder, corpus, steps=1, evaluations=1), folder))
    measured = [event for event in told if isinstance(event, Measured)]
    assert [one.name for one in measured] == ["entropy", "stream", "cold-256"]
    assert measured[0].loss == find_toy("toy-markov").entropy_rate < measured[1].loss


# --- stop and go on ---


@pytest.mark.parametrize("options", [OPTIONS, {"patience": 1, "learning_rate": 9.0}], ids=["budget", "patience"])
def test_stopped_at_any_event_a_run_ends_as_if_it_had_not_been(options: dict[str, object], tmp_path: Path) -> None:
    digest, log = whole(tmp_path / "whole", **options)
    for cut in range(1, len(log) + 4):
        folder = tmp_path / f"cut-{cut}"
        trainer = tiny.run(folder, **options)
        events = recorded(trainer, folder)
        told = list(islice(events, cut))
        events.close()
        kept = list(read_events(folder))
        if not isinstance(told[-1], Finished):
            assert kept == [*tiny.told(told), Finished(trainer.step, "stopped", 0.0)]
        assert load_checkpoint(folder).step <= trainer.step if trainer.step else not (folder / WEIGHTS).exists()
        trainer, events = resumed(folder)
        list(events)
        assert list(read_events(folder)) == log, cut
        assert tiny.digest(trainer) == digest, cut


def test_stopped_twice_and_stopped_before_it_began(tmp_path: Path) -> None:
    digest, log = whole(tmp_path / "whole")
    folder = tmp_path / "run"
    events = recorded(tiny.run(folder), folder)
    events.close()  # nothing was asked for: nothing is written
    assert not (folder / EVENTS).read_bytes()
    for count in (1, 3, 9, 2):
        trainer, events = resumed(folder)
        list(islice(events, count))
        events.close()
        events.close()
    trainer, events = resumed(folder)
    list(events)
    assert list(read_events(folder)) == log and tiny.digest(trainer) == digest


def test_a_run_stopped_before_its_first_evaluation_can_speak(folder: Path) -> None:
    events = recorded(tiny.run(folder, evaluations=1), folder)
    for event in events:
        if isinstance(event, Step):
            break
    events.close()
    checkpoint = load_checkpoint(folder)
    assert checkpoint.step == 1 and checkpoint.loss != checkpoint.loss
    assert len("".join(generate(fold(checkpoint.model), checkpoint.vocabulary, "", SAMPLE))) == 20


@pytest.mark.parametrize("cut", [3, 5, 14, 20, 24])
def test_killed_between_two_saves_a_run_ends_as_if_it_had_not_been(cut: int, tmp_path: Path) -> None:
    """The log of a killed process is longer than its last save knows of, and its last line is torn."""
    digest, log = whole(tmp_path / "whole", **OPTIONS)
    folder, killed = tmp_path / "run", tmp_path / "killed"
    events = recorded(tiny.run(folder, **OPTIONS), folder)
    list(islice(events, cut))
    shutil.copytree(folder, killed)  # what a kill -9 leaves: nothing is written any more
    events.close()
    with open(killed / EVENTS, "ab") as file:
        file.write(b'{"event": "Step", "step": 99, "lo')
    (killed / ".model.safetensors.abc.tmp").write_bytes(b"half")
    trainer, again = resumed(killed)
    list(again)
    assert list(read_events(killed)) == log and tiny.digest(trainer) == digest
    assert not list(killed.glob("*.tmp")) and not list(killed.glob(".*.tmp"))


def test_saves_between_samples_are_exact_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, log = whole(tmp_path / "whole", **OPTIONS)
    monkeypatch.setattr(recording, "SAVE_SECONDS", 0.0)  # after every step
    folder, killed = tmp_path / "run", tmp_path / "killed"
    events = recorded(tiny.run(folder, **OPTIONS), folder)
    saves = 0
    for event in events:
        if isinstance(event, Saved):
            saves += 1
            shutil.copytree(folder, killed / str(saves))
    assert saves > 12
    for save in range(1, saves + 1):
        trainer, again = resumed(killed / str(save))
        list(again)
        assert list(read_events(killed / str(save))) == log and tiny.digest(trainer) == digest, save


def test_a_finished_run_is_finished_again_without_being_told_twice(tmp_path: Path) -> None:
    digest, log = whole(tmp_path / "run")
    trainer, events = resumed(tmp_path / "run")
    assert tiny.told(events) == [log[-1]]
    assert list(read_events(tmp_path / "run")) == log and tiny.digest(trainer) == digest


def test_yardsticks_and_samples_are_told_exactly_once(folder: Path) -> None:
    events = recorded(tiny.run(folder), folder)
    for event in events:
        if isinstance(event, Measured) and event.name == "4-gram":
            break
    events.close()
    list(resumed(folder)[1])
    log = list(read_events(folder))
    names = [event.name for event in log if isinstance(event, Measured)]
    assert len(names) == len(set(names)) == 10
    samples = [event.step for event in log if isinstance(event, Sampled)]
    assert samples == [0, 3, 6, 9, 12]


# --- going on with other settings ---


def test_a_longer_budget_is_kept_and_its_end_measured_anew(folder: Path) -> None:
    import dataclasses

    whole(folder)
    training = dataclasses.replace(read_config(folder).training, steps=40)
    trainer, events = resumed(folder, training)
    assert read_config(folder).training.steps == 12  # nothing changes before it goes on
    told = list(events)
    assert read_config(folder).training == training
    assert trainer.step == 40 and [event.step for event in told if isinstance(event, Evaluated)] == [20, 30, 40]
    assert [event.name for event in told if isinstance(event, Measured)] == ["stream", "cold-256"]
    again, events = resumed(folder)  # without settings: the new ones hold
    assert tiny.told(events) == [Finished(40, "budget", 0.0)] and again.config == training


def test_a_diverged_run_ends_with_advice_and_speaks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny.run(folder)
    for event in recorded(trainer, folder):
        if isinstance(event, Step) and event.step == 2:
            trainer.batches.next = lambda: (_ for _ in ()).throw(AssertionError)  # type: ignore[method-assign]
            monkeypatch.setattr(trainer, "_step_by_autograd", lambda: None)
    last = list(read_events(folder))[-1]
    assert last == Finished(2, "diverged", 0.0, last.advice) and "learning rate" in last.advice
    checkpoint = load_checkpoint(folder)
    assert checkpoint.step == 2


# --- what goes wrong ---


def test_two_processes_do_not_train_one_run(folder: Path) -> None:
    trainer = tiny.run(folder)
    events = recorded(trainer, folder)
    list(islice(events, 5))
    before = (folder / EVENTS).read_bytes()
    training = read_config(folder).training
    import dataclasses

    for changed in (None, dataclasses.replace(training, steps=99)):
        with pytest.raises(CheckpointError, match="The run run is being trained by another process"):
            list(resumed(folder, changed)[1])
    assert (folder / EVENTS).read_bytes() == before and read_config(folder).training == training
    list(events)
    assert list(read_events(folder))[-1] == Finished(12, "budget", 0.0)


def test_a_folder_deleted_under_way_is_a_sentence(folder: Path) -> None:
    events = recorded(tiny.run(folder), folder)
    list(islice(events, 5))
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match=r"could not be written: No such file or directory\."):
        list(events)


def test_a_folder_deleted_before_it_is_stopped_is_a_sentence(folder: Path) -> None:
    events = recorded(tiny.run(folder), folder)
    list(islice(events, 5))
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match=r"could not be written: No such file or directory\."):
        events.close()


def test_a_folder_that_is_not_there_is_a_sentence(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"could not be opened: No such file or directory\."):
        next(recorded(tiny.trainer(), folder))
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        next(recorded(tiny.trainer(), folder))


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Root may write everywhere: such a test runs as nobody."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (tmp_path, *tmp_path.parents):
        if parent != parent.parent and parent.owner() == "root" and parent.name.startswith(("pytest", "test")):
            parent.chmod(parent.stat().st_mode | 0o055)
    tmp_path.chmod(0o777)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_may_not_be_written_is_a_sentence(folder: Path) -> None:
    trainer = tiny.run(folder)
    events = recorded(trainer, folder)
    list(islice(events, 5))
    folder.chmod(0o555)
    try:
        with pytest.raises(CheckpointError, match=r"could not be written: Permission denied\."):
            list(events)
        (folder / EVENTS).chmod(0o444)
        with pytest.raises(CheckpointError, match=r"could not be opened: Permission denied\."):
            next(recorded(trainer, folder))
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("room", [3500, 6000])
def test_a_full_disk_is_a_sentence_and_what_was_saved_goes_on(room: int, folder: Path, tmp_path: Path) -> None:
    """With little room the log fails first, with more of it a save."""
    trainer = tiny.run(folder)
    events = recorded(trainer, folder)
    list(islice(events, 15))
    with tiny.room_for(room), pytest.raises(CheckpointError, match=r"could not be written: File too large\.$"):
        list(events)
    events.close()
    assert not list(folder.glob(".*.tmp"))
    digest, log = whole(tmp_path / "whole")
    trainer, again = resumed(folder)
    list(again)
    assert tiny.digest(trainer) == digest and list(read_events(folder)) == log


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_lets_go_of_its_run(folder: Path) -> None:
    trainer = tiny.run(folder, steps=10_000_000)
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        for _ in recorded(trainer, folder):
            os.write(tell, b".")
        os._exit(1)
    assert os.read(told, 1) == b"."
    with pytest.raises(CheckpointError, match="is being trained by another process"):
        next(recorded(trainer, folder))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(told), os.close(tell)
    again, events = resumed(folder)
    assert len(list(islice(events, 3))) == 3
    events.close()


def test_what_recording_costs_is_bounded(folder: Path) -> None:
    """Saves follow samples, not steps: a long stretch without an evaluation writes nothing but the log."""
    trainer = tiny.run(folder, steps=400, evaluations=1)
    began = time.monotonic()
    told = list(recorded(trainer, folder))
    assert sum(isinstance(event, Saved) for event in told) <= 2 + (time.monotonic() - began) / recording.SAVE_SECONDS
    assert load_trainer(folder)[0].step == 400
    save_trainer(folder, trainer, 0)
    assert load_trainer(folder)[1] == 0
