"""A run folder: written so that a cut-off at any moment loses nothing, read so that a stranger's can do no harm.

    config.json          written once: how the text was read, the network, how it learns, the vocabulary; but for the
                         name that people give a run, and other settings of training when it is extended
    model.safetensors    the best weights on validation; its step and loss in the metadata of the same file
    trainer.safetensors  all that exact resume needs, its plain facts in the metadata of the same file
    events.jsonl         the history (recording.py appends it)
    text.txt             the text as it was read
    README.md            the model card
    origin.json          where a run from the Hub came from; of this copy alone, it never travels

Each file is whole in itself and replaced atomically. No pickle is written or read. A folder is believed in this order:
sizes, no links, JSON, version, every number within its limits, the vocabulary; then the network is built without
memory ("meta"), the file may be no larger than its weights, the names, shapes and types in it must be theirs, and only
then are weights read, all finite.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charlm import __version__
from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.corpora import load_corpus, named_corpora
from charlm.corpus import Corpus, corpus_from_text
from charlm.errors import CheckpointError, ConfigError, RunExistsError
from charlm.log import EVENTS, check_log, locked_log
from charlm.notes import note
from charlm.recipes import Plan
from charlm.text import TextReport
from charlm.vocabulary import Vocabulary, is_symbol

if TYPE_CHECKING:  # torch takes two seconds to load: where a run is only listed and described, it is not
    from torch import Tensor

    from charlm.model import CharRNN
    from charlm.trainer import Trainer

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TRAINER = "config.json", "model.safetensors", "trainer.safetensors"
TEXT, CARD, ORIGIN = "text.txt", "README.md", "origin.json"
MAX_BYTES = {
    CONFIG: 4 << 20, WEIGHTS: 600 << 20, TRAINER: 2400 << 20, EVENTS: 256 << 20, TEXT: 1 << 30, CARD: 1 << 20,
    ORIGIN: 1 << 10,
}  # fmt: skip
MAX_HEADER = 1 << 20  # of a safetensors file, with its metadata
MAX_SYMBOLS = 70_000
MAX_STRING = 1000  # characters of a title, or of a note
MAX_NAME = 80  # characters of what people call a run
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for itself
ANOTHER_TEXT = "{file} is not the text that this run learned from; it cannot be resumed."
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
    name: str = ""  # what people call the run; "": as its folder


@dataclass(frozen=True)
class Checkpoint:
    """A run that can speak: the best weights so far, and what is needed to use them."""

    model: "CharRNN"
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
    names = ", ".join(list_runs()) or note("none")
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
            "A run's name has 1 to 96 of a-z A-Z 0-9 _ . - and begins with a letter or digit, ends with no dot: not"
            " {name!r}.",
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
            for name in (CONFIG, WEIGHTS, TRAINER, TEXT, CARD, ORIGIN):  # config.json first: from then on it is no run
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
        "notes": list(map(str, plan.notes)),
        "model": dataclasses.asdict(plan.model),
        "training": dataclasses.asdict(plan.training),
        "text": dataclasses.asdict(corpus.config),
        "corpus": {"title": corpus.title[:MAX_STRING], "digest": corpus.digest, "chars": len(corpus.text)}
        | {"encoding": corpus.report.encoding, "notes": list(map(str, corpus.report.notes))},
        "vocabulary": list(corpus.vocabulary.symbols),
    }
    _write_json(folder / CONFIG, config)


def write_training(folder: Path, training: TrainConfig) -> None:
    """Other settings of training into the config.json of a run that goes on; all else in it stays as it is."""
    with _alone_with(folder):
        raw = _json(_bounded(folder / CONFIG), CONFIG) | {"training": dataclasses.asdict(training)}
        _write_json(folder / CONFIG, raw)


def write_name(folder: Path, name: str) -> None:
    """What people call a run, into its config.json; "" gives it its folder's name again. Its date stays.

    The folder keeps its own name: on a public server that is the right to the run, links and browsers remember it, and
    a run may be named while it learns. Raises CheckpointError.
    """
    name = " ".join(name.split())
    too_long = "A name has at most {most} characters; this one has {chars}."
    _need(len(name) <= MAX_NAME, too_long, most=MAX_NAME, chars=len(name))
    with _alone_with(folder):
        raw = _json(_bounded(folder / CONFIG), CONFIG) | {"name": name}
        begun = (folder / CONFIG).stat()
        _write_json(folder / CONFIG, raw)
        os.utime(folder / CONFIG, ns=(begun.st_atime_ns, begun.st_mtime_ns))


@contextlib.contextmanager
def _alone_with(folder: Path) -> Iterator[None]:
    """Held while config.json is read and written again, so that of two changes at a time neither is lost."""
    if sys.platform == "win32":  # it has no lock on a folder
        yield
        return
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError("{file} cannot be read: {reason}.", file=folder / CONFIG, reason=reason) from error
    try:
        with contextlib.suppress(OSError):  # a file system that has no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def remove_run(folder: Path) -> None:
    """Delete a run with all its files. Raises CheckpointError, as while another process trains it."""
    _need(not folder.is_symlink(), "The run {run} is a link to another folder; delete it there.", run=folder.name)
    try:
        with locked_log(folder, sys.maxsize):
            (folder / CONFIG).unlink()  # from here on it is no run, whatever is cut off when
        shutil.rmtree(folder)
    except OSError as error:
        raise CheckpointError(
            "The run {run} could not be deleted: {reason}.", run=folder.name, reason=error.strerror or error
        ) from error


def _write_json(path: Path, values: dict[str, Any]) -> None:
    """Halves of surrogate pairs, as in a file name that is no UTF-8, become question marks."""
    write_atomically(path, json.dumps(values, ensure_ascii=False, indent=1).encode("utf-8", errors="replace"))


def remove_leftovers(folder: Path) -> None:
    """The temporary files of a process that was killed while it wrote. Only for who holds the run's log."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def save_weights(folder: Path, weights: Mapping[str, "Tensor"], step: int, loss: float) -> None:
    """The best weights so far."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    metadata = {"format": "pt", "step": str(step), "loss": repr(loss)}
    write_atomically(folder / WEIGHTS, _safetensors(tensors, metadata))


def save_trainer(folder: Path, trainer: "Trainer", log_bytes: int) -> None:
    """All that exact resume needs. `log_bytes` of the event log belong to it; what comes later is told again."""
    import torch

    state = trainer.state_dict()
    about = {
        "facts": state.facts,
        "log_bytes": log_bytes,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    metadata = {"format": "pt", "trainer": json.dumps(about)}
    write_atomically(folder / TRAINER, _safetensors(state.tensors, metadata))


def _safetensors(tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str]) -> bytes:
    """Equal weights make equal bytes: the library would put the metadata in another order each time."""
    import safetensors.torch

    plain = safetensors.torch.save(dict(tensors))
    begin = 8 + int.from_bytes(plain[:8], "little")
    header = json.dumps({"__metadata__": metadata, **_header(plain)}, separators=(",", ":")).encode("utf-8")
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of eight
    return b"".join([struct.pack("<Q", len(header)), header, memoryview(plain)[begin:]])


# --- reading ----------------------------------------------------------------------------------------------------------


def read_config(folder: Path) -> RunConfig:
    """config.json, believed in nothing. Raises CheckpointError."""
    raw = _json(_bounded(folder / CONFIG), CONFIG)
    _check_version(raw.get("format_version"))
    corpus, symbols = _section(raw, "corpus"), _symbols(raw.get("vocabulary"))
    try:
        return RunConfig(
            model=ModelConfig(**_knobs(raw, "model", ModelConfig)),
            training=TrainConfig(**_knobs(raw, "training", TrainConfig)),
            text=TextConfig(**_knobs(raw, "text", TextConfig)),
            vocabulary=Vocabulary(symbols),
            title=_string(corpus, "title"),
            digest=_string(corpus, "digest"),
            report=TextReport(_string(corpus, "encoding"), 0, tuple(map(note, _strings(corpus, "notes")))),
            recipe=_string(raw, "recipe"),
            notes=_strings(raw, "notes"),
            name=_string(raw, "name"),
        )
    except ConfigError as error:
        raise CheckpointError("{file}: {reason}", file=CONFIG, reason=error) from error


def load_checkpoint(folder: Path) -> Checkpoint:
    """The best weights of a run, in evaluation mode. Raises CheckpointError, before any large memory is taken."""
    import safetensors.torch
    import torch

    from charlm.model import CharRNN

    config = read_config(folder)
    with torch.device("meta"):
        model = CharRNN(len(config.vocabulary), config.model)
    data = _bounded(folder / WEIGHTS, 4 * config.model.parameters(len(config.vocabulary)) + MAX_HEADER)
    metadata = _check_header(data, {name: (list(p.shape), "F32") for name, p in model.named_parameters()})
    try:
        weights = safetensors.torch.load(data)  # from bytes: a mapped file would change under the living model
        model.load_state_dict(weights, strict=True, assign=True)
    except (safetensors.SafetensorError, ValueError, RuntimeError) as error:
        raise CheckpointError("{file} is damaged or no safetensors file.", file=WEIGHTS) from error
    _need(all(bool(p.isfinite().all()) for p in model.parameters()), "{file} holds NaN or infinity.", file=WEIGHTS)
    return Checkpoint(
        model.eval(), config, _number(metadata, "step", int, 0), _number(metadata, "loss", float, math.nan)
    )


def check_run(folder: Path) -> Checkpoint:
    """Judge all of a run that comes from elsewhere, before it stands among the others. Raises CheckpointError.

    What its trainer has saved can be judged in full only with its text, when it is resumed; here its size and header.
    """
    checkpoint = load_checkpoint(folder)
    if os.path.lexists(folder / TRAINER):
        data = _bounded(folder / TRAINER, _most_trainer_bytes(checkpoint.config, checkpoint.config.training))
        try:
            _header(data)
        except (ValueError, RecursionError) as error:
            raise CheckpointError("{file} is damaged or no safetensors file.", file=TRAINER) from error
    if os.path.lexists(folder / TEXT):
        same = hashlib.sha256(_bounded(folder / TEXT)).hexdigest() == checkpoint.config.digest
        _need(same, "{file} is not the text that this run learned from.", file=TEXT)
    for name in (EVENTS, CARD):
        if os.path.lexists(folder / name):
            _bounded(folder / name)
    check_log(folder)
    return checkpoint


def load_corpus_of(folder: Path) -> Corpus:
    """The text that a run learns, exactly as it was read. Raises CheckpointError when it is gone or another one.

    A run from elsewhere has come without it; a text that comes with the project is found again by its title.
    """
    config = read_config(folder)
    if not os.path.lexists(folder / TEXT):
        return _corpus_by_title(config, folder.name)
    data = _bounded(folder / TEXT)
    _need(hashlib.sha256(data).hexdigest() == config.digest, ANOTHER_TEXT, file=folder / TEXT)
    text = data.decode("utf-8", errors="replace")
    corpus = corpus_from_text(text, config.title, config.text)
    same = corpus.digest == config.digest and corpus.vocabulary == config.vocabulary
    _need(same, ANOTHER_TEXT, file=folder / TEXT)
    return dataclasses.replace(corpus, report=TextReport(config.report.encoding, len(text), config.report.notes))


def _corpus_by_title(config: RunConfig, run: str) -> Corpus:
    for one in named_corpora():
        if config.title in (one.title, one.name) and one.kind != "download":
            corpus = load_corpus(one.name, config.text)
            if (corpus.digest, corpus.vocabulary) == (config.digest, config.vocabulary):
                return corpus
    raise CheckpointError(
        "The run {run} came without its text; to go on it needs {title} again.", run=run, title=config.title
    )


def give_text(folder: Path, corpus: Corpus) -> None:
    """The text that a run from elsewhere learned, given back to it. Raises CheckpointError for any other text."""
    same = corpus.digest == read_config(folder).digest
    _need(same, "{file} is not the text that this run learned from.", file=corpus.title)
    write_atomically(folder / TEXT, corpus.text.encode("utf-8"))


def load_trainer(folder: Path, training: TrainConfig | None = None) -> tuple["Trainer", int]:
    """A trainer that goes on where the run was saved, and how many bytes of the event log belong to it.

    `training` replaces the settings of the run, to extend it; those in KEPT must stay. Without a save the run begins
    anew. Raises CheckpointError, or ConfigError for a setting that cannot change.
    """
    from charlm.trainer import Trainer

    config = read_config(folder)
    if training is not None:
        _check_kept(config.training, training)
    trainer = Trainer(load_corpus_of(folder), config.model, training or config.training, config.recipe)
    if not os.path.exists(folder / TRAINER):
        _need(
            not os.path.exists(folder / WEIGHTS),
            "The run {run} came without {file}; it speaks, but cannot be resumed.",
            run=folder.name,
            file=TRAINER,
        )
        return trainer, 0
    log_bytes = _load_trainer_state(folder / TRAINER, trainer, config)
    if training is not None:  # other settings may cure a divergence, have patience again, and go on after an end
        trainer.has_diverged, trainer.stale, trainer.is_ended = False, 0, False
    return trainer, log_bytes


def _load_trainer_state(path: Path, trainer: "Trainer", config: RunConfig) -> int:
    """Fills the trainer of a run, which may go on with other settings; returns how much of the event log it knows."""
    import safetensors.torch

    from charlm.trainer import TrainerState

    data = _bounded(path, _most_trainer_bytes(config, trainer.config))
    try:
        about = json.loads(_header(data)["__metadata__"]["trainer"])
        facts = {"budget": config.training.budget, **about["facts"]}  # older runs did not tell their budget
        trainer.load_state_dict(TrainerState(safetensors.torch.load(data), facts))
        return max(0, int(about["log_bytes"]))
    except (
        safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError,
    ) as error:  # fmt: skip
        raise CheckpointError("{file} is damaged or of another run; it cannot be resumed.", file=path) from error


def _most_trainer_bytes(config: RunConfig, training: TrainConfig) -> int:
    """Weights, their average, two moments, the carried state."""
    cells = 2 if config.model.cell == "lstm" else 1
    state = cells * config.model.num_layers * training.streams * config.model.hidden_size
    return 4 * (4 * config.model.parameters(len(config.vocabulary)) + state) + MAX_HEADER


def _check_kept(before: TrainConfig, after: TrainConfig) -> None:
    for name in KEPT:
        if getattr(before, name) != getattr(after, name):
            raise ConfigError(
                "A run that goes on keeps its {knob}, {before}: what it has saved fits no other. Begin a new run.",
                knob=name,
                before=getattr(before, name),
            )


# --- believing nothing ------------------------------------------------------------------------------------------------


def _need(condition: bool, template: str, **values: object) -> None:
    if not condition:
        raise CheckpointError(template, **values)


def _bounded(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file of a run, none larger than it can rightly be."""
    file, limit = path.name, min(MAX_BYTES[path.name], most or MAX_BYTES[path.name])
    regular = os.path.isfile(path) and not os.path.islink(path)
    _need(regular, "{file} is missing in the run {run}, or is a link.", file=file, run=path.parent.name)
    try:
        size = path.stat().st_size
        _need(size <= limit, "{file} has {size:,} bytes; at most {limit:,} fit.", file=file, size=size, limit=limit)
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError("{file} cannot be read: {reason}.", file=path, reason=error.strerror or error) from error


