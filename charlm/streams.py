"""Ids -> batches. Knows nothing of networks; holds the cursor, so that a run can go on exactly where it was.

The picture. A text of 28 characters (a to z, 0, 1), B = 3 streams, windows of T = 4, an epoch from the first character:

    stream 0   a b c d | e f g h          each stream is one contiguous track of the text; step k reads window k of
    stream 1   i j k l | m n o p          every stream. The state that a stream ends a window with is the state it
    stream 2   q r s t | u v w x          begins the next one with, so memory reaches further than the T characters
                step 0    step 1          through which gradients flow (truncated backpropagation through time,
                                          Williams & Peng 1990).
    targets    b c d e | f g h i          the same track, one character later

The tracks leave T or more characters over (here y z 0 1). Every epoch begins with a fresh state and somewhere among
the first so many, so that windows are cut differently each time and the end of the text has its turn. `Chunks` is the
other way: B random places each step, a fresh state each time.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charlm.config import TrainConfig
from charlm.errors import TextError
from charlm.vocabulary import Ids


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's characters. `is_fresh`: begin with an empty state."""

    inputs: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64, one character later
    is_fresh: bool


class Streams:
    """B contiguous tracks, read window by window, epoch after epoch."""

    def __init__(self, ids: Ids, streams: int, window: int, dice: torch.Generator) -> None:
        self.array, self.ids = ids, torch.from_numpy(ids)  # (N,) both, in the same memory
        self.streams, self.window, self.dice = streams, window, dice
        if streams * window + window > len(ids):
            raise TextError(
                "The training text has {chars} characters; {streams} streams of windows of {window} need {needed}."
                " Use fewer streams or a shorter window.",
                chars=len(ids), streams=streams, window=window, needed=streams * window + window,
            )  # fmt: skip
        self.offset, self.cursor = 0, -1  # -1: an epoch is about to begin

    @functools.cached_property
    def steps_per_epoch(self) -> int:
        """The same in every epoch, wherever it begins: T characters are kept for the offset and the last target."""
        return (len(self.ids) - self.window) // (self.streams * self.window)

    def next(self) -> Batch:
        """The next window of every stream."""
        is_fresh, length = self._begin_epoch_if_due(), self.steps_per_epoch * self.window  # of a stream
        tracks = self.ids.as_strided((self.streams, length + 1), (length, 1), self.offset)  # (B, length + 1)
        piece = tracks[:, self.cursor : self.cursor + self.window + 1].long()  # (B, T + 1)
        self.cursor += self.window
        return Batch(piece[:, :-1], piece[:, 1:], is_fresh)

    def next_pair(self) -> tuple[int, int, bool]:
        """`next` for one stream and a window of one: a character, the one after it, is_fresh. No tensors are made."""
        is_fresh = self._begin_epoch_if_due()
        place = self.offset + self.cursor
        self.cursor += 1
        return int(self.array[place]), int(self.array[place + 1]), is_fresh

    def _begin_epoch_if_due(self) -> bool:
        """Whether an epoch begins now, and at which place of the text."""
        if 0 <= self.cursor < self.steps_per_epoch * self.window:
            return False
        left_over = len(self.ids) - self.streams * self.steps_per_epoch * self.window  # at least T
        self.offset, self.cursor = int(torch.randint(left_over, (1,), generator=self.dice)), 0
        return True

    def state_dict(self) -> dict[str, Any]:
        """The cursor, and the cut that it belongs to. The dice are saved by who owns them."""
        return {"streams": self.streams, "window": self.window, "offset": self.offset, "cursor": self.cursor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly there; with other streams or another window, where that place is none, begin an epoch."""
        is_same_cut = (state.get("streams"), state.get("window")) == (self.streams, self.window)
        self.offset, self.cursor = (int(state["offset"]), int(state["cursor"])) if is_same_cut else (0, -1)


class Chunks:
    """B random places of the text, T characters each, a fresh state each time. An epoch is as many as fit into it."""

    def __init__(self, ids: Ids, streams: int, window: int, dice: torch.Generator) -> None:
        self.ids, self.streams, self.window, self.dice = torch.from_numpy(ids), streams, window, dice  # ids (N,)
        if window + 1 > len(ids):
            raise TextError(
                "The training text has {chars} characters; a window of {window} needs one more. Use a shorter window.",
                chars=len(ids), window=window,
            )  # fmt: skip

    @functools.cached_property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.ids) // (self.streams * self.window))

    def next(self) -> Batch:
        starts = torch.randint(len(self.ids) - self.window, (self.streams, 1), generator=self.dice)  # (B, 1)
        piece = self.ids[starts + torch.arange(self.window + 1)].long()  # (B, T + 1)
        return Batch(piece[:, :-1], piece[:, 1:], is_fresh=True)

    def state_dict(self) -> dict[str, Any]:
        """Nothing to remember: its places come from the dice, which are saved by who owns them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to go on from."""


def batches(ids: Ids, config: TrainConfig, dice: torch.Generator) -> Streams | Chunks:
    """The batches that `config` asks for."""
    kind = Streams if config.batching == "streams" else Chunks
    return kind(np.ascontiguousarray(ids), config.streams, config.window, dice)
