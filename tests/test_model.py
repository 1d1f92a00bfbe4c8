"""CharRNN against torch.nn on the same weights, against a plain loop, and window by window against all at once."""

import math

import pytest
import torch
from tiny import CELLS
from torch import Tensor, nn
from torch.nn import functional as F

from charlm.config import GATES, ModelConfig
from charlm.model import CharRNN

V = 11
TORCH = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
every_cell = pytest.mark.parametrize("cell", CELLS)
every_input = pytest.mark.parametrize("embedding", [0, 5], ids=["one-hot", "embedding"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(cell: str = "lstm", hidden: int = 6, embedding: int = 5, seed: int = 0, **given: object) -> CharRNN:
    config = ModelConfig(cell=cell, hidden_size=hidden, embedding_size=embedding, **given)
    return CharRNN(V, config, seeded(seed))


def ids(streams: int = 3, window: int = 9) -> Tensor:
    return torch.randint(V, (streams, window), generator=seeded(5))


class TorchRNN(nn.Module):
    """The same network of torch's own layers, with the weights of a CharRNN by their names."""

    def __init__(self, model: CharRNN) -> None:
        super().__init__()
        config, state = model.config, model.state_dict()
        inputs = config.embedding_size or V
        kind = TORCH[config.cell]
        self.rnn = kind(inputs, config.hidden_size, config.num_layers, batch_first=True)
        self.rnn.load_state_dict({name[4:]: tensor for name, tensor in state.items() if name.startswith("rnn.")})
        vectors = state["embedding"] if config.embedding_size else torch.eye(V)
        self.embedding = nn.Embedding.from_pretrained(vectors.clone(), freeze=not config.embedding_size)
        self.decoder = nn.Linear(config.hidden_size, V)
        self.decoder.load_state_dict({"weight": model.output_weight.detach(), "bias": state["decoder_bias"]})

    def forward(self, chars: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        outputs, state = self.rnn(self.embedding(chars))
        return self.decoder(outputs), state if isinstance(state, tuple) else (state,)

    def gradients(self) -> dict[str, Tensor]:
        found = {f"rnn.{name}": p.grad for name, p in self.rnn.named_parameters()}
        found |= {"decoder_weight": self.decoder.weight.grad, "decoder_bias": self.decoder.bias.grad}
        return found if self.embedding.weight.grad is None else found | {"embedding": self.embedding.weight.grad}


def loss_of(logits: Tensor) -> Tensor:
    """Any loss that depends on every logit in its own way."""
    return F.cross_entropy(logits.flatten(0, 1), torch.randint(V, (logits[..., 0].numel(),), generator=seeded(9)))


@pytest.mark.parametrize("cell", TORCH)
@pytest.mark.parametrize("layers", [1, 2, 3])
@every_input
def test_logits_state_and_gradients_are_those_of_torch_nn(cell: str, layers: int, embedding: int) -> None:
    ours = made(cell, embedding=embedding, num_layers=layers)
    theirs = TorchRNN(ours)
    logits, state = ours(ids())
    expected, expected_state = theirs(ids())
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert len(state) == len(expected_state) == ours.states
    for part, wanted in zip(state, expected_state, strict=True):
        torch.testing.assert_close(part, wanted, rtol=1e-4, atol=1e-5)
    loss_of(logits).backward()
    loss_of(expected).backward()
    for name, gradient in theirs.gradients().items():
        torch.testing.assert_close(ours.get_parameter(name).grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cell", TORCH)
def test_the_way_that_a_gpu_takes_gives_the_same(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own layer, which is cuDNN's there, run here on the CPU."""
    model = made(cell, embedding=5, num_layers=2)
    expected, expected_state = model(ids())
    monkeypatch.setattr(CharRNN, "_is_fused", lambda *_: True)
    logits, state = model(ids())
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state, expected_state, rtol=1e-4, atol=1e-5)


@every_input
@pytest.mark.parametrize("layers", [1, 2])
def test_the_sigmoid_network_is_the_formula_one_character_at_a_time(embedding: int, layers: int) -> None:
    model, chars = made("sigmoid", embedding=embedding, num_layers=layers), ids(2, 5)
    vectors = torch.eye(V) if model.embedding is None else model.embedding
    expected = []
    h = [torch.zeros(2, 6) for _ in range(layers)]
    for t in range(5):
        x = vectors[chars[:, t]]
        for layer in range(layers):
            w = {name: model.rnn[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
            total = x @ w["weight_ih"].T + w["bias_ih"] + h[layer] @ w["weight_hh"].T + w["bias_hh"]
            x = h[layer] = 1 / (1 + torch.exp(-total))
        expected.append(x @ model.output_weight.T + model.decoder_bias)
    logits, state = model(chars)
    torch.testing.assert_close(logits, torch.stack(expected, 1))
    torch.testing.assert_close(state[0], torch.stack(h))


@every_cell
@every_input
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("learns", [True, False])
def test_windows_with_carried_state_are_the_whole_text_at_once(
    cell: str, embedding: int, layers: int, learns: bool
) -> None:
    model, chars = made(cell, embedding=embedding, num_layers=layers), ids(2, 24)
    with torch.set_grad_enabled(learns):
        whole, last = model(chars)
        state, pieces = None, []
        for window in chars.split([1, 7, 16], dim=1):
            logits, state = model(window, state)
            pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-4, atol=1e-5)
    assert state is not None
    for part, wanted in zip(state, last, strict=True):
        torch.testing.assert_close(part, wanted, rtol=1e-4, atol=1e-5)


@every_cell
def test_streams_do_not_touch_each_other_and_the_state_matters(cell: str) -> None:
    model, chars = made(cell), ids(4, 6)
    together, state = model(chars)
    alone, _ = model(chars[2:3])
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model(chars, state)[0], together, atol=1e-4)


@every_cell
def test_the_empty_state_is_zeros_one_tensor_or_two(cell: str) -> None:
    model = made(cell, num_layers=2)
    state = model.zero_state(3)
    assert [part.shape for part in state] == [(2, 3, 6)] * (2 if cell == "lstm" else 1)
    assert torch.equal(model(ids(), state)[0], model(ids())[0])
    assert not any(part.any() for part in state)


def test_tied_weights_are_one_matrix() -> None:
    model = made(hidden=6, embedding=6, tied=True)
    assert model.output_weight is model.embedding and "decoder_weight" not in dict(model.named_parameters())
    loss_of(model(ids())[0]).backward()
    both = model.embedding.grad
    theirs = TorchRNN(model)
    loss_of(theirs(ids())[0]).backward()
    torch.testing.assert_close(both, theirs.embedding.weight.grad + theirs.decoder.weight.grad, rtol=1e-4, atol=1e-6)


# --- dropout ---


def test_dropout_draws_from_the_models_own_dice_alone() -> None:
    options = {"num_layers": 2, "dropout": 0.4, "embedding_dropout": 0.3}
    before = torch.get_rng_state()
    first, second, other = (made("gru", seed=seed, **options) for seed in (1, 1, 2))
    other.load_state_dict(first.state_dict())
    outputs = [model.train()(ids())[0] for model in (first, second, other)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    assert not torch.equal(outputs[0], first(ids())[0])  # the next roll


@every_cell
@every_input
def test_evaluation_is_deterministic_and_rolls_no_dice(cell: str, embedding: int) -> None:
    model = made(cell, embedding=embedding, num_layers=2, dropout=0.5, embedding_dropout=0.5).eval()
    plain = made(cell, embedding=embedding, num_layers=2)
    dice = model.dice.get_state()
    assert torch.equal(model(ids())[0], plain(ids())[0])
    assert torch.equal(model.dice.get_state(), dice)


def test_one_mask_switches_units_off_for_a_whole_window() -> None:
    model = made("rnn", hidden=V, embedding=4, dropout=0.5)
    with torch.no_grad():  # the logits show the hidden units themselves
        model.decoder_weight.copy_(torch.eye(V))
        model.decoder_bias.zero_()
    shown = model.train()(ids(8, 7))[0]
    hidden, _ = model.hidden(ids(8, 7))
    is_off = (shown == 0).all(dim=1)  # (B, V)
    assert 0.3 < is_off.float().mean() < 0.7
    expected = hidden.transpose(0, 1) * 2 * ~is_off[:, None]
    torch.testing.assert_close(shown, expected)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_embedding_dropout_and_dropout_between_layers_do_something(cell: str) -> None:
    for options in ({"embedding_dropout": 0.5}, {"dropout": 0.5, "num_layers": 2}):
        model = made(cell, **options)
        quiet = model.eval().hidden(ids())[0]
        assert not torch.allclose(model.train().hidden(ids())[0], quiet)


# --- first weights ---


@every_cell
@every_input
def test_first_weights_stay_in_the_bounds_of_torch(cell: str, embedding: int) -> None:
    model = made(cell, hidden=64, embedding=embedding, num_layers=2)
    bound = 1 / math.sqrt(64)
    for name, parameter in model.named_parameters():
        limit = bound
        if cell == "sigmoid" and name.startswith("rnn."):
            limit = 1 / math.sqrt(64 + (64 if name.endswith("l1") else embedding or V))
        if name == "embedding":
            assert abs(parameter.std() - 1) < 0.25 and abs(parameter.mean()) < 0.35
        else:
            assert parameter.abs().max() <= limit, name
            if parameter.numel() > 100:
                assert parameter.abs().max() > 0.9 * limit, name
                assert abs(parameter.std() / (limit / math.sqrt(3)) - 1) < 0.1, name


def test_a_tied_embedding_begins_as_small_as_an_output_matrix() -> None:
    model = made(hidden=64, embedding=64, tied=True)
    assert abs(model.embedding.std() * math.sqrt(64) - 1) < 0.1


def test_first_weights_come_from_the_dice_given() -> None:
    before = torch.get_rng_state()
    first, second, other = made(seed=3), made(seed=3), made(seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, second.get_parameter(name))
        assert not torch.equal(parameter, other.get_parameter(name))


def test_no_memory_is_taken_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = CharRNN(V, ModelConfig(hidden_size=2048, num_layers=4))
    assert all(parameter.is_meta for parameter in model.parameters())


def numbers(model: CharRNN) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@every_cell
@every_input
def test_parameter_count_is_the_formula(cell: str, embedding: int) -> None:
    H, k = 6, GATES[cell]
    layers = k * H * ((embedding or V) + H + 2) + k * H * (H + H + 2)
    model = made(cell, H, embedding, num_layers=2)
    assert numbers(model) == model.config.parameters(V) == V * embedding + layers + V * H + V


def test_tied_weights_are_counted_once() -> None:
    model = made("gru", 6, 6, tied=True)
    assert numbers(model) == model.config.parameters(V)


@every_cell
def test_bf16_autocast_stays_near_fp32(cell: str) -> None:
    model = made(cell, hidden=16)
    exact = model(ids())[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough, state = model(ids())
    assert not torch.equal(rough.float(), exact)
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)
    assert all(part.isfinite().all() for part in state)
