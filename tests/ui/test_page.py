"""The page as a stranger's program meets it: which doors it has, and that every limit stands behind them too."""

import io
import json
import secrets
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import gradio as gr
import pytest
from fastapi.testclient import TestClient
from gradio.routes import App
from gradio.utils import get_upload_folder

from charlm import archive
from charlm.events import Finished, to_line
from charlm.jobs import HOME, PUBLIC, JobBoard
from charlm.log import EVENTS
from charlm.ui.glance import Glances
from charlm.ui.page import build_page
from charlm.ui.runs import new_run_folder
from charlm.ui.words import LANGUAGES, say

MakeRun = Callable[[str], Path]
TOKEN = "abcdefghijklmnopqrstuvwx"
CALLS = {"/generate", "/train", "/runs"}  # that are documented, for programs
TOLD = ("train", "pause", "resume", "end", "extend", "slower", "faster", "generate", "race_start")
SAID = {key: say(key) for key in TOLD}
FILES = ("File", "Image", "Audio", "Video", "Gallery", "DownloadButton", "UploadButton", "Model3D", "Code")
FILES += ("FileExplorer",)
# The handlers that show, hide or name an upload field, and what they may be given.
SHOWN_OR_NAMED: dict[str, list[list[Any]]] = {
    "<lambda>": [["named"], ["pasted"], ["file"]],
    "anew": [[language] for language in LANGUAGES],
    "look": [[[], "", "en", "nats", "steps"], [["no-such-run"], "", "ko", "perplexity", "seconds_trained"]],
}


class Wire:
    """Raw calls to the page's handlers by name, past every check that a browser makes. Each Wire is a session."""

    def __init__(self, page: gr.Blocks, board: JobBoard) -> None:
        self.page, self.board = page, board
        self.client = TestClient(App.create_app(page, app_kwargs={"routes": [Glances(board).route]}))
        self.session = secrets.token_hex(5)

    def handler(self, name: str) -> Any:
        """What the button with that word does at last; "apply", "select": a moment of the plot, opening Generate."""
        found = []
        for one in self.page.fns.values():
            for part, event in one.targets:
                block = self.page.blocks.get(part)
                is_moment = event == name and getattr(block, "id", "generate") == "generate"
                is_button = event == "click" and getattr(block, "value", None) == SAID.get(name)
                if one.fn is not None and (is_moment or is_button):
                    found.append((part, one))
        if not found:
            raise LookupError(name)
        first, handler = found[0]  # other tabs have buttons of the same name
        return [one for part, one in found if part == first][-1] if name in SAID else handler

    def post(self, name: str, data: list[Any]) -> dict[str, Any]:
        return self.post_to(self.handler(name), data)

    def post_to(self, handler: Any, data: list[Any]) -> dict[str, Any]:
        """What the handler answers: {"data": [...]} or {"error": sentence or None}."""
        body = {"fn_index": handler._id, "data": data, "session_hash": self.session}
        as_json = {"Content-Type": "application/json"}
        answer = self.client.post("/gradio_api/run/predict", content=json.dumps(body), headers=as_json)
        assert answer.status_code in (200, 400, 422, 500)
        assert "Traceback" not in answer.text and "/checkpoints" not in answer.text
        return dict(answer.json())

    def glance(self, run: Any, language: str = "en", unit: str = "nats") -> Any:
        """The plot's value of now."""
        answer = self.client.get("/glance", params={"run": run, "language": language, "unit": unit})
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
        return answer.json()

    def start(self, settings: Mapping[str, Any], owner: str = TOKEN) -> dict[str, Any]:
        """Press Train with some controls, by label, set to other values than the page would send."""
        parts = self.handler("train").inputs
        assert set(settings) <= {part.label for part in parts}
        hidden = [part for part in parts if part.visible is False and part.label is None]
        assert len(hidden) == 1  # the owner
        values = [settings.get(part.label, getattr(part, "value", None)) for part in parts]
        values = [owner if part in hidden else value for part, value in zip(parts, values, strict=True)]
        return self.post("train", values)


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[gr.Blocks, JobBoard]]:
    """One page for all tests: its limits are read when they are needed."""
    board = JobBoard(HOME, 1, fakes.until_stopped)
    page = build_page(board, Glances(board))
    page.queue(max_size=64, default_concurrency_limit=4)
    page.has_launched, page.max_file_size = True, 1 << 20  # only then Gradio checks where files come from
    yield page, board
    board.close()


