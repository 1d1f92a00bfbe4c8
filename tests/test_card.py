"""card: what the Hub is told of a run. The YAML is read by PyYAML and the Hub's own reader, the command by train.py."""

import re
import shlex
from pathlib import Path

import pytest
import tiny
import torch
import yaml

import train
from charlm.card import FITTED, LICENSES, PICTURE, TEMPERATURES, card_of, checked_license, license_in
from charlm.checkpoint import CARD, CONFIG, TEXT, WEIGHTS, load_checkpoint, read_config, save_weights
from charlm.config import ModelConfig, SampleConfig, TextConfig, TrainConfig, given
from charlm.corpora import load_corpus
from charlm.corpus import Corpus, corpus_from_text
from charlm.errors import ConfigError
from charlm.evaluation import cold_loss, stream_loss
from charlm.history import history_of
from charlm.log import EVENTS, read_events
from charlm.model import CharRNN
from charlm.recipes import fitting, plan, text_config
from charlm.recording import recorded
from charlm.sampling import generate
from charlm.stepping import fold

TITLE = 'My "book": `rm -rf`\n---\n# <b>x</b> \u2028 \x1b[31m 学🇫🇷'


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run whose title is hostile. Not to be changed."""
    folder = tmp_path_factory.mktemp("card") / "tiny-lstm"
    corpus = corpus_from_text(tiny.text(3000), TITLE)
    list(recorded(tiny.run(folder, corpus), folder))
    return folder


def front(card: str) -> dict[str, object]:
    """The front matter, as the Hub reads it."""
    _, yaml_part, _ = card.split("---\n", 2)
    found = yaml.safe_load(yaml_part)
    assert isinstance(found, dict)
    return found


def test_the_front_matter_is_yaml_with_both_protocols(finished: Path) -> None:
    facts = front(card_of(finished, "alice/my-rnn", "cc0-1.0").text)
    assert (facts["license"], facts["library_name"], facts["pipeline_tag"]) == ("cc0-1.0", "charlm", "text-generation")
    assert {"charlm", "lstm"} <= set(facts["tags"])  # type: ignore[call-overload]
    (model,) = facts["model-index"]  # type: ignore[misc]
    assert model["name"] == "my-rnn"
    (result,) = model["results"]
    measured = history_of(read_events(finished)).measured
    assert {metric["name"]: metric["value"] for metric in result["metrics"]} == {
        "nats per character (stream)": round(measured["stream"], 4),
        "nats per character (cold-256)": round(measured["cold-256"], 4),
    }
    assert "学🇫🇷" in result["dataset"]["name"] and "\n" not in result["dataset"]["name"]


def test_the_hubs_own_reader_accepts_it(finished: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard(card_of(finished, "alice/my-rnn", "mit").text)
    assert card.data.license == "mit"
    assert [result.metric_type for result in card.data.eval_results or ()] == ["loss", "loss"]


def test_it_never_holds_the_text(finished: Path) -> None:
    """No forty characters in a row of it."""
    card, text = card_of(finished), (finished / TEXT).read_text("utf-8")
    whole = card.text
    for sample in re.findall(r"```text\n(.*?)\n```", card.text, re.DOTALL):
        whole = whole.replace(sample, "")  # what the network wrote
    pieces = {text[i : i + 40] for i in range(len(text) - 40)}
    assert not any(whole[i : i + 40] in pieces for i in range(len(whole) - 40))
    assert read_config(finished).digest in card.text
    assert "3,000 characters" in card.text


def test_the_command_makes_the_same_run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed by train.py, planned for the same text: the same settings of everything."""
    for given_settings in ({}, {"dropout": 0.2, "tied": True, "embedding_size": 8, "epochs": 3.0, "precision": "bf16"}):
        folder, corpus = tmp_path / str(len(given_settings)), tiny.corpus(3000)
        tiny.run(folder, corpus, **given_settings)
        config = read_config(folder)
        give_weights(folder, corpus)
        (command,) = re.findall(r"```sh\n(python train\.py .*)\n```", card_of(folder).text)
        values = vars(train.parser().parse_args(shlex.split(command)[2:]))
        assert values["text"] == "tiny"
        settings = plan(corpus, "", given(ModelConfig, values), given(TrainConfig, values))
        assert (settings.model, settings.training) == (config.model, config.training)
        assert text_config("", given(TextConfig, values)) == config.text


