"""Row 8: characters written in a second. Each size in a process of its own, which has done nothing else before.

    python -m tests.bench.generation HIDDEN REPEATS     prints what was measured, JSON

The loop's speed hangs on it: nn.LSTM packs its weights anew at every call, and whether that memory comes from the heap
or is mapped and given back each time is decided by what the process allocated before (page faults are counted).
"""

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from charlm.config import ModelConfig, SampleConfig
from charlm.model import CharRNN
from charlm.sampling import generate
from charlm.stepping import fold
from charlm.vocabulary import Vocabulary
from tests.bench import tutorials
from tests.bench.machine import in_turns
from tests.bench.row import Figure, Row, Scale

WRITTEN = {128: (8000, 1200), 256: (5000, 250), 512: (2500, 80)}  # characters of ours and of the loop at a time
SYMBOLS = 76  # of the LSTM notebook's text


def row_8(scale: Scale) -> Row:
    """Runs on one thread (its process is started so). The limit is the two products of a step and nothing else."""
    figures, detail = [], []
    for hidden, goal in ((128, 10), (256, 30), (512, 45)):
        told = [_in_a_process(hidden, scale.repeats) for _ in range(scale.pick(3, 1))]
        speed = {name: max(one[name] for one in told) for name in told[0]}
        figures.append(Figure(f"H{hidden}", speed["ours"] / speed["loop"], "x", goal))
        detail.append(_line(hidden, speed))
    return Row(
        "8", "generation, one stream, against one network call a character (aim: the memory limit)",
        "chars/s of sampling.generate / chars/s of the tutorials' loop; LSTM, the same weights, E=H, V=76, temperature"
        " 1, one thread, each size in fresh processes, the best of them",
        tuple(figures), tuple(detail),
    )  # fmt: skip


def _in_a_process(hidden: int, repeats: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.generation", str(hidden), str(repeats)]
    told = subprocess.run(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, check=True)
    return json.loads(told.stdout)


def measured(hidden: int, repeats: int) -> dict[str, float]:
    """chars/s of the loop, which is first, of ours, and of the products alone; the loop's page faults a character."""
    vocabulary, (ours, theirs) = Vocabulary(("\n", *(chr(33 + i) for i in range(SYMBOLS - 1)))), WRITTEN[hidden]
    model = CharRNN(SYMBOLS, ModelConfig(hidden_size=hidden, embedding_size=hidden))
    network, before = tutorials.same_lstm(model), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    seconds = in_turns({"loop": partial(tutorials.one_call_a_char, network, theirs)}, repeats)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / theirs / repeats
    folded, config = fold(model), SampleConfig(length=ours, temperature=1.0)
    products = partial(_products, folded.layers[0].recurrent, folded.output, ours)
    works = {"ours": lambda: "".join(generate(folded, vocabulary, "", config)), "limit": products}
    seconds |= in_turns(works, repeats)
    written = {"ours": ours, "loop": theirs, "limit": ours}
    return {name: written[name] / seconds[name] for name in seconds} | {"faults": faults}


def _products(recurrent: np.ndarray, output: np.ndarray, steps: int) -> None:
    h, gates = np.full(recurrent.shape[1], 0.5, np.float32), np.empty(len(recurrent), np.float32)
    logits = np.empty(len(output), np.float32)
    for _ in range(steps):
        np.dot(recurrent, h, out=gates)
        np.dot(output, h, out=logits)


def _line(hidden: int, speed: dict[str, float]) -> str:
    read = speed["ours"] * 4 * hidden * (4 * hidden + SYMBOLS) / 1e9  # GB/s of both matrices
    return (
        f"H{hidden}, chars/s: ours {speed['ours']:,.0f}; the loop {speed['loop']:,.0f}, with up to"
        f" {speed['faults']:.0f} page faults a character; the two products of a step alone {speed['limit']:,.0f},"
        f" of which ours reaches {100 * speed['ours'] / speed['limit']:.0f} %, reading {read:.1f} GB/s of weights"
    )


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]), int(sys.argv[2]))))
