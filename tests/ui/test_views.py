"""Facts -> what is shown: pure functions, so every state of a run can be looked at."""

import json
import math
import re
import shlex
import string
from pathlib import Path

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from charlm.corpus import corpus_from_bytes
from charlm.errors import CharlmError
from charlm.events import Changed, Evaluated, Event, Finished, Measured, Reason, Sampled, Started, Step
from charlm.history import History, history_of
from charlm.jobs import JobView
from charlm.notes import note
from charlm.ui import views
from charlm.ui.words import LANGUAGES, say

RUNNING, ENDED = JobView("running"), JobView("ended")
STARTED = Started(
    parameters=10, train_chars=900, validation_chars=100, evaluated_chars=50, vocabulary_size=9, steps_per_epoch=4,
    device="cpu", precision="fp32", threads=1,
)  # fmt: skip


def step(number: int, loss: float = 2.0, progress: float = 0.5, seconds: float = 10.0) -> Step:
    return Step(number, number / 4, loss, 1.0, 0.01, number * 100, seconds, progress)


def a_history(*more: Event) -> History:
    return history_of((STARTED, step(10), Evaluated(10, 2.5, 1.75, 2.0, True, 10.0), *more))


# --- somebody's words -------------------------------------------------------------------------------------------------


@given(st.text())
def test_plain_words_hold_nothing_that_markdown_reads(text: str) -> None:
    shown = views.plain(text)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == " ".join(text.split())
    bare = re.sub(r"\\.", "", shown)
    assert not set(bare) & set(string.punctuation) and "\n" not in shown


# --- the text ---------------------------------------------------------------------------------------------------------


def test_a_text_without_changes_says_so() -> None:
    shown = views.report_view(tiny.corpus())
    assert "1,500" in shown and "1,350" in shown and "150" in shown
    assert say("unchanged") in shown and say("changed") not in shown


def test_more_text_is_enough_for_more() -> None:
    verdicts = [views.verdict_view(chars) for chars in (100, 2_999, 3_000, 29_999, 30_000, 300_000, 10**9)]
    assert len(set(verdicts)) == 4 and verdicts[0] == verdicts[1] != verdicts[2] == verdicts[3]
    assert verdicts[0] in views.report_view(tiny.corpus())


def test_the_command_says_the_same_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(views.__file__).parents[2]))
    import train

    settings = {"ascii": True, "cell": "gru", "hidden_size": 33, "tied": False, "learning_rate": 0.005, "seconds": 60.0}
    command = views.command_view("it's mine.txt", "good", settings)
    assert command.startswith("python train.py ") and "\n" not in command
    values = vars(train.parser().parse_args(shlex.split(command)[2:]))
    assert values["recipe"] == "good" and "it's mine.txt" in values.values()
    assert {name: values[name] for name in settings} == settings
    assert views.command_view("comedy-en", "", {}) == "python train.py comedy-en"


def test_each_change_is_told() -> None:
    corpus = corpus_from_bytes("où est l’été ?\r\n".encode("cp1252") * 50, "a <b>_title_.txt")
    shown = views.report_view(corpus)
    assert say("changed") in shown and say("unchanged") not in shown
    assert sum(line.startswith("- ") for line in shown.splitlines()) == len(corpus.report.notes) >= 2
    assert "1252" in shown and "<b>" not in shown.replace("\\<", "")


def test_the_preview_is_short() -> None:
    assert views.preview_view(tiny.corpus(5000)) == tiny.text(5000)[: views.PREVIEW_CHARS]


# --- the plot ---------------------------------------------------------------------------------------------------------


def test_both_curves_and_the_yardsticks() -> None:
    yardsticks = {"uniform": 4.0, "1-gram": 3.0, "2-gram": 2.5, "3-gram": 2.2, "4-gram": 2.1, "5-gram": 2.3, "xz": 2.4}
    history = a_history(step(20, 1.23456), *(Measured(name, loss) for name, loss in yardsticks.items()))
    value = views.plot_view("my-run", history)
    assert value["run"] == "my-run"
    assert [(curve["x"], curve["y"]) for curve in value["curves"]] == [([10, 20], [2.0, 1.2346]), ([10], [1.75])]
    names = [level["name"] for level in value["levels"]]
    assert {"uniform", "1-gram", "2-gram", "3-gram", "4-gram", "xz"} == set(names)  # 4-gram is the best that counts
    assert all(level["y"] == yardsticks[level["name"]] for level in value["levels"])


@pytest.mark.parametrize(("unit", "expected"), [("nats", 2.0), ("bits", 2.8854), ("perplexity", 7.3891)])
def test_a_plot_in_any_unit(unit: str, expected: float) -> None:
    value = views.plot_view("r", a_history(Measured("1-gram", 2.0)), unit=unit)
    assert value["curves"][0]["y"] == [expected] and value["levels"] == [{"name": "1-gram", "y": expected}]
    assert value["y"] == say(unit)


