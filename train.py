"""Train a character-level network on your own text, in the terminal.

    python train.py my.txt --seconds 60            settings fit themselves to the text and the time
    python train.py comedy-en --cell gru           a built-in text; python -m charlm corpora lists them
    python train.py --resume my-lstm               go on where a run stopped
    python train.py --resume my-lstm --seconds 90  extend it to so much in all
    python train.py my.txt --resume pulled-run     the same with a run that came from elsewhere without its text

Ctrl-C saves and stops. What it writes: checkpoints/<run>/, see charlm/checkpoint.py.
"""

import argparse
import contextlib
import dataclasses
import re
import sys
from pathlib import Path

from charlm.checkpoint import TEXT, checked_name, create_run, find_run, give_text, read_config, runs_folder
from charlm.config import BUDGETS, ModelConfig, TextConfig, TrainConfig, add_flags, given
from charlm.errors import ConfigError
from charlm.events import Events
from charlm.history import history_of
from charlm.log import read_events
from charlm.recipes import RECIPES, Plan, plan, text_config
from charlm.recording import recorded, resumed
from charlm.terminal import Progress, end_line, guarded, read_corpus, result_table, stop_on_signals
from charlm.trainer import Trainer


def parser() -> argparse.ArgumentParser:
    """All flags; those of the settings come from the config dataclasses."""
    flags = argparse.ArgumentParser(prog="train.py", description="Train a character-level network on a text.")
    flags.add_argument("text", nargs="?", metavar="TEXT", help="a file, - for standard input, or the name of a corpus")
    flags.add_argument(
        "--recipe", default="", help=f"settings with a name: {', '.join(recipe.name for recipe in RECIPES)}"
    )
    flags.add_argument("--run", default="", metavar="NAME", help="name of the run; its folder is checkpoints/NAME")
    flags.add_argument(
        "--resume", default="", metavar="RUN", help="go on with a run; other settings of training may be given"
    )
    flags.add_argument("--overwrite", action="store_true", help="replace a run of the same name")
    flags.add_argument("--no-samples", action="store_true", help="do not show what the network writes while it learns")
    for kind in (ModelConfig, TrainConfig, TextConfig):
        add_flags(flags, kind)
    return flags


def main() -> int:
    arguments = parser().parse_args()
    folder, events = begin_again(arguments) if arguments.resume else begin(arguments)
    history = history_of(read_events(folder) if arguments.resume else ())
    progress = Progress(history, samples=not arguments.no_samples)
    with stop_on_signals() as stop, contextlib.closing(progress), contextlib.closing(events):
        for event in events:
            progress.show(event)
            if stop.signal:
                break
    history = history_of(read_events(folder))
    if history.finished:
        print(end_line(history.finished))
    if history.measured and not stop.signal:
        print(result_table(history))
    print(f"{folder}   python -m charlm generate {folder.name}")
    return stop.exit_code


def begin(arguments: argparse.Namespace) -> tuple[Path, Events]:
    """A new run: read the text, settle the settings, make the folder."""
    if not arguments.text:
        raise ConfigError("Name a text: a file, - or a corpus (python -m charlm corpora), or --resume a run.")
    values, name = vars(arguments), checked_name(arguments.run) if arguments.run else ""
    corpus = read_corpus(arguments.text, text_config(arguments.recipe, given(TextConfig, values)))
    settings = plan(corpus, arguments.recipe, given(ModelConfig, values), given(TrainConfig, values))
    for note in (*corpus.report.notes, *settings.notes):
        print(f"note: {note}", file=sys.stderr)
    folder = runs_folder() / (name or free_name(Path(arguments.text).stem, settings))
    trainer = Trainer(corpus, settings.model, settings.training, settings.recipe)
    create_run(folder, corpus, settings, overwrite=arguments.overwrite)
    return folder, recorded(trainer, folder)


def begin_again(arguments: argparse.Namespace) -> tuple[Path, Events]:
    """A run that goes on, exactly, or with other settings of training."""
    values = vars(arguments)
    others = [name for name in ("recipe", "run", "overwrite") if values[name]]
    folder, changes = find_run(arguments.resume), given(TrainConfig, values)
    is_own_text_there = bool(arguments.text) and (folder / TEXT).exists()
    if others or is_own_text_there or given(ModelConfig, values) or given(TextConfig, values):
        raise ConfigError(
            "--resume keeps the run's own text, network and name; only settings of training may be given with it."
        )
    if arguments.text:  # of a run that came from elsewhere without it
        give_text(folder, read_corpus(arguments.text, read_config(folder).text))
    if any(name in changes for name in BUDGETS):
        changes = dict.fromkeys(BUDGETS, 0) | changes
    training = dataclasses.replace(read_config(folder).training, **changes) if changes else None
    return folder, resumed(folder, training)[1]


def free_name(text: str, settings: Plan) -> str:
    """A name of text and cell that no run has yet."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:40] or "text"
    name, number = f"{stem}-{settings.model.cell}", 1
    while (runs_folder() / name).exists():
        number += 1
        name = f"{stem}-{settings.model.cell}-{number}"
    return name


if __name__ == "__main__":
    sys.exit(guarded(main))
