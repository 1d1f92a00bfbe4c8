"""The hand-written recurrences against torch.nn, against finite differences, and against a plain loop with autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from charlm import cells

SHAPES = [(1, 1, 3), (1, 4, 8), (2, 1, 5), (5, 3, 7), (12, 6, 16)]  # (T, B, H)
PRECISIONS = {torch.float64: 1e-11, torch.float32: 2e-5}
INPUTS = 6


def _dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _random(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=_dice(seed)).requires_grad_()


def _ours(layer: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What model.py does around a cell: project the window, fold the biases, run."""
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    units = layer.hidden_size
    if isinstance(layer, nn.GRU):
        bias = torch.cat([bias[: 2 * units], layer.bias_ih_l0[2 * units :]])
    projected = nn.functional.linear(inputs, layer.weight_ih_l0, bias)
    if isinstance(layer, nn.LSTM):
        outputs, last_c = cells.lstm(projected, state[0], state[1], layer.weight_hh_l0)
        return outputs, outputs[-1], last_c
    if isinstance(layer, nn.GRU):
        outputs = cells.gru(projected, state[0], layer.weight_hh_l0, layer.bias_hh_l0[2 * units :])
    else:
        outputs = cells.elman(projected, state[0], layer.weight_hh_l0, "tanh")
    return outputs, outputs[-1]


def _theirs(layer: nn.RNNBase, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    before = tuple(x[None] for x in state)
    outputs, after = layer(inputs, before if isinstance(layer, nn.LSTM) else before[0])
    after = after if isinstance(layer, nn.LSTM) else (after,)
    return outputs, *(x[0] for x in after)


def _gradients(run: Callable[..., tuple[Tensor, ...]], layer: nn.RNNBase, leaves: list[Tensor]) -> list[Tensor]:
    results = run(layer, leaves[0], tuple(leaves[1:]))
    loss = sum((x * torch.cos(torch.arange(x.numel(), dtype=x.dtype)).view_as(x)).sum() for x in results)
    return [*results, *torch.autograd.grad(loss, [*leaves, *layer.parameters()])]


def _layer(kind: type[nn.RNNBase], units: int, dtype: torch.dtype = torch.float64) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return kind(INPUTS, units).to(dtype)


def _leaves(kind: type[nn.RNNBase], shape: tuple[int, int, int], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    window, streams, units = shape
    states = 2 if kind is nn.LSTM else 1
    return [
        _random(window, streams, INPUTS, dtype=dtype),
        *(_random(streams, units, dtype=dtype, seed=2 + s) for s in range(states)),
    ]


KINDS = pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])


@KINDS
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_outputs_states_and_all_gradients_are_those_of_torch_nn(
    kind: type[nn.RNNBase], shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    layer, leaves = _layer(kind, shape[2], dtype), _leaves(kind, shape, dtype)
    tolerance = PRECISIONS[dtype]
    for ours, theirs in zip(_gradients(_ours, layer, leaves), _gradients(_theirs, layer, leaves), strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def _cell_inputs(kind: str, shape: tuple[int, int, int] = (4, 2, 3)) -> tuple[Callable[..., object], list[Tensor]]:
    """A cell and leaves for all its tensors."""
    window, streams, units = shape
    gates = {"tanh": 1, "sigmoid": 1, "gru": 3, "lstm": 4}[kind]
    projected, weight = _random(window, streams, gates * units), _random(gates * units, units, seed=1)
    state = _random(streams, units, seed=2)
    if kind == "gru":
        return cells.gru, [projected, state, weight, _random(units, seed=3)]
    if kind == "lstm":
        return cells.lstm, [projected, state, _random(streams, units, seed=3), weight]
    return lambda p, s, w: cells.elman(p, s, w, kind), [projected, state, weight]  # type: ignore[arg-type]


NAMES = pytest.mark.parametrize("kind", ["tanh", "sigmoid", "gru", "lstm"])


@NAMES
@pytest.mark.parametrize("window", [1, 2, 5])
def test_gradients_agree_with_finite_differences(kind: str, window: int) -> None:
    cell, inputs = _cell_inputs(kind, (window, 2, 3))
    assert torch.autograd.gradcheck(cell, inputs)


@pytest.mark.parametrize("shape", SHAPES)
def test_sigmoid_is_the_plain_loop(shape: tuple[int, int, int]) -> None:
    _, (projected, state, weight) = _cell_inputs("sigmoid", shape)
    h, expected = state, []
    for p in projected:
        h = torch.sigmoid(p + h @ weight.t())
        expected.append(h)
    theirs, ours = torch.stack(expected), cells.elman(projected, state, weight, "sigmoid")
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn(theirs.shape, dtype=theirs.dtype, generator=_dice(9))
    leaves = [projected, state, weight]
    for got, wanted in zip(
        torch.autograd.grad(ours, leaves, grad), torch.autograd.grad(theirs, leaves, grad), strict=True
    ):
        torch.testing.assert_close(got, wanted)


def _first(result: Tensor | tuple[Tensor, ...]) -> Tensor:
    return result[0] if isinstance(result, tuple) else result
