"""The run folder: what is written comes back, what is cut off leaves the last whole state, what is hostile is refused.

The hostile folders are those of shared/reference/hub.md, section 4.2, and some more.
"""

import contextlib
import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tiny
import torch

from charlm import checkpoint as module
from charlm.checkpoint import (
    CONFIG,
    TEXT,
    TRAINER,
    WEIGHTS,
    checked_name,
    create_run,
    find_run,
    give_text,
    list_runs,
    load_checkpoint,
    load_corpus_of,
    load_trainer,
    read_config,
    save_trainer,
    save_weights,
    write_atomically,
)
from charlm.config import ModelConfig
from charlm.corpora import load_corpus
from charlm.corpus import corpus_from_text
from charlm.errors import CheckpointError, ConfigError, RunExistsError
from charlm.log import EVENTS, locked_log
from charlm.recipes import Plan


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run folder, stopped in the middle. Not to be changed: `copied` is."""
    folder = tmp_path_factory.mktemp("good") / "run"
    trainer = tiny.run(folder, average=0.9, dropout=0.2)
    list(islice(trainer.events(), 5))
    save_weights(folder, trainer.published(), trainer.step, 1.25)
    save_trainer(folder, trainer, 77)
    return folder


@pytest.fixture
def copied(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


# --- round trip ---


def test_the_weights_come_back_with_what_is_needed_to_use_them(good: Path) -> None:
    trainer = tiny.trainer(average=0.9, dropout=0.2)
    list(islice(trainer.events(), 5))
    loaded = load_checkpoint(good)
    assert (loaded.step, loaded.loss) == (trainer.step, 1.25) and trainer.step > 0
    assert loaded.vocabulary == trainer.corpus.vocabulary
    assert not loaded.model.training
    found = dict(loaded.model.named_parameters())
    assert all(torch.equal(found[name], value) for name, value in trainer.published().items())
    assert len(found) == len(trainer.published())
    loaded.model(torch.zeros(1, 3, dtype=torch.long))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in found.values())


def test_the_config_says_how_it_was_made(good: Path) -> None:
    config, corpus = read_config(good), tiny.corpus()
    model, training = tiny.settings(average=0.9, dropout=0.2)
    assert (config.model, config.training, config.text) == (model, training, corpus.config)
    assert (config.title, config.digest, config.report.encoding) == ("tiny", corpus.digest, corpus.report.encoding)
    assert (good / TEXT).read_text("utf-8") == corpus.text
    assert json.loads((good / CONFIG).read_text("utf-8"))["format_version"] == 1


def test_the_trainer_goes_on_where_it_was(good: Path) -> None:
    whole = tiny.trainer(average=0.9, dropout=0.2)
    rest = list(islice(whole.events(), 5, None))
    trainer, log_bytes = load_trainer(good)
    assert log_bytes == 77
    assert list(trainer.events()) == rest and tiny.digest(trainer) == tiny.digest(whole)


def test_other_people_can_read_the_weights_with_torch_alone(good: Path) -> None:
    weights = safetensors.torch.load_file(good / WEIGHTS)
    rnn = torch.nn.LSTM(4, 8)
    rnn.load_state_dict({name[4:]: tensor for name, tensor in weights.items() if name.startswith("rnn.")})


def test_a_run_without_a_save_begins_anew(tmp_path: Path) -> None:
    tiny.run(tmp_path / "run")
    trainer, log_bytes = load_trainer(tmp_path / "run")
    assert (trainer.step, log_bytes) == (0, 0)
    whole = tiny.trainer()
    assert list(trainer.events()) == list(whole.events()) and tiny.digest(trainer) == tiny.digest(whole)


@pytest.mark.parametrize(
    "text", ["Ünïcödé 漢字 😀\u200d👩 " * 30, "a\tb\n" * 50, "e\u0301\u0000\u0301x\r\n" * 40, "\ufeffab\ufffdcd " * 40]
)
def test_any_text_is_read_back_as_it_was(text: str, tmp_path: Path) -> None:
    corpus = corpus_from_text(text, "title \ud800 😀")
    create_run(tmp_path / "run", corpus, Plan(*tiny.settings(window=4), ""))
    again = load_corpus_of(tmp_path / "run")
    assert (again.text, again.digest, again.vocabulary) == (corpus.text, corpus.digest, corpus.vocabulary)
    assert again.title == "title ? 😀" and [*map(str, again.report.notes)] == [*map(str, corpus.report.notes)]


# --- going on with other settings ---


def test_a_budget_may_change_and_what_the_saved_state_hangs_on_may_not(good: Path) -> None:
    training = read_config(good).training
    trainer, _ = load_trainer(good, dataclasses.replace(training, steps=20, learning_rate=0.02, clip=0.0))
    assert trainer.total_steps == 20 and trainer.step > 0
    others: dict[str, Any] = {
        "batching": "chunks", "streams": 3, "window": 9, "optimizer": "sgd", "average": 0.0, "seed": 5,
    }  # fmt: skip
    for name, value in others.items():
        with pytest.raises(ConfigError, match=f"keeps its {name}, {getattr(training, name)}:") as caught:
            load_trainer(good, dataclasses.replace(training, **{name: value}))
        assert caught.value.knob == name


def test_other_settings_may_cure_a_divergence_and_give_new_patience(copied: Path) -> None:
    trainer, log_bytes = load_trainer(copied)
    trainer.has_diverged, trainer.stale = True, 4
    save_trainer(copied, trainer, log_bytes)
    same, _ = load_trainer(copied)
    assert same.has_diverged and same.stale == 4
    cured, _ = load_trainer(copied, dataclasses.replace(same.config, learning_rate=0.001))
    assert not cured.has_diverged and cured.stale == 0


# --- a text that is another one ---


def test_a_changed_text_is_not_resumed(copied: Path) -> None:
    text = (copied / TEXT).read_text("utf-8")
    for other in (text + "x", text.replace("a", "e", 1), text.replace("the", "THE"), ""):
        (copied / TEXT).write_text(other, "utf-8")
        with pytest.raises(CheckpointError, match="is not the text that this run learned from"):
            load_trainer(copied)
    (copied / TEXT).write_bytes(b"\xff\xfe broken " * 100)
    with pytest.raises(CheckpointError, match="is not the text that this run learned from"):
        load_trainer(copied)
    (copied / TEXT).unlink()
    with pytest.raises(CheckpointError, match="The run run came without its text; to go on it needs tiny again"):
        load_trainer(copied)
    load_checkpoint(copied)  # it still speaks


def test_a_text_is_given_back_to_a_run_that_came_without_it(copied: Path) -> None:
    whole = (copied / TEXT).read_bytes()
    (copied / TEXT).unlink()
    with pytest.raises(CheckpointError, match="tiny is not the text that this run learned from"):
        give_text(copied, tiny.corpus(seed=1))
    assert not (copied / TEXT).exists()
    give_text(copied, tiny.corpus())
    assert (copied / TEXT).read_bytes() == whole
    load_trainer(copied)


def test_a_text_that_comes_with_the_project_is_found_again(tmp_path: Path) -> None:
    for name in ("tale-zh", "toy-brackets"):
        corpus = load_corpus(name)
        tiny.run(tmp_path / name, corpus)
        (tmp_path / name / TEXT).unlink()
        assert load_corpus_of(tmp_path / name).text == corpus.text
    raw = json.loads((tmp_path / "toy-brackets" / CONFIG).read_text("utf-8"))
    (tmp_path / "toy-brackets" / CONFIG).write_text(
        json.dumps({**raw, "corpus": {**raw["corpus"], "digest": "0" * 64}})
    )
    with pytest.raises(CheckpointError, match="came without its text"):
        load_corpus_of(tmp_path / "toy-brackets")


def test_a_run_from_elsewhere_speaks_but_is_not_resumed(copied: Path) -> None:
    (copied / TRAINER).unlink()
    load_checkpoint(copied)
    with pytest.raises(CheckpointError, match=r"came without trainer\.safetensors; it speaks, but cannot be resumed"):
        load_trainer(copied)


def test_unknown_keys_are_harmless_and_kept(copied: Path) -> None:
    config = json.loads((copied / CONFIG).read_text("utf-8"))
    config |= {"from the future": [1, 2], "model": config["model"] | {"new knob": 3}}
    (copied / CONFIG).write_text(json.dumps(config), "utf-8")
    assert load_checkpoint(copied).config.model == ModelConfig(**tiny.MODEL, dropout=0.2)
    trainer, _ = load_trainer(copied)
    module.write_training(copied, dataclasses.replace(trainer.config, steps=99))
    again = json.loads((copied / CONFIG).read_text("utf-8"))
    assert again["training"]["steps"] == 99 and again["from the future"] == [1, 2]
    assert again["model"] == config["model"] and again["vocabulary"] == config["vocabulary"]


# --- hostile folders ---


def put(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    """A config with other values; `model__x` is in its section."""

    def change(config: dict[str, Any]) -> dict[str, Any]:
        for key, value in changes.items():
            section, _, name = key.rpartition("__")
            (config[section] if section else config)[name] = value
        return config

    return change


def missing(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda config: {key: value for key, value in config.items() if key != name}


HOSTILE_CONFIGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "hidden_size 1e9": put(model__hidden_size=10**9),
    "hidden_size 2048, small file": put(model__hidden_size=2048),
    "hidden_size 0": put(model__hidden_size=0),
    "hidden_size -1": put(model__hidden_size=-1),
    "hidden_size true": put(model__hidden_size=True),
    "hidden_size 8.0": put(model__hidden_size=8.0),
    "hidden_size of text": put(model__hidden_size="8"),
    "hidden_size null": put(model__hidden_size=None),
    "hidden_size a list": put(model__hidden_size=[8]),
    "hidden_size 1e400": lambda config: json.dumps(config).replace('"hidden_size": 8', '"hidden_size": 1e400'),
    "hidden_size of 5,000 digits": lambda config: '{"format_version": 1, "model": {"hidden_size": ' + "9" * 5000 + "}}",
    "hidden_size of 4,000 digits": put(model__hidden_size=10**3999),
    "num_layers 1e9": put(model__num_layers=10**9),
    "an unknown cell": put(model__cell="transformer"),
    "a cell of a megabyte": put(model__cell="x" * 10**6),
    "dropout NaN": put(model__dropout=float("nan")),
    "dropout 1": put(model__dropout=1.0),
    "two budgets": put(training__seconds=5.0),
    "no budget": put(training__steps=0),
    "steps true": put(training__steps=True),
    "an encoding that is none": put(text__encoding="rot13"),
    "a newer version": put(format_version=2),
    "version 1.0": put(format_version=1.0),
    "version true": put(format_version=True),
    "version 0": put(format_version=0),
    "version of 4,000 digits": put(format_version=10**3999),
    "no version": missing("format_version"),
    "no vocabulary": missing("vocabulary"),
    "an empty vocabulary": put(vocabulary=[]),
    "a vocabulary of one": put(vocabulary=["a"]),
    "a vocabulary that is a text": put(vocabulary="abc"),
    "a vocabulary of numbers": put(vocabulary=[1, 2, 3]),
    "a vocabulary of lists": put(vocabulary=[["a"], ["b"]]),
    "a symbol twice": lambda config: config | {"vocabulary": [config["vocabulary"][0], *config["vocabulary"][:-1]]},
    "a symbol of two characters": lambda config: config | {"vocabulary": ["ab", *config["vocabulary"][1:]]},
    "half a surrogate pair": lambda config: config | {"vocabulary": ["\ud800", *config["vocabulary"][1:]]},
    "one symbol too many": lambda config: config | {"vocabulary": [*config["vocabulary"], "\u2603"]},
    "a million symbols": put(vocabulary=[chr(0x10000 + i) for i in range(70_001)]),
    "a section that is a list": put(model=[1]),
    "a corpus that is a text": put(corpus="x"),
    "notes that are a number": put(corpus__notes=5),
    "notes of numbers": put(notes=[1, 2]),
    "a title of a megabyte": put(corpus__title="x" * 10**6),
    "a title with half a pair": put(corpus__title="\udc80"),
    "a title that is an object": put(corpus__title={"a": 1}),
    "a list": lambda config: [config],
    "a number": lambda config: 7,
    "null": lambda config: "null",
    "nothing": lambda config: "",
    "no JSON": lambda config: "{",
    "no UTF-8": lambda config: b'{"format_version": 1, "x": "\xff"}',
    "nested 100,000 deep": lambda config: "[" * 100_000,
    "nested objects": lambda config: '{"a":' * 100_000,
    "5 MB": lambda config: " " * (5 << 20),
}


def _raw(header: dict[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def _parts(weights: dict[str, torch.Tensor]) -> tuple[dict[str, Any], bytes]:
    raw = safetensors.torch.save(weights)
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def _offsets(first: int, last: int) -> Callable[[dict[str, torch.Tensor]], bytes]:
    def change(weights: dict[str, torch.Tensor]) -> bytes:
        header, data = _parts(weights)
        begin, end = header["decoder_bias"]["data_offsets"]
        header["decoder_bias"]["data_offsets"] = [begin + first, end + last]
        return _raw(header, data)

    return change


def _entry(**values: Any) -> Callable[[dict[str, torch.Tensor]], bytes]:
    def change(weights: dict[str, torch.Tensor]) -> bytes:
        header, data = _parts(weights)
        header["decoder_bias"] |= values
        return _raw(header, data)

    return change


def _bias(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda weights: weights | {"decoder_bias": change(weights["decoder_bias"])}


def _swapped(weights: dict[str, torch.Tensor]) -> bytes:
    header, data = _parts(weights)
    one, other = header["rnn.bias_ih_l0"], header["rnn.bias_hh_l0"]
    other["data_offsets"] = one["data_offsets"]
    return _raw(header, data)


HOSTILE_WEIGHTS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "one tensor too many": lambda weights: weights | {"x": torch.zeros(1)},
    "one tensor missing": lambda weights: {n: t for n, t in weights.items() if n != "decoder_bias"},
    "another name": lambda weights: {n.replace("decoder", "Decoder"): t for n, t in weights.items()},
    "wrong shape": _bias(lambda bias: torch.zeros(3)),
    "one dimension more": _bias(lambda bias: bias[None]),
    "double precision": _bias(torch.Tensor.double),
    "half precision": _bias(torch.Tensor.half),
    "whole numbers": _bias(torch.Tensor.int),
    "NaN": _bias(lambda bias: torch.full_like(bias, float("nan"))),
    "infinity in one place": _bias(lambda bias: torch.cat([torch.tensor([float("inf")]), bias[1:]])),
    "pickle": lambda weights: b"\x80\x02c" + b"os\nsystem\n" * 9,
    "zip": lambda weights: b"PK\x03\x04" + b"\0" * 99,
    "an empty file": lambda weights: b"",
    "seven bytes": lambda weights: b"\0" * 7,
    "zeros": lambda weights: b"\0" * 4096,
    "truncated": lambda weights: safetensors.torch.save(weights)[:-7],
    "cut in the header": lambda weights: safetensors.torch.save(weights)[:40],
    "bytes left over": lambda weights: safetensors.torch.save(weights) + b"left over",
    "header length 2^62": lambda weights: struct.pack("<Q", 2**62) + b"{}",
    "header length 2^64 - 1": lambda weights: struct.pack("<Q", 2**64 - 1) + b"{}",
    "header length 0": lambda weights: _raw(b"", b"{}"),
    "header no JSON": lambda weights: _raw(b"{" * 50),
    "header nested 100,000 deep": lambda weights: _raw(b'{"a":' * 100_000),
    "header a list": lambda weights: _raw(b"[1, 2]"),
    "header no UTF-8": lambda weights: _raw(b'{"\xff": 1}'),
    "header in UTF-16": lambda weights: _raw("{}".encode("utf-16")),
    "metadata a list": lambda weights: _raw({**_parts(weights)[0], "__metadata__": [1]}, _parts(weights)[1]),
    "metadata of numbers": lambda weights: _raw(
        {**_parts(weights)[0], "__metadata__": {"step": 5}}, _parts(weights)[1]
    ),
    "an entry that is a number": lambda weights: _raw({**_parts(weights)[0], "decoder_bias": 5}, _parts(weights)[1]),
    "a shape of floats": lambda weights: _entry(shape=[float(len(weights["decoder_bias"]))])(weights),
    "a shape of text": _entry(shape="12"),
    "an unknown type": _entry(dtype="Q4"),
    "offsets before the data": _offsets(-10_000, -10_000),
    "offsets past the end": _offsets(10_000, 10_000),
    "offsets that overlap": _offsets(-4, -4),
    "offsets too long": _offsets(0, 4),
    "offsets reversed": _offsets(40, -40),
    "two tensors in one place": _swapped,
    "590 MB that take no room": lambda weights: 590 << 20,
    "a gigabyte that takes no room": lambda weights: 1 << 30,
}


def _spoil(folder: Path, file: str, content: Any) -> None:
    path = folder / file
    if isinstance(content, int):
        with open(path, "r+b") as sparse:
            sparse.truncate(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, "utf-8")
    elif file == CONFIG:
        path.write_text(json.dumps(content), "utf-8")
    else:
        path.write_bytes(safetensors.torch.save(content))


@pytest.fixture
def is_bounded() -> Iterator[None]:
    """Whatever is done takes under a second of the processor and under 50 MB more than before."""

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    before, began = peak(), time.process_time()
    yield
    assert time.process_time() - began < 1
    assert peak() - before < 50


@pytest.mark.usefixtures("is_bounded")
@pytest.mark.parametrize("name", HOSTILE_CONFIGS)
def test_a_hostile_config_is_refused(name: str, copied: Path) -> None:
    config = json.loads((copied / CONFIG).read_text("utf-8"))
    changed = HOSTILE_CONFIGS[name](config)
    if isinstance(changed, dict) and any(isinstance(v, int) and v > 10**100 for v in _leaves(changed)):
        changed = json.dumps(changed)
    _spoil(copied, CONFIG, changed)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(copied)
    assert 10 < len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def _leaves(config: dict[str, Any]) -> Iterator[Any]:
    for value in config.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


@pytest.mark.usefixtures("is_bounded")
@pytest.mark.parametrize("name", HOSTILE_WEIGHTS)
def test_hostile_weights_are_refused(name: str, copied: Path) -> None:
    weights = safetensors.torch.load((copied / WEIGHTS).read_bytes())
    _spoil(copied, WEIGHTS, HOSTILE_WEIGHTS[name](weights))
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_checkpoint(copied)


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS, TEXT, TRAINER])
def test_a_link_is_not_followed(file: str, copied: Path, tmp_path: Path) -> None:
    (copied / file).rename(tmp_path / "elsewhere")
    (copied / file).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="is missing in the run run, or is a link"):
        load_trainer(copied) if file in (TEXT, TRAINER) else load_checkpoint(copied)


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
def test_what_is_no_regular_file_is_refused(file: str, copied: Path) -> None:
    (copied / file).unlink()
    os.mkfifo(copied / file)  # would be read for ever
    with pytest.raises(CheckpointError, match="is missing"):
        load_checkpoint(copied)


def test_a_newer_version_is_named(copied: Path) -> None:
    _spoil(copied, CONFIG, json.loads((copied / CONFIG).read_text("utf-8")) | {"format_version": 7})
    with pytest.raises(CheckpointError, match=r"format 7, made by a newer CharLM; this one reads up to 1\. Update"):
        load_checkpoint(copied)


def test_odd_metadata_of_good_weights_is_no_harm(copied: Path) -> None:
    weights = safetensors.torch.load((copied / WEIGHTS).read_bytes())
    for step, loss in (("9" * 5000, "x"), ("-", "1e999"), ("1.5", "nan")):
        (copied / WEIGHTS).write_bytes(safetensors.torch.save(weights, {"step": step, "loss": loss}))
        assert load_checkpoint(copied).step == 0
    (copied / WEIGHTS).write_bytes(safetensors.torch.save(weights))
    assert load_checkpoint(copied).step == 0


# --- hostile trainer states ---


def _trainer(tensors: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = (folder / TRAINER).read_bytes()
        changed = tensors(safetensors.torch.load(data))
        metadata = module._header(data)["__metadata__"]
        (folder / TRAINER).write_bytes(
            changed if isinstance(changed, bytes) else safetensors.torch.save(changed, metadata)
        )

    return spoil


def _tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    return _trainer(lambda tensors: tensors | {name: change(tensors[name]).contiguous()})


def _about(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = (folder / TRAINER).read_bytes()
        about = change(json.loads(module._header(data)["__metadata__"]["trainer"]))
        metadata = {"trainer": about if isinstance(about, str) else json.dumps(about)}
        (folder / TRAINER).write_bytes(safetensors.torch.save(safetensors.torch.load(data), metadata))

    return spoil


def _fact(**values: Any) -> Callable[[Path], None]:
    return _about(lambda about: about | {"facts": about["facts"] | values})


BIAS = "optimizer.1.1.exp_avg"
HOSTILE_TRAINERS: dict[str, Callable[[Path], None]] = {
    "no safetensors": _trainer(lambda tensors: b"PK\x03\x04" + b"\0" * 99),
    "empty": _trainer(lambda tensors: b""),
    "truncated": _trainer(lambda tensors: safetensors.torch.save(tensors)[:-9]),
    "no metadata": _trainer(lambda tensors: safetensors.torch.save(tensors)),
    "header nested deep": _trainer(lambda tensors: _raw(b'{"a":' * 100_000)),
    "a gigabyte that takes no room": lambda folder: _spoil(folder, TRAINER, 1 << 30),
    "metadata no JSON": _about(lambda about: "{"),
    "metadata nested deep": _about(lambda about: "[" * 100_000),
    "metadata a list": _about(lambda about: [1]),
    "no facts": _about(lambda about: {"log_bytes": 0}),
    "facts a list": _about(lambda about: about | {"facts": [1]}),
    "no log_bytes": _about(lambda about: {"facts": about["facts"]}),
    "log_bytes a text": _about(lambda about: about | {"log_bytes": "x"}),
    "log_bytes infinite": _about(lambda about: about | {"log_bytes": float("inf")}),
    "step a text": _fact(step="5"),
    "step negative": _fact(step=-5),
    "step true": _fact(step=True),
    "seconds NaN": _fact(seconds=float("nan")),
    "is_started a number": _fact(is_started=1),
    "best a text": _fact(best="x"),
    "means short": _fact(means=[[1.0, 1]]),
    "means of text": _fact(means=[["x", 1], [1.0, 1]]),
    "batches a list": _fact(batches=[1]),
    "offset beyond": _fact(batches={"streams": 2, "window": 8, "offset": 10**9, "cursor": 8}),
    "offset negative": _fact(batches={"streams": 2, "window": 8, "offset": -1, "cursor": 8}),
    "cursor between windows": _fact(batches={"streams": 2, "window": 8, "offset": 0, "cursor": 3}),
    "cursor beyond": _fact(batches={"streams": 2, "window": 8, "offset": 0, "cursor": 8 * 10**6}),
    "evaluated_chars a text": _fact(evaluated_chars="all"),
    "a weight missing": _trainer(lambda tensors: {n: t for n, t in tensors.items() if n != "model.decoder_bias"}),
    "an average missing": _trainer(lambda tensors: {n: t for n, t in tensors.items() if n != "average.decoder_bias"}),
    "no dice": _trainer(lambda tensors: {n: t for n, t in tensors.items() if n != "dice"}),
    "one state of two": _trainer(lambda tensors: {n: t for n, t in tensors.items() if n != "state.1"}),
    "no moments": _trainer(lambda tensors: {n: t for n, t in tensors.items() if "exp_avg" not in n}),
    "a weight of one number": _tensor("model.decoder_bias", lambda bias: bias[:1]),
    "a weight of NaN": _tensor("model.decoder_bias", lambda bias: bias * float("nan")),
    "a weight of whole numbers": _tensor("model.decoder_bias", torch.Tensor.int),
    "a state of other streams": _tensor("state.0", lambda state: state[:, :1]),
    "a moment of another shape": _tensor(BIAS, lambda moment: moment[:1]),
    "a moment of NaN": _tensor(BIAS, lambda moment: moment * float("nan")),
    "dice too short": _tensor("dice", lambda dice: dice[:100]),
    "dice of floats": _tensor("dice", torch.Tensor.float),
    "dice of zeros": _tensor("text_dice", torch.zeros_like),
}


@pytest.mark.usefixtures("is_bounded")
@pytest.mark.parametrize("name", HOSTILE_TRAINERS)
def test_a_hostile_trainer_state_is_refused(name: str, copied: Path) -> None:
    HOSTILE_TRAINERS[name](copied)
    with pytest.raises(CheckpointError, match=r"trainer\.safetensors"):
        load_trainer(copied)


def test_the_state_of_another_run_is_refused(copied: Path, tmp_path: Path) -> None:
    other = tiny.run(tmp_path / "other", hidden_size=9)
    list(islice(other.events(), 3))
    save_trainer(copied, other, 0)
    with pytest.raises(CheckpointError, match="of another run"):
        load_trainer(copied)


# --- atomic writing ---


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_writing_replaces_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two" * 100_000)
    assert path.read_bytes() == b"two" * 100_000 and [path] == list(tmp_path.iterdir())

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fails)
            with pytest.raises(CheckpointError, match=r"file could not be written: No space left on device\."):
                write_atomically(path, b"three")
        assert path.read_bytes() == b"two" * 100_000 and [path] == list(tmp_path.iterdir())


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"could not be written: No such file or directory\."):
        write_atomically(tmp_path / "gone" / "file", b"x")


def test_a_folder_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be made"):
        create_run(tmp_path / "file" / "run", tiny.corpus(), Plan(*tiny.settings(), ""))


def test_a_file_larger_than_there_is_room_for_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with tiny.room_for(1000), pytest.raises(CheckpointError, match=r"file could not be written: File too large\."):
        write_atomically(tmp_path / "file", b"x" * 5000)
    assert (tmp_path / "file").read_bytes() == b"old" and not leftovers(tmp_path)


# --- names and folders ---


@pytest.mark.parametrize("name", ["a", "A-1", "my.run_2", "x" * 96, "console", "com10", "0"])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "-a", "_a", "a.", "a/b", "a\\b", "../a", "a b", "é", "x" * 97, "a\n", "a\0", "x" * 10_000]
    + ["con", "CON", "nul.txt", "Com1", "lpt9.log", "aux"],
)
def test_bad_names_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        checked_name(name)
    assert len(str(caught.value)) < 250


def test_runs_are_found_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path / "runs"))
    assert list_runs() == []
    with pytest.raises(CheckpointError, match=r"There is no run one\. Runs: none\."):
        find_run("one")
    tiny.run(tmp_path / "runs" / "two")
    tiny.run(tmp_path / "runs" / "one")
    assert list_runs() == ["one", "two"]
    assert find_run("one") == tmp_path / "runs" / "one"
    assert find_run(str(tmp_path / "runs" / "two")) == tmp_path / "runs" / "two"
    with pytest.raises(CheckpointError, match=r"is no run folder \(it has no config\.json\)\. Runs: one, two\."):
        find_run(str(tmp_path))
    for odd in ("x" * 5000, "a\0b", ""):
        with pytest.raises(CheckpointError):
            find_run(odd)


def test_without_the_variable_runs_are_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARLM_CHECKPOINTS")
    assert module.runs_folder() == Path(__file__).parent.parent / "checkpoints"


def test_a_run_is_not_replaced_unless_told_to(copied: Path) -> None:
    plan = Plan(*tiny.settings(hidden_size=5), "")
    with pytest.raises(RunExistsError, match="The run run exists. Give another name, --overwrite it, or --resume it"):
        create_run(copied, tiny.corpus(), plan)
    assert load_trainer(copied)[0].step > 0
    create_run(copied, tiny.corpus(), plan, overwrite=True)
    assert sorted(path.name for path in copied.iterdir() if path.stat().st_size) == [CONFIG, TEXT]
    assert read_config(copied).model.hidden_size == 5 and load_trainer(copied)[0].step == 0


def test_what_an_overwriting_left_behind_does_not_get_into_the_next_run(copied: Path) -> None:
    (copied / CONFIG).unlink()  # a process was killed when it had removed only this
    create_run(copied, tiny.corpus(), Plan(*tiny.settings(), ""))
    assert not (copied / WEIGHTS).exists() and not (copied / TRAINER).exists()


def test_a_run_under_way_is_not_overwritten(copied: Path) -> None:
    with locked_log(copied, 0), pytest.raises(CheckpointError, match="is being trained by another process"):
        create_run(copied, tiny.corpus(), Plan(*tiny.settings(), ""), overwrite=True)
    assert load_trainer(copied)[0].step > 0


# --- kill -9 ---


def _train_and_save_at_every_event(folder: Path) -> None:
    """In a child process: begin or go on."""
    from charlm.recording import recorded

    trainer, log_bytes = load_trainer(folder)
    for _ in recorded(trainer, folder, log_bytes):
        save_trainer(folder, trainer, os.stat(folder / EVENTS).st_size)
        save_weights(folder, trainer.published(), trainer.step, 1.0)


def _wait_for_a_save_after(path: Path, moment: int) -> None:
    until = time.monotonic() + 60
    while not path.exists() or path.stat().st_mtime_ns == moment:
        assert time.monotonic() < until, "the child saved nothing"
        time.sleep(0.002)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_whenever_a_process_is_killed_the_newest_save_is_whole_and_goes_on_exactly(tmp_path: Path) -> None:
    """25 times a forked child trains, saves back to back and is killed at a random moment."""
    folder, dice, step = tmp_path / "run", random.Random(1), 0
    settings: dict[str, Any] = {"steps": 1500, "evaluations": 30, "dropout": 0.1}
    tiny.run(folder, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charlm.trainer.EVENT_CHARS", 1)
        patch.setattr(os, "fsync", lambda handle: None)  # a killed process is no power cut
        for attempt in range(25):
            saved = (folder / TRAINER).stat().st_mtime_ns if (folder / TRAINER).exists() else 0
            child = os.fork()
            if not child:
                try:
                    _train_and_save_at_every_event(folder)
                finally:
                    os._exit(1)
            if attempt % 5:  # the others may be killed before they have saved anything
                _wait_for_a_save_after(folder / TRAINER, saved)
            time.sleep(dice.uniform(0.0, 0.15))
            os.kill(child, signal.SIGKILL)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the child ended by itself"
            trainer, log_bytes = load_trainer(folder)
            assert trainer.step >= step and log_bytes <= (folder / EVENTS).stat().st_size
            step = trainer.step
            if (folder / WEIGHTS).exists():
                assert load_checkpoint(folder).step <= step
    assert 10 < step < 1500
    list(trainer.events())
    whole = tiny.trainer(**settings)
    list(whole.events())
    assert tiny.digest(trainer) == tiny.digest(whole)
    module.remove_leftovers(folder)
    assert not leftovers(folder)


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_changes_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    tiny.run(folder)
    os.utime(folder / CONFIG, (1e9, 1e9))
    before = json.loads((folder / CONFIG).read_text("utf-8"))
    module.write_name(folder, " Zoé’s\n first ")
    assert json.loads((folder / CONFIG).read_text("utf-8")) == before | {"name": "Zoé’s first"}
    assert read_config(folder).name == "Zoé’s first" and (folder / CONFIG).stat().st_mtime == 1e9
    module.write_name(folder, "half \ud83d of it")
    assert read_config(folder).name == "half ? of it"
    with pytest.raises(CheckpointError, match="at most 80 characters; this one has 81"):
        module.write_name(folder, "x" * 81)
    with pytest.raises(CheckpointError):
        module.write_name(tmp_path / "gone", "x")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock on a folder")
def test_of_two_changes_at_a_time_none_is_lost(tmp_path: Path) -> None:
    """A run is named while another process begins to extend it: both read config.json before either has written."""
    folder = tmp_path / "run"
    training = tiny.run(folder).config
    both = threading.Barrier(2, timeout=0.5)
    real = module._json

    def slow(data: bytes, name: str) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):  # the lock lets only one of them come here
            both.wait()
        return real(data, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_json", slow)
        longer = dataclasses.replace(training, steps=99)
        threads = [threading.Thread(target=module.write_name, args=(folder, "mine"))]
        threads.append(threading.Thread(target=module.write_training, args=(folder, longer)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (read_config(folder).name, read_config(folder).training.steps) == ("mine", 99)
