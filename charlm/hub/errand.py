"""Sends a process on an errand to the Hub (worker.py), with a deadline; an error of it becomes one sentence.

Knows nothing of runs. The process gets its token through a pipe, never through its arguments or its surroundings,
which hold no token of this machine either: whose token it is, is decided by who calls, never by a variable of the host.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from enum import StrEnum
from pathlib import Path
from typing import Any

from charlm.errors import HubError

WORKER = Path(__file__).with_name("worker.py")
START_SECONDS = 60.0  # for an errand that carries nothing
BYTES_A_SECOND = 150_000  # a slow line
KEPT = {"HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_XET"}  # of the library's own variables
SET = {
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "critical", "PYTHONIOENCODING": "utf-8",
}  # fmt: skip
SENTENCES = {  # by the codes of worker.py and of this package
    "name": HubError(
        "A name on the Hub is USER/NAME, of a-z A-Z 0-9 _ . - without -- or .., 96 at most: not {repo!r}."
    ),
    "sign_in": HubError("Sign in first: `hf auth login` in a terminal, or a token that may write."),
    "expired": HubError("The Hub does not accept this sign-in: it may have expired. Sign in again."),
    "forbidden": HubError("This sign-in may not write to {repo}."),
    "payment": HubError("The Hub asks for a paid plan or credit before {repo} may run there."),
    "no_run": HubError("{repo} holds no run of CharLM: it has no {file}."),
    "too_large": HubError("{repo} has {size:,} bytes in {file}; at most {limit:,} are taken."),
    "missing": HubError("There is no {repo} on the Hub, or it is private."),
    "gated": HubError("{repo} is open only to those who accept its terms on its page and sign in."),
    "disabled": HubError("The Hub has closed {repo}."),
    "revision": HubError("{repo} has no revision {revision}."),
    "file": HubError("{repo} has lost a file meanwhile. Try again."),
    "conflict": HubError("Something else is being done with {repo} now. Try again in a minute."),
    "changed": HubError("Somebody else pushed to {repo} at the same moment. Look at it, then push again."),
    "taken": HubError("{repo} holds something else already. Choose another name; nothing there was changed."),
    "card": HubError("The Hub does not take the model card: {said}"),
    "busy": HubError("The Hub asks to wait {seconds:,} seconds. Try again then."),
    "trouble": HubError("The Hub has trouble of its own ({status}). Nothing is lost here; try again in some minutes."),
    "refused": HubError("The Hub refused (error {status}): {said}"),
    "offline": HubError("This program was told to stay offline (HF_HUB_OFFLINE)."),
    "unreachable": HubError("The Hub cannot be reached. Nothing is lost here; try again later."),
    "slow": HubError("The Hub was not done within {seconds:,} seconds. Nothing is lost here; try again later."),
    "lies": HubError("{file} is larger than the Hub announced. It was not taken."),
    "disk": HubError("The disk cannot hold it: {said}."),
    "failed": HubError("The Hub could not be used ({said}). Nothing is lost here; try again later."),
}  # fmt: skip
NO_VALUES: dict[str, object] = {"repo": "", "revision": "", "said": "", "file": ""} | dict.fromkeys(
    ("status", "seconds", "size", "limit"), 0
)
Facts = dict[str, Any]


class Stage(StrEnum):
    """What is being done now, for whoever waits. In this order; a push has the first four, a pull the last three."""

    PREPARE = "prepare"  # copying the run, writing its card
    CREATE = "create"
    UPLOAD = "upload"
    TAG = "tag"
    LOOK = "look"
    DOWNLOAD = "download"
    CHECK = "check"  # the bounded loader


Progress = Callable[[Stage], None]


def seconds_for(size: int) -> float:
    """How long an errand that carries so many bytes may take before it is given up."""
    return START_SECONDS + size / BYTES_A_SECOND


def refused(code: str, **values: object) -> HubError:
    """The error of a code."""
    shown = NO_VALUES | values
    sentence = SENTENCES.get(code, SENTENCES["failed"])
    needed = {name: value for name, value in shown.items() if f"{{{name}" in sentence.template}
    return sentence.filled(code=code, **needed)


def run_errand(name: str, token: str, request: Facts, progress: Progress, size: int = 0) -> Facts:
    """What the errand brought. Raises HubError. Whatever happens, it is over after `seconds_for(size)`."""
    seconds = seconds_for(size)
    about = {"repo": request.get("repo", ""), "revision": request.get("revision", "")}
    with tempfile.TemporaryDirectory(prefix="charlm-hub-", ignore_cleanup_errors=True) as home:
        said = json.dumps({"errand": name, "token": token, **request})
        with contextlib.closing(_answers(said, _surroundings(home), seconds)) as answers:
            for answer in answers:
                if "stage" in answer:
                    progress(Stage(answer["stage"]))
                elif "failed" in answer:
                    raise refused(str(answer.pop("failed")), **{**about, **answer})
                elif "done" in answer:
                    return dict(answer["done"])
    raise refused("failed", said=name)


def _answers(request: str, surroundings: dict[str, str], seconds: float) -> Generator[Facts, None, None]:
    """The lines that the process says, until its end; it ends with whoever stops asking."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(WORKER)], env=surroundings, text=True, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        process.kill()

    clock = threading.Timer(seconds, end)
    clock.daemon = True
    clock.start()
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request)
        process.stdin.close()
        for line in process.stdout:
            if line.endswith("\n"):  # else it was ended in the middle of a word
                yield json.loads(line)
        if is_late.is_set():
            raise refused("slow", seconds=round(seconds))
    except BrokenPipeError as error:  # it ended before it had read
        raise refused("failed", said="start") from error
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _surroundings(home: str) -> dict[str, str]:
    """The process's variables: no token of this machine, no token file, no cache that outlives the errand."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(("HF_", "HUGGING", "GRADIO_", "OAUTH_"))
    }
    return own | SET | {"HF_HOME": home, "HF_TOKEN_PATH": str(Path(home) / "none")}
