"""Trainer.events(): learning as a generator of facts. Knows nothing of files, threads, plots or people.

    for event in Trainer(corpus, model_config, train_config).events(): ...

Everything that changes while learning lives in the trainer (weights, optimisers, averaged weights, carried state,
cursor, dice, counters), nothing in the generator's locals: at every yield the trainer stands between two steps, a
`state_dict()` taken there is exact, and a new trainer that loads it goes on bit for bit (same machine, same number of
threads; a budget in seconds follows the clock, so only steps and epochs promise equal bits). Stop is not asking for the
next event.

Three things can be told to a trainer between two events: `change_rate`, `end`, and, by loading its state into a trainer
with another budget, to go on for longer, which is a new leg of the schedule (`rate_factor`). All of them are part of
its state from then on, and the first and the last are told as Changed.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from charlm.config import BUDGETS, ModelConfig, TrainConfig
from charlm.corpus import Corpus
from charlm.errors import ConfigError
from charlm.evaluation import cross_entropy, tracks_loss
from charlm.events import Changed, Evaluated, Events, Finished, Reason, Started, Step
from charlm.model import CharRNN, State
from charlm.muon import Muon
from charlm.notes import note
from charlm.one_character import OneCharacter, has_closed_form
from charlm.streams import Chunks, Streams, batches

EVENT_CHARS = 8192  # a Step event tells of about so many characters
LAST_RATE = 0.02  # the cosine ends at this share of the highest learning rate
EVALUATED_CHARS = (4096, 200_000)  # the least and the most of the validation text that an evaluation covers
NOMINAL_SPEED = 60_000  # chars/s, to guess before the first step what an evaluation may cost
EVALUATION_SHARE = 0.1  # of a budget in seconds that evaluations may take
SLOTS: dict[type[torch.optim.Optimizer], tuple[str, ...]] = {  # what an optimizer remembers of each parameter
    torch.optim.SGD: (),
    torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"),
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
    Muon: ("momentum_buffer",),
}


class TrainerState(NamedTuple):
    """All that exact resume needs: tensors, and plain facts that fit into JSON."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class Leg(NamedTuple):
    """A stretch of training with a schedule of its own: the first begins at 0 from 0, an extension where it took over.

    `start` is a share of the whole budget, `factor` the share of the highest learning rate that held there.
    """

    start: float = 0.0
    factor: float = 0.0


FIRST_LEG = Leg()


