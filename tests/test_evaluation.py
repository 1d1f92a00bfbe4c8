"""The two protocols against naive readers that take one character, or one crop, at a time."""

import math

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from charlm import evaluation
from charlm.config import ModelConfig
from charlm.evaluation import cold_loss, cross_entropy, loss_under, stream_loss, tracks_loss
from charlm.model import CharRNN

V = 9


def network(cell: str = "lstm", hidden: int = 12) -> CharRNN:
    model = CharRNN(V, ModelConfig(cell=cell, hidden_size=hidden, embedding_size=6), torch.Generator().manual_seed(1))
    with torch.no_grad():  # far from uniform, with a memory that lasts
        for parameter in model.parameters():
            parameter *= 3
    return model.eval()


def ids(count: int, seed: int = 2) -> Tensor:
    return torch.randint(V, (count,), generator=torch.Generator().manual_seed(seed))


def surprises(model: CharRNN, chars: Tensor) -> list[float]:
    """-ln p of each character but the first, one at a time from an empty state."""
    found, state = [], None
    with torch.no_grad():
        for char, target in zip(chars[:-1], chars[1:], strict=True):
            logits, state = model(char.view(1, 1), state)
            found.append(-F.log_softmax(logits[0, 0].double(), 0)[target].item())
    return found


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def uniform(chars: Tensor, state: object) -> tuple[Tensor, tuple[Tensor, ...]]:
    return torch.zeros(*chars.shape, V), ()


@pytest.mark.parametrize("cell", tiny.CELLS)
@pytest.mark.parametrize("count", [2, 3, 700])
def test_stream_is_the_text_read_once_with_carried_state(
    cell: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "WINDOW_CHARS", 64)  # several windows, the last one short
    model, chars = network(cell), ids(count)
    expected = surprises(model, chars)
    assert stream_loss(model, chars) == pytest.approx(mean(expected), rel=1e-4)
    assert loss_under("stream", model, chars) == stream_loss(model, chars)


@pytest.mark.parametrize("count", [2, 3, 256, 257, 258, 1100])
def test_cold_is_the_mean_over_crops_that_do_not_overlap(count: int) -> None:
    model, chars = network(), ids(count)
    crop = min(256, count - 1)
    crops = [chars[start : start + crop + 1] for start in range(0, count - crop, crop)]
    expected = mean([value for piece in crops for value in surprises(model, piece)])
    assert cold_loss(model, chars) == pytest.approx(expected, rel=1e-4)
    assert loss_under("cold-256", model, chars) == cold_loss(model, chars)


def test_of_a_very_long_text_crops_are_chosen_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_CROPS", 5)
    chosen: list[int] = []

    def spy(chars: Tensor, state: object) -> tuple[Tensor, tuple[Tensor, ...]]:
        chosen.extend(chars[:, 0].tolist())
        return torch.zeros(*chars.shape, 1000), ()

    assert cold_loss(spy, torch.arange(1000) % 1000, crop=10) == pytest.approx(math.log(1000))
    assert chosen == [0, 240, 490, 730, 980]


@pytest.mark.parametrize("tracks", [2, 3, 7])
def test_tracks_are_the_stream_of_a_network_that_forgets(tracks: int) -> None:
    """Whatever is older than the warm-up must not count; here it does not, so the mean is exact."""

    def pairs(chars: Tensor, state: object) -> tuple[Tensor, tuple[Tensor, ...]]:
        return table[chars], ()

    table = torch.randn(V, V, generator=torch.Generator().manual_seed(3))
    chars = ids(4000)
    counted = 256 + (4000 - 1 - 256) // tracks * tracks
    expected = F.cross_entropy(table[chars[:counted]], chars[1 : counted + 1]).item()
    assert tracks_loss(pairs, chars, tracks) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cell", tiny.CELLS)
def test_tracks_differ_from_the_stream_by_what_is_remembered_for_long(cell: str) -> None:
    model, chars = network(cell, hidden=32), ids(6000)
    assert tracks_loss(model, chars, 11) == pytest.approx(stream_loss(model, chars[:5996]), abs=0.002)


def test_every_track_is_warm_before_it_counts() -> None:
    """A network that counts what it has read, and is right from the 256th character on."""

    def slow(chars: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        read = (0 if state is None else int(state[0])) + torch.arange(chars.shape[1])
        logits = torch.zeros(*chars.shape, V)
        logits[:, read >= 256, 0] = 50.0
        return logits, (read[-1:] + 1,)

    zeros = torch.zeros(3000, dtype=torch.long)
    cold = 256 * math.log(V)
    assert tracks_loss(slow, zeros, 4) == pytest.approx(cold / (256 + (2999 - 256) // 4 * 4), rel=1e-5)


def test_a_text_too_short_for_tracks_is_read_as_a_stream() -> None:
    model, chars = network(), ids(600)
    assert tracks_loss(model, chars, 2) == stream_loss(model, chars)
    assert tracks_loss(model, chars, 1) == stream_loss(model, chars)


@pytest.mark.parametrize("count", [2, 100, 5000])
def test_a_uniform_network_loses_ln_v_everywhere(count: int) -> None:
    for loss in (stream_loss(uniform, ids(count)), cold_loss(uniform, ids(count)), tracks_loss(uniform, ids(count), 4)):
        assert loss == pytest.approx(math.log(V), rel=1e-6)


def test_cross_entropy_is_the_mean_or_the_sum_over_all_places() -> None:
    logits = torch.randn(3, 4, V, generator=torch.Generator().manual_seed(0))
    targets = ids(12).view(3, 4)
    picked = -F.log_softmax(logits, -1).gather(-1, targets[..., None])
    torch.testing.assert_close(cross_entropy(logits, targets), picked.mean())
    torch.testing.assert_close(cross_entropy(logits, targets, "sum"), picked.sum())
    assert cross_entropy(logits.bfloat16(), targets).dtype == torch.float32


def test_evaluation_leaves_no_gradients() -> None:
    model = network()
    for loss in (stream_loss(model, ids(300)), cold_loss(model, ids(300)), tracks_loss(model, ids(3000), 3)):
        assert math.isfinite(loss)
    assert all(parameter.grad is None for parameter in model.parameters())
