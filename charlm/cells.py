"""The recurrences: one layer of Elman, GRU or LSTM cells over a whole window, with the backward pass by hand.

What comes in is already projected: x_t has been multiplied with its matrix, for all T steps at once. Left here is what
cannot be done at once, because step t needs step t-1: one small GEMM with W_hh and a few pointwise operations.
Backpropagation through time is written out so that everything without that chain leaves the loop: the derivatives
of all gates are computed for the whole window before it, the gradient of W_hh is one GEMM over T*B rows after it.

Knows tensors only: no embedding, no module, no configuration. Gradients of gradients are not supported.
Formulas agree with torch.nn.RNN, GRU and LSTM, gate order included; tests/test_cells.py holds them together.

    T window   B streams   H hidden units   k gates a cell has (1 Elman, 3 GRU, 4 LSTM)
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Squash = Literal["tanh", "sigmoid"]


def elman(projected: Tensor, state: Tensor, weight_hh: Tensor, squash: Squash = "tanh") -> Tensor:
    """Simple recurrent network: h_t = squash(p_t + W_hh h_{t-1}), with p_t = W_ih x_t + b_ih + b_hh.

    Elman 1990, "Finding Structure in Time"; Mikolov 2010, "Recurrent neural network based language model"
    (equations 1-3), squashes with the sigmoid.
    projected (T, B, H), state (B, H), weight_hh (H, H) -> h_1 .. h_T (T, B, H)
    """
    if squash not in ("tanh", "sigmoid"):
        raise ValueError(f"squash is {squash!r}; it can be 'tanh' or 'sigmoid'.")
    return _run(_Elman, _elman_forward, projected, state, weight_hh, squash)[0]


def gru(projected: Tensor, state: Tensor, weight_hh: Tensor, bias_n: Tensor) -> Tensor:
    """Gated recurrent unit: reset, update and new gates, Cho et al. 2014, section 2.3.

        r_t = sigmoid(p_r + W_hr h_{t-1})
        z_t = sigmoid(p_z + W_hz h_{t-1})
        n_t = tanh(p_n + r_t * (W_hn h_{t-1} + b_hn))       the reset after the product, as cuDNN and torch have it
        h_t = (1 - z_t) * n_t + z_t * h_{t-1}

    projected (T, B, 3H): W_ih x_t + b_ih, with b_hh added for r and z only; b_hn stands inside the bracket.
    state (B, H), weight_hh (3H, H), bias_n (H,) -> h_1 .. h_T (T, B, H)
    """
    return _run(_GRU, _gru_forward, projected, state, weight_hh, bias_n)[0]


def lstm(projected: Tensor, state_h: Tensor, state_c: Tensor, weight_hh: Tensor) -> tuple[Tensor, Tensor]:
    """Long short-term memory, Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

        i_t, f_t, o_t = sigmoid(p_i + W_hi h_{t-1}), sigmoid(p_f + W_hf h_{t-1}), sigmoid(p_o + W_ho h_{t-1})
        g_t = tanh(p_g + W_hg h_{t-1})
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    projected (T, B, 4H) in torch's order i, f, g, o, all biases added; states (B, H), weight_hh (4H, H)
    -> h_1 .. h_T (T, B, H) and c_T (B, H)
    """
    outputs, last_c = _run(_LSTM, _lstm_forward, projected, state_h, state_c, weight_hh)[:2]
    return outputs, last_c


def _run(function: Any, forward: Callable[..., tuple[Tensor, ...]], *inputs: Any) -> tuple[Tensor, ...]:
    """Through autograd when somebody will ask for gradients; otherwise the bare loop, which keeps nothing."""
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    device = tensors[0].device.type
    dtype = tensors[0].dtype
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    inputs = tuple(x.to(dtype) if isinstance(x, Tensor) else x for x in inputs)
    with torch.autocast(device, enabled=False):
        if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
            result = function.apply(*inputs)
            return result if isinstance(result, tuple) else (result,)
        with torch.no_grad():
            return forward(*inputs, keep=False)


# --- Elman ------------------------------------------------------------------------------------------------------------


def _elman_forward(
    projected: Tensor, state: Tensor, weight_hh: Tensor, squash: Squash, keep: bool
) -> tuple[Tensor, ...]:
    hidden = _with_start(state, projected.shape[0])  # (T+1, B, H)
    weight = weight_hh.t()  # (H, H)
    for before, after, p in zip(hidden[:-1].unbind(), hidden[1:].unbind(), projected.unbind(), strict=True):
        torch.addmm(p, before, weight, out=after)  # (B, H)
        after.tanh_() if squash == "tanh" else after.sigmoid_()
    return hidden[1:], hidden


class _Elman(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, state: Tensor, weight_hh: Tensor, squash: Squash) -> Tensor:
        outputs, hidden = _elman_forward(projected, state, weight_hh, squash, keep=True)
        ctx.squash = squash
        ctx.save_for_backward(hidden, weight_hh)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """With s' the derivative of the squash:  d_t = s'_t * (grad_t + W_hh^T d_{t+1})."""
        hidden, weight_hh = ctx.saved_tensors
        h = hidden[1:]  # (T, B, H)
        slope = 1 - h * h if ctx.squash == "tanh" else h * (1 - h)  # (T, B, H)
        d = torch.empty_like(slope)  # (T, B, H)
        steps = list(zip(grad_outputs.unbind(), slope.unbind(), d.unbind(), strict=True))
        torch.mul(steps[-1][0], steps[-1][1], out=steps[-1][2])
        total = torch.empty_like(hidden[0])  # (B, H)
        for (grad, s, now), (_, _, later) in zip(steps[-2::-1], steps[:0:-1], strict=True):
            torch.addmm(grad, later, weight_hh, out=total)  # (B, H)
            torch.mul(total, s, out=now)  # (B, H)
        d_state = d[0] @ weight_hh if ctx.needs_input_grad[1] else None  # (B, H)
        return d, d_state, _weight_gradient(d, hidden) if ctx.needs_input_grad[2] else None, None


# --- GRU --------------------------------------------------------------------------------------------------------------


def _gru_forward(projected: Tensor, state: Tensor, weight_hh: Tensor, bias_n: Tensor, keep: bool) -> tuple[Tensor, ...]:
    units = state.shape[1]
    hidden = _with_start(state, projected.shape[0])  # (T+1, B, H)
    # gates starts as what the GEMM adds to: p for r and z, b_hn for n
    gates = projected.clone()  # (T, B, 3H)
    gates[..., 2 * units :] = bias_n
    new = torch.empty_like(hidden[1:])  # (T, B, H) n_t
    weight = weight_hh.t()  # (H, 3H)
    steps = (hidden[:-1], hidden[1:], gates, projected[..., 2 * units :], new)
    for before, after, gate, p_n, n in zip(*(x.unbind() for x in steps), strict=True):
        gate.addmm_(before, weight)  # (B, 3H)
        gate[:, : 2 * units].sigmoid_()  # (B, 2H) r and z
        torch.addcmul(p_n, gate[:, :units], gate[:, 2 * units :], out=n)  # (B, H)
        n.tanh_()  # (B, H)
        torch.lerp(n, before, gate[:, units : 2 * units], out=after)  # (B, H) n + z (h - n)
    return hidden[1:], hidden, gates, new


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, state: Tensor, weight_hh: Tensor, bias_n: Tensor) -> Tensor:
        outputs, *kept = _gru_forward(projected, state, weight_hh, bias_n, keep=True)
        ctx.save_for_backward(*kept, weight_hh)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """With dh_t the gradient of h_t, every gate's gradient is dh_t times a factor known beforehand."""
        hidden, gates, n, weight_hh = ctx.saved_tensors
        window, batch, units = n.shape
        r, z, q = gates.chunk(3, dim=-1)  # (T, B, H) each; q = W_hn h + b_hn
        slope_n = (1 - z) * (1 - n * n)  # (T, B, H) of n's argument
        slopes = torch.stack(
            [slope_n * q * r * (1 - r), (hidden[:-1] - n) * z * (1 - z), slope_n * r], dim=2
        )  # (T, B, 3, H)
        dh = torch.empty_like(n)  # (T, B, H)
        d = torch.empty_like(slopes)  # (T, B, 3, H)
        carry = grad_outputs[-1]  # (B, H)
        for t in range(window - 1, -1, -1):
            if t < window - 1:
                carry = torch.addcmul(grad_outputs[t], dh[t + 1], z[t + 1])  # (B, H)
                carry.addmm_(d[t + 1].view(batch, 3 * units), weight_hh)  # (B, H)
            dh[t] = carry
            torch.mul(slopes[t], carry[:, None], out=d[t])  # (B, 3, H)
        d = d.view(window, batch, 3 * units)  # (T, B, 3H)
        d_state = torch.addcmul(d[0] @ weight_hh, dh[0], z[0]) if ctx.needs_input_grad[1] else None  # (B, H)
        d_weight = _weight_gradient(d, hidden) if ctx.needs_input_grad[2] else None  # (3H, H)
        d_bias = d[..., 2 * units :].sum((0, 1)) if ctx.needs_input_grad[3] else None  # (H,)
        # so far the third part is the gradient of q; p_n stands outside the reset gate
        torch.mul(dh, slope_n, out=d[..., 2 * units :])  # (T, B, H)
        return d, d_state, d_weight, d_bias


