"""A run's model card: what it is, how it was made, how good it is, what it writes, how to use it. No network here.

The card never holds the text that was learned, only its statistics and its digest; what it shows is what the network
wrote. Titles and samples come from anybody: in the front matter they are quoted strings without control characters, in
the body they stand in fences longer than any run of backticks in them.
"""

import dataclasses
import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charlm.checkpoint import CARD, TEXT, Checkpoint, RunConfig, load_checkpoint, load_corpus_of
from charlm.config import Config, SampleConfig, command_flags
from charlm.corpora import named_corpora
from charlm.errors import ConfigError
from charlm.events import Event, Measured, Step
from charlm.history import History, history_of
from charlm.log import read_events
from charlm.metrics import PROTOCOLS, bits_per_char, perplexity
from charlm.picture import loss_png
from charlm.sampling import generate
from charlm.stepping import fold

LICENSES = ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0")  # or none stated
PICTURE = "curve.png"
TEMPERATURES = (0.5, 0.8, 1.1)
SAMPLE_CHARS = 300
CHECKED_CHARS = 500_000  # of a very long validation text, as when the run ended
FITTED = frozenset(  # settings that fit themselves to a text unless they are given
    "hidden_size embedding_size dropout embedding_dropout streams window fresh precision muon_rate learning_rate"
    " muon_iterations weight_decay cooldown average".split()
)
NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN (tanh)", "sigmoid": "RNN (sigmoid)"}
FRONT_CHARS = 64 << 10  # of a card, that hold its front matter
LICENSE_LINE = re.compile(r"^license: \"?([\w.-]{1,40})\"?$", re.MULTILINE)


@dataclass(frozen=True)
class Card:
    """README.md, and the picture that it shows (a PNG)."""

    text: str
    picture: bytes


def card_of(folder: Path, repo: str = "", license: str = "", text_of: Path | None = None) -> Card:
    """The card of a run; `repo` is where others will find it. Without a licence, the one in the run's own card stays.

    `text_of` is the run itself when `folder` is a copy without its text. Raises CheckpointError for a run that cannot
    be loaded.
    """
    license = license or license_in(folder / CARD)
    checkpoint, events = load_checkpoint(folder), list(read_events(folder))
    history, losses = history_of(events), _losses(text_of or folder, checkpoint, events)
    name = repo.rpartition("/")[2] or folder.name
    config = checkpoint.config
    parts = [
        _front_matter(name, config, losses, license),
        f"# {_plain(name)}\n\n{_summary(checkpoint)}",
        f"![Loss while it learned]({PICTURE})" if history.train.x else "",
        _results(losses, history),
        _made(config, history),
        _samples(checkpoint),
        _usage(repo or f"USER/{name}"),
        "## Licence\n\n" + (f"`{license}`." if license else "None is stated: ask its author before you use it."),
    ]
    return Card("\n\n".join(part for part in parts if part) + "\n", loss_png(history))


def checked_license(license: str) -> str:
    """One of LICENSES, or "" for none stated."""
    if license and license not in LICENSES:
        raise ConfigError(
            "{knob} must be one of {choices}, not {value!r}.",
            knob="license", choices=", ".join(LICENSES), value=license[:40],
        )  # fmt: skip
    return license


def license_in(card: Path) -> str:
    """The licence that a card states, "" for none."""
    if not card.is_file():
        return ""
    with open(card, encoding="utf-8", errors="replace") as file:
        front = file.read(FRONT_CHARS).partition("\n---")[0]
    found = LICENSE_LINE.search(front) if front.startswith("---\n") else None
    return found[1] if found else ""


# --- the front matter -------------------------------------------------------------------------------------------------


def _front_matter(name: str, config: RunConfig, losses: dict[str, float], license: str) -> str:
    """YAML by way of JSON, which it contains: quoted strings need no other care."""
    language = next((one.language for one in named_corpora() if one.title == config.title and one.language), "")
    tags = ["charlm", "character-level", "recurrent-neural-network", config.model.cell]
    known: dict[str, Any] = {"language": language, "license": license}
    known = {key: value for key, value in known.items() if value}
    known |= {"library_name": "charlm", "pipeline_tag": "text-generation", "tags": tags}
    if losses:
        known["model-index"] = [{"name": _plain(name), "results": [_result(config, losses)]}]
    lines = (f"{key}: {value if isinstance(value, str) else _json(value)}" for key, value in known.items())
    return "\n".join(["---", *lines, "---"])


def _result(config: RunConfig, losses: dict[str, float]) -> dict[str, Any]:
    metrics = [
        {"type": "loss", "name": f"nats per character ({protocol})", "value": round(loss, 4), "verified": False}
        for protocol, loss in losses.items()
    ]
    dataset = {"type": "text", "name": f"{_plain(config.title) or 'a text'}, the last 10 %"}
    return {"task": {"type": "text-generation", "name": "Text Generation"}, "dataset": dataset, "metrics": metrics}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- the body ---------------------------------------------------------------------------------------------------------


def _summary(checkpoint: Checkpoint) -> str:
    model, symbols = checkpoint.config.model, len(checkpoint.vocabulary)
    layers = "a layer" if model.num_layers == 1 else f"{model.num_layers} layers"
    return (
        f"A character-level {NAMES[model.cell]} with {layers} of {model.hidden_size} units,"
        f" {model.parameters(symbols):,} parameters and a vocabulary of {symbols:,} symbols. It was trained"
        f" with CharLM on {_ticked(checkpoint.config.title)}. These are the best weights on validation (step"
        f" {checkpoint.step:,})."
    )


