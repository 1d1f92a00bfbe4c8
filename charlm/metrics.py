"""Losses for people. Inside, every loss is in nats per character; these units are made at the edge.

The two protocols have their names here; evaluation.py says what they are.
"""

import math
from typing import Literal

Protocol = Literal["stream", "cold-256"]
PROTOCOLS: tuple[Protocol, ...] = ("stream", "cold-256")


def bits_per_char(loss: float) -> float:
    """Nats per character -> bits per character: log2 instead of ln."""
    return loss / math.log(2)


def perplexity(loss: float) -> float:
    """Nats per character -> the number of equally likely characters that would be as hard to guess."""
    return math.exp(min(loss, 700.0))  # e^709 is the largest double
