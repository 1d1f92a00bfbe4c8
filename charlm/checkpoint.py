"""A run folder: written so that a cut-off at any moment loses nothing, read so that a stranger's can do no harm.

    config.json          written once: how the text was read, the network, how it learns, the vocabulary
    model.safetensors    the best weights on validation; its step and loss in the metadata of the same file
    trainer.safetensors  all that exact resume needs, its plain facts in the metadata of the same file
    events.jsonl         the history (recording.py appends it)
    text.txt             the text as it was read
    README.md            the model card

Each file is whole in itself and replaced atomically. No pickle is written or read. A folder is believed in this order:
sizes, no links, JSON, version, every number within its limits, the vocabulary; then the network is built without
memory ("meta"), the file may be no larger than its weights, the names, shapes and types in it must be theirs, and only
then are weights read, all finite.
"""

import contextlib
import dataclasses
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from charlm import __version__
from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.corpus import Corpus, corpus_from_text
from charlm.errors import CharlmError, CheckpointError, ConfigError, RunExistsError
from charlm.log import EVENTS, locked_log
from charlm.model import CharRNN
from charlm.recipes import Plan
from charlm.text import TextReport
from charlm.trainer import Trainer, TrainerState
from charlm.vocabulary import Vocabulary, is_symbol

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TRAINER = "config.json", "model.safetensors", "trainer.safetensors"
TEXT, CARD = "text.txt", "README.md"
MAX_BYTES = {CONFIG: 4 << 20, WEIGHTS: 600 << 20, TRAINER: 2400 << 20, EVENTS: 256 << 20, TEXT: 1 << 30}
MAX_HEADER = 1 << 20  # of a safetensors file, with its metadata
MAX_SYMBOLS = 70_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for itself
KEPT = ("batching", "streams", "window", "optimizer", "average", "seed")  # settings that a saved state fits alone


@dataclass(frozen=True)
class RunConfig:
    """What config.json says."""

    model: ModelConfig
    training: TrainConfig
    text: TextConfig
    vocabulary: Vocabulary
    title: str
    digest: str
    report: TextReport
    recipe: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """A run that can speak: the best weights so far, and what is needed to use them."""

    model: CharRNN
    config: RunConfig
    step: int
    loss: float  # nats per character, as the run measured it while it learned

    @property
    def vocabulary(self) -> Vocabulary:
        return self.config.vocabulary


# --- folders and names ------------------------------------------------------------------------------------------------


def runs_folder() -> Path:
    """Where runs live: `checkpoints/` of the project, or the folder that CHARLM_CHECKPOINTS names."""
    return Path(os.environ.get("CHARLM_CHECKPOINTS") or Path(__file__).parent.parent / "checkpoints")


def find_run(run: str) -> Path:
    """The folder of a run given as a folder or as a name. Raises CheckpointError when there is none."""
    for folder in (Path(run), runs_folder() / run):
        if os.path.exists(folder / CONFIG):  # False also for what no system can have as a name
            return folder
    names = ", ".join(list_runs()) or "none"
    if os.path.exists(run):
        raise CheckpointError("{run} is no run folder (it has no config.json). Runs: {names}.", run=run, names=names)
    raise CheckpointError("There is no run {run}. Runs: {names}.", run=run[:100], names=names)


def list_runs() -> list[str]:
    """The names of all runs, in the order of the alphabet."""
    folder = runs_folder()
    return sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}")) if folder.is_dir() else []


def checked_name(name: str) -> str:
    """A name that is safe as a folder's on every system. Raises CheckpointError for another."""
    if not NAME.fullmatch(name) or name.endswith("."):
        raise CheckpointError(
            "A run's name has 1 to 96 of a-z, A-Z, 0-9, _ . - and begins and ends with none of . - _; {name!r} does not.",
            name=name[:100],
        )
    if DEVICES.fullmatch(name):
        raise CheckpointError("Windows keeps the name {name!r} for itself. Choose another.", name=name)
    return name


