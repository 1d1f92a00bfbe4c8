"""Texts that networks write -> what is shown of them. Pure functions, no Gradio: the values of WrittenText and of
NextBars, and what is said about a text.
"""

import math
from typing import Any

import numpy as np

from charlm.checkpoint import Checkpoint
from charlm.config import SampleConfig
from charlm.copies import Copies
from charlm.insight import Surprise
from charlm.stepping import Floats
from charlm.ui.views import plain
from charlm.ui.words import number, say
from charlm.vocabulary import Prompt, Vocabulary

BARS = 12
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
THOUSANDTHS = [DIGITS[n // 36] + DIGITS[n % 36] for n in range(1001)]  # two base-36 digits
QUOTING = 0.5  # share of the characters in copied passages, from which on a text is called a quotation


def text_value(text: str, prompt: int = 0, shares: str = "", others: str = "", each: int = 0) -> dict[str, Any]:
    """The value of WrittenText, whose docstring says what it holds; nothing in it is copied."""
    return {"text": text, "prompt": prompt, "shares": shares, "others": others, "each": each, "copied": []}


def packed(surprise: Surprise, vocabulary: Vocabulary) -> tuple[str, str]:
    """`shares` and `others` of WrittenText."""
    together = np.concatenate([surprise.probability[:, None], surprise.shares], axis=1)  # (N, 1 + K)
    thousandths = np.rint(1000 * together).astype(int).ravel().tolist()
    likeliest = surprise.likeliest.ravel().tolist()
    return "".join(THOUSANDTHS[n] for n in thousandths), "".join(vocabulary.symbols[i] for i in likeliest)


def bars_value(chances: Floats, vocabulary: Vocabulary) -> dict[str, Any]:
    """The value of NextBars of probabilities (V,): the likeliest, and how much the others have."""
    order = np.argsort(-chances, kind="stable")[:BARS].tolist()
    bars = [[vocabulary.symbols[i], float(chances[i])] for i in order if chances[i] > 0]
    left = int(np.count_nonzero(chances)) - len(bars)
    return {"bars": bars, "others": max(0.0, 1 - sum(share for _, share in bars)) if left else 0.0, "count": left}


def replaced_view(prompt: Prompt, language: str = "en") -> str:
    """What a network does not know of a prompt; nothing when it knows all."""
    if not prompt.replaced:
        return ""
    chars = " ".join(plain(repr(char)) for char, _ in prompt.replaced)
    return say("replaced", language, chars=chars, known=" ".join(plain(repr(known)) for _, known in prompt.replaced))


def column_view(run: str, checkpoint: Checkpoint, config: SampleConfig, speed: float, language: str = "en") -> str:
    """The heading of one of several texts: who writes, how well it has learned, how it draws, how fast it is."""
    model, loss = checkpoint.config.model, checkpoint.loss
    return say(
        "column",
        language,
        cell=model.cell.upper(),
        hidden=model.hidden_size,
        run=plain(run),
        loss="–" if math.isnan(loss) else number(loss, ".4f", language),
        temperature=config.temperature,
        seed=config.seed,
        speed="…" if math.isnan(speed) else number(speed, ",.0f", language),
    )


def copies_view(found: Copies, own: Copies, language: str = "en") -> str:
    """Is it quoting or inventing? And how often the author repeats himself, for comparison: `own` is of his last pages,
    which the network was not trained on."""
    if not found.unseen:
        return say("copies_short", language)
    start, end = found.longest
    key = "copies_quoting" if found.share >= QUOTING else "copies_partly" if found.passages else "copies_inventing"
    verdict = say(key, language, share=100 * found.share, least=found.least, longest=end - start)
    lines = [verdict, say("copies_unseen", language, shares=_shares(found, language))]
    if own.unseen:
        longest = own.longest[1] - own.longest[0]
        lines.append(say("copies_own", language, longest=longest, shares=_shares(own, language)))
    return "\n\n".join(lines)


def _shares(found: Copies, language: str) -> str:
    """4: 2 % · 5: 9 % ..."""
    each = (say("copies_share", language, gram=n, share=100 * share) for n, share in found.unseen.items())
    return " · ".join(each)