def test_a_plot_speaks_the_visitors_language() -> None:
    value = views.plot_view(
        "r", a_history(Measured("uniform", 4.0), Measured("2-gram", 2.5), Measured("xz", 2.4)), "es"
    )
    assert [level["name"] for level in value["levels"]] == ["uniforme", "2-grama", "xz"]
    assert (value["name"], value["separators"], value["language"]) == (say("plot_name", "es"), ",.", "es")
    assert value["buttons"]["Zoom in"] == say("plot_closer", "es")
    assert views.empty_plot_view("es")["message"] == say("empty_plot", "es")


@pytest.mark.parametrize("name", ["uniform", "1-gram", "6-gram", "entropy", "stream", "cold-256", "xz"])
def test_every_measure_has_a_name_in_every_language(name: str) -> None:
    names = {views.measure_name(name, language) for language in LANGUAGES}
    assert all(names) and (len(names) > 2 or name == "xz")
    assert views.measure_name(name) == name


def test_the_measure_of_a_stranger_stays_as_it_is() -> None:
    assert [views.measure_name(name, "ko") for name in ("<b>-gram", "-gram", "")] == ["<b>-gram", "-gram", ""]


def test_the_learning_rate_is_a_curve_of_its_own() -> None:
    value = views.plot_view("r", a_history(step(20)))
    assert value["rate"] == {"name": say("rate"), "y": [0.01, 0.01]}
    assert len(value["rate"]["y"]) == len(value["curves"][0]["x"])


def test_changes_under_way_are_marks() -> None:
    value = views.plot_view("r", a_history(Changed(10, "learning_rate", 0.005), Changed(12, "seconds", 90.0)))
    marks = [(10, say("changed_rate", rate=0.005)), (12, say("changed_budget"))]
    assert [(mark["x"], mark["name"]) for mark in value["marks"]] == marks


def test_final_losses_are_no_levels() -> None:
    value = views.plot_view("r", a_history(Measured("stream", 1.5), Measured("cold-256", 1.6)))
    assert value["levels"] == []


@pytest.mark.parametrize("history", [History(), history_of([STARTED]), a_history()])
def test_a_plot_is_plain_data(history: History) -> None:
    value = views.plot_view("r", history)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["run"] == "r"


def test_a_long_run_stays_small() -> None:
    history = history_of([STARTED, *(step(i, 1.0 + 1 / (i + 1)) for i in range(50_000))])
    assert len(json.dumps(views.plot_view("r", history))) < 30_000


# --- how it gets on ---------------------------------------------------------------------------------------------------


GRAMS = (Measured("1-gram", 3.0), Measured("2-gram", 2.5), Measured("3-gram", 2.2), Measured("xz", 9.0))


def evaluated(*losses: float, train: float) -> list[Event]:
    best = [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    return [Evaluated(i, i, loss, train, best[i], 1.0) for i, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "train", "expected"),
    [
        ((3.5,), 3.0, say("below_counting")),
        ((2.6,), 2.5, say("above_counting", count=1, loss=3.0)),
        ((2.6, 2.3), 2.3, say("above_counting", count=2, loss=2.5)),
        ((2.3, 1.9), 2.3, say("above_counting", count=3, loss=2.2)),
        ((2.3, 1.9, 2.0, 2.0, 2.0), 1.5, say("above_counting", count=3, loss=2.2)),
        ((2.3, 1.9, 2.0, 2.0, 2.0, 2.0), 1.9, say("no_better", step=1, loss=1.9)),
        ((2.3, 1.9, 2.0, 2.0, 2.0, 2.0), 1.5, say("by_heart", step=1, loss=1.9)),
    ],
)
def test_it_is_said_how_a_run_gets_on(losses: tuple[float, ...], train: float, expected: str) -> None:
    history = history_of([STARTED, step(1), *GRAMS, *evaluated(*losses, train=train)])
    assert views.learning_view(history) == expected
    assert expected in views.status_view("r", history, RUNNING)


# --- the status -------------------------------------------------------------------------------------------------------


def test_no_run() -> None:
    assert views.status_view("", History(), ENDED) == say("idle")


def test_waiting() -> None:
    shown = views.status_view("r", History(), JobView("queued", place=3, wait_seconds=200))
    assert shown == say("queued", place=3, wait="3:20")


def test_starting() -> None:
    assert views.status_view("r", History(), RUNNING) == say("starting")
    assert views.status_view("r", history_of([STARTED]), RUNNING) == say("starting")


