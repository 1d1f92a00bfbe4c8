"""Muon with less arithmetic: torch's optimizer, and a shorter way to the same step. Knows matrices, and no networks.

Muon (Jordan et al. 2024) steps along the orthogonal matrix that is nearest to the momentum M: with M = U S V^T, along
about U V^T. A Newton-Schulz iteration makes it from products alone,

    X <- X p(X^T X),   p(G) = a + b G + c G^2,   X = M / |M| at first,

and torch multiplies the whole X, (m, n), at every turn. But all the factors p are polynomials of the first
G = X^T X, (n, n), and commute with it. So they are gathered there, on the short side, and M is multiplied once:

    P <- p(G) P,   G <- p(G) G p(G);   at the end M P / |M|

The matrices of a recurrent layer are tall (four gates of H units for the LSTM). Against torch's own, two cores: 4x384
by 384 in 6.7 instead of 11.4 ms, by 64 in 0.4 instead of 1.2 ms.
"""

import math
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)  # a, b, c; Jordan 2024
FEW = 128  # of so short a side the products are as fast in fp32 as in bf16, which costs conversions


class Muon(torch.optim.Muon):
    """torch.optim.Muon with `orthogonal` for its Newton-Schulz iteration; its momentum has the same name and shape.

    `iterations`: 5 is torch's choice, and 3 learn as well. 2 leave small singular values smaller, which is what a text
    that is read 30 times wants: they are its accidents (Moliere's 100,000 characters: 1.376 instead of 1.386).
    `has_bf16`: whether this processor multiplies bf16 in hardware. Elsewhere it would be emulated, and slow.
    """

    def __init__(self, matrices: list[Tensor], lr: float, weight_decay: float, iterations: int, has_bf16: bool) -> None:
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, ns_steps=iterations)
        self.has_bf16 = has_bf16

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of every matrix that has a gradient.

        As in torch, a `closure` fills the gradients first and gives the loss, which is returned.
        """
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            rate, momentum, kept = group["lr"], group["momentum"], 1 - group["lr"] * group["weight_decay"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                buffer = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                nesterov = matrix.grad.lerp(buffer, momentum)
                direction = orthogonal(nesterov, group["ns_steps"], self.has_bf16)
                height, width = matrix.shape
                matrix.mul_(kept).add_(direction, alpha=-rate * math.sqrt(max(1.0, height / width)))
        return loss


def orthogonal(matrix: Tensor, iterations: int, has_bf16: bool) -> Tensor:
    """About U V^T of a matrix U S V^T, (m, n) like it, zeros of zeros, by Newton-Schulz on the short side.

    Three iterations leave singular values between 0.7 and 1.2, and lower those under a fortieth of |matrix|. bf16
    changes 1 to 5 % of it.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16() if has_bf16 and min(matrix.shape) > FEW else matrix  # (m, n)
    gram = x.T @ x if is_tall else x @ x.T  # (n, n) from here on, n the short side
    square = gram.diagonal().float().sum().clamp(min=1e-14)  # () |M|^2
    gram = gram / square
    factors: Tensor | None = None
    for turn in range(iterations):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        factors = factor if factors is None else factor @ factors
        if turn < iterations - 1:
            gram = factor @ gram @ factor
    assert factors is not None
    factors = (factors * square.rsqrt()).to(x.dtype)
    return (x @ factors if is_tall else factors @ x).to(matrix.dtype)  # (m, n)
