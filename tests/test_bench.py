"""The benchmark's own parts: its report from made-up rows, the tutorials' loops, arithmetic. No timing is judged."""

import dataclasses
import itertools
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from charlm.config import ModelConfig
from charlm.log import LogReader
from charlm.model import CharRNN
from charlm.one_character import OneCharacter
from tests.bench import __main__ as bench
from tests.bench import at_once, texts, tutorials
from tests.bench.machine import Machine, in_turns
from tests.bench.quality import reached, row_gpu
from tests.bench.report import Results, load, machine_line, markdown, number, readme_table, write
from tests.bench.row import Figure, Row, Scale, from_json, to_json
from tests.bench.sharing import Contender

MACHINE = Machine("Some CPU", 2, "Linux x86_64", "3.11.7", "2.13.0", "2.4.6", 2, "", 200.4, None, 0.1, "")
COLD = Figure("cold", 1.45, "nats", 1.455, 1.44, is_less_better=True)
ROWS = (
    Row("1", "time | to", "stream", (Figure("sooner", 16.04, "x", 15, 25),), ("the loop: 60 s",), "", 70, 0.2, 400),
    Row("3", "loss", "both", (Figure("stream", 1.44, "nats", 1.435, 1.42, True), COLD)),
    Row("5", "time", "cold-256", (Figure("", None, "s", 10, 5, True),)),
    Row("7", "share", "fp32", (Figure("LSTM", 71.26, "%", 70), Figure("GRU", 50.0, "%", 50)), (), "shortened: 1 s"),
    Row("gpu", "on a GPU", "", unjudged="not measured: there is no GPU here"),
)
RESULTS = Results("python -m tests.bench", "2026-01-02", 41.4, False, MACHINE, ROWS)
README_TABLE = """\
|  | what | measured | at least | met |
| --- | --- | --- | --- | --- |
| 1 | time \\| to | sooner 16.0× | sooner 15.0× | yes |
| 3 | loss | stream 1.4400, cold 1.4500 | stream 1.4350, cold 1.4550 | **no** |
| 5 | time | not reached | 10.0 s | **no** |
| 7 | share | LSTM 71.3 %, GRU 50.0 % (shortened) | LSTM 70.0 %, GRU 50.0 % | – |
| gpu | on a GPU | not measured: there is no GPU here | – | – |

Measured on 2 cores of Some CPU (Linux x86_64), GEMM fp32 200, no bf16 GFLOP/s, Python 3.11.7, torch 2.13.0 on 2 \
threads, load before it 0.1; GPU: none.
"""


# --- rows and report --------------------------------------------------------------------------------------------------


def test_the_readme_table_follows_from_the_rows_alone():
    assert readme_table(RESULTS) == README_TABLE


def test_what_is_written_is_what_is_read(tmp_path):
    write(RESULTS, tmp_path / "results")
    assert load(tmp_path / "results.json") == RESULTS
    assert (tmp_path / "results.md").read_text("utf-8") == markdown(RESULTS)


def test_markdown_tells_protocol_and_detail_of_every_row():
    text = markdown(RESULTS)
    assert all(f"## {row.row}: {row.what}" in text for row in ROWS)
    assert "- the loop: 60 s" in text and "Not held against its goals: shortened: 1 s." in text
    assert "yes |" in text and machine_line(MACHINE) in text


def test_a_row_whose_processors_were_taken_says_so():
    told = markdown(dataclasses.replace(RESULTS, rows=(dataclasses.replace(ROWS[0], stolen=0.054),)))
    assert "5% of the processors taken by others" in told and "taken by others" not in markdown(RESULTS)


def test_results_of_before_a_fact_was_kept_can_still_be_read():
    values = to_json(ROWS[0])
    del values["stolen"]
    assert from_json(values) == ROWS[0]


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (Figure("", 10.0, "x", 10, 20), (True, False)),
        (Figure("", 9.99, "x", 10), (False, None)),
        (Figure("", 1.38, "nats", 1.38, 1.35, is_less_better=True), (True, False)),
        (Figure("", None, "s", 10, is_less_better=True), (False, None)),
        (Figure("", 5.0, "chars/s"), (None, None)),
    ],
)
def test_a_figure_is_held_against_its_goal_and_its_aim(figure, expected):
    assert (figure.is_met, figure.is_aim_met) == expected


def test_a_row_is_met_when_all_its_figures_are():
    assert [row.is_met for row in ROWS] == [True, False, False, None, None]
    assert from_json(to_json(ROWS[0])) == ROWS[0]


def test_numbers_are_written_as_their_unit_is():
    written = [
        number(Figure("", value, unit), value) for value, unit in ((1.5, "nats"), (94.96, "%"), (12345.6, "chars/s"))
    ]
    assert written == ["1.5000", "95.0 %", "12,346 chars/s"]


# --- the tutorials' loops ---------------------------------------------------------------------------------------------


def ids(chars: int = 2000) -> torch.Tensor:
    return torch.from_numpy(tiny.corpus(chars).ids).long()


def test_the_sigmoid_rnn_learns():
    torch.manual_seed(0)
    text = ids(800)
    network = tutorials.SigmoidRNN(int(text.max()) + 1, 32)
    first, second = tutorials.sigmoid_rnn(network, text, torch.zeros(1, 32), epochs=2, rate=0.3)
    assert second.loss < first.loss - 0.1 and first.chars == 799


