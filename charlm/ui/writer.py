"""Texts being written: one Writer a text, some of them in turns, at full speed or as fast as one reads. No Gradio.

Knows how a visitor's settings become a SampleConfig, and the limit of what is written at a time. A text ends when it
is long enough, or when its visitor has pressed Stop; what is there stays.
"""

import math
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from charlm.checkpoint import Checkpoint
from charlm.config import SampleConfig
from charlm.errors import ConfigError, LimitError
from charlm.insight import surprise_of
from charlm.sampling import draws
from charlm.stepping import Folded
from charlm.ui.text_views import packed, text_value
from charlm.ui.words import say

MAX_PROMPT = 10_000
REFRESH_SECONDS = 0.05  # between two pieces of a text at full speed
READING_SPEED = 25  # characters a second: some 250 words a minute
AT_ONCE = 4096  # characters whose logits are held at a time
PACES = {"full": "pace_full", "reading": "pace_reading"}  # -> the key of its name
Speaker = tuple[Checkpoint, Folded]


class Writer:
    """One text: what is written of it, how probable each character was, and how fast the network is."""

    def __init__(self, speaker: Speaker, prompt: str | None, config: SampleConfig) -> None:
        self.checkpoint, folded = speaker
        self.config, self.vocabulary = config, self.checkpoint.vocabulary
        self.prompt = self.vocabulary.encode_prompt((prompt or "")[:MAX_PROMPT])
        self.written, self.seconds = "", 0.0  # of the network's own work
        self._shares, self._others = "", ""
        self._draws = draws(folded, self.vocabulary, self.prompt.text, config)

    @property
    def is_done(self) -> bool:
        return len(self.written) >= self.config.length

    @property
    def speed(self) -> float:
        """Characters a second of the network's own time; NaN before the first."""
        return len(self.written) / max(1e-9, self.seconds) if self.written else math.nan

    def go_on(self, seconds: float, most: int = AT_ONCE) -> None:
        """Write for so long, or so many characters, whichever ends first; at least one."""
        began, ids, logits = time.perf_counter(), [], []
        for char, row in islice(self._draws, most):
            ids.append(char)
            logits.append(row)
            if time.perf_counter() - began >= seconds:
                break
        self.seconds += time.perf_counter() - began
        if ids:
            shares, others = packed(surprise_of(np.stack(logits), ids), self.vocabulary)
            self.written += self.vocabulary.decode(ids)
            self._shares += shares
            self._others += others

    def value(self, copied: Sequence[tuple[int, int]] = ()) -> dict[str, Any]:
        """What WrittenText shows. `copied` counts from the end of the prompt."""
        prompt, each = len(self.prompt.text), len(self._others) // max(1, len(self.written))
        text = text_value(self.prompt.text + self.written, prompt, self._shares, self._others, each)
        return text | {"copied": [[prompt + start, prompt + end] for start, end in copied]}


def pieces(writers: Sequence[Writer], pace: str, stopped: threading.Event) -> Iterator[None]:
    """Let them write in turns; returns between two pieces, the first time when each has its first character."""
    seconds, most = 0.0, 1
    while under_way := [writer for writer in writers if not writer.is_done]:
        for writer in under_way:
            writer.go_on(seconds / len(under_way), most)
        yield
        if stopped.wait(1 / READING_SPEED if pace == "reading" else 0):
            return
        if pace != "reading":
            seconds, most = REFRESH_SECONDS, AT_ONCE


class Stops:
    """Who has pressed Stop, by the session of his page: a text looks here between two pieces."""

    def __init__(self) -> None:
        self._writing: dict[str | None, threading.Event] = {}

    @contextmanager
    def writing(self, session: str | None) -> Iterator[threading.Event]:
        """While a session writes: what is set when it presses Stop."""
        stopped = self._writing[session] = threading.Event()
        try:
            yield stopped
        finally:
            if self._writing.get(session) is stopped:
                del self._writing[session]

    def stop(self, session: str | None) -> None:
        if stopped := self._writing.get(session):
            stopped.set()


def sample_config(most: int, length: Any, temperature: Any, top_k: Any, top_p: Any, seed: Any) -> SampleConfig:
    """What a visitor has set; a seed below 0, or none, draws one.

    Raises ConfigError for what is no number or beyond a knob's limits, LimitError for more than `most` characters.
    """
    chars, given = _whole("length", length), _whole("seed", -1 if seed is None else seed)
    if chars > most:
        raise LimitError(say("length_limit"), chars=chars, most=most)
    return SampleConfig(
        length=chars,
        temperature=_number("temperature", temperature),
        top_k=_whole("top_k", top_k or 0),
        top_p=_number("top_p", top_p or 1.0),
        seed=secrets.randbelow(2**31) if given < 0 else given,
    )


def _number(knob: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refused(knob, "number", value) from error


def _whole(knob: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refused(knob, "whole number", value) from error


def _refused(knob: str, type: str, value: Any) -> ConfigError:
    return ConfigError("{knob} must be of type {type}, not {value!r}.", knob=knob, type=type, value=str(value)[:50])
