"""Muon against torch's own, against the singular value decomposition, and on what is no ordinary matrix."""

import pytest
import torch
from torch import Tensor

from charlm.muon import COEFFICIENTS, FEW, Muon, orthogonal

ITERATIONS = 3
SHAPES = [(512, 128), (128, 512), (96, 96), (64, 1), (640, 160)]


def matrix(height: int, width: int) -> Tensor:
    return torch.randn(height, width, generator=torch.Generator().manual_seed(height + width))


def iterated(matrix: Tensor, iterations: int) -> Tensor:
    """Newton-Schulz as it is published: the whole matrix at every turn, in double precision."""
    a, b, c = COEFFICIENTS
    x = matrix.double() / matrix.double().norm()
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("iterations", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_published_iteration(shape: tuple[int, int], iterations: int) -> None:
    given = matrix(*shape)
    found = orthogonal(given, iterations, False).double()
    torch.testing.assert_close(found, iterated(given, iterations), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_keeps_the_directions_and_evens_out_the_lengths(shape: tuple[int, int]) -> None:
    given = matrix(*shape)
    u, _, vt = torch.linalg.svd(given, full_matrices=False)
    found = u.T @ orthogonal(given, ITERATIONS, False) @ vt.T
    lengths = found.diagonal()
    torch.testing.assert_close(found, torch.diag(lengths), atol=1e-4, rtol=0)
    large = torch.linalg.svdvals(given) > 0.1 * torch.linalg.svdvals(given)[0]
    assert lengths[large].min() > 0.3 and lengths.max() < 1.25


@pytest.mark.parametrize("shape", [(1024, 2 * FEW), (2 * FEW, 2 * FEW)])
def test_bf16_changes_a_few_percent(shape: tuple[int, int]) -> None:
    given = matrix(*shape)
    exact, short = orthogonal(given, ITERATIONS, False), orthogonal(given, ITERATIONS, True)
    assert short.dtype is torch.float32 and not torch.equal(short, exact)
    assert (short - exact).norm() < 0.03 * exact.norm()


def test_a_matrix_of_zeros_stays_one() -> None:
    assert torch.equal(orthogonal(torch.zeros(8, 4), ITERATIONS, False), torch.zeros(8, 4))


@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_its_size_does_not_matter(size: float) -> None:
    given = matrix(48, 16)
    expected = orthogonal(given, ITERATIONS, False)
    torch.testing.assert_close(orthogonal(size * given, ITERATIONS, False), expected, atol=1e-5, rtol=1e-4)


def test_it_steps_as_torchs_own() -> None:
    """Momentum, Nesterov, decay and the rate of a tall matrix; torch iterates in bf16, so only nearly."""
    ours, theirs = matrix(256, 64).requires_grad_(), matrix(256, 64).requires_grad_()
    muon = Muon([ours], 0.02, 0.1, ITERATIONS, has_bf16=False)
    other = torch.optim.Muon([theirs], 0.02, 0.1, ns_steps=ITERATIONS)
    for turn in range(5):
        ours.grad = theirs.grad = matrix(256, 64) + turn * matrix(64, 256).T
        muon.step()
        other.step()
    moved = (theirs - matrix(256, 64)).norm()
    assert moved > 0.5 and (ours - theirs).norm() < 0.03 * moved
    assert torch.equal(muon.state[ours]["momentum_buffer"], other.state[theirs]["momentum_buffer"])


def test_what_has_no_gradient_stays() -> None:
    still, moved = torch.ones(4, 4, requires_grad=True), torch.ones(4, 4, requires_grad=True)
    moved.grad = matrix(4, 4)
    Muon([still, moved], 0.1, 0.1, ITERATIONS, has_bf16=False).step()
    assert torch.equal(still, torch.ones(4, 4)) and not torch.equal(moved, torch.ones(4, 4))


def test_a_closure_fills_the_gradients_and_gives_the_loss() -> None:
    moved = torch.ones(4, 4, requires_grad=True)

    def closure() -> float:
        loss = (moved * matrix(4, 4)).sum()
        torch.autograd.backward(loss)
        return loss.item()

    assert Muon([moved], 0.1, 0.1, ITERATIONS, has_bf16=False).step(closure) == pytest.approx(matrix(4, 4).sum().item())
    assert not torch.equal(moved, torch.ones(4, 4))