def test_the_lstm_with_windows_learns():
    torch.manual_seed(0)
    text = ids()
    passes = list(tutorials.lstm_windows(tutorials.LSTM(int(text.max()) + 1), text, epochs=4))
    assert passes[-1].loss < passes[0].loss - 0.3 and passes[0].chars >= 1800


def test_the_lstm_with_chunks_learns():
    torch.manual_seed(0)
    text, dice = ids(), torch.Generator().manual_seed(0)
    network = tutorials.LSTM(int(text.max()) + 1, 16, 64)
    passes = list(tutorials.lstm_chunks(network, text, 20, dice, chunk=40))
    assert passes[-1].loss < passes[0].loss - 0.2 and passes[0].chars == 40


def test_one_call_a_character_writes_known_symbols():
    written = tutorials.one_call_a_char(tutorials.LSTM(5, 4, 8), 20)
    assert len(written) == 20 and set(written) <= set(range(5))


def test_the_sigmoid_rnn_equals_our_closed_form():
    """The first loss to the last digits; then nearly: our network has two biases where the notebook's has one."""
    text = tiny.corpus(1500)
    model = CharRNN(len(text.vocabulary), ModelConfig(cell="sigmoid", hidden_size=16, embedding_size=0))
    network = tutorials.same_sigmoid_rnn(model)
    ours, state = OneCharacter(dict(model.named_parameters())), np.zeros(16, np.float32)
    stories = [text.ids[:2], text.ids]
    for story, tolerance in zip(stories, (1e-5, 0.02), strict=True):
        (told,) = tutorials.sigmoid_rnn(
            network, torch.from_numpy(story).long(), torch.from_numpy(state)[None].clone(), 1
        )
        losses = [ours.step(state, int(a), int(b), 0.1) for a, b in itertools.pairwise(story)]
        assert told.loss == pytest.approx(math.fsum(losses) / len(losses), abs=tolerance)


def test_the_tutorials_lstm_takes_our_weights():
    model, text = CharRNN(9, ModelConfig(hidden_size=12, embedding_size=6)), torch.randint(9, (2, 7))
    assert torch.allclose(tutorials.same_lstm(model)(text)[0], model(text)[0], atol=1e-5)


# --- measuring --------------------------------------------------------------------------------------------------------


def test_contenders_take_turns():
    order = []
    best = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 3 and best.keys() == {"a", "b"}


def test_the_middle_seed_decides_whether_a_loss_is_reached():
    @dataclasses.dataclass
    class Run:
        losses: dict[str, float]

    tried = [[Run({"stream": loss})] for loss in (3.0, 2.0)]
    tried[-1] += [Run({"stream": 1.0}), Run({"stream": 4.0})]
    assert reached(tried, 2.0, "stream") is tried[-1][0] and reached(tried, 1.9, "stream") is None


def test_without_the_tutorials_texts_the_comedy_stands_in(monkeypatch, tmp_path):
    monkeypatch.delenv("CHARLM_CORPORA", raising=False)
    monkeypatch.setattr(texts, "BESIDE", tmp_path)
    source = texts.moliere(5000)
    assert not source.is_real and "comedy" in source.unjudged and len(source.corpus.text) == 5000


def test_speeds_are_read_from_the_logs(tmp_path, monkeypatch):
    """A run whose log does not grow has no speed."""
    monkeypatch.setattr(at_once, "PATIENCE", 0.0)
    assert at_once.speeds([tmp_path], 0.01) == [0.0]


LEARNER = """
import sys, time
from pathlib import Path
from charlm.events import Step, to_line
for step in range(1, 10_000):
    with open(sys.argv[1], "a") as log:
        log.write(to_line(Step(step, 0.0, 1.0, 1.0, 0.1, 512 * step, 0.01 * step, 0.0)))
    time.sleep(0.01)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_contender_learns_only_while_its_speed_is_taken(tmp_path):
    log = tmp_path / "events.jsonl"
    with subprocess.Popen([sys.executable, "-c", LEARNER, str(log)], process_group=0) as process:
        try:
            one = Contender(process, LogReader(tmp_path))
            one.warm_up()
            time.sleep(0.1)
            before = log.stat().st_size
            time.sleep(0.2)
            assert log.stat().st_size == before
            assert one.speed(0.5) > 0 and log.stat().st_size > before
        finally:
            process.kill()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said_and_not_invented():
    row = row_gpu(Scale(is_quick=True))
    assert not row.figures and row.unjudged.startswith("not measured")


def test_every_row_of_the_table_of_goals_is_measured():
    assert list(bench.ROWS) == [*map(str, range(1, 11)), "10b", "11", "new", "also", "gpu"]


def test_a_row_that_there_is_not_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--rows=1,12"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "no row 12" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_its_two_files(tmp_path):
    command = [sys.executable, "-m", "tests.bench", "--quick", "--rows=gpu", "--repeat=1", f"--out={tmp_path / 'some'}"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, env=tiny.environment(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert load(tmp_path / "some.json").rows[0].row == "gpu" and b"Measured on" in done.stdout
