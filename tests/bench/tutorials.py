"""The tutorials' own loops, written anew from their recipes: what the project is measured against.

    sigmoid_rnn      the RNN notebook: one-hot and state -> Linear -> sigmoid -> Linear, one character a step, autograd
                     cut at every step, SGD
    lstm_windows     the LSTM notebook: nn.LSTM, one stream, windows of 100 with carried state, AdamW
    lstm_chunks      the blog post: a random chunk of 200 characters, one character a call in Python, Adam
    one_call_a_char  how all of them generate: one call of the network, softmax and multinomial for each character

They stay as slow as their authors wrote them, and no slower: nothing is done in the loop that the recipe does not need.
A loop is a generator of passes, so that its seconds can be measured in turns with something else.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charlm.model import CharRNN

State = tuple[Tensor, Tensor] | None


@dataclass(frozen=True)
class Pass:
    """An epoch, or an iteration: mean loss in nats per character, characters learned, seconds of learning."""

    loss: float
    chars: int
    seconds: float


class SigmoidRNN(nn.Module):
    """Mikolov's network as the notebook has it: one linear map of input and state together."""

    def __init__(self, symbols: int, hidden: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Linear(symbols + hidden, hidden)
        self.output = nn.Linear(hidden, symbols)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.sigmoid(self.hidden(torch.cat((x, state), 1)))  # (1, H)
        return self.output(state), state  # (1, V), (1, H)


class LSTM(nn.Module):
    """Embedding -> nn.LSTM -> Linear."""

    def __init__(self, symbols: int, embedding: int = 128, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, symbols)

    def forward(self, ids: Tensor, state: State = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, state = self.lstm(self.embedding(ids), state)  # (B, T, H)
        return self.output(hidden), state  # (B, T, V)


def sigmoid_rnn(network: SigmoidRNN, ids: Tensor, state: Tensor, epochs: int, rate: float = 0.1) -> Iterator[Pass]:
    """ids (N,) int64, state (1, H). One pass is an epoch."""
    optimizer = torch.optim.SGD(network.parameters(), rate)
    one_hot = torch.eye(network.output.out_features)  # (V, V)
    for _ in range(epochs):
        total, began = 0.0, time.perf_counter()
        for i in range(len(ids) - 1):
            logits, state = network(one_hot[ids[i]][None], state.detach())  # (1, V), (1, H)
            loss = F.cross_entropy(logits, ids[i + 1 : i + 2])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        yield Pass(total / (len(ids) - 1), len(ids) - 1, time.perf_counter() - began)


def lstm_windows(network: LSTM, ids: Tensor, epochs: int, window: int = 100) -> Iterator[Pass]:
    """ids (N,) int64. One pass is an epoch, which begins anywhere among the first `window` characters."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        total, steps, state, began = 0.0, 0, None, time.perf_counter()
        for start in range(int(torch.randint(window, ())), len(ids) - window, window):
            logits, state = network(ids[None, start : start + window], state)  # (1, T, V)
            loss = F.cross_entropy(logits[0], ids[start + 1 : start + window + 1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state = (state[0].detach(), state[1].detach())
            total, steps = total + loss.item(), steps + 1
        yield Pass(total / max(1, steps), steps * window, time.perf_counter() - began)


def lstm_chunks(network: LSTM, ids: Tensor, iterations: int, dice: torch.Generator, chunk: int = 200) -> Iterator[Pass]:
    """ids (N,) int64. One pass is an iteration: a chunk from anywhere, a fresh state, one character a call."""
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(iterations):
        began, state, loss = time.perf_counter(), None, torch.zeros(())
        start = int(torch.randint(len(ids) - chunk, (1,), generator=dice))
        optimizer.zero_grad()
        for i in range(start, start + chunk):
            logits, state = network(ids[None, i : i + 1], state)  # (1, 1, V)
            loss = loss + F.cross_entropy(logits[0], ids[i + 1 : i + 2])
        loss = loss / chunk
        loss.backward()
        optimizer.step()
        yield Pass(loss.item(), chunk, time.perf_counter() - began)


@torch.no_grad()
def one_call_a_char(network: LSTM, length: int, temperature: float = 1.0) -> list[int]:
    """The ids of `length` characters that follow the symbol 0."""
    char, state, written = torch.zeros(1, 1, dtype=torch.int64), None, []
    for _ in range(length):
        logits, state = network(char, state)  # (1, 1, V)
        chances = torch.softmax(logits[0, -1] / temperature, 0)  # (V,)
        char = torch.multinomial(chances, 1)[None]  # (1, 1)
        written.append(char.item())
    return written


# --- the same networks with the weights of ours -----------------------------------------------------------------------


def same_lstm(model: CharRNN) -> LSTM:
    """An LSTM of one layer."""
    network = LSTM(model.vocabulary_size, model.config.embedding_size, model.config.hidden_size)
    weights = {name.replace("rnn.", "lstm."): p for name, p in model.named_parameters() if name.startswith("rnn.")}
    weights |= {"embedding.weight": model.embedding, "output.weight": model.decoder_weight}
    network.load_state_dict(weights | {"output.bias": model.decoder_bias})
    return network


def same_sigmoid_rnn(model: CharRNN) -> SigmoidRNN:
    """The notebook's, which has one bias where ours has two."""
    rnn, network = model.rnn, SigmoidRNN(model.vocabulary_size, model.config.hidden_size)
    both = torch.cat((rnn["weight_ih_l0"], rnn["weight_hh_l0"]), 1)  # (H, V + H)
    weights = {"hidden.weight": both, "hidden.bias": rnn["bias_ih_l0"] + rnn["bias_hh_l0"]}
    network.load_state_dict(weights | {"output.weight": model.decoder_weight, "output.bias": model.decoder_bias})
    return network
