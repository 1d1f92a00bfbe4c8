"""train.py and python -m charlm, as a person or a script uses them: exit codes, sentences, signals, pipes.

What needs a process of its own has one (each takes seconds to load torch); the rest calls the same main functions here.
"""

import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import tiny
import torch

import charlm.__main__ as program
import train
from charlm import terminal
from charlm.checkpoint import CONFIG, TRAINER, WEIGHTS, load_checkpoint, read_config
from charlm.config import SampleConfig
from charlm.corpora import named_corpora
from charlm.errors import TextError
from charlm.evaluation import cold_loss, stream_loss
from charlm.events import Evaluated, Finished, Sampled, Started, Step
from charlm.history import history_of
from charlm.log import EVENTS, read_events
from charlm.sampling import generate
from charlm.stepping import fold
from charlm.terminal import end_line, evaluated_line, guarded, result_table, started_line, stop_on_signals
from charlm.vocabulary import Vocabulary

ROOT = Path(__file__).parent.parent
TINY = "--hidden-size 8 --embedding-size 4 --streams 2 --window 8 --precision fp32 --dropout 0.2".split()
Told = tuple[int, str, str]
Call = Callable[..., Told]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """train.py or python -m charlm with arguments, here: exit code, stdout, stderr."""

    def run(*arguments: object, stdin: bytes = b"") -> Told:
        monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        try:
            code = guarded(train.main if arguments[0] == "train.py" else program.main)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "Mon Livre.txt"
    path.write_text(tiny.text(3000), "utf-8")
    return path


@pytest.fixture
def trained(book: Path, runs: Path, call: Call) -> Path:
    """A finished run of twelve steps."""
    code, _, err = call("train.py", book, "--run", "done", "--steps", 12, "--evaluations", 4, *TINY)
    assert code == 0, err
    return runs / "done"


