"""python -m charlm generate | evaluate | corpora: a trained run, and the texts there are, in the terminal."""

import argparse
import contextlib
import dataclasses
import json
import secrets
import sys
from collections.abc import Callable

import torch

from charlm.checkpoint import Checkpoint, find_run, load_checkpoint, load_corpus_of
from charlm.config import SampleConfig, add_flags, given
from charlm.corpora import load_corpus, named_corpora
from charlm.corpora.toys import find_toy
from charlm.corpus import corpus_from_bytes
from charlm.errors import CorpusError, TextError
from charlm.evaluation import PROTOCOLS, loss_under
from charlm.metrics import bits_per_char, perplexity
from charlm.sampling import generate
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
    return flags


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


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "generate": run_generate,
    "evaluate": run_evaluate,
    "corpora": run_corpora,
}


def main() -> int:
    arguments = parser().parse_args()
    return COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    sys.exit(guarded(main))
