"""config: every knob's limits hold, and its flag gives the same value back."""

import argparse
import dataclasses
import math
from typing import Any

import pytest

from charlm.config import (
    Config,
    ModelConfig,
    SampleConfig,
    TextConfig,
    TrainConfig,
    add_flags,
    command_flags,
    from_values,
    given,
    type_name,
)
from charlm.errors import ConfigError

KINDS = (TextConfig, ModelConfig, TrainConfig, SampleConfig)
BUDGETS = ("seconds", "steps", "epochs")
KNOBS = [(kind, field) for kind in KINDS for field in dataclasses.fields(kind)]
every_knob = pytest.mark.parametrize(("kind", "knob"), KNOBS, ids=[f"{k.__name__}.{f.name}" for k, f in KNOBS])
every_number = pytest.mark.parametrize(
    ("kind", "knob"), [pytest.param(k, f, id=f"{k.__name__}.{f.name}") for k, f in KNOBS if f.type in (int, float)]
)


def config(kind: type[Any], **values: Any) -> Any:
    """One with a budget, where one is needed."""
    needs_budget = kind is TrainConfig and not any(values.get(name) for name in BUDGETS)
    return kind(**({"steps": 1} if needs_budget else {}) | values)


def parsed(kind: type[Any], flags: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_flags(parser, kind)
    return given(kind, vars(parser.parse_args(flags)))


@every_knob
def test_a_knob_says_what_it_is(kind: type[Any], knob: dataclasses.Field[Any]) -> None:
    low, high, choices = (knob.metadata[name] for name in ("low", "high", "choices"))
    assert knob.metadata["help"]
    assert type_name(knob)
    assert type(knob.default) is knob.type
    if knob.type in (int, float):
        assert low <= knob.default <= high
    if knob.type is str:
        assert knob.default in choices


@every_number
def test_a_knob_keeps_its_limits(kind: type[Any], knob: dataclasses.Field[Any]) -> None:
    step = 1 if knob.type is int else 1e-3
    for outside in (knob.metadata["low"] - step, knob.metadata["high"] + max(step, knob.metadata["high"] * 1e-9)):
        with pytest.raises(ConfigError, match=rf"{knob.name} must be between .* not ") as caught:
            config(kind, **{knob.name: knob.type(outside)})
        assert caught.value.knob == knob.name
    for edge in (knob.metadata["low"], knob.metadata["high"]):
        if not (knob.name in BUDGETS and edge == 0):
            assert getattr(config(kind, **{knob.name: knob.type(edge)}), knob.name) == edge


@every_knob
def test_a_knob_refuses_other_types(kind: type[Any], knob: dataclasses.Field[Any]) -> None:
    wrong = [None, [1], math.nan, math.inf, "3" if knob.type is not str else 3]
    wrong += [True, 1 + 0j] if knob.type is not bool else [1, 0]
    wrong += [2.0] if knob.type is int else []
    for value in wrong:
        with pytest.raises(ConfigError) as caught:
            config(kind, **{knob.name: value})
        assert caught.value.knob == knob.name
        assert repr(value) in str(caught.value)


def test_an_int_may_stand_for_a_float() -> None:
    assert config(TrainConfig, clip=5).clip == 5
    with pytest.raises(ConfigError, match="clip must be between 0.0 and 1,000.0"):
        config(TrainConfig, clip=10**400)


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match="lstm, gru, rnn, sigmoid, not 'transformer'"):
        ModelConfig(cell="transformer")


@pytest.mark.parametrize("budget", [{}, {"steps": 5, "seconds": 1.0}, {"steps": 5, "seconds": 1.0, "epochs": 1}])
def test_exactly_one_budget(budget: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Give one budget") as caught:
        TrainConfig(**budget)
    assert str(caught.value).endswith(f"(given: {' + '.join(sorted(budget, key=BUDGETS.index)) or 'none'}).")
    for name in BUDGETS:
        assert getattr(TrainConfig(**{name: 3}), name) == 3


def test_tied_weights_need_equal_sizes() -> None:
    with pytest.raises(ConfigError, match="64 and 256") as caught:
        ModelConfig(tied=True)
    assert caught.value.knob == "tied"
    assert ModelConfig(tied=True, embedding_size=256).tied


@pytest.mark.parametrize(
    "made",
    [
        TextConfig(),
        TextConfig(encoding="shift_jis", ascii=True, alphabet="printable", min_count=3, max_chars=50_000),
        ModelConfig(cell="gru", hidden_size=32, embedding_size=32, tied=True, dropout=0.1),
        TrainConfig(seconds=2.5),
        TrainConfig(steps=100, learning_rate=1e-6, muon_rate=0.123456789012345, clip=0.0, seed=7, batching="chunks"),
        SampleConfig(length=1, temperature=0.0, top_p=0.01),
    ],
)
def test_flags_give_the_config_back(made: Config) -> None:
    flags = command_flags(made)
    assert from_values(type(made), parsed(type(made), flags)) == made
    assert len(flags) <= 2 * len(dataclasses.fields(made))


@every_knob
def test_each_flag_alone_gives_its_value_back(kind: type[Any], knob: dataclasses.Field[Any]) -> None:
    if knob.type is bool:
        value = not knob.default
    elif knob.type is str:
        value = next(choice for choice in knob.metadata["choices"] if choice != knob.default)
    else:
        value = knob.type(next(knob.metadata[edge] for edge in ("high", "low") if knob.metadata[edge] != knob.default))
    besides = {"embedding_size": 256} if knob.name == "tied" else {}
    changed = config(kind, **{knob.name: value}, **besides)
    assert parsed(kind, command_flags(changed))[knob.name] == value


def test_flags_left_out_are_absent() -> None:
    assert parsed(TrainConfig, []) == {}
    assert parsed(ModelConfig, ["--no-tied"]) == {"tied": False}


def test_from_values_ignores_other_names_and_refuses_bad_values() -> None:
    assert from_values(SampleConfig, {"length": 5, "cell": "gru"}) == SampleConfig(length=5)
    with pytest.raises(ConfigError, match="length"):
        from_values(SampleConfig, {"length": "5"})


def test_the_help_of_every_flag_can_be_printed() -> None:
    parser = argparse.ArgumentParser()
    for kind in KINDS:
        add_flags(parser, kind, without=("seed",))
    assert "--learning-rate" in parser.format_help()