@pytest.fixture
def wire(built: tuple[gr.Blocks, JobBoard]) -> Iterator[Wire]:
    page, board = built
    board.limits = HOME
    yield Wire(page, board)
    while any(map(board.is_active, list(board.jobs))):
        for run in list(board.jobs):
            board.stop(run)
        time.sleep(0.01)
    board.jobs.clear()


@pytest.fixture
def public_wire(wire: Wire, public: None) -> Callable[..., Wire]:
    """public_wire(jobs=2) is a public server's page with other limits."""

    def make(**limits: float) -> Wire:
        wire.board.limits = replace(PUBLIC, **limits)  # type: ignore[arg-type]
        return wire

    return make


def pasted(text: str, **settings: Any) -> dict[str, Any]:
    return {say("text"): "pasted", say("pasted"): text, **settings}


# --- doors ------------------------------------------------------------------------------------------------------------


def test_no_endpoint_is_public_but_the_documented_calls(wire: Wire) -> None:
    for info in (wire.page.get_api_info(), wire.client.get("/gradio_api/info").json()):
        assert set(info["named_endpoints"]) == CALLS and info["unnamed_endpoints"] == {}
    public = [f"/{one.api_name}" for one in wire.page.fns.values() if one.api_visibility != "private"]
    assert sorted(public) == sorted(CALLS)


def test_one_clock_a_tab_fills_it_and_never_queues(wire: Wire) -> None:
    ticks = [one for one in wire.page.fns.values() if any(event == "tick" for _, event in one.targets)]
    timers = [part for part in wire.page.blocks.values() if isinstance(part, gr.Timer)]
    assert len(ticks) == len(timers) >= 2 and not any(tick.queue for tick in ticks)
    for tick in ticks:
        assert {"LivePlot", "Markdown"} <= {type(part).__name__ for part in tick.outputs}


@pytest.mark.parametrize("name", ["apply", "pause", "resume", "end", "extend", "slower", "faster", "select"])
def test_quick_handlers_do_not_wait_in_a_queue(wire: Wire, name: str) -> None:
    assert wire.handler(name).queue is False


def test_no_handler_hands_out_a_file_but_a_download(wire: Wire) -> None:
    """A path that a handler returns would be readable from outside."""
    for handler in wire.page.fns.values():
        kinds = [type(part).__name__ for part in handler.outputs]
        for place, kind in enumerate(kinds):
            if kind == "DownloadButton":  # its files are the concern of tests of their own
                assert handler.name in ("pack", "tell")
            elif kind in FILES:  # an upload field, which is shown and hidden, and labelled in another language
                assert kind in ("File", "UploadButton") and handler.name in SHOWN_OR_NAMED
                for given in SHOWN_OR_NAMED[handler.name]:
                    answer = wire.post_to(handler, given)["data"][place]
                    assert set(answer) in ({"visible", "__type__"}, {"label", "__type__"})


@pytest.mark.parametrize("place", ["checkpoints/tiny/config.json", "checkpoints/tiny/text.txt"])
def test_runs_cannot_be_fetched(wire: Wire, make_run: MakeRun, runs: Path, place: str) -> None:
    make_run("tiny")
    assert wire.client.get(f"/gradio_api/file={runs.parent / place}").status_code in (403, 404)


def test_no_source_can_be_fetched(wire: Wire) -> None:
    root = Path(__file__).parents[2]
    for path in (root / "app.py", root / "charlm" / "jobs.py", Path("/etc/passwd"), root / "requirements.txt"):
        assert wire.client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_the_page_tells_no_names(public_wire: Callable[..., Wire], make_run: MakeRun, runs: Path) -> None:
    make_run("moliere-lstm")
    config = public_wire().client.get("/config").text
    assert "moliere-lstm" not in config and str(runs) not in config


def test_tabs_hold_nothing_but_tabs(wire: Wire) -> None:
    """Gradio counts whatever else stands there, a State even, and then shows the tabs after it twice."""
    for tabs in [one for one in wire.page.blocks.values() if isinstance(one, gr.Tabs)]:
        assert {type(child) for child in tabs.children} == {gr.Tab}