def _results(losses: dict[str, float], history: History) -> str:
    if not losses:
        return ""
    rows = ["| | nats per character | bits per character | perplexity |", "|---|---|---|---|"]
    counted = {name: loss for name, loss in history.measured.items() if name not in PROTOCOLS and math.isfinite(loss)}
    for name, loss in sorted({**counted, **losses}.items(), key=lambda row: row[1]):
        shown = f"**{name}** (this network)" if name in losses else _ticked(name)
        rows.append(f"| {shown} | {loss:.4f} | {bits_per_char(loss):.4f} | {perplexity(loss):.4g} |")
    about = (
        "On the last 10 % of the text, which it was not trained on. **stream**: the whole validation text once, the"
        " state carried from its start to its end. **cold-256**: crops of 256 characters, each with an empty state."
        " The other rows are what counting or zipping achieves on the same split."
    )
    return "## Results\n\n" + "\n".join(rows) + "\n\n" + about


def _made(config: RunConfig, history: History) -> str:
    facts = [f"- digest of the text (SHA-256): {_ticked(config.digest)}; the text itself is not here"]
    if history.started:
        chars = history.started.train_chars + history.started.validation_chars
        facts.insert(0, f"- text: {chars:,} characters, {len(config.vocabulary):,} symbols, read as"
                        f" {_ticked(config.report.encoding)}")  # fmt: skip
    if history.last_step:
        last = history.last_step
        facts.append(f"- {last.step:,} steps, {last.epoch:.1f} passes over the text, {last.seconds:,.0f} s of training")
    return "## How it was made\n\n" + _fenced(train_command(config), "sh") + "\n\n" + "\n".join(facts)


def train_command(config: RunConfig) -> str:
    """The train.py command that makes this run anew from the same text."""
    flags: list[str] = []
    for part in (config.model, config.training, config.text):
        flags += command_flags(part) + _fitted_defaults(part)
    named = {one.title: one.name for one in named_corpora()} | {one.name: one.name for one in named_corpora()}
    place = named.get(config.title) or _plain(config.title) or "text.txt"
    return shlex.join(["python", "train.py", place, *flags])


def _fitted_defaults(config: Config) -> list[str]:
    """What equals its default must be said too, where train.py would choose for itself."""
    flags: list[str] = []
    for field in dataclasses.fields(config):
        if field.name in FITTED and getattr(config, field.name) == field.default:
            flags += [f"--{field.name.replace('_', '-')}", f"{field.default}"]
    return flags


def _samples(checkpoint: Checkpoint) -> str:
    folded, parts = fold(checkpoint.model), ["## What it writes\n\nFrom an empty prompt, seed 1."]
    for temperature in TEMPERATURES:
        config = SampleConfig(length=SAMPLE_CHARS, temperature=temperature, seed=1)
        text = "".join(generate(folded, checkpoint.vocabulary, "", config))
        parts.append(f"Temperature {temperature}:\n\n{_fenced(text, 'text')}")
    return "\n\n".join(parts)


def _usage(repo: str) -> str:
    lines = [
        "from charlm import CharLM  # in a folder with the CharLM project",
        "",
        f'model = CharLM.from_pretrained("{repo}")',
        'for char in model.stream("", length=300, temperature=0.8):',
        '    print(char, end="", flush=True)',
    ]
    more = (
        f"In a terminal `python -m charlm pull {repo}`; on the page, the same name. The parameters have the names and"
        " shapes of `torch.nn.LSTM`, `GRU` and `RNN`; no pickle is involved."
    )
    return "## How to use it\n\n" + _fenced("\n".join(lines), "python") + "\n\n" + more


def _plain(text: str) -> str:
    """On one line, without what no parser should see: control characters, half surrogates, invisible marks."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _ticked(text: str) -> str:
    """As code, whatever it holds."""
    return f"`{_plain(text).replace('`', chr(39)) or 'a text'}`"


def _fenced(text: str, kind: str) -> str:
    """A code block that nothing in it can end, with all that some readers see and others do not made visible."""
    shown = "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    fence = "`" * (1 + max([2, *(len(run) for run in re.findall("`+", shown))]))
    return f"{fence}{kind}\n{shown}\n{fence}"


# --- losses -----------------------------------------------------------------------------------------------------------


def _losses(folder: Path, checkpoint: Checkpoint, events: Sequence[Event]) -> dict[str, float]:
    """Of the weights that travel, under both protocols: as measured since the last step, else measured now if the text
    is here."""
    told: dict[str, float] = {}
    for event in events:
        if isinstance(event, Step):
            told.clear()
        elif isinstance(event, Measured) and event.name in PROTOCOLS:
            told[event.name] = event.loss
    owed = [protocol for protocol in PROTOCOLS if protocol not in told]
    if owed and (folder / TEXT).is_file():
        import torch  # here, for the page opens without it

        from charlm.evaluation import loss_under

        ids = torch.from_numpy(load_corpus_of(folder).validation[:CHECKED_CHARS]).long()  # (M,)
        told |= {protocol: loss_under(protocol, checkpoint.model, ids) for protocol in owed}
    return {protocol: told[protocol] for protocol in PROTOCOLS if math.isfinite(told.get(protocol, math.nan))}
