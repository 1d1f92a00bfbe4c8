"""Logits -> the next character, again and again. Knows nothing of files or pages.

The order is temperature, top-k, top-p, draw. The unknown symbol is never drawn: nobody wants to read it. The same
weights, prompt, settings and seed give the same text.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from charlm.config import SampleConfig
from charlm.stepping import Floats, Folded, Stepper
from charlm.vocabulary import Vocabulary

DRAWS = 1024  # uniform numbers drawn at a time
LEAST = np.float32(-1e30)  # a logit so far below the highest has no weight, and its division does not overflow


def generate(folded: Folded, vocabulary: Vocabulary, prompt: str, config: SampleConfig) -> Iterator[str]:
    """`config.length` characters, one by one, that go on after the prompt.

    An empty prompt stands at the beginning of a line. Characters that the vocabulary does not know are replaced
    (`Vocabulary.encode_prompt` names them).
    """
    for char, _ in draws(folded, vocabulary, prompt, config):
        yield vocabulary.symbols[char]


def draws(folded: Folded, vocabulary: Vocabulary, prompt: str, config: SampleConfig) -> Iterator[tuple[int, Floats]]:
    """What `generate` draws: the id of each character, and the (V,) logits that it was drawn from."""
    stepper = Stepper(folded)
    ids = vocabulary.encode_prompt(prompt).ids or vocabulary.encode_prompt("\n").ids
    for char in ids[:-1]:
        stepper.step(char)
    char, dice = ids[-1], uniforms(config.seed)
    for uniform in islice(dice, config.length):
        logits = stepper.step(char)  # (V,)
        char = next_id(logits, config, uniform, vocabulary.unknown_id)
        yield char, logits


def uniforms(seed: int) -> Iterator[float]:
    """Endless uniform numbers in [0, 1) of a seed (PCG64)."""
    dice = np.random.default_rng(seed)
    while True:
        yield from dice.random(DRAWS).tolist()


def next_id(logits: Floats, config: SampleConfig, uniform: float, never: int | None = None) -> int:
    """The id that a uniform number picks out of (V,) logits."""
    if never is not None:
        logits = logits.copy()
        logits[never] = -np.inf
    return _picked(logits, config, uniform)


def _picked(logits: Floats, config: SampleConfig, uniform: float) -> int:
    if config.temperature == 0:
        return int(logits.argmax())
    weights = distribution(logits, config)  # (V,)
    totals = np.add.accumulate(weights)  # (V,)
    picked = int(totals.searchsorted(uniform * totals[-1], "right"))
    return picked if picked < len(weights) and weights[picked] else _last_possible(weights)


def chances(logits: Floats, config: SampleConfig, never: int | None = None) -> Floats:
    """The probabilities (V,) with which `next_id` picks each character out of (V,) logits."""
    if config.temperature == 0:
        weights = np.zeros_like(logits)
        weights[next_id(logits, config, 0.0, never)] = 1
        return weights
    if never is not None:
        logits = logits.copy()
        logits[never] = -np.inf
    weights = distribution(logits, config)  # (V,)
    weights /= weights.sum()
    return weights


def distribution(logits: Floats, config: SampleConfig) -> Floats:
    """Weights (V,) in proportion to which a character is drawn: temperature, then top-k, then top-p."""
    weights: Floats = logits - np.maximum.reduce(logits)  # (V,), at most 0
    if config.temperature != 1:
        np.maximum(weights, LEAST, out=weights)
        weights /= np.float32(max(config.temperature, 1e-4))
    np.exp(weights, weights)
    if 0 < config.top_k < len(weights):
        weights[_after_the_first(weights, config.top_k)] = 0
    if config.top_p < 1:
        totals = np.sort(weights)[::-1].cumsum()  # (V,) of the likeliest first
        kept = int(totals.searchsorted(config.top_p * totals[-1])) + 1
        weights[_after_the_first(weights, kept)] = 0
    return weights


def _after_the_first(weights: Floats, kept: int) -> npt.NDArray[np.intp]:
    """Places of all but the `kept` largest weights; of equal ones the first in the vocabulary stays."""
    return np.argsort(-weights, kind="stable")[kept:]


def _last_possible(weights: Floats) -> int:
    """A uniform number next to 1 may round past the end: the last character with any weight."""
    return int(weights.nonzero()[0][-1])
