"""A race -> what is shown of it: every state of three runs, without Gradio and without training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from charlm.checkpoint import read_config
from charlm.errors import CharlmError
from charlm.events import Evaluated, Event, Finished, Measured, Sampled, Started, Step
from charlm.history import history_of
from charlm.jobs import JobView
from charlm.metrics import bits_per_char
from charlm.racing import CELLS, LUCK
from charlm.ui import race_views as views
from charlm.ui.words import LANGUAGES, say

MakeLane = Callable[..., views.Lane]
MakeRace = Callable[..., list[views.Lane]]
RUNNING, ENDED = JobView("running"), JobView("ended")
BUDGET, STOPPED = Finished(20, "budget", 4.0), Finished(20, "stopped", 4.0)


def started(parameters: int = 1000) -> Started:
    return Started(parameters, 900, 100, 50, 9, 4, "cpu", "bf16", 2)


def step(number: int, loss: float = 2.0, progress: float = 0.5, seconds: float = 4.0) -> Step:
    return Step(number, number / 4, loss, 1.0, 0.01, number * 100, seconds, progress)


def evaluated(number: int, loss: float, seconds: float = 2.0) -> Evaluated:
    return Evaluated(number, number / 4, loss, 2.0, True, seconds)


@pytest.fixture
def lane(tmp_path: Path) -> MakeLane:
    """lane("gru", *events) is a run of a race that has told so much."""

    def make(cell: str, *events: Event, **settings: float) -> views.Lane:
        folder = tmp_path / f"{cell}-{len(list(tmp_path.iterdir()))}"
        tiny.run(folder, cell=cell, **settings)
        return views.Lane(folder.name, read_config(folder), history_of(events))

    return make


@pytest.fixture
def three(lane: MakeLane) -> MakeRace:
    """three(1.5, 1.6, 1.4) has raced to these final losses, RNN first."""

    def make(*losses: float, end: Finished = BUDGET) -> list[views.Lane]:
        return [
            lane(
                cell, started(), step(20, progress=1.0), evaluated(20, loss + 0.1), Measured("stream", loss),
                Measured("cold-256", loss + 0.05), end,
            )
            for cell, loss in zip(CELLS, losses, strict=True)
        ]  # fmt: skip

    return make


# --- the plot ---------------------------------------------------------------------------------------------------------


def test_three_runs_in_one_plot(lane: MakeLane) -> None:
    facts = (started(), step(10, 2.5, seconds=2.0), evaluated(10, 1.75, 2.0), Measured("3-gram", 2.2), step(20))
    lanes = [lane(cell, *facts) for cell in CELLS]
    value = views.race_plot_view("a-race", "seconds", lanes)
    assert value["run"] == "a-race" and value["x"] == say("race_x") and value["y"] == say("nats")
    thick = [curve for curve in value["curves"] if not curve["is_thin"]]
    thin = [curve for curve in value["curves"] if curve["is_thin"]]
    assert [curve["name"] for curve in thick] == ["RNN", "GRU", "LSTM"]
    assert all((curve["x"], curve["y"]) == ([2.0], [1.75]) for curve in thick)
    assert all((curve["x"], curve["y"]) == ([2.0, 4.0], [2.5, 2.0]) for curve in thin)
    assert [curve["colour"] for curve in thick] == [curve["colour"] for curve in thin] == [1, 2, 3]
    assert [level["y"] for level in value["levels"]] == [2.2]
    assert not value["rate"] and not value["marks"]  # each run has its own


def test_with_equal_steps_the_plot_goes_by_steps(lane: MakeLane) -> None:
    value = views.race_plot_view("r", "parameters", [lane("gru", started(), step(10), evaluated(10, 1.75), step(20))])
    assert value["x"] == say("step")
    assert [curve["x"] for curve in value["curves"]] == [[10, 20], [10]]


def test_the_plot_in_bits(lane: MakeLane) -> None:
    facts = (started(), step(10, 2.0), evaluated(10, 1.5), Measured("2-gram", 2.0))
    value = views.race_plot_view("r", "seconds", [lane("gru", *facts)], unit="bits")
    assert value["y"] == say("bits") and value["levels"][0]["y"] == round(bits_per_char(2.0), 4)
    assert [curve["y"] for curve in value["curves"]] == [[round(bits_per_char(loss), 4)] for loss in (2.0, 1.5)]


def test_who_has_not_begun_is_not_in_the_plot(lane: MakeLane) -> None:
    value = views.race_plot_view(
        "r", "seconds", [lane("rnn", started(), step(1)), lane("gru", started()), lane("lstm")]
    )
    assert {curve["name"].split()[0] for curve in value["curves"]} == {"RNN"}
    nothing = views.race_plot_view("r", "seconds", [lane("rnn"), lane("gru")])
    assert (nothing["run"], nothing["curves"], nothing["message"]) == ("r", [], say("starting"))


def test_a_plot_is_plain_data(lane: MakeLane) -> None:
    lanes = [
        lane(cell, started(), *(step(i, seconds=i / 7) for i in range(1, 2000)), evaluated(5, 1.5)) for cell in CELLS
    ]
    value = views.race_plot_view("r", "seconds", lanes)
    text = json.dumps(value, allow_nan=False)
    assert json.loads(text) == value and len(text) < 100_000


# --- where it stands --------------------------------------------------------------------------------------------------


def test_a_place_in_the_queue(lane: MakeLane) -> None:
    shown = views.race_status_view([lane("rnn")], JobView("queued", 3, 200.0))
    assert shown == say("queued", place=3, wait="3:20")


def test_who_leads(lane: MakeLane) -> None:
    lanes = [
        lane(cell, started(), evaluated(5, loss), step(10)) for cell, loss in zip(CELLS, (1.7, 1.5, 1.6), strict=True)
    ]
    shown = views.race_status_view(lanes, RUNNING)
    assert shown == say("race_running", cell="GRU", loss=1.5, rest=" · LSTM 1.600 · RNN 1.700", left="12 s")
    assert views.race_status_view([lane("rnn", started(), step(1)), lane("gru")], RUNNING) == say("starting")
    full = [lane(cell, started(), evaluated(5, 1.5), step(10, progress=1.0)) for cell in CELLS]
    assert views.race_status_view(full, RUNNING) == say("race_evaluating")


@pytest.mark.parametrize(
    ("losses", "best", "gates"),
    [
        ((1.5, 1.6, 1.4), "won", "race_gates"),
        ((1.3, 1.6, 1.4), "won", "race_no_gates"),
        ((1.5, 1.4 + LUCK / 2, 1.4), "close", "race_gates"),
        ((1.4 + LUCK / 2, 1.6, 1.4), "close", ""),
        ((1.4, 1.6, 1.4 + LUCK / 2), "close", ""),
    ],
)
def test_who_has_won(losses: tuple[float, ...], best: str, gates: str, three: MakeRace) -> None:
    order = sorted(zip(losses, CELLS, strict=True))
    shown = views.race_status_view(three(*losses), ENDED)
    names = {"cell": order[0][1].upper(), "second": order[1][1].upper()}
    assert shown.startswith(say(f"race_{best}", **names, loss=order[0][0], other=order[1][0]))
    gap = abs(losses[0] - min(losses[1:]))
    assert [key for key in ("race_gates", "race_no_gates") if say(key, gap=gap) in shown] == ([gates] if gates else [])


def test_a_race_that_was_stopped_has_no_winner(three: MakeRace, lane: MakeLane) -> None:
    assert views.race_status_view(three(1.5, 1.6, 1.4, end=STOPPED), ENDED) == say("race_paused")
    assert views.race_status_view([*three(1.5, 1.6, 1.4)[:2], lane("lstm", started())], ENDED) == say("race_paused")


def test_who_fell_apart_and_what_failed(three: MakeRace, lane: MakeLane) -> None:
    fallen = lane("gru", started(), step(5), Finished(5, "diverged", 1.0, "lower <b>it</b>"))
    shown = views.race_status_view([three(1.5, 1.6, 1.4)[0], fallen], ENDED)
    assert say("race_diverged", cell="GRU", advice="lower \\<b\\>it\\<\\/b\\>") in shown
    shown = views.race_status_view(three(1.5, 1.6, 1.4), JobView("ended", error=CharlmError("It [broke](x).")))
    assert shown.startswith("It \\[broke\\]")


# --- the table --------------------------------------------------------------------------------------------------------


def rows(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_a_table_of_three(three: MakeRace) -> None:
    found = rows(views.race_table_view(three(1.5, 1.6, 1.4)))
    assert found[""] == ["RNN", "GRU", "LSTM"]
    assert found[say("race_stream")] == ["1.5000", "1.6000", "**1.4000**"]
    assert found[say("race_cold")] == ["1.5500", "1.6500", "**1.4500**"]
    assert found[say("race_best")] == ["1.6000", "1.7000", "**1.5000**"]
    assert found[say("race_speed")] == ["**500**"] * 3
    assert found[say("race_weights")] == ["1,000"] * 3 and found[say("race_hidden")] == ["8"] * 3
    assert found[say("race_taken")] == ["20"] * 3 and found[say("race_used")] == ["4.0"] * 3
    assert len(found) == 2 + len(views.ROWS)


def test_what_is_not_known_is_a_dash(lane: MakeLane) -> None:
    found = rows(views.race_table_view([lane("rnn", started(), step(5), evaluated(5, 1.5)), lane("gru")]))
    assert found[say("race_stream")] == ["–", "–"] and found[say("race_best")] == ["1.5000", "–"]
    assert found[say("race_speed")][1] == found[say("race_weights")][1] == "–"
    assert views.race_table_view([]) == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_table(language: str, three: MakeRace) -> None:
    shown = views.race_table_view(three(1.5, 1.6, 1.4), language)
    assert len(shown.splitlines()) == 2 + len(views.ROWS)
    assert all(line.count("|") == 5 for line in shown.splitlines())
    assert ("1,5000" if language in ("es", "fr") else "1.5000") in shown


# --- why it is fair ---------------------------------------------------------------------------------------------------


def test_it_is_said_why_it_is_fair() -> None:
    by_clock, by_weights = (views.fair_view(equal) for equal in ("seconds", "parameters"))
    assert say("race_fair") in by_clock and say("race_fair") in by_weights
    assert say("race_fair_seconds") in by_clock and say("race_fair_parameters") not in by_clock
    assert say("race_fair_parameters") in by_weights and f"{LUCK:.2f}" in by_weights


def test_what_is_shared_and_what_is_not(lane: MakeLane) -> None:
    lanes = [
        lane(cell, started(), hidden_size=size, learning_rate=0.01) for cell, size in zip(CELLS, (9, 8, 7), strict=True)
    ]
    shown = views.shared_view(lanes)
    assert say("race_same", streams=2, window=8, seed=0) in shown
    assert say("race_machine", threads=2, precision="bf16") in shown
    assert say("race_own", cells="RNN / GRU / LSTM", what="Hidden size 9 / 8 / 7") in shown
    assert say("race_machine", threads=2, precision="bf16") not in views.shared_view([lane("rnn")])
    assert views.shared_view([]) == ""


# --- samples ----------------------------------------------------------------------------------------------------------


def test_what_each_wrote_last(lane: MakeLane) -> None:
    wrote = lane("gru", started(), Sampled(5, "", "old", 0.8, 1), Sampled(1234, "The ", "<b>new</b>", 0.8, 7))
    assert views.race_sample_view(wrote) == (say("race_sample", cell="GRU", step=1234, seed=7), "The <b>new</b>")
    assert views.race_sample_view(lane("rnn")) == ("RNN", "")