def give_weights(folder: Path, corpus: Corpus) -> None:
    """First weights, so that there is something to show."""
    config = read_config(folder)
    model = CharRNN(len(corpus.vocabulary), config.model, torch.Generator().manual_seed(0))
    save_weights(folder, dict(model.named_parameters()), 0, 2.0)


def test_what_fits_itself_is_always_said() -> None:
    network, training = fitting(tiny.corpus(3000), {"steps": 5}, "lstm", {})
    assert {*network, *training} - {"steps"} == FITTED


def test_a_built_in_text_is_named_as_train_py_names_it(tmp_path: Path) -> None:
    corpus = load_corpus("tale-fr")
    tiny.run(tmp_path / "run", corpus)
    give_weights(tmp_path / "run", corpus)
    card = card_of(tmp_path / "run").text
    assert "python train.py tale-fr --" in card
    assert front(card)["language"] == "fr"


def test_samples_are_what_the_weights_write(finished: Path) -> None:
    checkpoint, card = load_checkpoint(finished), card_of(finished).text
    for temperature in TEMPERATURES:
        config = SampleConfig(length=300, temperature=temperature, seed=1)
        assert "".join(generate(fold(checkpoint.model), checkpoint.vocabulary, "", config)) in card


def test_nothing_gets_out_of_its_fence(tmp_path: Path) -> None:
    """A network whose alphabet is backticks and line ends."""
    corpus = corpus_from_text("```\n---\n````\n" * 100, "`" * 9)
    tiny.run(tmp_path / "run", corpus)
    give_weights(tmp_path / "run", corpus)
    lines, fence, outside = card_of(tmp_path / "run").text.splitlines(), "", []
    for line in lines:
        mark = re.match("`{3,}", line)
        if not fence and mark:
            fence = mark[0]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert fence == ""
    assert [line for line in outside if line.startswith("#")] == [
        "# run", "## How it was made", "## What it writes", "## How to use it", "## Licence",
    ] or "## Results" in outside  # fmt: skip
    assert outside.count("---") == 2


def test_losses_are_measured_anew_after_more_steps_and_left_out_without_the_text(
    finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with open(folder / EVENTS, "a") as log:
        log.write('{"event": "Step", "step": 13, "epoch": 1, "loss": 1, "grad_norm": 1, "learning_rate": 0.1,')
        log.write(' "chars_seen": 1, "seconds": 1, "progress": 1}\n')
    (model,) = front(card_of(folder).text)["model-index"]  # type: ignore[misc]
    corpus, network = corpus_from_text(tiny.text(3000), TITLE), load_checkpoint(folder).model
    ids = torch.from_numpy(corpus.validation).long()
    assert [metric["value"] for metric in model["results"][0]["metrics"]] == [
        pytest.approx(stream_loss(network, ids), abs=1e-4), pytest.approx(cold_loss(network, ids), abs=1e-4),
    ]  # fmt: skip
    (folder / TEXT).unlink()
    card = card_of(folder).text
    assert "model-index" not in front(card) and "## Results" not in card
    assert front(card_of(folder, text_of=finished).text)["model-index"]


def test_the_picture_is_shown_and_is_a_png(finished: Path) -> None:
    card = card_of(finished)
    assert f"]({PICTURE})" in card.text
    assert card.picture.startswith(b"\x89PNG") and len(card.picture) < 60_000
    assert card_of(finished) == card  # so that the same run pushed again changes nothing


def test_the_licence_asked_for_is_stated_and_kept(finished: Path, tmp_path: Path) -> None:
    assert "None is stated" in card_of(finished).text and "license" not in front(card_of(finished).text)
    for license in LICENSES:
        (tmp_path / CARD).write_text(card_of(finished, license=license).text, "utf-8")
        assert license_in(tmp_path / CARD) == license
    for name in (CONFIG, WEIGHTS):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    assert front(card_of(tmp_path).text)["license"] == LICENSES[-1]
    with pytest.raises(ConfigError, match="license must be one of mit, "):
        checked_license("do what you want")
    (tmp_path / CARD).write_text("no front matter\nlicense: mit\n---\n", "utf-8")
    assert license_in(tmp_path / CARD) == license_in(tmp_path / "nowhere") == ""