# --- LSTM -------------------------------------------------------------------------------------------------------------


def _lstm_forward(
    projected: Tensor, state_h: Tensor, state_c: Tensor, weight_hh: Tensor, keep: bool
) -> tuple[Tensor, ...]:
    window, _, units = projected.shape[0], projected.shape[1], state_h.shape[1]
    hidden = _with_start(state_h, window)  # (T+1, B, H)
    cell = _with_start(state_c, window)  # (T+1, B, H)
    squashed = torch.empty_like(cell[1:])  # (T, B, H) tanh(c_t)
    gates = torch.empty_like(projected)  # (T, B, 4H)
    weight = weight_hh.t()  # (H, 4H)
    for t in range(window):
        gate = gates[t]
        torch.addmm(projected[t], hidden[t], weight, out=gate)  # (B, 4H)
        i, f, g, o = gate.chunk(4, dim=1)  # (B, H) each
        gate[:, : 2 * units].sigmoid_()  # (B, 2H)
        g.tanh_()  # (B, H)
        o.sigmoid_()  # (B, H)
        torch.mul(f, cell[t], out=cell[t + 1])  # (B, H)
        cell[t + 1].addcmul_(i, g)  # (B, H)
        torch.tanh(cell[t + 1], out=squashed[t])  # (B, H)
        torch.mul(o, squashed[t], out=hidden[t + 1])  # (B, H)
    return hidden[1:], cell[-1].clone(), hidden, cell, gates, squashed


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, state_h: Tensor, state_c: Tensor, weight_hh: Tensor
    ) -> tuple[Tensor, Tensor]:
        outputs, last_c, *kept = _lstm_forward(projected, state_h, state_c, weight_hh, keep=True)
        ctx.save_for_backward(*kept, weight_hh)
        return outputs, last_c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor, grad_c: Tensor) -> tuple[Tensor | None, ...]:
        hidden, cell, gates, squashed, weight_hh = ctx.saved_tensors
        window, batch, units = squashed.shape
        i, f, g, o = gates.chunk(4, dim=-1)  # (T, B, H) each
        slopes = torch.stack([g * i * (1 - i), cell[:-1] * f * (1 - f), i * (1 - g * g)], dim=2)  # (T, B, 3, H) of dc
        slope_o = squashed * o * (1 - o)  # (T, B, H) of dh
        slope_c = o * (1 - squashed * squashed)  # (T, B, H) of dh
        d = torch.empty_like(gates)  # (T, B, 4H)
        dh, dc = grad_outputs[-1], grad_c.clone()  # (B, H) each
        for t in range(window - 1, -1, -1):
            if t < window - 1:
                dh = torch.addmm(grad_outputs[t], d[t + 1], weight_hh)  # (B, H)
            dc.addcmul_(dh, slope_c[t])  # (B, H)
            torch.mul(slopes[t], dc[:, None], out=d[t, :, : 3 * units].view(batch, 3, units))  # (B, 3, H)
            torch.mul(slope_o[t], dh, out=d[t, :, 3 * units :])  # (B, H)
            dc.mul_(f[t])  # (B, H)
        d_h = d[0] @ weight_hh if ctx.needs_input_grad[1] else None  # (B, H)
        d_weight = _weight_gradient(d, hidden) if ctx.needs_input_grad[3] else None  # (4H, H)
        return d, d_h, dc if ctx.needs_input_grad[2] else None, d_weight


# --- shared -----------------------------------------------------------------------------------------------------------


def _with_start(state: Tensor, window: int) -> Tensor:
    """Room for the states of a window, with the one it starts from in front."""
    states = state.new_empty(window + 1, *state.shape)  # (T+1, B, H)
    states[0] = state
    return states


def _weight_gradient(d: Tensor, hidden: Tensor) -> Tensor:
    """Sum over t of d_t h_{t-1}^T, as one GEMM over the T*B rows of the window."""
    return d.flatten(0, 1).t() @ hidden[:-1].flatten(0, 1)  # (kH, H)
