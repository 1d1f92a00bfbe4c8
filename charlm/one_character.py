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
from torch import Tensor

from charlm.config import ModelConfig, TrainConfig

Floats = npt.NDArray[np.float32]


def has_closed_form(model: ModelConfig, training: TrainConfig) -> bool:
    """Whether a run is one of those whose step can be written out."""
    is_plain = model.cell == "sigmoid" and model.num_layers == 1 and not model.embedding_size and not model.dropout
    is_single = training.batching == "streams" and training.streams == training.window == 1
    is_sgd = training.optimizer == "sgd" and not training.clip and not training.average
    return is_plain and is_single and is_sgd and training.precision == "fp32" and training.device == "cpu"


class OneCharacter:
    """The weights of a network as arrays that share its memory, and the step on them."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        arrays: dict[str, Floats] = {name: parameter.detach().numpy() for name, parameter in parameters.items()}
        self.inputs, self.recurrent = arrays["rnn.weight_ih_l0"], arrays["rnn.weight_hh_l0"]  # (H, V), (H, H)
        self.biases = arrays["rnn.bias_ih_l0"], arrays["rnn.bias_hh_l0"]  # (H,) each
        self.output, self.output_bias = arrays["decoder_weight"], arrays["decoder_bias"]  # (V, H), (V,)
        self.before = self.after = self.d = np.zeros(len(self.recurrent), np.float32)  # (H,)
        self.e = np.zeros(len(self.output), np.float32)  # (V,)
        self.room = np.empty_like(self.output), np.empty_like(self.recurrent)  # for the outer products

    def step(self, state: Floats, char: int, target: int, rate: float) -> float:
        """Learn that `target` follows `char`; the loss before the update. `state` (H,) is replaced in place.

        A loss that is not finite changes nothing.
        """
        s = self.recurrent @ state  # (H,)
        s += self.inputs[:, char] + self.biases[0] + self.biases[1]
        s = 0.5 + 0.5 * np.tanh(0.5 * s)  # (H,)
        e = self.output @ s + self.output_bias  # (V,) logits, then probabilities, then errors
        e = np.exp(e - e.max())
        e /= e.sum()
        loss = -math.log(e[target]) if e[target] > 0 else math.inf
        if not math.isfinite(loss):
            return loss
        e[target] -= 1
        d = (e @ self.output) * s * (1 - s)  # (H,)
        up, down = np.float32(rate) * e, np.float32(rate) * d  # (V,), (H,)
        self.output -= np.multiply(up[:, None], s, out=self.room[0])
        self.output_bias -= up
        self.recurrent -= np.multiply(down[:, None], state, out=self.room[1])
        self.inputs[:, char] -= down
        for bias in self.biases:
            bias -= down
        self.before, self.after, self.d, self.e = state.copy(), s, d, e
        state[:] = s
        return loss

    def grad_norm(self) -> float:
        """The norm of the last step's whole gradient: an outer product has the norm of its factors' product."""
        hidden = (self.d @ self.d) * (self.before @ self.before + 3)  # U, then W's one column and two biases
        output = (self.e @ self.e) * (self.after @ self.after + 1)
        return math.sqrt(float(hidden + output))