def child(*arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=tiny.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


# --- sentences ---


def is_a_sentence(told: Told, *parts: str) -> bool:
    code, out, err = told
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert (code, out, len(lines)) == (2, "", 1), told
    assert lines[0].startswith("error: ") and len(lines[0]) < 500
    assert all(part in err for part in parts), err
    return True


def test_a_text_that_cannot_be_read_is_a_sentence(call: Call, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "same.txt").write_text("a" * 500)
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    assert is_a_sentence(call("train.py", "nowhere.txt"), "There is no file nowhere.txt, and no corpus of that name")
    assert is_a_sentence(call("train.py", tmp_path), "is a folder. Name a text file in it.")
    assert is_a_sentence(call("train.py", tmp_path / "empty.txt"), "The file is empty.")
    assert is_a_sentence(call("train.py", tmp_path / "short.txt"), "9 characters; at least 100")
    assert is_a_sentence(call("train.py", tmp_path / "same.txt"), "one character, 'a', over and over")
    assert is_a_sentence(call("train.py", tmp_path / "picture.txt"), "a PNG picture, not a text")
    assert is_a_sentence(call("train.py", "x" * 5000), "There is no file xxx")
    assert is_a_sentence(call("train.py", "a\0b"), "There is no file a")
    assert is_a_sentence(call("train.py", "-"), "The file is empty.")
    assert is_a_sentence(call("train.py"), "Name a text: a file, - or a corpus")
    assert not runs.exists()


def test_a_setting_that_cannot_work_is_a_sentence(call: Call, runs: Path, book: Path) -> None:
    def refused(*arguments: object) -> Told:
        return call("train.py", book, *arguments)

    assert is_a_sentence(refused("--recipe", "magic"), "There is no recipe 'magic'", "lstm-notebook")
    assert is_a_sentence(refused("--hidden-size", 0), "hidden_size must be between 1 and 2,048, not 0")
    assert is_a_sentence(refused("--learning-rate", "nan"), "learning_rate")
    assert is_a_sentence(refused("--steps", 5, "--seconds", 5), "Give one budget", "seconds + steps")
    assert is_a_sentence(refused("--tied", "--embedding-size", 5, "--hidden-size", 6), "Tied weights", "5 and 6")
    assert is_a_sentence(refused("--run", "../up"), "A run's name has", "'../up'")
    assert is_a_sentence(refused("--run", "nul"), "Windows keeps the name 'nul'")
    assert is_a_sentence(refused("--encoding", "utf-16"), "This is not UTF-16", "Choose another encoding")
    for flag, value in (("--steps", "many"), ("--cell", "transformer"), ("--no-such-flag", 1)):
        code, out, err = refused(flag, value)
        assert (code, out) == (2, "") and err.startswith("usage: train.py") and flag in err
    assert not runs.exists()


def test_what_a_run_does_not_allow_is_a_sentence(call: Call, trained: Path, book: Path) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    again = ("train.py", book, "--run", "done", "--steps", 3, *TINY)
    assert is_a_sentence(call(*again), "The run done exists. Give another name, --overwrite it, or --resume it.")
    assert is_a_sentence(call("train.py", "--resume", "gone"), "There is no run gone. Runs: done.")
    assert is_a_sentence(call("train.py", "--resume", trained.parent), "is no run folder", "Runs: done.")
    for flags in (["--hidden-size", 9], ["--cell", "gru"], ["--ascii"], ["--recipe", "quick"], ["--run", "x"], [book]):
        told = call("train.py", "--resume", "done", *flags)
        assert is_a_sentence(told, "--resume keeps the run's own text, network and name")
    assert is_a_sentence(call("train.py", "--resume", "done", "--streams", 9), "keeps its streams, 2")
    assert is_a_sentence(call("train.py", "--resume", "done", "--steps", -1), "steps must be between")
    for command in ("generate", "evaluate"):
        assert is_a_sentence(call("charlm", command, "gone"), "There is no run gone. Runs: done.")
    assert is_a_sentence(call("charlm", "generate", "done", "--temperature", 9), "temperature must be between 0")
    assert before == {path.name: path.read_bytes() for path in trained.iterdir()}


def test_a_damaged_run_is_a_sentence(call: Call, trained: Path) -> None:
    whole = (trained / WEIGHTS).read_bytes()
    (trained / WEIGHTS).write_bytes(whole[:-100])
    for command in ("generate", "evaluate"):
        assert is_a_sentence(call("charlm", command, "done"), "model.safetensors")
    (trained / WEIGHTS).write_bytes(whole)
    (trained / TRAINER).write_bytes(b"")
    assert is_a_sentence(call("train.py", "--resume", "done"), "trainer.safetensors is damaged")
    (trained / "text.txt").write_text("another text")
    for told in (call("charlm", "evaluate", "done"), call("train.py", "--resume", "done")):
        assert is_a_sentence(told, "is not the text that this run learned from")
    config = json.loads((trained / CONFIG).read_text("utf-8"))
    (trained / CONFIG).write_text(json.dumps(config | {"model": {"hidden_size": 10**9}}))
    for told in (call("charlm", "generate", "done"), call("train.py", "--resume", "done")):
        assert is_a_sentence(told, "config.json: hidden_size must be between 1 and 2,048")
    (trained / CONFIG).write_text("[" * 100_000)
    assert is_a_sentence(call("charlm", "generate", "done"), "config.json is not valid JSON")


def test_a_process_says_it_too_and_exits_with_2() -> None:
    with child("train.py", "nowhere.txt") as one, child("-m", "charlm", "generate", "nowhere") as other:
        for process, start in ((one, "error: There is no file nowhere.txt"), (other, "error: There is no run nowhere")):
            out, err = process.communicate(timeout=120)
            assert (process.returncode, out) == (2, "") and err.startswith(start) and len(err.splitlines()) == 1


def test_ctrl_c_before_training_ends_quietly(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "main", interrupted)
    assert call("charlm", "corpora") == (130, "", "")


# --- train ---


def test_a_text_from_stdin_is_learned_shown_and_kept(call: Call, runs: Path) -> None:
    data = tiny.text(3000).replace("\n", "\r\n").encode("utf-8")
    code, out, err = call("train.py", "-", "--steps", 12, "--evaluations", 3, *TINY, stdin=data)
    assert code == 0 and "Traceback" not in err
    assert "note: " in err and "line ends made LF" in err
    lines = out.splitlines()
    assert "parameters" in lines[0] and "characters to learn" in lines[0]
    assert sum(line.startswith("step ") for line in lines) == 3
    assert any(line.startswith("Finished at step 12 after") for line in lines)
    assert sum("<- this network" in line for line in lines) == 2 and any("3-gram" in line for line in lines)
    assert lines[-1] == f"{runs / 'text-lstm'}   python -m charlm generate text-lstm"
    assert (runs / "text-lstm" / WEIGHTS).exists()
    samples = [event.text for event in read_events(runs / "text-lstm") if isinstance(event, Sampled)]
    assert len(samples) == 4 and all(sample.splitlines()[0] in out for sample in samples)


def test_names_are_made_from_the_text_and_never_taken_twice(call: Call, runs: Path, book: Path) -> None:
    for _ in range(3):
        code, out, _ = call("train.py", book, "--steps", 1, "--cell", "gru", "--no-samples", *TINY)
        samples = [event.text for event in read_events(max(runs.iterdir())) if isinstance(event, Sampled)]
        assert code == 0 and len(samples) == 2 and not any(sample.split("\n")[0] in out for sample in samples)
    names = sorted(path.name for path in runs.iterdir())
    assert names == ["mon-livre-gru", "mon-livre-gru-2", "mon-livre-gru-3"]


def test_overwrite_begins_anew(call: Call, trained: Path, book: Path) -> None:
    code, _, _ = call("train.py", book, "--run", "done", "--steps", 3, "--evaluations", 1, "--overwrite", *TINY)
    assert code == 0 and history_of(read_events(trained)).last_step.step == 3


def test_a_larger_budget_extends_a_run(call: Call, trained: Path) -> None:
    before = list(read_events(trained))
    code, out, _ = call("train.py", "--resume", "done", "--steps", 30, "--learning-rate", 0.001)
    assert code == 0 and "Finished at step 30" in out
    assert sum(line.startswith("step ") for line in out.splitlines()) == 3  # at 15, 23 and 30: four over the budget
    after = list(read_events(trained))
    assert after[: len(before) - 1] == before[:-1] and after[-1] == Finished(30, "budget", 0.0)
    training = read_config(trained).training
    assert (training.steps, training.learning_rate, training.streams) == (30, 0.001, 2)
    code, out, _ = call("train.py", "--resume", "done", "--epochs", 0.5)
    assert code == 0 and (read_config(trained).training.steps, read_config(trained).training.epochs) == (0, 0.5)
    assert "Finished at step" in out


def test_resuming_a_finished_run_only_shows_it(call: Call, trained: Path) -> None:
    weights, events = (trained / WEIGHTS).read_bytes(), list(read_events(trained))
    code, out, _ = call("train.py", "--resume", trained)
    assert code == 0 and "Finished at step 12" in out and "<- this network" in out
    assert (trained / WEIGHTS).read_bytes() == weights and list(read_events(trained)) == events


def wait_for(path: Path, text: str, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while text not in (path.read_text("utf-8") if path.exists() else ""):
        assert process.poll() is None and time.monotonic() < until, process.stderr
        time.sleep(0.01)


def test_a_stopped_run_saves_exits_with_its_signal_and_ends_as_if_it_had_not_been(
    call: Call, runs: Path, book: Path
) -> None:
    """One process is sent SIGTERM, another SIGINT; both are resumed here, and equal a run that was left alone."""
    flags = [book, "--steps", 800, "--evaluations", 16, *TINY]
    processes = {
        name: child("train.py", *flags, "--run", name, stdin=subprocess.DEVNULL, start_new_session=True)
        for name in ("terminated", "interrupted")
    }
    for (name, process), number in zip(processes.items(), (signal.SIGTERM, signal.SIGINT), strict=True):
        wait_for(runs / name / EVENTS, '"Evaluated"', process)
        process.send_signal(number)
    for (name, process), number in zip(processes.items(), (signal.SIGTERM, signal.SIGINT), strict=True):
        with process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number and "Traceback" not in err
        assert "stopped; --resume goes on from here." in out and "<- this network" not in out
        stopped = list(read_events(runs / name))[-1]
        assert isinstance(stopped, Finished) and stopped.reason == "stopped" and 0 < stopped.step < 800
        assert load_checkpoint(runs / name).step > 0
    assert call("train.py", *flags, "--run", "alone")[0] == 0
    whole = safetensors.torch.load_file(runs / "alone" / TRAINER)
    for name in processes:
        assert call("train.py", "--resume", name)[0] == 0
        again = safetensors.torch.load_file(runs / name / TRAINER)
        assert whole.keys() == again.keys() and all(torch.equal(whole[key], again[key]) for key in whole)
        one, other = (load_checkpoint(runs / run).model.state_dict() for run in (name, "alone"))
        assert all(torch.equal(one[key], other[key]) for key in other)
        assert list(read_events(runs / name)) == list(read_events(runs / "alone"))


def test_the_first_signal_is_noted_the_second_ends() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with stop_on_signals() as stop:
            assert (stop.signal, stop.exit_code) == (0, 0)
            os.kill(os.getpid(), number)
            assert (stop.signal, stop.exit_code) == (number, code)
            assert signal.getsignal(number) == signal.SIG_DFL
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


# --- generate ---


def test_generating_is_reproducible_by_its_seed(call: Call, trained: Path) -> None:
    flags = ("charlm", "generate", "done", "--prompt", "the ", "--length", 80, "--temperature", 1)
    first, again, other = (call(*flags, "--seed", seed) for seed in (3, 3, 4))
    assert first == again and first[1] != other[1] and first[0] == 0
    assert first[2] == "seed 3\n"
    checkpoint = load_checkpoint(trained)
    config = SampleConfig(length=80, temperature=1.0, seed=3)
    text = "".join(generate(fold(checkpoint.model), checkpoint.vocabulary, "the ", config))
    assert first[1] == f"the {text}\n" and len(text) == 80
    drawn = call(*flags)  # a seed of its own, which is told
    seed = drawn[2].removeprefix("seed ").strip()
    assert call(*flags, "--seed", seed) == drawn
    assert call(*flags)[2] != drawn[2]


def test_unknown_characters_of_a_prompt_are_noted(call: Call, trained: Path) -> None:
    code, out, err = call("charlm", "generate", trained, "--prompt", "Thé字", "--length", 5, "--seed", 1)
    assert code == 0 and out.startswith("the ")
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert [note.split("know ")[1] for note in notes] == [
        "'T'; it reads 't'",
        "'é'; it reads 'e'",
        "'字'; it reads ' '",
    ]


def test_a_reader_that_has_enough_ends_it_silently(trained: Path) -> None:
    with child("-m", "charlm", "generate", trained, "--length", 100_000, "--seed", 1) as process:
        assert process.stdout is not None and process.stderr is not None
        assert len(process.stdout.read(10)) == 10  # it comes while it is written
        process.stdout.close()
        assert process.stderr.read() == "seed 1\n"
        assert process.wait(60) == 0


def test_an_output_that_cannot_show_a_character_shows_another(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert guarded(lambda: print("né 漢") or 0) == 0
    assert raw.getvalue() == b"n? ?\n"


# --- evaluate ---


def test_evaluating_is_the_loss_of_the_protocol_on_the_runs_own_text(call: Call, trained: Path, book: Path) -> None:
    checkpoint = load_checkpoint(trained)
    ids = torch.tensor(checkpoint.vocabulary.encode(tiny.text(3000)[2700:]).astype(np.int64))
    for protocol, loss in (("stream", stream_loss), ("cold-256", cold_loss)):
        expected = loss(checkpoint.model, ids)
        code, out, err = call("charlm", "evaluate", "done", "--protocol", protocol, "--json")
        told = json.loads(out)
        assert (code, err) == (0, "") and told["loss"] == pytest.approx(expected)
        assert told["bits_per_char"] == pytest.approx(expected / math.log(2))
        assert told["perplexity"] == pytest.approx(math.exp(expected))
        assert (told["protocol"], told["chars"], told["replaced"]) == (protocol, 300, "")
        assert told["part"] == "the last 10 % of its own text" and told["step"] == checkpoint.step
        measured = history_of(read_events(trained)).measured[protocol]
        assert told["loss"] == pytest.approx(measured, abs=1e-6)
        same = json.loads(call("charlm", "evaluate", "done", "--text", book, "--protocol", protocol, "--json")[1])
        assert same == told
    out = call("charlm", "evaluate", "done")[1]
    assert out.startswith("stream: ") and "on 300 characters (the last 10 % of its own text)" in out


def test_another_text_is_scored_whole_and_what_it_does_not_know_is_told(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(trained)
    other = tmp_path / "other.txt"
    for text, known, replaced in (
        ("to be or not to be", "to be or not to be", ""),
        ("Être 字\n" * 50, "etre  \n" * 50, "Ê字"),
        (tiny.text(2000, seed=5), tiny.text(2000, seed=5), ""),
    ):
        other.write_text(text, "utf-16")
        expected = stream_loss(checkpoint.model, torch.tensor(checkpoint.vocabulary.encode(known).astype(np.int64)))
        code, out, _ = call("charlm", "evaluate", "done", "--text", other, "--json")
        told = json.loads(out)
        assert code == 0 and told["loss"] == pytest.approx(expected)
        assert (told["chars"], told["part"], told["replaced"]) == (len(text), "all of another text", replaced)
    other.write_text("é字", "utf-8")
    code, out, err = call("charlm", "evaluate", "done", "--text", other)
    assert code == 0 and "all of another text" in out and "does not know 'é字'" in err
    config = json.loads((trained / CONFIG).read_text("utf-8"))  # a run's own encoding is not that of another text
    config["text"] |= {"encoding": "latin-1", "max_chars": 5, "ascii": True}
    (trained / CONFIG).write_text(json.dumps(config), "utf-8")
    other.write_text("Être là", "utf-8")
    told = json.loads(call("charlm", "evaluate", "done", "--text", other, "--json")[1])
    assert (told["chars"], told["replaced"]) == (7, "El")
    other.write_text("x", "utf-8")
    assert is_a_sentence(call("charlm", "evaluate", "done", "--text", other), "1 characters; a loss needs two")
    assert is_a_sentence(call("charlm", "evaluate", "done", "--text", tmp_path / "gone"), "There is no file")


def test_a_long_text_full_of_unknown_characters_is_read_in_bounded_time(
    call: Call, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Vocabulary.encode_prompt

    def counting(self: Vocabulary, prompt: str) -> object:
        asked.append(prompt)
        return real(self, prompt)

    monkeypatch.setattr(Vocabulary, "encode_prompt", counting)
    monkeypatch.setattr(program, "loss_under", lambda *_: 1.0)
    (tmp_path / "long.txt").write_text("Ωx" * 200_000, "utf-8")
    assert call("charlm", "evaluate", "done", "--text", tmp_path / "long.txt")[0] == 0
    assert sorted(asked) == ["x", "Ω"]


# --- corpora, and the lines ---


def test_corpora_lists_all_texts_and_needs_no_network(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    code, out, err = call("charlm", "corpora")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert list(rows) == [one.name for one in named_corpora()]
    assert "200,000" in rows["toy-markov"] and "Entropy 0.5" in rows["toy-markov"]


@pytest.fixture(scope="module")
def started() -> Started:
    return next(tiny.trainer().events())  # type: ignore[return-value]


def test_the_first_line_says_what_is_learned_and_how_much_is_checked(started: Started) -> None:
    line = started_line(started)
    assert "1,350 characters to learn, 150 to check;" in line and "cpu fp32, 1 threads" in line
    import dataclasses

    part = dataclasses.replace(started, validation_chars=20_000, evaluated_chars=4096)
    assert "20,000 to check (the first 4,096 while learning);" in started_line(part)


def test_lines_show_both_units() -> None:
    line = evaluated_line(Evaluated(1500, 2.5, math.log(4), 1.25, True, 3.0))
    assert line == "step   1,500  epoch    2.50  training 1.2500  validation 1.3863  (2.000 bits/char)  best"
    assert not evaluated_line(Evaluated(1, 0.1, 1.0, 1.0, False, 0.0)).endswith("best")
    assert end_line(Finished(3, "budget", 1.26)) == "Finished at step 3 after 1.3 s of training: the budget is used."
    advice = end_line(Finished(1200, "diverged", 2.0, "Lower the rate."))
    assert advice == "Finished at step 1,200 after 2.0 s of training: the loss was no longer finite. Lower the rate."


def test_the_table_puts_the_network_among_the_yardsticks() -> None:
    history = history_of([])
    history.measured = {"uniform": math.log(8), "stream": math.log(2), "3-gram": math.log(4), "cold-256": 0.8}
    rows = result_table(history).splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["stream", "cold-256", "3-gram", "uniform"]
    assert [row.endswith("<- this network") for row in rows] == [True, True, False, False]
    assert rows[2].split() == ["3-gram", "1.3863", "2.0000"]


def test_the_bar_follows_the_budget_and_survives_an_extension(capsys: pytest.CaptureFixture[str]) -> None:
    progress = terminal.Progress(history_of([]))
    for share in (0.5, 1.0, 0.2):
        progress.show(Step(1, 0.1, 2.0, 1.0, 0.1, 100, 1.0, share))
    assert progress.bar.n == 1.0
    progress.close()
    assert progress.history.last_step is not None


def test_a_file_that_may_not_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(TextError, match="file cannot be read: Permission denied"):
        terminal.read_file(str(tmp_path / "file"))


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signal handlers are as they were, whatever a test did."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
