"""The README's figures and its real output come from runs, not from hands.

python -m tests.readme measure [NAME ...]   train what the README tells of (seven minutes), keep the facts in
                                            tests/golden/readme.json
python -m tests.readme write                write them, and the last full run of tests.bench, into README.md;
                                            tests/test_readme.py checks that it is so
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.report import load, readme_table

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "tests" / "golden" / "readme.json"
BENCHMARK = ROOT / "tests" / "bench" / "results.json"
EXAMPLES = ("comedy-lstm", "comedy-gru", "comedy-rnn")
RUNS = {  # name -> the arguments of train.py
    "tinyshakespeare": "tinyshakespeare --recipe good --run shakespeare",
    "moliere": "moliere --recipe quick --run moliere",
    "lstm-notebook": "moliere --recipe lstm-notebook --run notebook",
    "rnn-notebook": "moliere --recipe rnn-notebook --run mikolov",
}
PROMPTS = {"tinyshakespeare": "ROMEO:\n", "moliere": ""}
PUBLISHED = {  # mean training loss of each epoch, as the notebooks print it
    "lstm-notebook": (2.1780, 1.7627, 1.6274, 1.5415, 1.4800, 1.4310, 1.3907, 1.3553, 1.3252, 1.2971)
    + (1.2727, 1.2488, 1.2272, 1.2066, 1.1877, 1.1694, 1.1518, 1.1351, 1.1200, 1.1036),
    "rnn-notebook": (2.6395, 2.1646, 2.0085, 1.9167, 1.8444, 1.7899, 1.7492, 1.7171, 1.6879, 1.6622),
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What the README tells of a run."""

    command: str
    cell: str
    hidden_size: int
    parameters: int
    seconds: float  # of training
    measured: dict[str, float]  # yardsticks, and the loss under both protocols
    training: list[float]  # mean training loss between evaluations
    output: str = ""  # the end of what train.py prints
    sample: str = ""


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(name: str) -> Run:
    """Train it, in a folder of its own, and write some text."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "CHARLM_CHECKPOINTS": folder}
        command = [sys.executable, "train.py", *RUNS[name].split(), "--no-samples"]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        run = RUNS[name].split()[-1]
        sample = ""
        if name in PROMPTS:
            speak = [sys.executable, "-m", "charlm", "generate", run, "--prompt", PROMPTS[name]]
            speak += ["--length", "320", "--temperature", "0.7", "--seed", "1"]
            sample = subprocess.run(speak, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        found = facts_of(Path(folder) / run, RUNS[name])
        return Run(**{**asdict(found), "output": done.stdout.replace(folder, "checkpoints"), "sample": sample})


def facts_of(folder: Path, command: str) -> Run:
    """What a run folder tells."""
    from charlm.checkpoint import read_config
    from charlm.history import history_of
    from charlm.log import read_events

    config, history = read_config(folder), history_of(read_events(folder))
    assert history.started is not None and history.finished is not None
    training = [round(event.train_loss, 4) for event in history.evaluated]
    measured = {name: round(loss, 4) for name, loss in history.measured.items()}
    model, seconds = config.model, round(history.finished.seconds, 1)
    return Run(command, model.cell, model.hidden_size, history.started.parameters, seconds, measured, training)


# --- writing ----------------------------------------------------------------------------------------------------------


def blocks() -> dict[str, str]:
    """What stands between the marks of README.md."""
    runs = {name: Run(**facts) for name, facts in json.loads(FACTS.read_text("utf-8")).items()}
    examples = {name: facts_of(ROOT / "checkpoints" / name, example_command(name)) for name in EXAMPLES}
    return {
        "real output": _real_output(runs),
        "results": _results({**runs, **examples}),
        "recipes": _recipes(runs),
        "benchmark": readme_table(load(BENCHMARK)).strip(),
        "examples": "```\n" + "\n".join(f"python train.py {one.command}" for one in examples.values()) + "\n```",
    }


def example_command(name: str) -> str:
    from charlm.checkpoint import read_config

    config = read_config(ROOT / "checkpoints" / name)
    size, epochs = config.model.hidden_size, config.training.epochs
    return f"comedy-en --cell {config.model.cell} --hidden-size {size} --epochs {epochs:g} --run {name}"


def _real_output(runs: dict[str, Run]) -> str:
    run = runs["tinyshakespeare"]
    lines = [line for line in run.output.splitlines() if line.strip()]
    evaluated = [line for line in lines if line.startswith("step")]
    shown = [lines[0], evaluated[0], "...", evaluated[-1], *lines[lines.index(evaluated[-1]) + 1 :]]
    prompt = PROMPTS["tinyshakespeare"].replace("\n", "\\n")
    speak = f"$ python -m charlm generate shakespeare --prompt $'{prompt}' --length 320 --temperature 0.7 --seed 1"
    shakespeare = "\n".join([f"$ python train.py {run.command}", *shown, "", speak, run.sample.strip()])
    moliere = runs["moliere"]
    return (
        f"```\n{shakespeare}\n```\n\n"
        f"Half a minute of Molière (`python train.py {moliere.command}`):\n\n```\n{moliere.sample.strip()}\n```"
    )


def _results(runs: dict[str, Run]) -> str:
    rows = ["| text | network | training | stream | cold-256 | best n-gram | xz |", "|---|---|---|---|---|---|---|"]
    for name, run in runs.items():
        if name in PUBLISHED:
            continue
        grams = {key: loss for key, loss in run.measured.items() if key.endswith("-gram")}
        best = min(grams, key=grams.__getitem__)
        network = f"{run.cell.upper()} {run.hidden_size}, {run.parameters:,} parameters"
        rows.append(
            f"| {name} | {network} | {run.seconds:.0f} s | **{run.measured['stream']:.4f}** |"
            f" **{run.measured['cold-256']:.4f}** | {grams[best]:.4f} ({best}) | {run.measured['xz']:.4f} |"
        )
    return "\n".join(rows)


def _recipes(runs: dict[str, Run]) -> str:
    rows = ["| recipe | epoch | published | here | largest difference |", "|---|---|---|---|---|"]
    for name, published in PUBLISHED.items():
        here = runs[name].training
        apart = max(abs(ours / theirs - 1) for ours, theirs in zip(here, published, strict=True))
        rows.append(f"| `{name}` | 1 | {published[0]:.4f} | {here[0]:.4f} | {apart:.1%} over {len(here)} epochs |")
        rows.append(f"| | {len(here)} | {published[-1]:.4f} | {here[-1]:.4f} | |")
    return "\n".join(rows)


def written(readme: str, found: dict[str, str]) -> str:
    """The README with the blocks in their places."""
    for name, block in found.items():
        pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        readme = pattern.sub(lambda match, block=block: f"{match[1]}{block}\n{match[2]}", readme)
    return readme


def main() -> None:
    command, *names = sys.argv[1:] or ["write"]
    if command == "measure":
        facts = json.loads(FACTS.read_text("utf-8")) if FACTS.exists() else {}
        for name in names or RUNS:
            facts[name] = asdict(measure(name))
            FACTS.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")
    readme = ROOT / "README.md"
    readme.write_text(written(readme.read_text("utf-8"), blocks()), "utf-8")


if __name__ == "__main__":
    main()
