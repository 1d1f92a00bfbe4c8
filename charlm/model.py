"""CharRNN: characters in, logits of the next character out. What the networks are; how they are computed is in `cells`.

    B  streams         T  window (characters)      V  vocabulary
    E  embedding       H  hidden units             L  layers          k  gates: 1, 3 (GRU), 4 (LSTM)

    x_t = embedding of character t, or its one-hot vector                      (E) or (V)
    h_t = cell(x_t, h_{t-1}), layer upon layer                                 (H)
    logits_t = W_out h_t + b_out;  p(next character) = softmax(logits_t)       (V)

The cells, with the reset and update gates r, z and the input, forget and output gates i, f, o:

    rnn      h_t = tanh(W x_t + U h_{t-1} + b)                                        Elman 1990
    sigmoid  the same with the logistic function, on one-hot input                    Mikolov et al. 2010
    gru      n_t = tanh(W_n x_t + b + r_t * (U_n h_{t-1} + b')),
             h_t = (1 - z_t) * n_t + z_t * h_{t-1}                                    Cho et al. 2014
    lstm     c_t = f_t * c_{t-1} + i_t * tanh(W_g x_t + U_g h_{t-1} + b),
             h_t = o_t * tanh(c_t)                            Hochreiter & Schmidhuber 1997; Gers et al. 2000

The state is a tuple of (L, B, H) tensors for every cell: (h,), and (h, c) for the LSTM. Parameters have the names and
shapes of torch.nn.RNN, GRU and LSTM under `rnn.`, so that anybody can load them there. Knows nothing of text.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charlm import cells
from charlm.config import GATES, ModelConfig

State = tuple[Tensor, ...]
FUSED: dict[str, Callable[..., tuple[Tensor, ...]]] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}


class CharRNN(nn.Module):
    """A character-level language model. `dice` draws the first weights and, while learning, the dropout masks."""

    def __init__(self, vocabulary_size: int, config: ModelConfig, dice: torch.Generator | None = None) -> None:
        super().__init__()
        self.config, self.vocabulary_size = config, vocabulary_size
        self.dice = dice or torch.Generator().manual_seed(0)
        V, E, H = vocabulary_size, config.embedding_size, config.hidden_size
        self.embedding = nn.Parameter(torch.empty(V, E)) if E else None
        self.rnn = nn.ParameterDict()
        for layer in range(config.num_layers):
            fan_in = H if layer else E or V
            self.rnn[f"weight_ih_l{layer}"] = nn.Parameter(torch.empty(GATES[config.cell] * H, fan_in))
            self.rnn[f"weight_hh_l{layer}"] = nn.Parameter(torch.empty(GATES[config.cell] * H, H))
            self.rnn[f"bias_ih_l{layer}"] = nn.Parameter(torch.empty(GATES[config.cell] * H))
            self.rnn[f"bias_hh_l{layer}"] = nn.Parameter(torch.empty(GATES[config.cell] * H))
        self.decoder_weight = None if config.tied else nn.Parameter(torch.empty(V, H))
        self.decoder_bias = nn.Parameter(torch.empty(V))
        if not self.decoder_bias.is_meta:
            self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """torch's own defaults: N(0, 1) for the embedding, U(-1/sqrt(H), 1/sqrt(H)) for the rest.

        The sigmoid cell is one linear map of input and state together in its tutorial, hence its bound.
        A tied embedding is also the output matrix and begins as small as that.
        """
        H, bound = self.config.hidden_size, 1 / math.sqrt(self.config.hidden_size)
        if self.embedding is not None:
            self.embedding.normal_(0, bound if self.config.tied else 1, generator=self.dice)
        for name, parameter in self.rnn.items():
            joint = 1 / math.sqrt(H + self.rnn[f"weight_ih_l{name[-1]}"].shape[1])
            limit = joint if self.config.cell == "sigmoid" else bound
            parameter.uniform_(-limit, limit, generator=self.dice)
        for parameter in (self.decoder_weight, self.decoder_bias):
            if parameter is not None:
                parameter.uniform_(-bound, bound, generator=self.dice)

    @property
    def output_weight(self) -> Tensor:
        """(V, H), the embedding itself when they are tied."""
        weight = self.embedding if self.decoder_weight is None else self.decoder_weight
        assert weight is not None
        return weight

    @property
    def states(self) -> int:
        """How many tensors the state has."""
        return 2 if self.config.cell == "lstm" else 1

    def zero_state(self, streams: int) -> State:
        shape = (self.config.num_layers, streams, self.config.hidden_size)
        return tuple(torch.zeros(shape, device=self.decoder_bias.device) for _ in range(self.states))  # (L, B, H) each

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T) ids and the state before them -> (B, T, V) logits and the state after them."""
        hidden, state = self.hidden(inputs, state)
        hidden = self._dropped(hidden, self.config.dropout)  # (T, B, H)
        return F.linear(hidden, self.output_weight, self.decoder_bias).transpose(0, 1), state  # (B, T, V)

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T) ids -> the top layer's h_1 .. h_T as (T, B, H), time first, and the state after them."""
        before = self.zero_state(len(inputs)) if state is None else state
        ids, after = inputs.t(), []  # (T, B)
        x = ids
        for layer in range(self.config.num_layers):
            x, *last = self._layer(layer, x, tuple(part[layer] for part in before))  # (T, B, H), (B, H) each
            after.append(last)
            if layer < self.config.num_layers - 1:
                x = self._dropped(x, self.config.dropout)  # (T, B, H)
        return x, tuple(torch.stack(parts) for parts in zip(*after, strict=True))  # (L, B, H) each

    def _layer(self, layer: int, x: Tensor, state: State) -> tuple[Tensor, ...]:
        """One layer over a window: its outputs (T, B, H), then the parts of its last state, (B, H) each."""
        cell, weight_hh, bias_hh = self.config.cell, self.rnn[f"weight_hh_l{layer}"], self.rnn[f"bias_hh_l{layer}"]
        if self._is_fused(layer):
            return self._fused_layer(layer, x if layer else self._embedded(x), state)
        if cell == "gru":
            H = self.config.hidden_size
            folded = F.pad(bias_hh[: 2 * H], (0, H))  # (3H,) b_hn stays inside the reset gate's bracket
            outputs = cells.gru(self._projected(layer, x, folded), state[0], weight_hh, bias_hh[2 * H :])  # (T, B, H)
            return outputs, outputs[-1]
        projected = self._projected(layer, x, bias_hh)  # (T, B, kH)
        if cell == "lstm":
            outputs, last_c = cells.lstm(projected, state[0], state[1], weight_hh)  # (T, B, H), (B, H)
            return outputs, outputs[-1], last_c
        outputs = cells.elman(projected, state[0], weight_hh, "sigmoid" if cell == "sigmoid" else "tanh")  # (T, B, H)
        return outputs, outputs[-1]

    def _is_fused(self, layer: int) -> bool:
        """Whether torch's own fused layer is the fastest: of the LSTM everywhere, of the others on a GPU (cuDNN).

        On a CPU oneDNN has the LSTM alone. All of them want vectors, not the ids of one-hot ones.
        """
        is_vector = layer > 0 or self.embedding is not None
        return is_vector and self.config.cell in (FUSED if self.decoder_bias.is_cuda else ("lstm",))

    def _fused_layer(self, layer: int, x: Tensor, state: State) -> tuple[Tensor, ...]:
        """`_layer` by torch's fused one, on vectors (T, B, E or H)."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [self.rnn[f"{name}_l{layer}"] for name in names]
        before = tuple(part[None] for part in state)  # (1, B, H) each
        run = FUSED[self.config.cell]
        start = before if len(before) > 1 else before[0]
        outputs, *last = run(x, start, weights, True, 1, 0.0, self.training, False, False)  # (T, B, H), (1, B, H) each
        return outputs, *(part[0] for part in last)

    def _projected(self, layer: int, x: Tensor, bias_hh: Tensor) -> Tensor:
        """W_ih x_t + both biases for all steps at once, (T, B, kH); of the first layer by a look-up of characters."""
        weight, bias = self.rnn[f"weight_ih_l{layer}"], self.rnn[f"bias_ih_l{layer}"] + bias_hh  # (kH, in), (kH,)
        if layer:
            return F.linear(x, weight, bias)  # (T, B, kH)
        if self.embedding is None:
            return F.embedding(x, weight.t() + bias)  # (T, B, kH)
        if self._is_dropping(self.config.embedding_dropout) or self.vocabulary_size > x.numel() / 2:
            return F.linear(self._embedded(x), weight, bias)  # (T, B, kH)
        return F.embedding(x, self.embedding @ weight.t() + bias)  # (T, B, kH) by a table (V, kH): each symbol once

    def _embedded(self, ids: Tensor) -> Tensor:
        assert self.embedding is not None
        return self._dropped(F.embedding(ids, self.embedding), self.config.embedding_dropout)  # (T, B, E)

    def _is_dropping(self, share: float) -> bool:
        return self.training and share > 0

    def _dropped(self, x: Tensor, share: float) -> Tensor:
        """Dropout of (T, B, *): one mask for the whole window (Gal & Ghahramani 2016), from the model's own dice."""
        if not self._is_dropping(share):
            return x
        keep = torch.rand(x.shape[1:], generator=self.dice, device=self.dice.device) >= share  # (B, *)
        return x * (keep.to(x.device, x.dtype) / (1 - share))  # (T, B, *)
