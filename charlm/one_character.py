"""The tutorial's sigmoid RNN, learned one character a step: its update in closed form.

With one stream, a window of one character and plain SGD, the gradient is cut at every step (Mikolov et al. 2010 train
so), and a step of autograd is four outer products written out:

    s = sigmoid(W x + U s' + b)     p = softmax(V s + c)     loss = -ln p[target]
    e = p - onehot(target)          d = (V^T e) * s * (1 - s)
    V -= r e s^T   c -= r e         U -= r d s'^T   W[:, x] -= r d   b -= r d

The same losses as through autograd, many times sooner: at this size autograd spends its time on everything but the
arithmetic. Works in place, in the memory of the network's own weights. Knows nothing of texts, budgets or events.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charlm.config import ModelConfig, TrainConfig

Floats = npt.NDArray[np.float32]


def has_closed_form(model: ModelConfig, training: TrainConfig) -> bool:
    """Whether a run is one of those whose step can be written out."""
    is_plain = model.cell == "sigmoid" and model.num_layers == 1 and not model.embedding_size and not model.dropout
    is_single = training.batching == "streams" and training.streams == training.window == 1 and not training.fresh
    is_sgd = training.optimizer == "sgd" and not training.clip and not training.average
    return is_plain and is_single and is_sgd and training.precision == "fp32" and training.device == "cpu"


class OneCharacter:
    """The weights of a network as arrays that share its memory, and the step on them."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        arrays: dict[str, Floats] = {name: parameter.detach().numpy() for name, parameter in parameters.items()}
        self.inputs, self.recurrent = arrays["rnn.weight_ih_l0"], arrays["rnn.weight_hh_l0"]  # (H, V), (H, H)
        self.biases = arrays["rnn.bias_ih_l0"], arrays["rnn.bias_hh_l0"]  # (H,) each
        self.output, self.output_bias = arrays["decoder_weight"], arrays["decoder_bias"]  # (V, H), (V,)
        self._output, self._recurrent = (torch.from_numpy(a) for a in (self.output, self.recurrent))  # the same memory
        H, V = len(self.recurrent), len(self.output)
        self.before, self.after, self.d = (np.zeros(H, np.float32) for _ in range(3))  # (H,) s', s and d of a step
        self.e, self.up, self.down = np.zeros(V, np.float32), np.zeros(V, np.float32), np.zeros(H, np.float32)
        self.tried = np.zeros(H, np.float32), np.zeros(V, np.float32)  # s and e of a step that may not be finite
        self._before, self._after = (torch.from_numpy(a)[None] for a in (self.before, self.after))  # rows (1, H)
        self._up, self._down = (torch.from_numpy(a)[:, None] for a in (self.up, self.down))  # columns (V, 1), (H, 1)

    def step(self, state: Floats, char: int, target: int, rate: float) -> float:
        """Learn that `target` follows `char`; the loss before the update. `state` (H,) is replaced in place.

        A loss that is not finite changes nothing.
        """
        s, e = self.tried
        np.dot(self.recurrent, state, out=s)  # (H,)
        s += self.inputs[:, char]
        s += self.biases[0]
        s += self.biases[1]
        s *= 0.5
        np.tanh(s, out=s)
        s *= 0.5
        s += 0.5  # (H,) the sigmoid
        np.dot(self.output, s, out=e)  # (V,) logits, then probabilities, then errors
        e += self.output_bias
        e -= np.maximum.reduce(e)
        np.exp(e, out=e)
        e /= np.add.reduce(e)
        loss = -math.log(e[target]) if e[target] > 0 else math.inf
        if not math.isfinite(loss):
            return loss
        e[target] -= 1
        np.dot(e, self.output, out=self.d)  # (H,)
        self.d *= s
        self.d *= 1 - s
        self.before[:], self.after[:], self.e[:] = state, s, e
        state[:] = s
        self._update(char, rate)
        return loss

    def _update(self, char: int, rate: float) -> None:
        """Everything minus its gradient; an outer product in one pass of torch's, where NumPy needs two."""
        np.multiply(self.e, rate, out=self.up)  # (V,)
        np.multiply(self.d, rate, out=self.down)  # (H,)
        self._output.addcmul_(self._up, self._after, value=-1)  # (V, H)
        self.output_bias -= self.up
        self._recurrent.addcmul_(self._down, self._before, value=-1)  # (H, H)
        self.inputs[:, char] -= self.down
        for bias in self.biases:
            bias -= self.down

    def grad_norm(self) -> float:
        """The norm of the last step's whole gradient: an outer product has the norm of its factors' product."""
        hidden = (self.d @ self.d) * (self.before @ self.before + 3)  # U, then W's one column and two biases
        output = (self.e @ self.e) * (self.after @ self.after + 1)
        return math.sqrt(float(hidden + output))