def _json(data: bytes, name: str) -> dict[str, Any]:
    try:
        raw = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, nesting 100,000 deep
        raise CheckpointError("{file} is not valid JSON; the run is damaged.", file=name) from error
    _need(isinstance(raw, dict), "{file} must hold an object.", file=name)
    return dict(raw)


def _check_version(version: object) -> None:
    if type(version) is not int or not 1 <= version < 1_000_000:
        raise CheckpointError("{file} has no format_version.", file=CONFIG)
    _need(
        version <= FORMAT_VERSION,
        "This run has format {version}, made by a newer CharLM; this one reads up to {known}. Update CharLM.",
        version=version,
        known=FORMAT_VERSION,
    )


def _symbols(symbols: object) -> tuple[str, ...]:
    if not isinstance(symbols, list) or not 2 <= len(symbols) <= MAX_SYMBOLS:
        raise CheckpointError("{file}: the vocabulary must hold 2 to {most:,} symbols.", file=CONFIG, most=MAX_SYMBOLS)
    distinct = all(map(is_symbol, symbols)) and len(set(symbols)) == len(symbols)
    _need(distinct, "{file}: the vocabulary must hold distinct single characters.", file=CONFIG)
    return tuple(symbols)


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = raw.get(name, {})
    _need(isinstance(section, dict), "{file}: {name} must be an object.", file=CONFIG, name=name)
    return dict(section)