def test_html_templates_hold_no_values(wire: Wire) -> None:
    """They are evaluated as code by the browser."""
    made = [one for one in wire.page.blocks.values() if isinstance(one, gr.HTML)]
    assert {type(one).__name__ for one in made} == {"LivePlot", "WrittenText", "NextBars", "RunTable"}
    for one in made:
        assert len(one.html_template) > 20 and one.css_template == ""
        assert not any(mark in one.html_template for mark in ("${", "{{", "`", "\\"))


# --- limits behind the doors ------------------------------------------------------------------------------------------


def test_a_run_begins(wire: Wire, runs: Path) -> None:
    assert wire.start({"Steps": 5})["data"] == ["comedy-en-lstm"]
    assert wire.board.is_active("comedy-en-lstm") and (runs / "comedy-en-lstm" / "config.json").exists()


def test_a_visitor_has_so_many_jobs_however_he_asks(public_wire: Callable[..., Wire], runs: Path) -> None:
    wire = public_wire(jobs=1)
    first = wire.start({"Steps": 5})["data"][0]
    assert "at most 1 are allowed" in wire.start({"Steps": 5})["error"]
    assert "data" in wire.start({"Steps": 5}, owner="somebody-else-with-a-token")
    assert "data" in wire.start({"Steps": 5}, owner="no token: the session counts")
    assert "at most 1 are allowed" in wire.start({"Steps": 5}, owner="another that is none")["error"]
    assert len(list(runs.iterdir())) == 3 and wire.board.view(first).state == "running"


REFUSED: list[tuple[dict[str, Any], dict[str, float], str]] = [
    (pasted("a b " * 300), {"text_bytes": 1000}, "The text has 1,200 bytes; at most 1,000 are taken here"),
    (pasted("é ü " * 300), {"text_bytes": 1500}, "The text has 1,800 bytes; at most 1,500 are taken here"),
    (pasted(""), {}, say("paste_first")),
    (pasted("too short"), {}, "The text has 9 characters; at least 100 are needed"),
    ({say("text"): "file"}, {}, say("upload_first")),
    ({"Num layers": 4}, {"parameters": 50_000}, "parameters; at most 50,000 are allowed here"),
    ({say("recipe"): "", say("seconds"): 10}, {"seconds": 5.0}, "10 seconds are more than the 5"),
    ({say("seconds"): 1e9}, {}, "greater than maximum"),
    ({say("seconds"): -5}, {}, "less than minimum"),
    ({say("size"): 100_000}, {}, "not in the list of choices"),
    ({say("cell"): "transformer"}, {}, "not in the list of choices"),
    ({say("text"): "url"}, {}, "not in the list of choices"),
    ({say("named"): "../../../etc/passwd"}, {}, "not in the list of choices"),
    ({say("recipe"): "none of them"}, {}, "not in the list of choices"),
    ({"Streams": 10**9}, {}, "streams must be between"),
    ({"Streams": -1}, {}, "streams must be between"),
    ({"Learning rate": 1e300}, {}, "learning_rate must be between"),
    ({"Device": "cuda:99"}, {}, "not in the list of choices"),
    ({"Steps": 5, "Epochs": 5}, {}, "Give one budget"),
    ({"Learning rate": "NaN"}, {}, "learning_rate must be of type number"),
    ({"Steps": "<script>"}, {}, "steps must be of type whole number"),
    ({"Steps": [1]}, {}, "steps must be of type whole number"),
    ({"Steps": {"a": 1}}, {}, "steps must be of type whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "limits", "sentence"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused_leaves_nothing_behind(
    settings: dict[str, Any], limits: dict[str, float], sentence: str, public_wire: Callable[..., Wire], runs: Path
) -> None:
    wire = public_wire(**limits)
    answer = wire.start(settings)
    assert sentence in answer["error"]
    assert list(runs.iterdir()) == [] and wire.board.jobs == {}


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "../shared/DESIGN.md", "/proc/self/environ"])
def test_only_what_was_uploaded_is_read(path: str, wire: Wire) -> None:
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    answer = wire.start({say("text"): "file", say("file"): file})
    assert "error" in answer and not wire.board.jobs