def test_running() -> None:
    shown = views.status_view("a_run", a_history(), RUNNING)
    assert "a\\_run" in shown and "10 s" in shown  # half of the budget took 10 s: as much is left
    assert "1.7500" in shown and "2.525" in shown  # nats, and the same in bits
    assert "50" in shown and "100" in shown  # so much of the validation text


@pytest.mark.parametrize("strange", [step(5, progress=0.0, seconds=0.0), step(5, loss=math.nan), step(5, progress=1.0)])
def test_strange_figures_can_be_shown(strange: Step) -> None:
    assert "r" in views.status_view("r", history_of([STARTED, strange]), RUNNING)


@pytest.mark.parametrize("reason", ["budget", "patience", "diverged", "ended", "stopped"])
def test_every_end_is_said(reason: Reason) -> None:
    history = a_history(Finished(10, reason, 10.0, "lower the rate"))
    assert say(reason, step=10, advice="lower the rate") in views.status_view("r", history, ENDED)


def test_a_job_that_failed() -> None:
    shown = views.status_view("r", a_history(), JobView("ended", error=CharlmError("It [broke](x).")))
    assert "It \\[broke\\]" in shown and say("left") not in shown


def test_a_job_that_failed_says_so_in_the_visitors_language() -> None:
    ended = "The job ended unexpectedly ({why}). What it had saved is kept; Resume goes on from there."
    error = CharlmError(ended, why=note("exit code {code}", code=7))
    shown = views.status_view("r", a_history(), JobView("ended", error=error), "es")
    assert views.plain("(código de salida 7)") in shown


def test_the_advice_of_a_diverged_run_is_said_in_the_visitors_language() -> None:
    advice = (
        "The loss is no longer finite. Lower the learning rate (now 0.5), or clip gradients at 1;"
        " the weights of before are kept."
    )
    shown = views.status_view("r", a_history(Finished(10, "diverged", 10.0, advice)), ENDED, "fr")
    assert views.plain("maintenant 0,5") in shown and "learning rate" not in shown


def test_a_run_whose_process_is_gone() -> None:
    assert say("left") in views.status_view("r", a_history(), ENDED)


@pytest.mark.parametrize(("loss", "key"), [(1.5, "verdict_better"), (2.5, "verdict_worse")])
def test_the_end_is_compared_with_counting(loss: float, key: str) -> None:
    facts = (Measured("2-gram", 2.2), Measured("3-gram", 2.0), Measured("stream", loss), Measured("cold-256", 2.6))
    shown = views.status_view("r", a_history(*facts, Finished(10, "budget", 10.0)), ENDED)
    assert f"{loss:.4f}" in shown and "2.6000" in shown
    assert say(key, name="3\\-gram", loss=2.0) in shown


def test_a_run_that_goes_on_is_not_said_to_have_ended() -> None:
    history = a_history(Measured("stream", 1.5), Measured("cold-256", 1.6), Finished(10, "stopped", 10.0), step(20))
    assert "1.5000" not in views.status_view("r", history, RUNNING)


# --- samples, runs, times ---------------------------------------------------------------------------------------------


def test_the_newest_sample() -> None:
    assert views.sample_view(History()) == (say("sample"), "")
    history = a_history(Sampled(5, "", "old", 0.8, 1), Sampled(10, "The ", "<b>new</b>", 0.8, 1))
    assert views.sample_view(history) == (say("sample_at", step=10), "The <b>new</b>")


def test_samples_can_be_flipped_through() -> None:
    history = a_history(Sampled(0, "", "xq", 0.8, 1), Sampled(5, "", "the", 0.8, 1), Sampled(10, "", "the end", 0.8, 1))
    shown = [views.sample_view(history, place=place)[1] for place in (1, 2, 3)]
    assert shown == ["xq", "the", "the end"]
    for nowhere in (0, 4, -1):
        assert views.sample_view(history, place=nowhere)[1] == "the end"
    whole = views.samples_view(history)
    assert whole.index("xq") < whole.index("the") < whole.index("the end")
    assert [say("sample_at", step=at) in whole for at in (0, 5, 10)] == [True] * 3


def test_of_very_many_samples_some_are_shown_from_first_to_last() -> None:
    history = a_history(*(Sampled(i, "", f"[{i}]", 0.8, 1) for i in range(150)))
    shown = re.findall(r"\[(\d+)\]", views.samples_view(history))
    assert len(shown) == views.MOST_SAMPLES and shown[0] == "0" and shown[-1] == "149"
    assert views.samples_view(History()) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (200, "3:20"), (3723, "1:02:03"), (3599.7, "1:00:00"),
     (math.nan, "–"), (math.inf, "–")],
)  # fmt: skip
def test_durations(seconds: float, shown: str) -> None:
    assert views.duration(seconds) == shown


def test_a_duration_in_another_language() -> None:
    assert [views.duration(5, language) for language in ("zh", "ko")] == ["5 秒", "5초"]
