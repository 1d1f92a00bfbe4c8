"""The README tells the truth: its figures are those of the runs, its commands are understood, its map is whole."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from charlm import __main__ as commands
from charlm.config import ModelConfig, SampleConfig, TextConfig, TrainConfig, from_values, given
from tests import readme

TEXT = (readme.ROOT / "README.md").read_text("utf-8")
CODE = re.findall(r"^```\w*\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LINES = [line.removeprefix("$ ").partition(" #")[0].strip() for block in CODE for line in block.splitlines()]
COMMANDS = [line for line in LINES if line.startswith(("python train.py", "python -m charlm"))]


def test_figures_and_output_are_those_of_the_runs() -> None:
    assert readme.written(TEXT, readme.blocks()) == TEXT, "run `python -m tests.readme write`"


@pytest.mark.parametrize("name", sorted(readme.PUBLISHED))
def test_a_tutorial_is_reproduced_within_three_percent_at_every_epoch(name: str) -> None:
    import json

    here = json.loads(readme.FACTS.read_text("utf-8"))[name]["training"]
    for ours, published in zip(here, readme.PUBLISHED[name], strict=True):
        assert ours == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(readme.ROOT))
    import train

    words = shlex.split(command.replace("$'", "'"))
    if words[1] == "train.py":
        values = vars(train.parser().parse_args(words[2:]))
        from_values(ModelConfig, given(ModelConfig, values))
        from_values(TextConfig, given(TextConfig, values))
        from_values(
            TrainConfig,
            {"steps": 1, **given(TrainConfig, values)} if not _has_budget(values) else given(TrainConfig, values),
        )
    else:
        values = vars(commands.parser().parse_args(words[3:]))
        from_values(SampleConfig, given(SampleConfig, values))


def _has_budget(values: dict[str, object]) -> bool:
    return any(values.get(name) for name in ("seconds", "steps", "epochs"))


def test_the_two_commands_of_the_first_screen_come_first() -> None:
    first = CODE[0].splitlines()
    assert first[0].startswith("pip install -r requirements.txt && python app.py")
    assert first[1].startswith("python -m tests")


def test_the_map_names_every_module() -> None:
    modules = {path.stem for path in (readme.ROOT / "charlm").glob("*.py") if not path.stem.startswith("__")}
    the_map = TEXT.partition("## The map")[2].partition("```\n")[2].partition("```")[0]
    assert modules - set(re.findall(r"\w+", the_map)) == set()


def test_files_and_variables_that_it_names_exist() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", TEXT):
        assert (readme.ROOT / target).exists(), target
    sources = "".join(path.read_text("utf-8") for path in (readme.ROOT / "charlm").rglob("*.py"))
    for variable in set(re.findall(r"CHARLM_\w+", TEXT)):
        assert variable in sources, variable


def test_examples_are_small_and_were_made_by_the_commands_given() -> None:
    for name in readme.EXAMPLES:
        folder = readme.ROOT / "checkpoints" / name
        assert (folder / "model.safetensors").stat().st_size < 800_000
        assert f"python train.py {readme.example_command(name)}" in COMMANDS


def test_the_facts_are_measured_with_the_commands_that_stand_here() -> None:
    import json

    facts = json.loads(readme.FACTS.read_text("utf-8"))
    assert {name: one["command"] for name, one in facts.items()} == readme.RUNS
    assert Path(sys.executable).exists()
