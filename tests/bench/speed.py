"""Rows 7, 9 and 11: how much work is done in a second. Contenders take turns; the best of the repetitions counts."""

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charlm.checkpoint import create_run
from charlm.config import GATES, ModelConfig, TrainConfig
from charlm.corpus import Corpus
from charlm.evaluation import cross_entropy
from charlm.events import Evaluated, Event, Step
from charlm.model import CharRNN
from charlm.one_character import OneCharacter
from charlm.recipes import Plan, plan, text_config
from charlm.recording import recorded
from charlm.trainer import Trainer
from tests.bench import texts, tutorials
from tests.bench.machine import GEMM_SIZE, gemm, in_turns
from tests.bench.row import Figure, Row, Scale

# --- row 7: training throughput ---------------------------------------------------------------------------------------

SHAPES = ((16, 32), (32, 64), (64, 64))  # B, T
HIDDEN, EMBEDDING, SYMBOLS = 256, 64, 65
NN = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
CHARS = 16_384  # of one measurement


class TorchRNN(nn.Module):
    """The same network of torch's own layers, time first, which is how they are fastest."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(SYMBOLS, EMBEDDING), nn.Linear(HIDDEN, SYMBOLS)
        self.rnn = NN[cell](EMBEDDING, HIDDEN)

    def forward(self, ids: Tensor) -> tuple[Tensor, object]:
        hidden, state = self.rnn(self.embedding(ids.t()))  # (T, B, H)
        return self.output(hidden).transpose(0, 1), state  # (B, T, V)


def row_7(scale: Scale) -> Row:
    """Forward, loss and backward through CharRNN, no optimizer; the GEMM is timed in the same turns."""
    speeds = {cell: _throughput(cell, scale.repeats) for cell in NN}
    peak, goals = max(speed["GEMM"] for speed in speeds.values()), {"lstm": (70, 80), "gru": (50, 70), "rnn": (50, 70)}
    figures, detail = [], []
    for cell, speed in speeds.items():
        best = max(value for name, value in speed.items() if name.startswith("CharRNN"))
        figures.append(Figure(cell.upper(), 100 * best / peak, "%", *goals[cell]))
        detail.append(f"{cell}, GFLOP/s: " + ", ".join(f"{name} {value:.0f}" for name, value in speed.items()))
    return Row(
        "7", "training throughput, one layer of 256: share of this machine's fp32 GEMM peak",
        f"fp32, E={EMBEDDING}, V={SYMBOLS}, forward + loss + backward through CharRNN, no optimizer; the best B x T of"
        " 16x32, 32x64, 64x64; 6(kH(E+H)+HV) FLOP a character; the peak is a product of 2048, timed in the same turns",
        tuple(figures), tuple(detail),
    )  # fmt: skip


def _throughput(cell: str, repeats: int) -> dict[str, float]:
    """GFLOP/s of CharRNN and of torch's own layer at each B x T, and of the GEMM."""
    works: dict[str, Callable[[], object]] = {"GEMM": gemm(torch.float32)}
    for name, network in (("CharRNN", CharRNN(SYMBOLS, _network(cell))), (f"nn.{cell.upper()}", TorchRNN(cell))):
        works |= {f"{name} {b}x{t}": _learning(network, b, t) for b, t in SHAPES}
    return _gflops(cell, in_turns(works, repeats))


def _network(cell: str, hidden: int = HIDDEN, embedding: int = EMBEDDING) -> ModelConfig:
    return ModelConfig(cell=cell, hidden_size=hidden, embedding_size=embedding)


