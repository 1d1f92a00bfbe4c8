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


@NAMES
def test_units_cut_into_parts_for_the_threads_give_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, inputs = _cell_inputs(kind, (4, 3, 12))
    whole = [_first(cell(*inputs)), *torch.autograd.grad(_sum(cell(*inputs)), inputs)]
    for parts in (2, 3):
        monkeypatch.setattr(cells, "_width", lambda state, parts=parts: state.shape[-1] // parts)
        cut = [_first(cell(*inputs)), *torch.autograd.grad(_sum(cell(*inputs)), inputs)]
        for got, wanted in zip(cut, whole, strict=True):
            torch.testing.assert_close(got, wanted)
    assert torch.autograd.gradcheck(cell, inputs)


@pytest.mark.parametrize(
    ("units", "threads", "width"), [(256, 1, 256), (256, 2, 128), (256, 8, 64), (100, 4, 100), (129, 2, 129), (1, 2, 1)]
)
def test_parts_are_equal_and_never_narrow(
    units: int, threads: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert cells._width(torch.empty(2, units)) == width


@NAMES
def test_two_windows_with_a_carried_state_are_one_long_window(kind: str) -> None:
    cell, (projected, *rest) = _cell_inputs(kind, (6, 2, 3))
    whole = cell(projected, *rest)
    first = cell(projected[:4], *rest)
    after = [_first(first)[-1], *([first[1]] if isinstance(first, tuple) else [])]
    second = cell(projected[4:], *after, *rest[len(after) :])
    torch.testing.assert_close(torch.cat([_first(first), _first(second)]), _first(whole))
    leaves = [projected, *rest]
    ours, theirs = torch.autograd.grad(_sum(second), leaves), torch.autograd.grad(_sum(whole, 4), leaves)
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, wanted)


@NAMES
def test_a_detached_state_gets_no_gradient_and_changes_no_other(kind: str) -> None:
    cell, inputs = _cell_inputs(kind)
    states = {1, 2} if kind == "lstm" else {1}
    carried = [x.detach() if i in states else x for i, x in enumerate(inputs)]
    seen: list[tuple[Tensor | None, ...]] = []
    result = _first(cell(*carried))
    assert result.grad_fn is not None
    result.grad_fn.register_hook(lambda given, _: seen.append(given))  # type: ignore[arg-type, func-returns-value]
    result.sum().backward()
    assert {i for i in range(len(inputs)) if seen[0][i] is None} == states
    leaves = [x for i, x in enumerate(inputs) if i not in states]
    for got, wanted in zip(
        torch.autograd.grad(_sum(cell(*carried)), leaves), torch.autograd.grad(_sum(cell(*inputs)), leaves), strict=True
    ):
        assert torch.equal(got, wanted)


@NAMES
def test_used_twice_in_one_graph_the_gradients_add_up(kind: str) -> None:
    cell, inputs = _cell_inputs(kind)
    once = torch.autograd.grad(_sum(cell(*inputs)), inputs)
    loss = _sum(cell(*inputs)) + _sum(cell(*inputs))
    for _ in range(2):  # the way back leaves what was kept as it was
        for got, wanted in zip(torch.autograd.grad(loss, inputs, retain_graph=True), once, strict=True):
            torch.testing.assert_close(got, 2 * wanted)


@NAMES
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_same_numbers_and_no_graph(kind: str, mode: Callable[[], torch.no_grad]) -> None:
    cell, inputs = _cell_inputs(kind)
    learning = _all(cell(*inputs))
    with mode():
        speaking = _all(cell(*inputs))
    for got, wanted in zip(speaking, learning, strict=True):
        assert torch.equal(got, wanted)
        assert got.grad_fn is None and not got.requires_grad
        assert wanted.grad_fn is not None


@NAMES
def test_nothing_that_was_given_is_written_to(kind: str) -> None:
    cell, inputs = _cell_inputs(kind)
    before = [x.detach().clone() for x in inputs]
    results = _all(cell(*inputs))
    grads = [torch.randn(x.shape, dtype=x.dtype, generator=_dice(4)) for x in results]
    kept = [x.clone() for x in grads]
    torch.autograd.grad(results, inputs, grads)
    for now, then in zip([*inputs, *grads], [*before, *kept], strict=True):
        assert torch.equal(now, then)


@NAMES
def test_the_same_inputs_give_the_same_bits(kind: str) -> None:
    cell, inputs = _cell_inputs(kind, (20, 16, 128))
    runs = [[*_all(cell(*inputs)), *torch.autograd.grad(_sum(cell(*inputs)), inputs)] for _ in range(3)]
    for other in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], other, strict=True))


@NAMES
def test_views_and_expanded_gradients_are_welcome(kind: str) -> None:
    """A batch-first projection, a weight that is somebody's transpose, the stride-0 gradient of a sum."""
    cell, inputs = _cell_inputs(kind)
    turned = [x.detach().mT.contiguous().mT.requires_grad_() if x.dim() > 1 else x for x in inputs]
    for got, wanted in zip(
        torch.autograd.grad(sum(x.sum() for x in _all(cell(*turned))), turned),
        torch.autograd.grad(sum((x * torch.ones_like(x)).sum() for x in _all(cell(*inputs))), inputs),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


@NAMES
def test_under_autocast_the_recurrence_is_float32(kind: str) -> None:
    cell, inputs = _cell_inputs(kind)
    halves = [
        inputs[0].detach().bfloat16().requires_grad_(),
        *(x.detach().float().requires_grad_() for x in inputs[1:]),
    ]
    with torch.autocast("cpu", torch.bfloat16):
        results = _all(cell(*halves))
    exact = _all(cell(halves[0].float(), *halves[1:]))
    for got, wanted in zip(results, exact, strict=True):
        assert got.dtype == torch.float32
        assert torch.equal(got, wanted)
    gradients = torch.autograd.grad(_sum(results), halves)
    assert [x.dtype for x in gradients] == [x.dtype for x in halves]


@NAMES
def test_weights_in_bfloat16_work_and_stay_near(kind: str) -> None:
    cell, inputs = _cell_inputs(kind)
    halves = [x.detach().bfloat16().requires_grad_() for x in inputs]
    result, exact = _first(cell(*halves)), _first(cell(*inputs))
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), exact, rtol=0.05, atol=0.05)
    assert all(x.isfinite().all() for x in torch.autograd.grad(_sum(cell(*halves)), halves))


def test_an_unknown_squash_is_named() -> None:
    _, inputs = _cell_inputs("tanh")
    with pytest.raises(ValueError, match="'relu'.*'tanh' or 'sigmoid'"):
        cells.elman(*inputs, "relu")  # type: ignore[arg-type]


def _all(result: object) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)  # type: ignore[return-value]


def _first(result: object) -> Tensor:
    return _all(result)[0]


def _sum(result: object, start: int = 0) -> Tensor:
    """A number that depends on every output from step start on, each with a weight of its own."""
    outputs, *rest = _all(result)
    total = torch.zeros((), dtype=outputs.dtype)
    for x in (outputs[start:], *rest):
        total = total + (x * torch.cos(torch.arange(x.numel(), dtype=torch.float64)).to(x.dtype).view_as(x)).sum()
    return total
