"""What the parts of the Generate tab answer, and the documented call, as the page and a stranger's program ask."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from charlm.checkpoint import load_checkpoint
from charlm.config import SampleConfig
from charlm.jobs import JobBoard
from charlm.sampling import chances, generate
from charlm.stepping import Stepper, fold
from charlm.ui import letters_tab
from charlm.ui.compare_tab import Acts as Comparing
from charlm.ui.desk import Speakers
from charlm.ui.generate_call import generate_call
from charlm.ui.letters_tab import Acts as Letters
from charlm.ui.meter import Meter
from charlm.ui.text_views import bars_value
from charlm.ui.words import say
from charlm.ui.write_tab import Acts as Writing

MakeRun = Callable[..., Path]
DRAWING = (0.8, 0, 1.0, 5)  # temperature, top-k, top-p, seed
SESSION: Any = SimpleNamespace(session_hash="a session")


@pytest.fixture
def tiny_run(make_run: MakeRun) -> Path:
    return make_run("tiny")


def by_itself(folder: Path, prompt: str, **given: Any) -> str:
    checkpoint = load_checkpoint(folder)
    config = SampleConfig(**{"length": 200, "temperature": 0.8, "seed": 5, **given})
    return "".join(generate(fold(checkpoint.model), checkpoint.vocabulary, prompt, config))


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_text_grows_and_is_measured_in_the_end(tiny_run: Path, board: JobBoard) -> None:
    acts = Writing(board, Speakers())
    told = list(acts.write(SESSION, "fr", "full", "tiny", "the Ω", 200, *DRAWING))
    texts = [value["text"] for value, _, _ in told]
    assert texts[-1] == "the " + texts[0][4] + by_itself(tiny_run, texts[0][:5])
    assert all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:], strict=False))
    assert len(texts[0]) == 6 and say("replaced", "fr", chars="", known="")[:12] in told[0][1]
    assert told[-2][2] == say("comparing", "fr") and "200" in told[-1][1]
    corpus = (tiny_run / "text.txt").read_text("utf-8")
    training, written = corpus[: int(0.9 * len(corpus))], texts[-1][5:]
    seen = sum(written[i : i + 4] in training for i in range(len(written) - 3)) / (len(written) - 3)
    assert say("copies_share", "fr", gram=4, share=100 * (1 - seen)) in told[-1][2]


def test_copied_passages_are_marked_where_they_stand(tiny_run: Path, board: JobBoard) -> None:
    """A network that writes on and on what it has read: the text it learned is made of what it writes."""
    checkpoint = load_checkpoint(tiny_run)
    written = by_itself(tiny_run, "the ")
    text = (written + "\n") * 10
    (tiny_run / "text.txt").write_text(text, "utf-8")
    import hashlib

    from charlm.corpus import corpus_from_text

    config = json.loads((tiny_run / "config.json").read_text("utf-8"))
    config["corpus"]["digest"] = hashlib.sha256(text.encode()).hexdigest()
    config["vocabulary"] = list(corpus_from_text(text, "").vocabulary.symbols)
    assert checkpoint.vocabulary.symbols  # of the first text
    (tiny_run / "config.json").write_text(json.dumps(config), "utf-8")
    found, own = Meter().measured(tiny_run, written)
    assert found.longest == (0, 200) and found.passages == ((0, 200),) and own.share == 1.0


@pytest.mark.parametrize("harm", ["missing", "another"])
def test_without_its_text_a_run_still_writes(harm: str, tiny_run: Path, board: JobBoard) -> None:
    (tiny_run / "text.txt").unlink()
    if harm == "another":
        (tiny_run / "text.txt").write_text("another text " * 50)
    told = list(Writing(board, Speakers()).write(SESSION, "en", "full", "tiny", "", 60, *DRAWING))
    assert told[-1][0]["text"] == by_itself(tiny_run, "", length=60)
    assert told[-1][2] == say("copies_unknown") and told[-1][0]["copied"] == []


def test_stop_keeps_the_text_and_measures_it(tiny_run: Path, board: JobBoard) -> None:
    acts = Writing(board, Speakers())
    telling = acts.write(SESSION, "en", "reading", "tiny", "", 200, *DRAWING)
    next(telling), next(telling)
    acts.stop(SimpleNamespace(session_hash="another session"))  # type: ignore[arg-type]
    third = next(telling)[0]["text"]
    assert third == by_itself(tiny_run, "")[:3]
    acts.stop(SESSION)
    *_, (value, note, told) = telling
    assert value["text"] == third and note.strip().startswith("3 characters") and told == say("copies_short")


def test_what_is_refused_is_said_in_the_visitors_language(tiny_run: Path, make_board: Callable[..., JobBoard]) -> None:
    acts = Writing(make_board(characters=100), Speakers())
    with pytest.raises(gr.Error, match="100") as refused:
        next(acts.write(SESSION, "es", "full", "tiny", "", 101, *DRAWING))
    assert refused.value.message == say("length_limit", "es", chars=101, most=100)
    with pytest.raises(gr.Error) as refused:
        next(acts.write(SESSION, "ko", "full", "../tiny", "", 50, *DRAWING))
    assert refused.value.message == say("not_yours", "ko")


# --- side by side -----------------------------------------------------------------------------------------------------


def test_texts_side_by_side_are_those_of_each_alone(make_run: MakeRun, board: JobBoard) -> None:
    folders = [make_run("one"), make_run("two")]
    acts = Comparing(board, Speakers())
    told = list(acts.compare(SESSION, "en", "full", "networks", ["one", "two"], "one", "the ", 90, *DRAWING))
    note, *columns = told[-1]
    assert note == "" and [columns[i + 2]["text"] if columns[i + 2] else None for i in (0, 3, 6)] == [
        *("the " + by_itself(folder, "the ", length=90) for folder in folders),
        None,
    ]
    assert "LSTM 8" in columns[1] and "one" in columns[1] and "seed 5" in columns[1] and columns[7] == ""
    loss = load_checkpoint(folders[0]).loss
    assert f"loss {loss:.4f}" in columns[1]
    assert [column.visible for column in (columns[0], columns[3], columns[6])] == [True, True, False]


def test_seeds_and_manners_side_by_side(tiny_run: Path, board: JobBoard) -> None:
    acts = Comparing(board, Speakers())
    *_, seeds = acts.compare(SESSION, "en", "full", "seeds", [], "tiny", "", 50, *DRAWING)
    assert [seeds[i]["text"] for i in (3, 6, 9)] == [by_itself(tiny_run, "", length=50, seed=n) for n in (5, 6, 7)]
    *_, manners = acts.compare(SESSION, "en", "full", "manners", [], "tiny", "", 50, *DRAWING)
    careful = by_itself(tiny_run, "", length=50, temperature=0.5, top_p=0.9)
    assert manners[3]["text"] == careful and "temperature 0.5" in manners[2]


def test_runs_that_are_gone_are_no_longer_chosen(make_run: MakeRun, board: JobBoard) -> None:
    make_run("old")
    make_run("new")
    acts = Comparing(board, Speakers())
    assert acts.refresh("[]", ["gone"]).value == ["new"] == acts.refresh("[]", None).value
    assert acts.refresh("[]", ["gone", "old"]).value == ["old"]


# --- by hand ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def letters() -> Letters:
    return Letters(Speakers())


def pressed(symbol: Any) -> gr.EventData:
    return gr.EventData(None, {"symbol": symbol})


def bars_of(folder: Path, text: str, **given: Any) -> dict[str, Any]:
    """By stepping through the text."""
    checkpoint = load_checkpoint(folder)
    stepper, vocabulary = Stepper(fold(checkpoint.model)), checkpoint.vocabulary
    *_, logits = [stepper.step(i) for i in vocabulary.encode(text).tolist()]
    config = SampleConfig(**{"length": 1, "temperature": 0.8, **given})
    return bars_value(chances(logits, config, vocabulary.unknown_id), vocabulary)


def test_bars_follow_the_text_and_the_sliders(tiny_run: Path, letters: Letters) -> None:
    bars, value, note = letters.look("en", "tiny", "the ", *DRAWING)
    assert bars == bars_of(tiny_run, "the ") and note == ""
    assert value["text"] == "the " and value["prompt"] == 1 and len(value["others"]) == 15
    assert letters.look("en", "tiny", "", *DRAWING)[0] == bars_of(tiny_run, "\n")
    assert letters.look("en", "tiny", "the ", 0.8, 2, 1.0, 5)[0] == bars_of(tiny_run, "the ", top_k=2)
    assert letters.look("en", None, "the ", *DRAWING) == [None, None, ""]


def test_a_bar_is_appended(tiny_run: Path, letters: Letters) -> None:
    assert letters.choose(pressed("h"), "en", "tiny", "t") == "th"
    assert letters.choose(pressed("h"), "en", "tiny", "t" * 20_000) == "t" * 9_999 + "h"


@pytest.mark.parametrize("symbol", ["Ω", "th", "", None, 5, ["h"], {"a": 1}, "<b>"])
def test_what_is_no_symbol_of_the_network_is_not_appended(symbol: Any, tiny_run: Path, letters: Letters) -> None:
    assert letters.choose(pressed(symbol), "en", "tiny", "t") == "t"
    assert letters.choose(gr.EventData(None, symbol), "en", "tiny", "t") == "t"


def test_the_dice_of_a_seed_fall_the_same_way_in_the_same_place(tiny_run: Path, letters: Letters) -> None:
    def drawn(seed: int) -> str:
        text = ""
        for _ in range(30):
            text = letters.draw("en", "tiny", text, 1.0, 0, 1.0, seed)
        return text

    assert len(drawn(1)) == 30 and drawn(1) == drawn(1) != drawn(2)
    assert letters.draw("en", "tiny", "t", 0, 0, 1.0, 9) == "t" + bars_of(tiny_run, "t", temperature=0)["bars"][0][0]


def test_only_the_end_of_a_long_text_is_read(tiny_run: Path, letters: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters_tab, "READ_CHARS", 10)
    bars, value, _ = letters.look("en", "tiny", "and it was the from", *DRAWING)
    assert value["text"] == "s the from" and bars == bars_of(tiny_run, "s the from")


# --- the documented call ----------------------------------------------------------------------------------------------


def test_the_call_writes_what_the_page_writes(tiny_run: Path, board: JobBoard) -> None:
    call = generate_call(board, Speakers())
    text, seed = call("tiny", "the ", 200, 0.8, 0, 1.0, 5)
    assert (text, seed) == ("the " + by_itself(tiny_run, "the "), 5)
    again, drawn = call("tiny", length=40)
    assert call("tiny", length=40, seed=drawn) == (again, drawn) and len(again) == 40


@pytest.mark.parametrize("run", ["moliere", "../tiny", "", None, 5])
def test_the_call_reaches_no_run_that_the_caller_may_not_name(
    run: Any, public: None, make_run: MakeRun, make_board: Callable[..., JobBoard]
) -> None:
    make_run("moliere")
    make_run("comedy-lstm")
    call = generate_call(make_board(is_public=True), Speakers())
    assert len(call("comedy-lstm", length=30)[0]) == 30
    with pytest.raises(gr.Error, match=say("not_yours")):
        call(run)


@pytest.fixture
def client(server: Any, trained: Path) -> Iterator[Client]:
    folder = server.folder / "checkpoints" / "for-programs"
    if not folder.exists():
        shutil.copytree(trained, folder)
    one = Client(server.url, verbose=False)
    yield one
    one.close()


def test_a_program_generates(client: Client, server: Any) -> None:
    given = {"prompt": "the ", "length": 200, "temperature": 0.8, "seed": 5}
    text, seed = client.predict("for-programs", **given, api_name="/generate")
    assert (text, seed) == ("the " + by_itself(server.folder / "checkpoints" / "for-programs", "the "), 5)
    for refused in ({"length": 100_001}, {"temperature": 99}, {"top_p": 0.001}, {"run": "../for-programs"}):
        with pytest.raises(Exception, match=r"must be between|are more than|no such run"):
            client.predict(**{"run": "for-programs", **refused}, api_name="/generate")


def test_the_call_is_documented(client: Client) -> None:
    told = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/generate"]
    names = [one["parameter_name"] for one in told["parameters"]]
    assert names == ["run", "prompt", "length", "temperature", "top_k", "top_p", "seed"]
    assert [one["parameter_has_default"] for one in told["parameters"]] == [False] + [True] * 6
    assert all(f"{name}:" in told["description"] for name in names)
    kinds = [one["python_type"]["type"] for one in told["parameters"]]
    assert kinds == ["str", "str", "int", "float", "int", "float", "int"]
