"""Weights -> the fast one-character step. NumPy on one core; knows nothing of text or of how a character is drawn.

One call of a torch layer for one character spends its time on everything but the arithmetic. Here all that does not
depend on the state is folded beforehand:

    table[c] = W_ih embedding_c + b_ih + b_hh        one row a character, so the first layer needs no input product
    sigmoid(x) = 1/2 + 1/2 tanh(x/2)                 the 1/2 goes into the weights, so one tanh serves all gates

What is left is one product with W_hh a layer, which reads the matrix once: for H >= 256 that is the memory's speed.
The logits equal the teacher-forced ones of `CharRNN` to 1e-4.

    V vocabulary    H hidden units    k gates (1, GRU 3, LSTM 4)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from charlm.model import CharRNN

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoldedLayer:
    """One layer: `inputs` is a (V, kH) table in the first layer, the matrix (kH, H) in the others."""

    inputs: Floats
    bias: Floats  # (kH,) of the others; the first layer has it in its table
    recurrent: Floats  # (kH, H)
    bias_n: Floats  # (H,) of the GRU, inside the reset gate's bracket


@dataclass(frozen=True)
class Folded:
    """The weights of a network, folded once and shared by every text that is being generated."""

    cell: str
    layers: tuple[FoldedLayer, ...]
    output: Floats  # (V, H)
    output_bias: Floats  # (V,)


def fold(model: "CharRNN") -> Folded:
    """Copies of a network's weights, ready to be stepped."""
    layers = tuple(_fold_layer(model, layer) for layer in range(model.config.num_layers))
    output, bias = _floats(model.output_weight).copy(), _floats(model.decoder_bias).copy()  # (V, H), (V,)
    return Folded(model.config.cell, layers, output, bias)


def _fold_layer(model: "CharRNN", layer: int) -> FoldedLayer:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weight_ih, weight_hh, bias_ih, bias_hh = (_floats(model.rnn[f"{name}_l{layer}"]).copy() for name in names)
    H, bias_n = model.config.hidden_size, np.zeros(0, np.float32)
    if model.config.cell == "gru":
        bias_n, bias_hh[2 * H :] = bias_hh[2 * H :].copy(), 0
    scale, order = _gates(model.config.cell, H)
    bias = (scale * (bias_ih + bias_hh))[order]  # (kH,)
    weight_ih, recurrent = (np.ascontiguousarray((scale[:, None] * w)[order]) for w in (weight_ih, weight_hh))
    if layer:
        return FoldedLayer(weight_ih, bias, recurrent, bias_n)
    vectors = np.eye(model.vocabulary_size, dtype=np.float32) if model.embedding is None else _floats(model.embedding)
    return FoldedLayer(vectors @ weight_ih.T + bias, bias, recurrent, bias_n)  # table (V, kH)


def _gates(cell: str, H: int) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The scale of each row (1/2 for a sigmoid) and the order of rows in which all sigmoids stand together."""
    blocks = {"rnn": [1.0], "sigmoid": [0.5], "gru": [0.5, 0.5, 1.0], "lstm": [0.5, 0.5, 1.0, 0.5]}[cell]
    order = [0, 1, 3, 2] if cell == "lstm" else list(range(len(blocks)))  # torch's i f g o -> i f o g
    rows = np.arange(len(blocks) * H).reshape(len(blocks), H)  # (k, H)
    return np.repeat(np.array(blocks, np.float32), H), rows[order].ravel()


def _floats(tensor: "Tensor") -> Floats:
    """Of a float32 tensor in ordinary memory, a view."""
    floats: Floats = tensor.detach().cpu().float().numpy()
    return floats


class Stepper:
    """A network that has read some characters. `step` reads one more and gives the logits of the next."""

    def __init__(self, folded: Folded) -> None:
        self.folded = folded
        self._advance = {"rnn": _elman, "sigmoid": _sigmoid, "gru": _gru, "lstm": _lstm}[folded.cell]
        first, *others = folded.layers
        self._first, self._state = first, _State(first.recurrent)
        self._others = [(layer, _State(layer.recurrent)) for layer in others]

    def step(self, char: int) -> Floats:
        """The id of one character -> (V,) logits of the next one, in an array of the caller's own."""
        state = self._state
        self._advance(self._first.inputs[char], self._first, state)
        for layer, above in self._others:
            self._advance(layer.inputs @ state.h + layer.bias, layer, above)
            state = above
        logits: Floats = self.folded.output.dot(state.h)  # (V,)
        logits += self.folded.output_bias
        return logits


class _State:
    """h and c of a layer, and room for its gates; each view and constant made once, for a step lasts microseconds."""

    def __init__(self, recurrent: Floats) -> None:
        rows, H = recurrent.shape
        self.h, self.c = np.zeros(H, np.float32), np.zeros(H, np.float32)  # (H,)
        self.gates = np.zeros(rows, np.float32)  # (kH,)
        self.parts = tuple(self.gates[i : i + H] for i in range(0, rows, H))  # k of (H,)
        self.sigmoids, self.rest = self.gates[:-H], self.gates[-H:]  # ((k-1)H,), (H,)
        self.half = np.array(0.5, np.float32)  # a Python number would be converted at every use


def _elman(projected: Floats, layer: FoldedLayer, state: _State) -> None:
    layer.recurrent.dot(state.h, state.gates)
    state.gates += projected
    np.tanh(state.gates, state.h)


def _sigmoid(projected: Floats, layer: FoldedLayer, state: _State) -> None:
    _elman(projected, layer, state)
    state.h *= state.half
    state.h += state.half


def _gru(projected: Floats, layer: FoldedLayer, state: _State) -> None:
    h, n, both = state.h, state.rest, state.sigmoids
    r, z, _ = state.parts
    split = len(both)
    layer.recurrent.dot(h, state.gates)
    both += projected[:split]
    np.tanh(both, both)
    both *= state.half
    both += state.half
    n += layer.bias_n
    n *= r
    n += projected[split:]
    np.tanh(n, n)
    h -= n
    h *= z
    h += n


def _lstm(projected: Floats, layer: FoldedLayer, state: _State) -> None:
    h, c, gates, sigmoids = state.h, state.c, state.gates, state.sigmoids
    i, f, o, g = state.parts
    layer.recurrent.dot(h, gates)
    gates += projected
    np.tanh(gates, gates)
    sigmoids *= state.half
    sigmoids += state.half
    g *= i
    c *= f
    c += g
    np.tanh(c, h)
    h *= o
