"""The fast step against the teacher-forced network it was folded from, and what a stepper shares and does not."""

import numpy as np
import pytest
import tiny
import torch

from charlm.config import ModelConfig
from charlm.model import CharRNN
from charlm.stepping import Stepper, fold

V = 13


def network(cell: str, layers: int = 1, hidden: int = 16, embedding: int = 7, scale: float = 0) -> CharRNN:
    """First weights are small: only of larger ones the squashing functions show. A tanh RNN of very large ones is
    chaotic: it multiplies the last digit's rounding at every step."""
    config = ModelConfig(cell=cell, num_layers=layers, hidden_size=hidden, embedding_size=embedding)
    model = CharRNN(V, config, torch.Generator().manual_seed(layers))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= scale or (2 if cell == "rnn" else 5)
    return model.eval()


def ids(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(V, (count,), generator=torch.Generator().manual_seed(seed))


def teacher_forced(model: CharRNN, chars: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model(chars[None])[0][0].numpy()


def stepped(model: CharRNN, chars: torch.Tensor) -> np.ndarray:
    stepper = Stepper(fold(model))
    return np.stack([stepper.step(char) for char in chars.tolist()])


@pytest.mark.parametrize("cell", tiny.CELLS)
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("embedding", [0, 7], ids=["one-hot", "embedding"])
def test_logits_are_the_teacher_forced_ones(cell: str, layers: int, embedding: int) -> None:
    model = network(cell, layers, embedding=embedding)
    expected = teacher_forced(model, ids(60))
    assert np.abs(stepped(model, ids(60)) - expected).max() < 1e-4
    assert expected.std(axis=0).min() > 1e-2  # they do depend on the text


@pytest.mark.parametrize("cell", tiny.CELLS)
@pytest.mark.parametrize("hidden", [1, 2, 3, 31, 64])
def test_every_width(cell: str, hidden: int) -> None:
    model = network(cell, 2, hidden)
    assert np.abs(stepped(model, ids(40)) - teacher_forced(model, ids(40))).max() < 1e-4


@pytest.mark.parametrize("cell", tiny.CELLS)
def test_saturated_gates(cell: str) -> None:
    model = network(cell, scale=60.0)
    assert np.abs(stepped(model, ids(30)) - teacher_forced(model, ids(30))).max() < 2e-3


def test_tied_weights() -> None:
    model = CharRNN(V, ModelConfig(hidden_size=8, embedding_size=8, tied=True)).eval()
    assert np.abs(stepped(model, ids(20)) - teacher_forced(model, ids(20))).max() < 1e-4


@pytest.mark.parametrize("cell", tiny.CELLS)
def test_steppers_of_one_folding_do_not_touch_each_other(cell: str) -> None:
    folded = fold(network(cell, 2))
    one, other = Stepper(folded), Stepper(folded)
    mixed = []
    for mine, theirs in zip(ids(20, 1).tolist(), ids(20, 2).tolist(), strict=True):
        mixed.append(one.step(mine))
        other.step(theirs)
    alone = Stepper(folded)
    assert np.array_equal(np.stack(mixed), np.stack([alone.step(char) for char in ids(20, 1).tolist()]))


@pytest.mark.parametrize("cell", tiny.CELLS)
def test_a_folding_is_a_copy_and_logits_are_the_callers_own(cell: str) -> None:
    model = network(cell)
    stepper = Stepper(fold(model))
    first = stepper.step(3)
    kept = first.copy()
    with torch.no_grad():  # the model learns on
        for parameter in model.parameters():
            parameter.zero_()
    again = Stepper(fold(network(cell)))
    assert np.array_equal(again.step(3), first)
    second = stepper.step(4)
    assert np.array_equal(second, again.step(4)) and np.array_equal(first, kept)
    first += 1
    assert np.array_equal(stepper.step(5), again.step(5))
