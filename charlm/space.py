"""What a Hugging Face Space of this page is made of: a clean list of files, as bytes. No network here.

The project's own files and nothing else: no run but the examples, no cache, no link, nothing hidden. Three of them are
written for the Space: its README (whose front matter sets it up), its requirements, and on ZeroGPU what that asks of an
app before it starts.

A processor is all that the page needs. ZeroGPU, the one hardware that a free account may use, lends a GPU for a minute
at a time to functions marked for it, which a training of many minutes cannot use: there too the page trains on the
processors. What is written here for ZeroGPU follows its documentation and has not been verified on it.
"""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from charlm.checkpoint import CONFIG, TEXT, WEIGHTS, runs_folder
from charlm.errors import ConfigError
from charlm.log import EVENTS

EXAMPLES = ("comedy-lstm", "comedy-gru", "comedy-rnn")  # the runs that come with the project
DEFAULT_HARDWARE, ZERO = "cpu-basic", "zero-a10g"
HARDWARE = (DEFAULT_HARDWARE, "cpu-upgrade", ZERO, "t4-small", "t4-medium", "l4x1", "a10g-small")
PYTHON = "3.12"
ZERO_TORCH = "torch==2.11.0"  # the newest that ZeroGPU lists; other hardware takes the project's own
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu"  # without it torch brings 2 GB of CUDA
SCOPES = ("contribute-repos",)  # may create repositories, and reach only those
SUFFIXES = {".py", ".js", ".css", ".txt", ".png", ".svg", ".json"}
ROOT = Path(__file__).resolve().parent.parent
ABOUT = """
# CharLM

Teach a recurrent network your own text, in your browser, and see how it learns.

Choose a text or bring one, press **Train**, watch the loss fall past what counting letters achieves, and read what the
network writes. Runs are private: only the browser that began one finds it again. Download a run as a zip, or push it to
your own account, if you want to keep it: a Space's own disk is emptied whenever it restarts.
"""
ZERO_APP = '''"""The page on ZeroGPU, which starts only apps that mark a function for its GPU.

This one does, and never calls it: training stays on the processors. Written after ZeroGPU's documentation; not
verified on it.
"""

import app  # first: it settles variables that other libraries read when they are loaded

if __name__ == "__main__":
    import spaces

    @spaces.GPU
    def unused() -> None:
        """Asked for at start-up."""

    app.main()
'''


def checked_hardware(hardware: str) -> str:
    """One of HARDWARE, or "" for the Space's own."""
    if hardware and hardware not in HARDWARE:
        raise ConfigError(
            "{knob} must be one of {choices}, not {value!r}.",
            knob="hardware", choices=", ".join(HARDWARE), value=hardware[:40],
        )  # fmt: skip
    return hardware


def space_files(hardware: str = DEFAULT_HARDWARE) -> dict[str, bytes]:
    """Every file of the Space by its path there."""
    paths = [ROOT / "app.py", ROOT / "LICENSE", *sorted((ROOT / "charlm").rglob("*"))]
    paths += [ROOT / "checkpoints" / run / name for run in EXAMPLES for name in (CONFIG, WEIGHTS, EVENTS, TEXT)]
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths if _belongs(path)}
    files["README.md"] = (front_matter(hardware) + ABOUT).encode()
    files["requirements.txt"] = requirements(hardware).encode()
    if hardware == ZERO:
        files["zero.py"] = ZERO_APP.encode()
    return files


def _belongs(path: Path) -> bool:
    """A plain file of the project: no link on the way to it, no cache, nothing hidden."""
    inside = path.relative_to(ROOT)
    is_clean = not any(part.startswith((".", "__pycache__")) for part in inside.parts)
    is_known = path.suffix in SUFFIXES | {".safetensors", ".jsonl"} or path.name == "LICENSE"
    return is_clean and is_known and path.is_file() and path.resolve() == path


def front_matter(hardware: str) -> str:
    """The head of the Space's README, which sets it up."""
    facts = {
        "title": "CharLM",
        "emoji": "📜",
        "colorFrom": "indigo",
        "colorTo": "green",
        "sdk": "gradio",
        "sdk_version": _pinned("gradio"),
        "python_version": PYTHON,
        "app_file": "zero.py" if hardware == ZERO else "app.py",
        "license": "mit",
        "short_description": "Teach a recurrent network your own text",
        "tags": ["charlm", "character-level", "recurrent-neural-network", "education"],
        "hf_oauth": True,
        "hf_oauth_scopes": list(SCOPES),
        "suggested_hardware": hardware,
    }
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items())  # JSON is YAML
    return "\n".join(["---", *lines, "---"]) + "\n"


def requirements(hardware: str) -> str:
    """The project's own, with what signing in needs, and the torch that fits the hardware."""
    lines = _requirements()
    lines = [line.replace("gradio==", "gradio[oauth]==") for line in lines]
    if hardware == ZERO:
        lines = [ZERO_TORCH if line.startswith("torch==") else line for line in lines]
    if hardware.startswith("cpu"):
        lines.insert(0, CPU_WHEELS)
    return "\n".join(lines) + "\n"


def _requirements() -> list[str]:
    return [line for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines() if line.strip()]


def _pinned(package: str) -> str:
    """The version of a package that the project asks for."""
    return next(found[1] for line in _requirements() if (found := re.fullmatch(rf"{package}(?:\[.*\])?==(.+)", line)))


def bring_examples() -> None:
    """On a Space whose runs lie on a bucket, put the examples there too, where they are missing."""
    if not os.environ.get("SPACE_ID"):
        return
    folder = runs_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for run in EXAMPLES:
        source, target = ROOT / "checkpoints" / run, folder / run
        if source.is_dir() and not target.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix=".examples-") as place:
                os.replace(shutil.copytree(source, Path(place) / run), target)


def keeps_runs() -> bool:
    """Whether runs outlive a restart: on a Space only those on an attached bucket, elsewhere all."""
    if not os.environ.get("SPACE_ID"):
        return True
    folder = runs_folder().resolve()
    return any(os.path.ismount(place) for place in (folder, *folder.parents) if place != place.parent)