def _knobs(raw: Mapping[str, Any], name: str, kind: type[Any]) -> dict[str, Any]:
    """The settings that this version knows; check() in the config refuses wrong types and values."""
    known = {field.name for field in dataclasses.fields(kind)}
    found = {key: value for key, value in _section(raw, name).items() if key in known}
    for key, value in found.items():  # an error tells the value: not megabytes of it
        is_short = isinstance(value, bool | int | float | str) and len(str(value)) <= 100
        _need(is_short, "{file}: {name} is no setting.", file=CONFIG, name=key)
    return found


def _string(section: Mapping[str, Any], name: str) -> str:
    value = section.get(name, "")
    _need(_is_short(value), "{file}: {name} must be a short text.", file=CONFIG, name=name)
    return str(value)


def _strings(section: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = section.get(name, [])
    is_list = isinstance(values, list) and len(values) <= 100 and all(map(_is_short, values))
    _need(is_list, "{file}: {name} must be a list of short texts.", file=CONFIG, name=name)
    return tuple(values)


def _is_short(value: object) -> bool:
    """A text that can be shown: no halves of surrogate pairs, which no output takes."""
    return isinstance(value, str) and len(value) <= MAX_STRING and all(map(is_symbol, value))


def _number(metadata: Mapping[str, str], name: str, kind: type[Any], default: Any) -> Any:
    try:
        return kind(metadata.get(name, default))
    except ValueError:
        return default


def _header(data: bytes) -> dict[str, Any]:
    """The header of a safetensors file: an 8-byte length, then so much JSON. Raises ValueError or RecursionError."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length].decode("utf-8")) if length <= len(data) - 8 else None
    if not isinstance(header, dict):
        raise ValueError("no header")
    return header


def _check_header(data: bytes, wanted: dict[str, tuple[list[int], str]]) -> dict[str, Any]:
    """Names, shapes and types before any tensor is read; returns the metadata."""
    try:
        header = _header(data)
        metadata = dict(header.pop("__metadata__", {}))
        found = {name: (tensor["shape"], tensor["dtype"]) for name, tensor in header.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError("{file} is damaged or no safetensors file.", file=WEIGHTS) from error
    same_names = found.keys() == wanted.keys()
    _need(same_names, "{file} holds other tensors than {config} describes.", file=WEIGHTS, config=CONFIG)
    _need(found == wanted, "{file}: shapes or types do not fit {config}.", file=WEIGHTS, config=CONFIG)
    return metadata
