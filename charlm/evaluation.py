"""The two protocols of validation. Takes any model `(ids (B, T), state) -> (logits (B, T, V), state)`; knows no other.

stream     the whole text once, the state carried from its start to its end (char-rnn, awd-lstm score so)
cold-256   crops of 256 characters that do not overlap, each with an empty state (nanoGPT scores crops so)

Both are teacher-forced and in nats per character. A network with memory does better on `stream`; every figure of this
project says which of the two it is.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

State = tuple[Tensor, ...]
Network = Callable[[Tensor, State | None], tuple[Tensor, State]]

CROP = 256
MAX_CROPS = 4000  # of a very long text: as many, evenly spread
WINDOW_CHARS = 8192  # B*T of one forward pass
WARM_UP = 256  # characters that a track reads before it counts


def cross_entropy(logits: Tensor, targets: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
    """Nats per character of (B, T, V) logits against (B, T) targets; by way of (T, B), how the networks compute."""
    by_time = logits.transpose(0, 1).flatten(0, 1)  # (T*B, V)
    return F.cross_entropy(by_time.float(), targets.t().flatten(), reduction=reduction)


@torch.inference_mode()
def stream_loss(model: Network, ids: Tensor) -> float:
    """The protocol `stream`: ids (N,) read once, from an empty state; N-1 characters are predicted."""
    return _carried(model, ids[None, :-1], ids[None, 1:], skip=0)


@torch.inference_mode()
def tracks_loss(model: Network, ids: Tensor, tracks: int) -> float:
    """`stream` in so many tracks side by side, which is many times faster: what training's own evaluation uses.

    Each track first reads the WARM_UP characters before it, which do not count; the first one starts empty, as in
    `stream`. The difference to `stream` is what a network still remembers after WARM_UP characters (under 0.002 nats).
    """
    length = (len(ids) - 1 - WARM_UP) // max(1, tracks)  # of what counts in a track
    if tracks < 2 or length < WARM_UP:
        return stream_loss(model, ids)
    starts = torch.arange(tracks)[:, None] * length  # (B, 1)
    places = starts + torch.arange(WARM_UP + length)  # (B, WARM_UP + length)
    first = F.cross_entropy(model(ids[None, :WARM_UP], None)[0][0].float(), ids[1 : WARM_UP + 1], reduction="sum")
    counted = tracks * length
    rest = _carried(model, ids[places], ids[places + 1], skip=WARM_UP) * counted
    return (first.item() + rest) / (WARM_UP + counted)


@torch.inference_mode()
def cold_loss(model: Network, ids: Tensor, crop: int = CROP) -> float:
    """The protocol `cold-256`: mean over crops that do not overlap and over all their positions."""
    crop = min(crop, len(ids) - 1)
    crops = (len(ids) - 1) // crop
    chosen = torch.arange(crops) if crops <= MAX_CROPS else torch.linspace(0, crops - 1, MAX_CROPS).long()
    total = 0.0
    for some in torch.split(chosen, max(1, WINDOW_CHARS // crop)):
        places = some[:, None] * crop + torch.arange(crop)  # (B, T)
        logits, _ = model(ids[places], None)  # (B, T, V)
        total += cross_entropy(logits, ids[places + 1], "sum").item()
    return total / (len(chosen) * crop)


def loss_under(protocol: str, model: Network, ids: Tensor) -> float:
    """The loss under a protocol by its name."""
    return {"stream": stream_loss, "cold-256": cold_loss}[protocol](model, ids)


def _carried(model: Network, inputs: Tensor, targets: Tensor, skip: int) -> float:
    """Mean loss over (B, N) ids read window by window with carried state, the first `skip` of each track left out."""
    window = max(1, WINDOW_CHARS // len(inputs))
    total, state = 0.0, None
    if skip:
        _, state = model(inputs[:, :skip], None)
    for start in range(skip, inputs.shape[1], window):
        here = slice(start, start + window)
        logits, state = model(inputs[:, here], state)  # (B, T, V)
        total += cross_entropy(logits, targets[:, here], "sum").item()
    return total / (len(inputs) * (inputs.shape[1] - skip))
