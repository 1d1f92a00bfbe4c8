"""python -m charlm COMMAND: trained runs in the terminal.

generate  evaluate              what a run writes, how good it is
runs  zip  unzip                which there are; one as a file, and back
push  pull  deploy              to the Hugging Face Hub, and back; the page itself as a Space
corpora                         the texts that have a name
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from charlm.archive import pack, run_name, unpack
from charlm.card import LICENSES, PICTURE, card_of
from charlm.checkpoint import (
    CARD,
    CONFIG,
    Checkpoint,
    find_run,
    list_runs,
    load_checkpoint,
    load_corpus_of,
    read_config,
    runs_folder,
)
from charlm.config import SampleConfig, add_flags, given
from charlm.corpora import load_corpus, named_corpora
from charlm.corpora.toys import find_toy
from charlm.corpus import corpus_from_bytes
from charlm.errors import CheckpointError, CorpusError, TextError
from charlm.evaluation import loss_under
from charlm.history import history_of
from charlm.hub import Stage, checked_repo, deploy, origin_of, pull_run, push_run, stored_token
from charlm.log import read_events
from charlm.metrics import PROTOCOLS, bits_per_char, perplexity
from charlm.sampling import generate
from charlm.space import HARDWARE
from charlm.stepping import fold
from charlm.terminal import guarded, read_file
from charlm.text import decode_text
from charlm.vocabulary import Ids


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m charlm", description=__doc__)
    commands = flags.add_subparsers(dest="command", required=True, metavar="COMMAND")
    speak = commands.add_parser("generate", help="write text with a trained network")
    speak.add_argument("run", metavar="RUN", help="a run folder, or a name under checkpoints/")
    speak.add_argument("--prompt", default="", help="text to go on from")
    add_flags(speak, SampleConfig)
    judge = commands.add_parser("evaluate", help="the loss of a trained network on a text")
    judge.add_argument("run", metavar="RUN", help="a run folder, or a name under checkpoints/")
    judge.add_argument("--text", metavar="FILE", help="another text; without it, the validation part of the run's own")
    judge.add_argument(
        "--protocol", choices=PROTOCOLS, default="stream", help="carried state, or crops of 256 (%(default)s)"
    )
    judge.add_argument("--json", action="store_true", help="one JSON object instead of a line")
    commands.add_parser("corpora", help="the texts that have a name")
    commands.add_parser("runs", help="the runs under checkpoints/")
    _add_travel(commands)
    return flags


def _add_travel(commands: Any) -> None:
    """The commands by which a run, or the page, goes elsewhere."""
    pack_up = commands.add_parser("zip", help="a run as one file")
    pack_up.add_argument("run", metavar="RUN", help="a run folder, or a name under checkpoints/")
    pack_up.add_argument("--with-text", action="store_true", help="with the text that it learned, to be trained on")
    pack_up.add_argument("--output", metavar="FILE", help="where to write it (RUN.zip)")
    take_in = commands.add_parser("unzip", help="a run out of such a file")
    take_in.add_argument("file", metavar="FILE")
    take_in.add_argument("--run", metavar="NAME", help="what to call it here (as it was called)")
    push = commands.add_parser("push", help="a run to the Hugging Face Hub; never the text that it learned")
    push.add_argument("run", metavar="RUN", help="a run folder, or a name under checkpoints/")
    push.add_argument("repo", metavar="USER/REPO")
    push.add_argument("--private", action="store_true", help="a new repository is seen by its owner alone")
    push.add_argument("--license", choices=LICENSES, default="", help="what others may do with it; none is stated")
    pull = commands.add_parser("pull", help="a run from the Hugging Face Hub")
    pull.add_argument("repo", metavar="USER/REPO")
    pull.add_argument("--revision", default="", help="a tag, a branch or a commit (the newest)")
    pull.add_argument("--run", metavar="NAME", help="what to call it here (REPO)")
    serve = commands.add_parser("deploy", help="the page as a Hugging Face Space")
    serve.add_argument("repo", metavar="USER/SPACE")
    serve.add_argument("--hardware", choices=HARDWARE, default="", help="what it runs on (as it is; a new one: CPU)")
    serve.add_argument("--private", action="store_true", help="a new Space is seen by its owner alone")


def run_generate(arguments: argparse.Namespace) -> int:
    """Streams the text to stdout; what is worth knowing about it goes to stderr."""
    values = {"seed": secrets.randbelow(2**31), **given(SampleConfig, vars(arguments))}
    config = SampleConfig(**values)
    checkpoint = load_checkpoint(find_run(arguments.run))
    prompt = checkpoint.vocabulary.encode_prompt(arguments.prompt)
    for char, known in prompt.replaced:
        print(f"note: the network does not know {char!r}; it reads {known!r}", file=sys.stderr)
    print(f"seed {config.seed}", file=sys.stderr)
    sys.stdout.write(prompt.text)
    for char in generate(fold(checkpoint.model), checkpoint.vocabulary, prompt.text, config):
        sys.stdout.write(char)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    checkpoint = load_checkpoint(find_run(arguments.run))
    part, ids, replaced = _evaluated(checkpoint, arguments)
    loss = loss_under(arguments.protocol, checkpoint.model, torch.from_numpy(ids).long())
    result = {
        "protocol": arguments.protocol, "loss": loss, "bits_per_char": bits_per_char(loss),
        "perplexity": perplexity(loss), "chars": len(ids), "part": part, "replaced": replaced,
        "run": arguments.run, "step": checkpoint.step,
    }  # fmt: skip
    if arguments.json:
        print(json.dumps(result))
        return 0
    what = f"on {len(ids):,} characters ({part})"
    print(f"{arguments.protocol}: {loss:.4f} nats per character, {bits_per_char(loss):.4f} bits, {what}")
    if replaced:
        print(f"note: the network does not know {replaced!r}; it read the nearest it knows", file=sys.stderr)
    return 0


def _evaluated(checkpoint: Checkpoint, arguments: argparse.Namespace) -> tuple[str, Ids, str]:
    """What is scored: the last 10 % of the text that the run learned from, the whole of any other text."""
    own, config, vocabulary = "the last 10 % of its own text", checkpoint.config, checkpoint.vocabulary
    if not arguments.text:
        return own, load_corpus_of(find_run(arguments.run)).validation, ""
    data = read_file(arguments.text)
    with contextlib.suppress(TextError):  # another text need not fit the run's encoding or length
        corpus = corpus_from_bytes(data, arguments.text, config.text)
        if corpus.digest == config.digest:
            return own, corpus.validation, ""
    text = decode_text(data, dataclasses.replace(config.text, encoding="auto", max_chars=0)).text
    if len(text) < 2:
        raise TextError("The text has {chars} characters; a loss needs two. Choose a longer one.", chars=len(text))
    unknown = sorted(set(text) - set(vocabulary.symbols))
    nearest = {ord(char): vocabulary.encode_prompt(char).text for char in unknown}
    return "all of another text", vocabulary.encode(text.translate(nearest)), "".join(unknown)


def run_corpora(arguments: argparse.Namespace) -> int:
    print(f"{'name':16} {'kind':9} {'lang':4} {'characters':>10} {'symbols':>7}  what it is")
    for one in named_corpora():
        toy = find_toy(one.name)
        about = one.title + (f" Entropy {toy.entropy_rate:.4f} nats per character." if toy else "")
        try:
            corpus = load_corpus(one.name) if one.kind != "download" else None
        except CorpusError:
            corpus = None
        size = f"{len(corpus.text):>10,} {len(corpus.vocabulary):>7}" if corpus else f"{'':>10} {'':>7}"
        print(f"{one.name:16} {one.kind:9} {one.language:4} {size}  {about}")
    return 0


def run_runs(arguments: argparse.Namespace) -> int:
    """Newest first. The loss is the final one (stream) where there is one, else as it was while the run learned."""
    found = sorted((runs_folder() / name for name in list_runs()), key=_begun, reverse=True)
    print(f"{'run':24} {'text':24} {'cell':>12} {'loss':>7} {'MB':>6}  begun")
    for folder in found:
        try:
            print(_run_line(folder))
        except CheckpointError as error:
            print(f"{folder.name:24} {error}")
    return 0


def _run_line(folder: Path) -> str:
    config, history = read_config(folder), history_of(read_events(folder))
    best = history.best.loss if history.best else math.nan
    loss = history.measured.get("stream", best)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6
    cell = f"{config.model.cell} {config.model.hidden_size}"
    shown = "-" if math.isnan(loss) else f"{loss:.4f}"
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(_begun(folder)))
    origin = origin_of(folder)
    source = f"  from {origin.repo} at {origin.commit[:7]}" if origin else ""
    return f"{folder.name:24} {config.title[:24]:24} {cell:>12} {shown:>7} {size:6.1f}  {begun}{source}"


def _begun(folder: Path) -> float:
    return (folder / CONFIG).stat().st_mtime


def run_zip(arguments: argparse.Namespace) -> int:
    folder = find_run(arguments.run)
    target = Path(arguments.output or f"{folder.resolve().name}.zip")
    if os.path.lexists(target):
        raise CheckpointError("There is a file {path} already. Choose another name with --output.", path=target)
    card = card_of(folder)
    beside = {CARD: card.text.encode(), PICTURE: card.picture}
    try:
        with open(target, "xb") as file:
            pack(folder.resolve(), file, arguments.with_text, beside)
    except OSError as error:
        raise CheckpointError(
            "{path} could not be written: {reason}.", path=target, reason=error.strerror or error
        ) from error
    except CheckpointError:
        target.unlink(missing_ok=True)
        raise
    text = "with its text" if arguments.with_text else "without its text"
    print(f"{target}   {target.stat().st_size / 1e6:.1f} MB, {text}")
    return 0


def run_unzip(arguments: argparse.Namespace) -> int:
    source = Path(arguments.file)
    folder = runs_folder() / (arguments.run or run_name(source))
    unpack(source, folder)
    print(f"{folder}   python -m charlm generate {folder.name}")
    return 0


def run_push(arguments: argparse.Namespace) -> int:
    done = push_run(
        find_run(arguments.run), arguments.repo, stored_token(), private=arguments.private,
        license=arguments.license, progress=_show_stage,
    )  # fmt: skip
    print(f"{done.url}   commit {done.commit[:7]}, tag {done.tag}")
    return 0


def run_pull(arguments: argparse.Namespace) -> int:
    repo = checked_repo(arguments.repo)
    folder = runs_folder() / (arguments.run or repo.partition("/")[2])
    done = pull_run(repo, folder, stored_token(), revision=arguments.revision, progress=_show_stage)
    print(f"{folder}   {done.repo} at commit {done.commit}   python -m charlm generate {done.run}")
    return 0


def run_deploy(arguments: argparse.Namespace) -> int:
    done = deploy(
        arguments.repo, stored_token(), hardware=arguments.hardware, private=arguments.private, progress=_show_stage
    )
    print(f"{done.url}   commit {done.commit[:7]}; the Hub now builds it, which takes some minutes")
    return 0


STAGES = {
    Stage.PREPARE: "preparing", Stage.CREATE: "making the repository", Stage.UPLOAD: "uploading",
    Stage.TAG: "tagging", Stage.LOOK: "looking at it", Stage.DOWNLOAD: "downloading", Stage.CHECK: "checking",
}  # fmt: skip


def _show_stage(stage: Stage) -> None:
    print(f"{STAGES[stage]} …", file=sys.stderr, flush=True)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "generate": run_generate,
    "evaluate": run_evaluate,
    "corpora": run_corpora,
    "runs": run_runs,
    "zip": run_zip,
    "unzip": run_unzip,
    "push": run_push,
    "pull": run_pull,
    "deploy": run_deploy,
}


def main() -> int:
    arguments = parser().parse_args()
    return COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    sys.exit(guarded(main))
