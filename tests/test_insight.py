"""Surprise against the teacher-forced logits of torch's own cells, for every character of a text."""

import numpy as np
import pytest
import torch
from torch import nn

from charlm import insight
from charlm.config import ModelConfig, SampleConfig
from charlm.insight import ALTERNATIVES, softmax, surprise, surprise_of
from charlm.model import CharRNN
from charlm.sampling import draws
from charlm.stepping import fold
from charlm.vocabulary import Vocabulary

SYMBOLS = Vocabulary(tuple("\n abcdefgé"))
TEXT = "abc ade fgé\nbad cafe gab\n" * 12  # more than a block
TORCH = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def network(cell: str, layers: int = 1, embedding: int = 5, symbols: Vocabulary = SYMBOLS) -> CharRNN:
    config = ModelConfig(cell=cell, num_layers=layers, hidden_size=12, embedding_size=embedding)
    model = CharRNN(len(symbols), config, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 3
    return model.eval()


def torchs_own(model: CharRNN, ids: list[int]) -> np.ndarray:
    """Probabilities (T, V) after each character, by torch's layer and a linear map with the same weights."""
    config, V = model.config, model.vocabulary_size
    layer = TORCH[config.cell](config.embedding_size or V, config.hidden_size, config.num_layers, batch_first=True)
    layer.load_state_dict(dict(model.rnn.items()))
    rows = torch.eye(V) if model.embedding is None else model.embedding.detach()
    with torch.no_grad():
        hidden, _ = layer(rows[torch.tensor(ids)][None])  # (1, T, H)
        logits = hidden[0] @ model.output_weight.T + model.decoder_bias  # (T, V)
    return torch.softmax(logits.double(), -1).numpy()


@pytest.mark.parametrize("cell", TORCH)
@pytest.mark.parametrize(("layers", "embedding"), [(1, 5), (2, 5), (1, 0)])
def test_every_character_has_torchs_probability(cell: str, layers: int, embedding: int) -> None:
    model, ids = network(cell, layers, embedding), SYMBOLS.encode(TEXT).tolist()
    assert len(ids) > 1 + insight.BLOCK
    found, logits = surprise(fold(model), SYMBOLS, TEXT)
    expected = torchs_own(model, ids)
    own = expected[np.arange(len(ids) - 1), ids[1:]]
    assert found.probability == pytest.approx(own, abs=1e-4)
    assert softmax(logits) == pytest.approx(expected[-1], abs=1e-4)
    assert found.shares == pytest.approx(-np.sort(-expected[:-1], axis=1)[:, :ALTERNATIVES], abs=1e-4)
    rows = np.arange(len(ids) - 1)[:, None]
    assert expected[rows, found.likeliest] == pytest.approx(found.shares, abs=1e-4)


def test_the_likeliest_come_first_and_are_different_ones() -> None:
    found, _ = surprise(fold(network("gru")), SYMBOLS, TEXT)
    assert (np.diff(found.shares, axis=1) <= 0).all()
    assert all(len(set(row)) == ALTERNATIVES for row in found.likeliest.tolist())


@pytest.mark.parametrize("length", [0, 1])
def test_before_the_first_character_nothing_was_expected(length: int) -> None:
    folded = fold(network("lstm"))
    found, logits = surprise(folded, SYMBOLS, "\n"[:length])
    assert found.probability.shape == (0,) and found.shares.shape == found.likeliest.shape == (0, ALTERNATIVES)
    _, drawn = next(draws(folded, SYMBOLS, "", SampleConfig(length=1)))
    assert np.array_equal(logits, drawn)


def test_an_unknown_character_counts_as_its_stand_in() -> None:
    folded = fold(network("rnn"))
    assert np.array_equal(surprise(folded, SYMBOLS, "abÀ")[0].shares, surprise(folded, SYMBOLS, "aba")[0].shares)


def test_what_is_drawn_has_the_probability_that_a_reader_finds() -> None:
    """The text that `draws` wrote, judged while it was written and judged afterwards."""
    folded, config = fold(network("lstm")), SampleConfig(length=40, temperature=1.3, seed=3)
    ids, rows = zip(*draws(folded, SYMBOLS, "abc", config), strict=True)
    written = surprise_of(np.stack(rows), ids)
    read, _ = surprise(folded, SYMBOLS, "abc" + SYMBOLS.decode(ids))
    assert written.probability == pytest.approx(read.probability[2:], abs=1e-6)
    assert written.shares == pytest.approx(read.shares[2:], abs=1e-6)


def test_fewer_symbols_than_alternatives() -> None:
    two = Vocabulary(("a", "b"))
    found, _ = surprise(fold(network("rnn", symbols=two)), two, "abba")
    assert found.likeliest.shape == (3, 2) and found.shares.sum(axis=1) == pytest.approx(1)
