"""The documented call `generate`: text from a run, for programs. The same limits as the page's, met below it."""

from collections.abc import Callable

import gradio as gr

from charlm.jobs import JobBoard
from charlm.sampling import generate as written
from charlm.ui.desk import DEFAULTS, Speakers
from charlm.ui.visit import sentences
from charlm.ui.writer import MAX_PROMPT, sample_config


def offer_generate(board: JobBoard, speakers: Speakers) -> None:
    """The call, to be made inside a Blocks."""
    gr.api(generate_call(board, speakers), api_name="generate", concurrency_limit=4)


def generate_call(board: JobBoard, speakers: Speakers) -> Callable[..., tuple[str, int]]:
    """What the call does; its signature and docstring are its documentation."""

    def generate(
        run: str,
        prompt: str = "",
        length: int = DEFAULTS.length,
        temperature: float = DEFAULTS.temperature,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = -1,
    ) -> tuple[str, int]:
        """Text that a trained network writes. Returns the prompt with what was written after it, and the seed.

        run: the name of a run, as the page shows it. prompt: what the network goes on from; empty: the beginning of
        a line. length: characters to write. temperature: below 1 safer, above 1 wilder, 0 always the likeliest.
        top_k: only the k likeliest characters; 0: all. top_p: only the likeliest that together have this probability.
        seed: the same seed writes the same text; -1: another each time. What is refused is said in one sentence.
        """
        with sentences("en"):
            config = sample_config(board.limits.characters, length, temperature, top_k, top_p, seed)
            checkpoint, folded = speakers.named(run if isinstance(run, str) else None)
            known = checkpoint.vocabulary.encode_prompt(prompt[:MAX_PROMPT] if isinstance(prompt, str) else "").text
            return known + "".join(written(folded, checkpoint.vocabulary, known, config)), config.seed

    return generate