class Trainer:
    """A run in memory. `recipe` is the name that Started tells."""

    def __init__(self, corpus: Corpus, model_config: ModelConfig, train_config: TrainConfig, recipe: str = "") -> None:
        self.corpus, self.config, self.recipe = corpus, train_config, recipe
        self.device = _device(train_config.device)
        self.precision = _precision(train_config.precision, self.device)
        self.dice = torch.Generator().manual_seed(train_config.seed)  # first weights, then dropout
        self.text_dice = torch.Generator().manual_seed(train_config.seed + 1)  # which text comes when
        self.model = CharRNN(len(corpus.vocabulary), model_config, self.dice).to(self.device)
        self.average = (
            {name: p.detach().clone() for name, p in self.model.named_parameters()} if train_config.average else {}
        )
        self.parameters = list(self.model.parameters())  # walking through the modules at every step takes a while
        self.optimizers = _optimizers(self.model, train_config)
        weights = dict(self.model.named_parameters())
        self.one_character = OneCharacter(weights) if has_closed_form(model_config, train_config) else None
        self.batches = batches(corpus.train, train_config, self.text_dice)
        self.validation = self._validation(self.evaluated_chars)  # (M,)
        self.state: State | None = None
        self.step, self.seconds, self.evaluation_seconds, self.last_evaluation_seconds = 0, 0.0, 0.0, 0.0
        self.is_started, self.evaluations, self.stale, self.best = False, 0, 0, math.inf
        self.since_event, self.since_evaluation = _Mean(), _Mean()
        self.grad_norm, self.learning_rate = 0.0, 0.0
        self.has_diverged, self.is_ended = False, False
        self.leg, self.rate_scale = FIRST_LEG, 1.0
        self.untold: list[Changed] = []

    # --- the loop ---------------------------------------------------------------------------------------------------

    def events(self) -> Events:
        """Started, then Step and Evaluated until Finished. Decides from its own state alone, so that it can go on."""
        if not self.is_started:
            self.is_started = True
            yield self._started()
        while True:
            while self.untold:
                yield self.untold.pop(0)
            if self._is_evaluation_due():
                yield self._evaluate()
            reason = self._end()
            if reason is not None:
                yield Finished(self.step, reason, self.seconds, self._advice())
                return
            self._learn()
            if self.since_event.count:
                yield self._told()

    def _learn(self) -> None:
        """Steps up to the next event: EVENT_CHARS characters, the next evaluation, the end, or a loss gone wrong."""
        began = time.perf_counter()
        enough = max(1, EVENT_CHARS // self.chars_per_step)
        before = self.seconds
        self.model.train()
        while self.since_event.count < enough and not self.has_diverged:
            self._advance()
            self.seconds = before + time.perf_counter() - began
            if self._is_evaluation_due() or self.progress >= 1:
                break

    def _advance(self) -> None:
        """One optimizer step on one window of every stream; the weights stay untouched when it is not finite."""
        loss = self._step_in_closed_form() if self.one_character else self._step_by_autograd()
        if loss is None:
            self.has_diverged = True
            return
        self.step += 1
        self.since_event.add(loss)
        self.since_evaluation.add(loss)

    def _step_by_autograd(self) -> float | None:
        batch = self.batches.next()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            state = None if batch.is_fresh else self._carried()
            logits, state = self.model(batch.inputs.to(self.device), state)  # (B, T, V)
        loss = cross_entropy(logits, batch.targets.to(self.device))  # ()
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))).item()
        value = loss.item()
        if math.isfinite(value) and math.isfinite(norm):
            self.grad_norm = norm
            self._update(gradients)
        for parameter in self.parameters:
            parameter.grad = None
        if not math.isfinite(value) or not math.isfinite(norm):
            return None
        self.state = tuple(part.detach() for part in state)  # (L, B, H) each
        return value

    def _carried(self) -> State | None:
        """The state after the last step, emptied in a share of the streams, which are drawn at every step."""
        if self.state is None or not self.config.fresh:
            return self.state
        keep = torch.rand(self.config.streams, 1, generator=self.text_dice) >= self.config.fresh  # (B, 1)
        return tuple(part * keep.to(part.device) for part in self.state)  # (L, B, H) each

    def _step_in_closed_form(self) -> float | None:
        assert self.one_character is not None and isinstance(self.batches, Streams)
        char, target, is_fresh = self.batches.next_pair()
        if is_fresh or self.state is None:
            self.state = self.model.zero_state(1)  # (1, 1, H)
        self.learning_rate = self.config.learning_rate * self.rate_share
        loss = self.one_character.step(self.state[0].numpy()[0, 0], char, target, self.learning_rate)
        return loss if math.isfinite(loss) else None

    def _update(self, gradients: list[Tensor]) -> None:
        """Clip, set the learning rate, step every optimizer, average the weights."""
        if self.config.clip and self.grad_norm > self.config.clip:
            torch._foreach_mul_(gradients, self.config.clip / self.grad_norm)
        factor = self.rate_share
        self.learning_rate = self.config.learning_rate * factor
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            optimizer.step()
        if self.average:  # a short memory at first, so that the random start is forgotten
            decay = min(self.config.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.parameters], 1 - decay)

    # --- told under way ---------------------------------------------------------------------------------------------

    def change_rate(self, factor: float) -> None:
        """Multiply all learning rates from the next step on. Raises ConfigError where the highest leaves its limits."""
        scale = self.rate_scale * factor
        highest = dataclasses.replace(self.config, learning_rate=self.config.learning_rate * scale).learning_rate
        self.rate_scale = scale
        self.untold.append(Changed(self.step, "learning_rate", highest))

    def end(self) -> None:
        """Be over at the next event, as if the budget were used: the weights of now are evaluated first."""
        self.is_ended = True

    @property
    def rate_share(self) -> float:
        """Share of the settings' learning rates in the step under way."""
        return self.rate_scale * rate_factor(self.config, self.progress_after_step, self.leg)

    # --- budget -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def chars_per_step(self) -> int:
        return self.config.streams * self.config.window

    @functools.cached_property
    def total_steps(self) -> int:
        """Of the budget; 0 when the budget is in seconds."""
        return self.config.steps or math.ceil(self.config.epochs * self.batches.steps_per_epoch)

    @property
    def progress(self) -> float:
        """Share of the budget that is used."""
        return self.step / self.total_steps if self.total_steps else self.seconds / self.config.seconds

    @property
    def progress_after_step(self) -> float:
        """Where the learning rate of the step under way stands: it is never the rate 0 of the very beginning."""
        return (self.step + 1) / self.total_steps if self.total_steps else self.progress

    @property
    def evaluated_chars(self) -> int:
        """How much of the validation text an evaluation covers: all of it, or what a tenth of the budget allows."""
        chars = self.config.seconds * NOMINAL_SPEED or self.config.steps * self.chars_per_step
        chars = chars or self.config.epochs * len(self.corpus.train)
        least, most = EVALUATED_CHARS
        allowed = int(2 * EVALUATION_SHARE * chars / self.config.evaluations)  # reading costs half of learning
        return min(len(self.corpus.validation), max(least, min(allowed, most)))

    def _validation(self, chars: int) -> Tensor:
        part = self.corpus.validation[: max(chars, EVALUATED_CHARS[0])]
        return torch.from_numpy(part).long().to(self.device)  # (M,)

    def _end(self) -> Reason | None:
        if self.has_diverged:
            return "diverged"
        if self.progress >= 1:
            return "budget"
        if self.is_ended:
            return "ended"
        return "patience" if self.config.patience and self.stale >= self.config.patience else None

    def _advice(self) -> str:
        if not self.has_diverged:
            return ""
        advice = note(
            "The loss is no longer finite. Lower the learning rate (now {rate:g}), or clip gradients at 1;"
            " the weights of before are kept.",
            rate=self.config.learning_rate * self.rate_scale,
        )
        return str(advice)

    # --- evaluation -------------------------------------------------------------------------------------------------

    def _is_evaluation_due(self) -> bool:
        """Evenly spread over the budget. On a budget in seconds one is left out when they would take over a tenth of
        the seconds so far, or leave too little of the whole tenth for the last. The first and the last always happen.
        """
        if self.is_ended and self.since_evaluation.count:
            return True
        if self._evaluations_by_now <= self.evaluations:
            return False
        if not self.config.seconds or self.progress >= 1 or not self.evaluations:
            return True
        with_this = self.evaluation_seconds + self.last_evaluation_seconds
        has_room = with_this + self.last_evaluation_seconds <= EVALUATION_SHARE * self.config.seconds
        return has_room and with_this <= EVALUATION_SHARE * self.seconds

    @property
    def _evaluations_by_now(self) -> int:
        return int(min(1.0, self.progress) * self.config.evaluations + 1e-9)

    def _evaluate(self) -> Evaluated:
        began = time.perf_counter()
        self.evaluations = self._evaluations_by_now
        loss = self.validation_loss()
        is_best = loss < self.best
        self.stale, self.best = (0, loss) if is_best else (self.stale + 1, self.best)
        train_loss = self.since_evaluation.take()
        self.last_evaluation_seconds = time.perf_counter() - began
        self.evaluation_seconds += self.last_evaluation_seconds
        return Evaluated(self.step, self.epoch, loss, train_loss, is_best, self.seconds)

    def validation_loss(self) -> float:
        """The protocol `stream` on the first `evaluated_chars`, with the weights that would be published.

        Side by side in up to 32 tracks (evaluation.tracks_loss).
        """
        self.model.eval()
        weights = self.published()

        def network(ids: Tensor, state: State | None) -> tuple[Tensor, State]:
            logits, after = functional_call(self.model, weights, (ids, state))
            return logits, after

        return tracks_loss(network, self.validation, tracks=min(32, len(self.validation) // 512))

    def published(self) -> dict[str, Tensor]:
        """The weights that others should use: the averaged ones where there are such."""
        return self.average or {name: parameter.detach() for name, parameter in self.model.named_parameters()}

    # --- events -----------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> float:
        return round(self.step / self.batches.steps_per_epoch, 4)

    def _started(self) -> Started:
        return Started(
            parameters=self.model.config.parameters(self.model.vocabulary_size),
            train_chars=len(self.corpus.train),
            validation_chars=len(self.corpus.validation),
            evaluated_chars=len(self.validation),
            vocabulary_size=len(self.corpus.vocabulary),
            steps_per_epoch=self.batches.steps_per_epoch,
            device=self.device.type,
            precision=self.precision,
            threads=torch.get_num_threads(),
            recipe=self.recipe,
        )

    def _told(self) -> Step:
        if self.one_character:
            self.grad_norm = self.one_character.grad_norm()
        return Step(
            step=self.step,
            epoch=self.epoch,
            loss=self.since_event.take(),
            grad_norm=self.grad_norm,
            learning_rate=self.learning_rate,
            chars_seen=self.step * self.chars_per_step,
            seconds=self.seconds,
            progress=min(1.0, self.progress),
        )

    # --- exact resume -----------------------------------------------------------------------------------------------

    FACTS: tuple[str, ...] = (
        "step", "seconds", "evaluation_seconds", "last_evaluation_seconds", "is_started", "evaluations", "stale",
        "grad_norm", "learning_rate", "has_diverged", "is_ended", "rate_scale",
    )  # fmt: skip
    LATER_FACTS: Mapping[str, Any] = {  # which older runs do not have
        "is_ended": False, "rate_scale": 1.0, "leg": FIRST_LEG, "untold": (),
    }  # fmt: skip

    def state_dict(self) -> TrainerState:
        """All that changes while learning, copied."""
        tensors = {f"model.{name}": p.detach() for name, p in self.model.named_parameters()}
        tensors |= {f"average.{name}": p for name, p in self.average.items()}
        tensors |= {f"state.{i}": part for i, part in enumerate(self.state or ())}
        tensors |= {"dice": self.dice.get_state(), "text_dice": self.text_dice.get_state()}
        for k, optimizer in enumerate(self.optimizers):
            for i, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{k}.{i}.{name}": value for name, value in slots.items()}
        facts: dict[str, Any] = {name: getattr(self, name) for name in self.FACTS}
        facts |= {"batches": self.batches.state_dict(), "means": [self.since_event.parts, self.since_evaluation.parts]}
        facts["best"] = None if math.isinf(self.best) else self.best  # JSON knows no infinity
        facts["evaluated_chars"] = len(self.validation)
        facts |= {"budget": self.config.budget, "leg": self.leg, "untold": list(map(dataclasses.astuple, self.untold))}
        return TrainerState({name: tensor.cpu().clone() for name, tensor in tensors.items()}, facts)

    def load_state_dict(self, saved: TrainerState) -> None:
        """Go on exactly where `saved` was taken. It may come from a stranger: what does not fit is refused.

        Raises KeyError, TypeError, ValueError or RuntimeError.
        """
        tensors, facts = saved
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(_fitting(tensors[f"model.{name}"], parameter.shape))
        for name, average in self.average.items():
            average.copy_(_fitting(tensors[f"average.{name}"], average.shape))
        self._load_facts(facts)
        shape = self.model.zero_state(self.config.streams)[0].shape  # (L, B, H)
        names = [f"state.{i}" for i in range(self.model.states)] if "state.0" in tensors else []
        self.state = tuple(_fitting(tensors[name], shape).to(self.device, copy=True) for name in names) or None
        self.dice.set_state(tensors["dice"])
        self.text_dice.set_state(tensors["text_dice"])
        for k, optimizer in enumerate(self.optimizers if self.step else ()):
            _load_optimizer(optimizer, f"optimizer.{k}.", tensors)

    def _load_facts(self, saved: dict[str, Any]) -> None:
        facts = {**self.LATER_FACTS, "budget": self.config.budget, **saved}
        for name in self.FACTS:
            setattr(self, name, _plain(facts[name], type(getattr(self, name))))
        self.best = math.inf if facts["best"] is None else _plain(facts["best"], float)
        self.since_event, self.since_evaluation = (_Mean(float(total), int(n)) for total, n in facts["means"])
        self.validation = self._validation(_plain(facts["evaluated_chars"], int))  # of before, so that losses compare
        _check_place(facts["batches"], self.batches)
        self.batches.load_state_dict(facts["batches"])
        self.evaluations = min(self.evaluations, self._evaluations_by_now)  # a longer budget has more to come
        self.leg = Leg(*(_plain(part, float) for part in facts["leg"]))
        self.untold = [_change(*parts) for parts in facts["untold"]]
        if self.step and tuple(facts["budget"]) != self.config.budget:
            self._begin_leg()

    def _begin_leg(self) -> None:
        """Another budget than that of the saved state: the schedule begins anew from the rate that held last."""
        highest = self.config.learning_rate * self.rate_scale
        self.leg = Leg(self.progress, min(1.0, self.learning_rate / highest))
        self.untold.append(Changed(self.step, *self.config.budget))


class _Mean:
    """A running mean that can be saved: total and count."""

    def __init__(self, total: float = 0.0, count: int = 0) -> None:
        self.total, self.count = total, count

    def add(self, value: float) -> None:
        self.total, self.count = self.total + value, self.count + 1

    def take(self) -> float:
        """The mean so far (NaN of nothing); it begins anew."""
        mean = self.total / self.count if self.count else math.nan
        self.total, self.count = 0.0, 0
        return mean

    @property
    def parts(self) -> tuple[float, int]:
        return self.total, self.count


def rate_factor(config: TrainConfig, progress: float, leg: Leg = FIRST_LEG) -> float:
    """Share of the highest learning rate at a share of the budget.

    1. rises in a straight line over `warmup`
    2. stays there: to the end, or up to the last `cooldown` of the budget (Haegele et al. 2024)
    3. falls in that on a cosine, to LAST_RATE at the end

    A leg that extends a run does both anew over its own part of the budget (a warm restart: Loshchilov & Hutter 2017,
    SGDR). It begins at the rate where the run stood; on a cosine it rises as high as it is long against what came
    before, at most to the top: a short extension of a long run does not shake loose what was learned. The comedy, 500
    steps to 1.418: 100 more 1.413 (to the top: 1.417), 500 more 1.386 (to half the top: 1.404; 1000 at once: 1.418).
    """
    progress = (progress - leg.start) / max(1e-9, 1 - leg.start)  # of the leg
    longer = min(1.0, (1 - leg.start) / leg.start) if leg.start else 1.0  # the leg against what came before
    highest = 1.0 if config.schedule == "constant" else max(leg.factor, longer)
    if config.warmup and progress < config.warmup:
        return max(leg.factor + (highest - leg.factor) * (progress / config.warmup), 0.01)
    if config.schedule == "constant":
        return highest
    begin = max(config.warmup, 1 - config.cooldown)
    way = min(1.0, max(0.0, (progress - begin) / (1 - begin)))
    return LAST_RATE + (highest - LAST_RATE) * (1 + math.cos(math.pi * way)) / 2


def _optimizers(model: CharRNN, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """What `config` names. Muon (Jordan 2024) takes the recurrent layers' matrices, AdamW all the rest."""
    everything = list(model.parameters())
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        chosen: list[torch.optim.Optimizer] = [torch.optim.SGD(everything, rate)]
    elif config.optimizer == "adam":
        chosen = [torch.optim.Adam(everything, rate, fused=True)]
    elif config.optimizer == "adamw":
        chosen = [torch.optim.AdamW(everything, rate, weight_decay=decay, fused=True)]
    else:
        matrices = [p for name, p in model.rnn.items() if name.startswith("weight")]
        rest = [p for p in everything if not any(p is matrix for matrix in matrices)]
        adamw = torch.optim.AdamW(rest, rate, weight_decay=decay, fused=True)
        has_bf16 = _has_bf16(model.decoder_bias.device)
        chosen = [Muon(matrices, config.muon_rate, decay, config.muon_iterations, has_bf16), adamw]
    for optimizer in chosen:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return chosen


def _load_optimizer(optimizer: torch.optim.Optimizer, prefix: str, tensors: dict[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        for slot in SLOTS[type(optimizer)]:
            shape = torch.Size() if slot == "step" else parameter.shape
            slots.setdefault(i, {})[slot] = _fitting(tensors[f"{prefix}{i}.{slot}"], shape).clone()
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _fitting(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The tensor, if it has the shape that it must have, and numbers."""
    if tensor.shape != shape or not tensor.is_floating_point() or not tensor.isfinite().all():
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} where finite numbers {tuple(shape)} belong")
    return tensor


def _plain(value: Any, kind: type[Any]) -> Any:
    """The fact, if it is of the type that it must be, finite and not negative."""
    if type(value) is not kind or not 0 <= value < math.inf:
        raise TypeError(f"{value!r} where a {kind.__name__} belongs")
    return value


def _change(step: Any, knob: Any, value: Any) -> Changed:
    """A change that has not been told yet, of a setting that can change."""
    if knob not in ("learning_rate", *BUDGETS):
        raise ValueError(f"{knob!r} does not change under way")
    return Changed(_plain(step, int), knob, _plain(value, float))


def _check_place(place: dict[str, Any], batches: Streams | Chunks) -> None:
    """Streams stand before a window of an epoch that fits into the text; Chunks stand nowhere."""
    if isinstance(batches, Streams) and place["cursor"] != -1:
        length = batches.steps_per_epoch * batches.window  # of a stream
        left_over = len(batches.ids) - batches.streams * length
        offset, cursor = _plain(place["offset"], int), _plain(place["cursor"], int)
        if offset >= left_over or cursor > length or cursor % batches.window:
            raise ValueError(f"no window begins at {offset} + {cursor}")


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("There is no CUDA device here. Set {knob} to cpu or auto.", knob="device")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def _precision(wanted: str, device: torch.device) -> str:
    """bf16 where the processor multiplies it in hardware; elsewhere it would be emulated, and slower than fp32."""
    if wanted == "bf16" and not _has_bf16(device):
        raise ConfigError("This processor has no bf16. Set {knob} to fp32 or auto.", knob="precision")
    return "bf16" if wanted != "fp32" and _has_bf16(device) else "fp32"


def _has_bf16(device: torch.device) -> bool:
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