def test_the_command_is_what_the_form_describes(wire: Wire) -> None:
    handler = next(one for one in wire.page.fns.values() if one.name == "written")
    set_to = {say("text"): "named", say("named"): "tale-es", say("recipe"): "", say("cell"): "gru"}
    set_to |= {"Streams": "4", "Steps": "7"}
    told = [set_to.get(part.label, getattr(part, "value", None)) for part in handler.inputs]
    command = "python train.py tale-es --streams 4 --steps 7 --cell gru"
    answer = wire.post_to(handler, told)["data"][0]
    assert set(answer.split(" --")) == set(command.split(" --"))
    half_typed = [{"Steps": "many"}.get(part.label, one) for part, one in zip(handler.inputs, told, strict=True)]
    assert wire.post_to(handler, half_typed)["data"] == ["", ""]


def test_an_upload_is_read(wire: Wire, runs: Path) -> None:
    files = {"files": ("my <b>book</b>.txt", "où est l’été ? ".encode("cp1252") * 30, "text/plain")}
    path = wire.client.post("/gradio_api/upload", files=files).json()[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    name = wire.start({say("text"): "file", say("file"): file})["data"][0]
    assert (runs / name / "text.txt").read_text("utf-8") == "où est l’été ? " * 30


@pytest.mark.parametrize("name", ["../tiny", "tiny/../tiny", "/etc", "", None, 5, ["tiny"], {"a": 1}, "x" * 100_000])
def test_strange_names_do_nothing(name: Any, wire: Wire, make_run: MakeRun) -> None:
    make_run("tiny")
    plot, *_ = wire.post("apply", [name, "en", "nats", ""])["data"]
    assert plot["run"] == plot["next"] == ""
    assert wire.glance(str(name)[:1000]) == plot
    assert "error" in wire.post("resume", [name, TOKEN, "en"]) and wire.board.jobs == {}
    wire.post("pause", [name, "en"])


def test_a_glance_shows_what_an_event_shows_and_says_where_the_next_one_is(wire: Wire, make_run: MakeRun) -> None:
    name = wire.start({"Steps": 5})["data"][0]
    shown = wire.post("apply", [name, "fr", "bits", ""])["data"][0]
    assert wire.client.get(f"/{shown['next']}").json() == wire.glance(name, "fr", "bits") == shown
    assert shown["run"] == name and shown["status"] == say("starting", "fr")
    make_run("tiny")
    ended = wire.glance("tiny")
    assert ended["next"] == "" and ended["curves"] and "tiny" in ended["status"]


@pytest.mark.parametrize(("language", "unit"), [("xx", "nats"), ("", ""), ("../en", "furlongs"), ("\0", "x" * 10_000)])
def test_a_glance_in_no_language_and_no_unit_is_in_english_and_nats(
    language: str, unit: str, wire: Wire, make_run: MakeRun
) -> None:
    make_run("tiny")
    strange, plain = wire.glance("tiny", language, unit), wire.glance("tiny")
    assert [strange[key] for key in ("y", "status", "curves")] == [plain[key] for key in ("y", "status", "curves")]


@pytest.mark.parametrize("kept", ["tiny 99999999999999999999", "tiny -1", "tiny ²", "tiny", " 1", "\0", None])
def test_a_sample_that_is_none_is_the_newest(kept: str | None, wire: Wire, make_run: MakeRun) -> None:
    make_run("tiny")
    shown, newest = (wire.post("apply", ["tiny", "en", "nats", one])["data"] for one in (kept, ""))
    assert shown == newest


def test_a_number_that_cannot_be_is_refused_in_the_visitors_language(wire: Wire, make_run: MakeRun) -> None:
    make_run("tiny")
    assert wire.post("extend", ["tiny", TOKEN, "es", -3])["error"] == say("longer_than_nothing", "es")
    wire.post("select", ["[]", None, "", "", "fr"])  # from then on the run is offered
    parts = wire.handler("generate").inputs
    labels = {part.label: place for place, part in enumerate(parts)}
    for label, value in ((say("top_k"), -1), (say("top_p"), 7), (say("seed"), 2**40)):
        values = [getattr(part, "value", None) for part in parts]
        values[labels[say("run")]], values[labels[label]] = "tiny", value
        values = ["fr" if part.elem_id == "language" else one for part, one in zip(parts, values, strict=True)]
        assert "doit être entre" in wire.post("generate", values)["error"]


def test_a_stranger_sees_and_stops_nothing_of_others(public_wire: Callable[..., Wire], make_run: MakeRun) -> None:
    make_run("moliere-lstm")
    wire = public_wire()
    mine = wire.start({"Steps": 5})["data"][0]
    stranger = Wire(wire.page, wire.board)
    for guess in ("moliere-lstm", mine[:-1], mine[:-1] + "0", mine.upper(), "comedy-en-lstm"):
        if guess != mine:
            assert stranger.post("apply", [guess, "en", "nats", ""])["data"][0]["run"] == ""
            assert stranger.glance(guess)["run"] == ""
            stranger.post("pause", [guess, "en"])
            assert "error" in stranger.post("resume", [guess, TOKEN, "en"])
    assert wire.board.is_active(mine)
    assert wire.post("apply", [mine, "en", "nats", ""])["data"][0]["run"] == wire.glance(mine)["run"] == mine
    names = json.dumps(["moliere-lstm", mine])
    choices = [name for name, _ in stranger.post("select", [names, None, "", "", "en"])["data"][0]["choices"]]
    assert "moliere-lstm" not in choices


@pytest.mark.parametrize("length", [1e9, 1e400, -1, None, "many"])
def test_a_text_is_no_longer_than_allowed(length: Any, public_wire: Callable[..., Wire], make_run: MakeRun) -> None:
    make_run("comedy-lstm")
    wire = public_wire(characters=300)
    wire.post("select", ["[]", None, "", "", "en"])  # now this session may choose the run
    values = {say("length"): length, say("run"): "comedy-lstm"}
    parts = wire.handler("generate").inputs
    answer = wire.post("generate", [values.get(part.label, part.value) for part in parts])
    assert "error" in answer or len(answer["data"][0]["text"]) <= 300


def test_junk_is_answered_with_an_error(wire: Wire) -> None:
    for handler in wire.page.fns.values():
        if handler.fn is not None:
            for junk in (None, "", "\0", [[]], {"path": "/etc/passwd"}, 10**400, {"__type__": "update"}):
                wire.post_to(handler, [junk] * len(handler.inputs))
            wire.post_to(handler, [])
    assert wire.board.jobs == {}


def test_half_a_character_in_a_text_is_replaced(wire: Wire, runs: Path) -> None:
    name = wire.start(pasted("half \ud83d of it\n" * 20))["data"][0]
    assert (runs / name / "text.txt").read_text("utf-8") == "half \ufffd of it\n" * 20


# --- the race ---------------------------------------------------------------------------------------------------------


def race(wire: Wire, settings: Mapping[str, Any], owner: str = TOKEN) -> dict[str, Any]:
    """Start a race with some controls, by label, set to other values than the page would send."""
    parts = wire.handler("race_start").inputs
    assert set(settings) <= {part.label for part in parts}
    values = [settings.get(part.label, getattr(part, "value", None)) for part in parts]
    values[0] = owner
    return wire.post("race_start", values)


def race_handler(wire: Wire, name: str) -> Any:
    """What a button of the Race tab does, or its clock ("poll"), or its list of texts ("texts")."""
    acts = [one for one in wire.page.fns.values() if getattr(one.fn, "__module__", "") == "charlm.ui.race_tab"]
    return next(one for one in acts if one.name == name)


def test_a_race_is_three_runs_and_one_job(public_wire: Callable[..., Wire], runs: Path) -> None:
    wire = public_wire(jobs=1)
    name, names = race(wire, {say("race_seconds"): 5})["data"]
    assert json.loads(names)[0] == name and {path.name for path in runs.iterdir()} == set(json.loads(names))
    assert len(wire.board.jobs) == 1 and all(map(wire.board.is_active, json.loads(names)))
    assert "at most 1 are allowed" in race(wire, {say("race_seconds"): 5})["error"]
    assert "at most 1 are allowed" in wire.start({"Steps": 5})["error"]
    assert "data" in race(wire, {say("race_equal"): "parameters", say("race_steps"): 50}, owner="somebody-else-1234")


RACES_REFUSED: list[tuple[dict[str, Any], dict[str, float], str]] = [
    ({say("race_seconds"): 10}, {"seconds": 29.0}, "30 seconds are more than the 29"),
    ({say("race_seconds"): 1e9}, {}, "greater than maximum"),
    ({say("race_steps"): 1e9}, {}, "greater than maximum"),
    ({say("race_equal"): "parameters", say("race_parameters"): 100_000}, {"parameters": 50_000}, "at most 50,000"),
    ({say("race_parameters"): 10**9}, {}, "not in the list of choices"),
    ({say("race_equal"): "luck"}, {}, "not in the list of choices"),
    ({say("race_text"): "../../etc/passwd"}, {}, "not in the list of choices"),
    ({say("race_text"): "run:comedy-lstm"}, {}, "not in the list of choices"),  # it was not offered to this session
    ({say("seed"): -5}, {}, "seed must be between"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "limits", "sentence"), RACES_REFUSED, ids=lambda value: str(value)[:40])
def test_a_race_that_is_refused_leaves_nothing_behind(
    settings: dict[str, Any], limits: dict[str, float], sentence: str, public_wire: Callable[..., Wire], runs: Path
) -> None:
    wire = public_wire(**limits)
    assert sentence in race(wire, settings)["error"]
    assert list(runs.iterdir()) == [] and wire.board.jobs == {}


def test_a_stranger_sees_and_stops_no_race_of_others(public_wire: Callable[..., Wire], make_run: MakeRun) -> None:
    make_run("moliere-lstm")
    wire = public_wire()
    name, names = race(wire, {say("race_seconds"): 5})["data"]
    stranger = Wire(wire.page, wire.board)
    for guess in (name[:-1], name.upper(), json.loads(names)[1], "moliere-lstm", "../" + name, "", None, 5, [name]):
        plot = stranger.post_to(race_handler(wire, "poll"), [guess, "en", "nats"])["data"][1]
        assert plot["run"] == ""
        for order in ("pause", "end"):
            stranger.post_to(race_handler(wire, order), [guess, "en"])
        assert "error" in stranger.post_to(race_handler(wire, "go_on"), [guess, TOKEN, "en"])
    assert all(map(wire.board.is_active, json.loads(names)))
    assert wire.post_to(race_handler(wire, "poll"), [name, "en", "nats"])["data"][1]["run"] == name
    wire.post_to(race_handler(wire, "pause"), [name, "en"])
    eventually_over(wire.board, name)


def eventually_over(board: JobBoard, run: str) -> None:
    end = time.monotonic() + 30
    while board.is_active(run):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_texts_of_ones_own_runs_can_race(public_wire: Callable[..., Wire], runs: Path, make_run: MakeRun) -> None:
    """Only of those that this browser remembers, and only for the session that they were offered to."""
    wire = public_wire()
    mine, theirs = (make_run(f"tiny-{letter * 32}").name for letter in "ab")
    config = json.loads((runs / theirs / "config.json").read_text("utf-8"))
    config["corpus"]["digest"] = "another text"
    (runs / theirs / "config.json").write_text(json.dumps(config), "utf-8")
    offered = wire.post_to(race_handler(wire, "texts"), [json.dumps([mine]), "comedy-en", "en"])["data"][0]["choices"]
    values = [value for _, value in offered]
    assert f"run:{mine}" in values and f"run:{theirs}" not in values
    name = race(wire, {say("race_text"): f"run:{mine}", say("race_seconds"): 5})["data"][0]
    assert (runs / name / "text.txt").read_bytes() == (runs / mine / "text.txt").read_bytes()
    assert "not in the list" in race(wire, {say("race_text"): f"run:{theirs}"}, owner="somebody-else-1234")["error"]


def test_a_race_goes_on_without_those_that_have_ended(wire: Wire, runs: Path) -> None:
    name, names = race(wire, {say("race_seconds"): 5})["data"]
    ended, *others = json.loads(names)
    wire.post_to(race_handler(wire, "pause"), [name, "en"])
    eventually_over(wire.board, name)
    (runs / ended / EVENTS).write_text(to_line(Finished(5, "budget", 5.0)), "utf-8")
    assert wire.post_to(race_handler(wire, "go_on"), [name, TOKEN, "en"])["data"] == [name]
    assert [wire.board.is_active(run) for run in (ended, *others)] == [False, True, True]
    timer, start, pause, resume, end = wire.post_to(race_handler(wire, "poll"), [name, "en", "nats"])["data"][-5:]
    assert timer["active"] and not start["interactive"]
    assert (pause["interactive"], resume["interactive"], end["interactive"]) == (True, False, True)


# --- runs -------------------------------------------------------------------------------------------------------------


def named(wire: Wire, name: str) -> Any:
    """What a button of the Runs tab does."""
    acts = [one for one in wire.page.fns.values() if getattr(one.fn, "__module__", "") == "charlm.ui.runs_tab"]
    return next(one for one in acts if one.name == name)


def ask(wire: Wire, name: str, data: list[Any], origin: str = "") -> dict[str, Any]:
    """What a handler of the Runs tab answers, asked by a page of some origin."""
    body = {"fn_index": named(wire, name)._id, "data": data, "session_hash": wire.session}
    headers = {"Content-Type": "application/json"} | ({"Origin": origin} if origin else {})
    return dict(wire.client.post("/gradio_api/run/predict", content=json.dumps(body), headers=headers).json())


def secret_run(make_run: MakeRun) -> str:
    return make_run(new_run_folder("book-lstm").name).name


REACHING: list[tuple[str, list[Any]]] = [
    ("rename", ["mine now", "en"]), ("pack", [True, "en"]), ("tell", ["en"]), ("open_there", ["en"]), ("ask", ["en"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more"), REACHING, ids=lambda one: one if isinstance(one, str) else "")
def test_nobody_does_anything_to_anothers_run(
    name: str, more: list[Any], public_wire: Callable[..., Wire], make_run: MakeRun, runs: Path
) -> None:
    wire, theirs = public_wire(), secret_run(make_run)
    make_run("the-hosts-own")
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    for guess in ("the-hosts-own", theirs[:-1], theirs[:-1] + "g", theirs.upper(), f"../checkpoints/{theirs}", "", "."):
        answer = ask(wire, name, [[guess], *more])
        assert say("not_yours") in answer["error"] or say("choose_first") in answer["error"]
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before
    assert "error" not in ask(wire, name, [[theirs], *more])  # its name is the right to it


def test_nobody_deletes_anothers_run(public_wire: Callable[..., Wire], make_run: MakeRun, runs: Path) -> None:
    wire, theirs = public_wire(), secret_run(make_run)
    for name in ("the-hosts-own", "comedy-lstm"):
        make_run(name)
    gone, stay, _, note = ask(wire, "delete", [["the-hosts-own", "comedy-lstm", theirs[:-1], theirs], "en"])["data"]
    assert json.loads(gone) == [theirs] and stay == ["the-hosts-own", "comedy-lstm", theirs[:-1]]
    assert "There is no such run" in note and "is an example" in note
    assert {path.name for path in runs.iterdir()} == {"the-hosts-own", "comedy-lstm"}


def test_a_stranger_lists_only_what_he_can_name(public_wire: Callable[..., Wire], make_run: MakeRun) -> None:
    wire, mine, theirs = public_wire(), secret_run(make_run), secret_run(make_run)
    for name in ("the-hosts-own", "comedy-lstm"):
        make_run(name)
    for answer in (
        ask(wire, "look", [[theirs, "the-hosts-own"], json.dumps([mine]), "en", "nats", "steps"]),
        ask(wire, "api_runs", [[mine, "the-hosts-own"]]),
    ):
        told = json.dumps(answer)
        assert mine in told and "comedy-lstm" in told and theirs not in told and "the-hosts-own" not in told
    for names in (None, [], "x", [1, None, {}], {"a": mine}):
        assert [one["name"] for one in ask(wire, "api_runs", [names])["data"][0]] == ["comedy-lstm"]


def test_at_home_the_api_tells_all_runs(wire: Wire, make_run: MakeRun) -> None:
    for name in ("one", "two"):
        make_run(name)
    told = ask(wire, "api_runs", [None])["data"][0]
    assert [one["name"] for one in told] == ["two", "one"]
    assert told[0].keys() == {"name", "title", "cell", "hidden_size", "step", "loss"}
    assert (told[0]["title"], told[0]["cell"], told[0]["hidden_size"], told[0]["step"]) == ("tiny", "lstm", 8, 12)


@pytest.mark.parametrize(
    ("name", "data"),
    [("rename", [["mine"], "x", "en"]), ("delete", [["mine"], "en"]), ("take_in", [None, "en"])],
)  # fmt: skip
def test_another_site_changes_nothing(
    name: str, data: list[Any], wire: Wire, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("mine")
    config = (folder / "config.json").read_bytes()
    for space in ("", "user-space.hf.space"):
        monkeypatch.setenv("SPACE_HOST", space)
        for origin in ("https://evil.example", "null", f"https://{space}.evil.example"):
            assert say("from_elsewhere") in ask(wire, name, data, origin)["error"]
    assert (folder / "config.json").read_bytes() == config
    here = "https://user-space.hf.space"
    assert say("from_elsewhere") not in (ask(wire, name, data, here).get("error") or "")


def test_a_download_is_a_file_of_its_own(public_wire: Callable[..., Wire], make_run: MakeRun) -> None:
    """For one click, under a path that cannot be guessed, with nothing in it that gives the run away."""
    wire, mine = public_wire(), secret_run(make_run)
    paths = [ask(wire, "pack", [[mine], False, "en"])["data"][0]["path"] for _ in range(2)]
    assert len({Path(path).parent for path in paths}) == 2
    assert {Path(path).name for path in paths} == {"book-lstm.zip"} and mine not in "".join(paths)
    assert all(Path(path).is_relative_to(get_upload_folder()) for path in paths)
    got = wire.client.get(f"/gradio_api/file={paths[0]}")
    with zipfile.ZipFile(io.BytesIO(got.content)) as packed:
        assert "book-lstm/model.safetensors" in packed.namelist() and "book-lstm/text.txt" not in packed.namelist()
    page = ask(wire, "tell", [[mine], "en"])["data"][0]["path"]
    assert "attachment" in wire.client.get(f"/gradio_api/file={page}").headers["content-disposition"]


def hostile_zips(folder: Path) -> dict[str, bytes]:
    """Each one is the zip of a whole run, but for one thing."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "text.txt"}

    def made(more: Mapping[str, bytes], without: str = "", infos: tuple[zipfile.ZipInfo, ...] = ()) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in {**files, **more}.items():
                if name != without:
                    packed.writestr(f"x/{name}", data)
            for info in infos:
                packed.writestr(info, "/etc/passwd")
        return target.getvalue()

    link = zipfile.ZipInfo("x/text.txt")
    link.external_attr = 0o120777 << 16
    config = json.loads(files["config.json"])
    return {
        "no zip": b"PK\x03\x04 but no zip",
        "empty": b"",
        "a path": made({"../../evil.json": b"{}"}),
        "a link": made({}, infos=(link,)),
        "a pickle": made({"model.pkl": b"\x80\x04."}),
        "no weights": made({}, without="model.safetensors"),
        "a bomb": made({"events.jsonl": b"\n" * (300 << 20)}),
        "other weights": made({"config.json": json.dumps(config | {"model": {"hidden_size": 9}}).encode()}),
        "a newer version": made({"config.json": json.dumps(config | {"format_version": 99}).encode()}),
    }


def test_a_hostile_zip_leaves_nothing(wire: Wire, trained: Path, runs: Path) -> None:
    for kind, data in hostile_zips(trained).items():
        files = {"files": ("run.zip", data, "application/zip")}
        path = wire.client.post("/gradio_api/upload", files=files).json()[0]
        answer = ask(wire, "take_in", [{"path": path, "meta": {"_type": "gradio.FileData"}}, "en"])
        assert answer["error"] and "Traceback" not in answer["error"], kind
        assert list(runs.parent.rglob("*.json")) == [] and list(runs.iterdir()) == [], kind


def test_only_an_uploaded_zip_is_taken(wire: Wire, make_run: MakeRun, runs: Path) -> None:
    with open(runs.parent / "x.zip", "wb") as file:
        archive.pack(make_run("mine"), file)
    file_of_the_server = {"path": str(runs.parent / "x.zip"), "meta": {"_type": "gradio.FileData"}}
    answer = ask(wire, "take_in", [file_of_the_server, "en"])
    assert "error" in answer and [path.name for path in runs.iterdir()] == ["mine"]
