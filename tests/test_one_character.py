"""The closed-form step against autograd on the same weights."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charlm.config import ModelConfig, TrainConfig
from charlm.model import CharRNN
from charlm.one_character import OneCharacter, has_closed_form

MODEL = ModelConfig(cell="sigmoid", hidden_size=12, embedding_size=0)
PLAIN = {"epochs": 1, "streams": 1, "window": 1, "optimizer": "sgd", "clip": 0.0}


def by_autograd(model: CharRNN, state: torch.Tensor, char: int, target: int, rate: float):
    """Loss, gradient norm and next state of one plain SGD step."""
    logits, after = model(torch.tensor([[char]]), (state,))
    loss = F.cross_entropy(logits[0], torch.tensor([target]))
    model.zero_grad()
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= rate * parameter.grad
    return loss.item(), norm.item(), after[0].detach()


def test_thirty_steps_equal_those_of_autograd():
    dice = np.random.default_rng(3)
    ids = dice.integers(7, size=31)
    reference, model = CharRNN(7, MODEL), CharRNN(7, MODEL)
    by_hand, state = OneCharacter(dict(model.named_parameters())), np.zeros(12, np.float32)
    expected = torch.zeros(1, 1, 12)
    for char, target in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        loss, norm, expected = by_autograd(reference, expected, char, target, 0.3)
        assert by_hand.step(state, char, target, 0.3) == pytest.approx(loss, abs=1e-5)
        assert by_hand.grad_norm() == pytest.approx(norm, rel=1e-4)
        assert np.allclose(state, expected.numpy().ravel(), atol=1e-5)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_loss_that_is_not_finite_changes_nothing():
    model = CharRNN(7, MODEL)
    by_hand = OneCharacter(dict(model.named_parameters()))
    by_hand.step(np.full(12, 0.5, np.float32), 2, 4, 0.1)
    norm = by_hand.grad_norm()
    with torch.no_grad():
        model.decoder_bias.copy_(torch.tensor([1e4, 0, 0, 0, 0, 0, 0]))
    before = [p.clone() for p in model.parameters()]
    state = np.full(12, 0.5, np.float32)
    loss = by_hand.step(state, 1, 3, 0.1)
    assert loss == math.inf and (state == 0.5).all()
    assert by_hand.grad_norm() == norm > 0  # of the last step that was made
    assert all(torch.equal(now, then) for now, then in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("model", "training", "expected"),
    [
        ({}, {}, True),
        ({"cell": "rnn"}, {}, False),
        ({"num_layers": 2}, {}, False),
        ({"embedding_size": 4}, {}, False),
        ({}, {"window": 2}, False),
        ({}, {"streams": 2}, False),
        ({}, {"optimizer": "adam"}, False),
        ({}, {"clip": 1.0}, False),
        ({}, {"fresh": 0.1}, False),
        ({}, {"average": 0.9}, False),
    ],
)
def test_only_the_tutorials_own_kind_of_run_has_a_closed_form(model, training, expected):
    changed = ModelConfig(**{"cell": "sigmoid", "hidden_size": 12, "embedding_size": 0, **model})
    assert has_closed_form(changed, TrainConfig(**{**PLAIN, **training})) is expected