def _learning(network: nn.Module, streams: int, window: int) -> Callable[[], None]:
    """Steps on CHARS characters in all, without the update."""
    ids = torch.randint(SYMBOLS, (streams, window + 1))  # (B, T + 1)

    def work() -> None:
        for _ in range(CHARS // (streams * window)):
            network.zero_grad(set_to_none=True)
            cross_entropy(network(ids[:, :-1])[0], ids[:, 1:]).backward()

    return work


def _gflops(cell: str, seconds: dict[str, float]) -> dict[str, float]:
    weights = GATES[cell] * HIDDEN * (EMBEDDING + HIDDEN) + HIDDEN * SYMBOLS
    work = {name: 2 * GEMM_SIZE**3 if name == "GEMM" else 6 * weights * CHARS for name in seconds}
    return {name: work[name] / seconds[name] / 1e9 for name in seconds}


# --- row 9: the tutorials' recipes ------------------------------------------------------------------------------------


def row_9(scale: Scale) -> Row:
    """Same first weights and same text on both sides, so the losses can be compared; seconds of training alone."""
    moliere = texts.moliere(scale.pick(50_000, 12_000))
    printable = texts.shakespeare(text_config("random-chunks", {}))
    rnn, chunks = _rnn_notebook(moliere.corpus, scale.pick(3, 1)), _random_chunks(printable.corpus, scale.pick(200, 40))
    return Row(
        "9", "recipes `rnn-notebook` and `random-chunks`: same losses, against the tutorials' loops",
        "chars/s of learning, ours / theirs, from the same first weights; the loops stand before and after ours",
        (
            Figure("rnn-notebook", rnn[0], "x", 8), Figure("random-chunks", chunks[0], "x", 30),
            Figure("largest difference of a mean loss", max(rnn[1], chunks[1]), "nats", 0.02, is_less_better=True),
        ),
        (rnn[2], chunks[2]), moliere.unjudged or printable.unjudged,
    )  # fmt: skip


def _rnn_notebook(corpus: Corpus, epochs: int) -> tuple[float, float, str]:
    settings = plan(corpus, "rnn-notebook", {}, {"epochs": epochs, "evaluations": epochs})
    trainer = Trainer(corpus, settings.model, settings.training)
    torch.manual_seed(0)
    state = 0.1 * torch.randn(1, settings.model.hidden_size)  # (1, H)
    ids = torch.from_numpy(corpus.train).long()
    loop = tutorials.sigmoid_rnn(tutorials.same_sigmoid_rnn(trainer.model), ids, state, epochs)
    times, gap, line = _compared("rnn-notebook, by epoch", loop, epochs // 2, 1, trainer)
    step, h, chars = OneCharacter(dict(trainer.model.named_parameters())).step, state[0].numpy(), corpus.train[:8001]
    pairs = list(pairwise(chars.tolist()))
    alone = len(pairs) / in_turns({"step": lambda: [step(h, *pair, 0.1) for pair in pairs]}, 3)["step"]
    return times, gap, f"{line}; our step without the trainer around it: {alone:,.0f} chars/s"


def _random_chunks(corpus: Corpus, iterations: int) -> tuple[float, float, str]:
    settings = plan(corpus, "random-chunks", {}, {"steps": iterations, "evaluations": 1})
    trainer = Trainer(corpus, settings.model, settings.training)
    dice = torch.Generator().manual_seed(settings.training.seed + 1)  # as the trainer's, so the chunks are the same
    ids = torch.from_numpy(corpus.train).long()
    loop = tutorials.lstm_chunks(tutorials.same_lstm(trainer.model), ids, iterations, dice)
    return _compared("random-chunks, all iterations", loop, iterations // 2, iterations, trainer)


def _compared(
    name: str, loop: Iterator[tutorials.Pass], first: int, passes: int, trainer: Trainer
) -> tuple[float, float, str]:
    """Times faster, largest difference of the mean losses of each `passes` passes, and a line that tells both.

    The `first` passes of the loop stand before ours, the others behind it.
    """
    before = list(islice(loop, first))
    ours = [event.train_loss for event in trainer.events() if isinstance(event, Evaluated)]
    told = before + list(loop)
    theirs = [math.fsum(one.loss for one in told[i : i + passes]) / passes for i in range(0, len(told), passes)]
    speed = trainer.step * trainer.chars_per_step / trainer.seconds
    loop_speed = sum(one.chars for one in told) / sum(one.seconds for one in told)
    gap = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    line = (
        f"{name}: ours {speed:,.0f} chars/s, loss {' '.join(f'{loss:.4f}' for loss in ours)};"
        f" the loop {loop_speed:,.0f} chars/s, loss {' '.join(f'{loss:.4f}' for loss in theirs)}"
    )
    return speed / loop_speed, gap, line


# --- row 11: a step's time outside torch's kernels --------------------------------------------------------------------

STREAMS, WINDOW, STEP_HIDDEN = 16, 32, 128
CASES = {
    "AdamW": {"optimizer": "adamw"},
    "Muon, averaged": {"optimizer": "muon", "average": 0.998},  # as in the presets, at a size below theirs
}


def row_11(scale: Scale) -> Row:
    """A step as the recorded pipeline makes it, against the bare torch calls of its forward and backward."""
    corpus = texts.shakespeare().corpus
    figures, detail = [], []
    for name, settings in CASES.items():
        with tempfile.TemporaryDirectory() as place:
            share, line = _outside(corpus, settings, Path(place) / "run", scale)
        figures.append(Figure(name, 100 * share, "%", 20, 10, is_less_better=True))
        detail.append(f"{name}: {line}")
    return Row(
        "11", "a training step's time outside torch's kernels, H128, B16 T32",
        "1 - (embedding, lstm, linear, cross-entropy and their backward as bare torch calls on the same shapes) / (a"
        " step of the recorded pipeline: batch, network, clipping, update, events, log), fp32, in turns; so all of"
        " the optimizer counts as outside, also where it multiplies matrices (Muon)",
        tuple(figures), tuple(detail),
    )  # fmt: skip


def _outside(corpus: Corpus, settings: dict[str, Any], folder: Path, scale: Scale) -> tuple[float, str]:
    training = TrainConfig(steps=10_000_000, streams=STREAMS, window=WINDOW, evaluations=1, **settings)
    create_run(folder, corpus, Plan(_network("lstm", STEP_HIDDEN), training, ""))
    trainer = Trainer(corpus, _network("lstm", STEP_HIDDEN), training)
    parts, best, kernels, told = _watched(trainer), math.inf, math.inf, {}
    bare = partial(_bare_steps, trainer.model, 100)
    with contextlib.closing(recorded(trainer, folder)) as events:
        _learning_seconds(events, 3)  # yardsticks and a warm start
        for _ in range(scale.repeats + 2):
            parts.update(dict.fromkeys(parts, 0.0))
            before, seconds = trainer.step, _learning_seconds(events, 10)
            steps = trainer.step - before
            if seconds / steps < best:
                best, told = seconds / steps, {part: value / steps for part, value in parts.items()}
            kernels = min(kernels, in_turns({"bare": bare}, 1)["bare"] / 100)
    rest = best - kernels - sum(told.values())
    shares = {"bare kernels": kernels, **told, "network's Python, norm, clip, average, events, log": rest}
    line = ", ".join(f"{part} {1e3 * seconds:.2f} ms ({seconds / best:.0%})" for part, seconds in shares.items())
    return 1 - kernels / best, f"a step takes {1e3 * best:.2f} ms: {line}"


def _bare_steps(model: CharRNN, steps: int) -> None:
    """Forward, loss and backward without a module around them."""
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    rnn = [weights[f"rnn.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    rest = [weights[name] for name in ("embedding", "decoder_weight", "decoder_bias")]
    state = (torch.zeros(1, STREAMS, STEP_HIDDEN), torch.zeros(1, STREAMS, STEP_HIDDEN))
    ids, targets = torch.randint(model.vocabulary_size, (2, WINDOW, STREAMS))  # (T, B) each
    targets = targets.flatten()  # (T*B,)
    for _ in range(steps):
        hidden, *_ = torch.lstm(F.embedding(ids, rest[0]), state, rnn, True, 1, 0.0, True, False, False)  # (T, B, H)
        logits = F.linear(hidden.flatten(0, 1), rest[1], rest[2])  # (T*B, V)
        torch.autograd.grad(F.cross_entropy(logits, targets), [*rnn, *rest])


def _watched(trainer: Trainer) -> dict[str, float]:
    """The seconds that two parts of a step take, added up from now on."""
    seconds = {"batch": 0.0, "optimizer steps": 0.0}

    def timed(part: str, work: Callable[[], object]) -> Callable[[], object]:
        def call() -> object:
            began = perf_counter()
            result = work()
            seconds[part] += perf_counter() - began
            return result

        return call

    trainer.batches.next = timed("batch", trainer.batches.next)
    for optimizer in trainer.optimizers:
        optimizer.step = timed("optimizer steps", optimizer.step)
    return seconds


def _learning_seconds(events: Iterator[Event], wanted: int) -> float:
    """Until so many Step events, log included; what else the pipeline does in between is left out."""
    total, began = 0.0, perf_counter()
    while wanted:
        event, now = next(events), perf_counter()
        if isinstance(event, Step):
            total, wanted = total + now - began, wanted - 1
        began = now
    return total
