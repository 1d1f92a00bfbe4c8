"""A running app.py, asked without a browser: what it refuses, and that a run outlives it."""

import json
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client

from charlm.events import Finished, Started, Step
from charlm.jobs import PUBLIC
from charlm.log import read_events
from charlm.ui.words import say

TOKEN = "abcdefghijklmnopqrstuvwx"
ROOT = Path(__file__).parents[2]


def ask(url: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def press(url: str, key: str, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a click on that button would do, with some controls, by label, set to other values than the page has."""
    config = json.loads(ask(f"{url}/config")[1])
    parts = {part["id"]: part["props"] for part in config["components"]}
    first = min(part for part, props in parts.items() if props.get("value") == say(key))  # that of the Train tab
    for one in reversed(config["dependencies"]):  # of several things that a click does, the last one
        if [first, "click"] in one["targets"] and one["backend_fn"]:
            wanted = [parts[part] for part in one["inputs"]]
            values = [(settings or {}).get(part.get("label"), part.get("value")) for part in wanted]
            body = {"fn_index": one["id"], "data": values, "session_hash": "somebody"}
            return dict(json.loads(ask(f"{url}/gradio_api/run/predict", json.dumps(body).encode())[1]))
    raise LookupError(key)


def uploaded(url: str, size: int) -> int:
    """The status after an upload of so many bytes."""
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    return ask(f"{url}/gradio_api/upload", head + b"a" * size + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")[0]


def test_large_uploads_are_cut_off(server: Any, public_server: Any) -> None:
    assert uploaded(public_server.url, 1 << 20) == 200
    assert uploaded(public_server.url, PUBLIC.run_bytes + (1 << 20)) == 413
    assert uploaded(server.url, 6 << 20) == 200


@pytest.mark.parametrize("place", ["/monitoring", "/monitoring/summary"])
def test_nobody_is_watched(place: str, public_server: Any) -> None:
    assert ask(public_server.url + place)[0] in (401, 403, 404)


def test_files_of_the_server_stay_there(server: Any) -> None:
    before = server.runs()
    places = [Path("/etc/passwd"), ROOT / "app.py", ROOT / "charlm" / "jobs.py", server.folder / "log"]
    for path in (*places, server.folder / "checkpoints"):
        assert ask(f"{server.url}/gradio_api/file={path}")[0] in (403, 404)
        file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        answer = press(server.url, "train", {say("text"): "file", say("file"): file})
        assert "error" in answer and server.runs() == before


def test_no_endpoint_is_public_but_the_documented_calls(public_server: Any) -> None:
    before = public_server.runs()
    info = json.loads(ask(f"{public_server.url}/gradio_api/info")[1])
    assert set(info["named_endpoints"]) == {"/generate", "/train", "/runs"} and info["unnamed_endpoints"] == {}
    assert press(public_server.url, "train", {say("seconds"): 1e9})["error"] is not None
    assert public_server.runs() == before


def test_a_run_outlives_its_server(start_server: Callable[..., Any]) -> None:
    first = start_server()
    name = press(first.url, "train", {"Steps": "1000000"})["data"][0]
    folder = first.folder / "checkpoints" / name

    def told(kind: type[Any]) -> list[Any]:
        return [event for event in read_events(folder) if isinstance(event, kind)]

    def eventually(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < end, first.log
            time.sleep(0.02)

    eventually(lambda: len(told(Step)) > 1)
    first.process.send_signal(signal.SIGINT)
    first.process.wait(60)
    assert told(Finished)[-1].reason == "stopped" and told(Finished)[-1].step > 0
    second, steps = start_server(), len(told(Step))
    (second.folder / "checkpoints").rmdir()
    folder.parent.rename(second.folder / "checkpoints")
    folder = second.folder / "checkpoints" / name
    values = {None: name}  # the hidden fields: the run, and whose it is
    assert press(second.url, "resume", values)["data"] == [name]
    eventually(lambda: len(told(Step)) > steps)
    assert len(told(Started)) == 1
    press(second.url, "pause", values)
    eventually(lambda: told(Finished) != [] and told(Finished)[-1].step > told(Step)[steps - 1].step)


def test_runs_are_asked_for_as_the_readme_says(server: Any, trained: Path) -> None:
    folder = shutil.copytree(trained, server.folder / "checkpoints" / "asked-for")
    client = Client(server.url, verbose=False)
    told = {one["name"]: one for one in client.predict(api_name="/runs")}
    assert told[folder.name]["cell"] == "lstm" and told[folder.name]["loss"] > 0
    assert client.predict(["some name"], api_name="/runs") == client.predict(api_name="/runs")  # at home all are told