def write_atomically(path: Path, data: bytes) -> None:
    """All of it or nothing, whatever is cut off when: a temporary file in the same folder, flushed, then renamed."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # the folder may be gone
                os.unlink(temporary)
            raise
        _flush_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            "{path} could not be written: {reason}.", path=path, reason=error.strerror or error
        ) from error


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- writing ----------------------------------------------------------------------------------------------------------


def create_run(folder: Path, corpus: Corpus, plan: Plan, overwrite: bool = False) -> None:
    """A new run folder with config and text. Raises RunExistsError when there is one and `overwrite` was not said."""
    if os.path.exists(folder / CONFIG) and not overwrite:
        raise RunExistsError(
            "The run {name} exists. Give another name, --overwrite it, or --resume it.", name=folder.name
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked_log(folder, 0):  # refused while another process trains there
            for name in (CONFIG, WEIGHTS, TRAINER, TEXT, CARD):  # config.json first: from then on it is no run
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError("The folder {folder} cannot be made: {reason}.", folder=folder, reason=reason) from error
    write_atomically(folder / TEXT, corpus.text.encode("utf-8"))
    write_config(folder, corpus, plan)


def write_config(folder: Path, corpus: Corpus, plan: Plan) -> None:
    """config.json, which makes a folder a run."""
    config = {
        "format_version": FORMAT_VERSION,
        "made_with": f"charlm {__version__}",
        "recipe": plan.recipe,
        "notes": list(plan.notes),
        "model": dataclasses.asdict(plan.model),
        "training": dataclasses.asdict(plan.training),
        "text": dataclasses.asdict(corpus.config),
        "corpus": {"title": corpus.title, "digest": corpus.digest, "chars": len(corpus.text)}
        | {"encoding": corpus.report.encoding, "notes": list(corpus.report.notes)},
        "vocabulary": list(corpus.vocabulary.symbols),
    }
    write_atomically(folder / CONFIG, json.dumps(config, ensure_ascii=False, indent=1).encode("utf-8"))


def write_training(folder: Path, training: TrainConfig) -> None:
    """Other settings of training into the config.json of a run that goes on; all else in it stays as it is."""
    raw = _json(_bounded(folder / CONFIG), CONFIG) | {"training": dataclasses.asdict(training)}
    write_atomically(folder / CONFIG, json.dumps(raw, ensure_ascii=False, indent=1).encode("utf-8"))


def remove_leftovers(folder: Path) -> None:
    """The temporary files of a process that was killed while it wrote. Only for who holds the run's log."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def save_weights(folder: Path, weights: Mapping[str, Tensor], step: int, loss: float) -> None:
    """The best weights so far."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    metadata = {"format": "pt", "step": str(step), "loss": repr(loss)}
    write_atomically(folder / WEIGHTS, safetensors.torch.save(tensors, metadata))


def save_trainer(folder: Path, trainer: Trainer, log_bytes: int) -> None:
    """All that exact resume needs. `log_bytes` of the event log belong to it; what comes later is told again."""
    state = trainer.state_dict()
    about = {
        "facts": state.facts,
        "log_bytes": log_bytes,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    metadata = {"format": "pt", "trainer": json.dumps(about)}
    write_atomically(folder / TRAINER, safetensors.torch.save(state.tensors, metadata))


# --- reading ----------------------------------------------------------------------------------------------------------


def read_config(folder: Path) -> RunConfig:
    """config.json, believed in nothing. Raises CheckpointError."""
    raw = _json(_bounded(folder / CONFIG), CONFIG)
    _need(isinstance(raw, dict), "{file} must hold an object.", file=CONFIG)
    version = raw.get("format_version")
    _need(type(version) is int and version >= 1, "{file} has no format_version.", file=CONFIG)
    _need(
        version <= FORMAT_VERSION,
        "This run has format {version}, made by a newer CharLM; this one reads up to {known}. Update CharLM.",
        version=version,
        known=FORMAT_VERSION,
    )
    corpus, symbols = _section(raw, "corpus"), raw.get("vocabulary")
    _need(
        isinstance(symbols, list) and 2 <= len(symbols) <= MAX_SYMBOLS,
        "The vocabulary must hold 2 to {most} symbols.",
        most=MAX_SYMBOLS,
    )
    _need(
        all(map(is_symbol, symbols)) and len(set(symbols)) == len(symbols),
        "The vocabulary must hold distinct single characters.",
    )
    report = TextReport(_string(corpus, "encoding"), 0, tuple(map(str, corpus.get("notes") or ()))[:100])
    try:
        return RunConfig(
            model=ModelConfig(**_knobs(raw, "model", ModelConfig)),
            training=TrainConfig(**_knobs(raw, "training", TrainConfig)),
            text=TextConfig(**_knobs(raw, "text", TextConfig)),
            vocabulary=Vocabulary(tuple(symbols)),
            title=_string(corpus, "title"),
            digest=_string(corpus, "digest"),
            report=report,
            recipe=_string(raw, "recipe"),
            notes=tuple(map(str, raw.get("notes") or ()))[:100],
        )
    except CharlmError as error:
        raise CheckpointError("{file}: {reason}", file=CONFIG, reason=str(error)) from error


def load_checkpoint(folder: Path) -> Checkpoint:
    """The best weights of a run, in evaluation mode. Raises CheckpointError, before any large memory is taken."""
    config = read_config(folder)
    data = _bounded(folder / WEIGHTS)
    with torch.device("meta"):
        model = CharRNN(len(config.vocabulary), config.model)
    wanted = {name: (tuple(tensor.shape), "F32") for name, tensor in model.state_dict().items()}
    metadata = _check_header(data, wanted)
    weights = safetensors.torch.load(data)  # from bytes: a mapped file would change under the living model
    _need(all(bool(tensor.isfinite().all()) for tensor in weights.values()), "The weights hold NaN or infinity.")
    model.load_state_dict(weights, strict=True, assign=True)
    return Checkpoint(
        model.eval(), config, _number(metadata, "step", int, 0), _number(metadata, "loss", float, float("nan"))
    )


def load_corpus_of(folder: Path) -> Corpus:
    """The text that a run learns, exactly as it was read. Raises CheckpointError when it is gone or another one."""
    config = read_config(folder)
    text = _bounded(folder / TEXT).decode("utf-8", errors="replace")
    corpus = corpus_from_text(text, config.title, config.text)
    same = corpus.digest == config.digest and corpus.vocabulary == config.vocabulary
    _need(
        same, "The text in {file} is not the one that this run learned from; it cannot be resumed.", file=folder / TEXT
    )
    return dataclasses.replace(corpus, report=TextReport(config.report.encoding, len(text), config.report.notes))


def load_trainer(folder: Path, training: TrainConfig | None = None) -> tuple[Trainer, int]:
    """A trainer that goes on where the run was saved, and how many bytes of the event log belong to it.

    `training` replaces the settings of the run, to extend it. Without a save the run begins anew.
    """
    config = read_config(folder)
    trainer = Trainer(load_corpus_of(folder), config.model, training or config.training, config.recipe)
    if not (folder / TRAINER).exists():
        _need(
            not (folder / WEIGHTS).exists(),
            "The run {run} came without {file}; it speaks, but cannot be resumed.",
            run=folder.name,
            file=TRAINER,
        )
        return trainer, 0
    data = _bounded(folder / TRAINER)
    try:
        about = json.loads(_metadata(data)["trainer"])
        trainer.load_state_dict(TrainerState(safetensors.torch.load(data), about["facts"]))
        trainer.has_diverged = trainer.has_diverged and training is None  # other settings may cure it
        return trainer, int(about["log_bytes"])
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            "{file} is damaged or of another run; it cannot be resumed.", file=folder / TRAINER
        ) from error


# --- believing nothing ------------------------------------------------------------------------------------------------


def _need(condition: bool, template: str, **values: object) -> None:
    if not condition:
        raise CheckpointError(template, **values)


def _bounded(path: Path) -> bytes:
    """The bytes of a regular file of a run, none larger than it can rightly be."""
    limit = MAX_BYTES[path.name]
    _need(
        path.is_file() and not path.is_symlink(),
        "{file} is missing in the run {run}.",
        file=path.name,
        run=path.parent.name,
    )
    size = path.stat().st_size
    _need(
        size <= limit, "{file} has {size:,} bytes; at most {limit:,} are read.", file=path.name, size=size, limit=limit
    )
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError("{file} cannot be read: {reason}.", file=path, reason=error.strerror or error) from error


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, nesting 100,000 deep
        raise CheckpointError("{file} is not valid JSON; the run is damaged.", file=name) from error


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = raw.get(name, {})
    _need(isinstance(section, dict), "{file}: {name} must be an object.", file=CONFIG, name=name)
    return dict(section)


def _knobs(raw: Mapping[str, Any], name: str, kind: type[Any]) -> dict[str, Any]:
    """The settings that this version knows; check() in the config refuses wrong types and values."""
    known = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in _section(raw, name).items() if key in known}


def _string(section: Mapping[str, Any], name: str) -> str:
    value = section.get(name, "")
    _need(isinstance(value, str) and len(value) <= 1000, "{file}: {name} must be a short text.", file=CONFIG, name=name)
    return str(value)


def _number(metadata: Mapping[str, str], name: str, kind: type[Any], default: Any) -> Any:
    try:
        return kind(metadata.get(name, default))
    except ValueError:
        return default


def _metadata(data: bytes) -> dict[str, Any]:
    """The metadata of a safetensors file: an 8-byte length, then a JSON header."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + min(length, 100 << 20)])
    return dict(header.get("__metadata__") or {})


def _check_header(data: bytes, wanted: dict[str, tuple[tuple[int, ...], str]]) -> dict[str, Any]:
    """Names, shapes and types before any tensor is read; returns the metadata."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length]) if 0 < length <= len(data) - 8 else None
        found = {name: (tuple(t["shape"]), t["dtype"]) for name, t in header.items() if name != "__metadata__"}
        safetensors.deserialize(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError("{file} is damaged or no safetensors file.", file=WEIGHTS) from error
    _need(
        found.keys() == wanted.keys(),
        "{file} holds other tensors than {config} describes.",
        file=WEIGHTS,
        config=CONFIG,
    )
    _need(found == wanted, "{file}: shapes or types do not fit {config}.", file=WEIGHTS, config=CONFIG)
    return dict(header.get("__metadata__") or {})
