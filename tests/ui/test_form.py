"""The form shows every knob there is, and reads back what was set, as the config wants it."""

import dataclasses
import re
from typing import Any

import gradio as gr
import pytest

from charlm.config import ModelConfig, TextConfig, TrainConfig, knob
from charlm.errors import ConfigError
from charlm.ui.form import Form, make_form
from charlm.ui.labels import Labels

KINDS = (TextConfig, ModelConfig, TrainConfig)


def form_of(kind: type[Any], **options: Any) -> Form:
    with gr.Blocks(analytics_enabled=False):
        return make_form(kind, Labels(), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_knob_has_a_control_with_its_help_and_limits(kind: type[Any]) -> None:
    form = form_of(kind)
    assert form.controls.keys() == {field.name for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        control, meta = form.controls[field.name], field.metadata
        info = control.info  # type: ignore[attr-defined]
        assert meta["help"] in info and control.label
        if isinstance(control, gr.Textbox):
            limits = re.search(r"\(([\d,.]+) … ([\d,.]+)\)$", info)
            assert limits and [float(one.replace(",", "")) for one in limits.groups()] == [meta["low"], meta["high"]]
        else:
            assert isinstance(control, gr.Dropdown)
            values = [value for _, value in control.choices]
            assert values == (["", "yes", "no"] if field.type is bool else ["", *meta["choices"]])


@pytest.mark.parametrize("kind", KINDS)
def test_an_untouched_form_sets_nothing(kind: type[Any]) -> None:
    form = form_of(kind)
    assert form.read({control: control.value for control in form.controls.values()}) == {}  # type: ignore[attr-defined]
    assert form.read({control: None for control in form.controls.values()}) == {}
    assert form.read({}) == {}


def test_what_is_set_is_read_with_its_type() -> None:
    form = form_of(TrainConfig)
    set_to = {"steps": " 7 ", "learning_rate": "1e-2", "optimizer": "adam", "seed": "0"}
    found = form.read({form.controls[name]: value for name, value in set_to.items()})
    assert found == {"steps": 7, "learning_rate": 0.01, "optimizer": "adam", "seed": 0}
    assert [type(found[name]) for name in set_to] == [int, float, str, int]
    assert TrainConfig(**found).steps == 7


@pytest.mark.parametrize("value", ["many", "1.5", "1e400", "9" * 5000, [1], {"a": 1}, "NaN"])
def test_what_is_no_number_is_refused(value: object) -> None:
    form = form_of(TrainConfig)
    with pytest.raises(ConfigError, match="steps must be of type whole number") as caught:
        form.read({form.controls["steps"]: value})
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(("choice", "value"), [("yes", True), ("no", False)])
def test_yes_and_no(choice: str, value: bool) -> None:
    form = form_of(ModelConfig)
    assert form.read({form.controls["tied"]: choice}) == {"tied": value}


def test_every_default_survives_the_form() -> None:
    for kind in KINDS:
        form = form_of(kind)
        values = {field.name: field.default for field in dataclasses.fields(kind)} | {"steps": 5}
        shown = {
            name: {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            for name, value in values.items()
        }
        found = form.read({form.controls[name]: value for name, value in shown.items() if name in form.controls})
        assert found == {name: value for name, value in values.items() if name in form.controls}
        kind(**found)


def test_a_value_outside_its_limits_is_refused_below_the_form() -> None:
    form = form_of(ModelConfig)
    with pytest.raises(ConfigError, match="hidden_size must be between"):
        ModelConfig(**form.read({form.controls["hidden_size"]: 4096}))


def test_a_new_knob_needs_no_edit() -> None:
    @dataclasses.dataclass(frozen=True)
    class Kitchen:
        ovens: int = knob(1, "how many there are", low=1, high=3)
        is_clean: bool = knob(True, "whether it was swept")
        colour: str = knob("red", "of the walls", choices=("red", "green"))

    form = form_of(Kitchen, without=("colour",))
    assert [(type(one), one.label) for one in form.controls.values()] == [
        (gr.Textbox, "Ovens"),
        (gr.Dropdown, "Is clean"),
    ]
    assert form.read({form.controls["ovens"]: "2", form.controls["is_clean"]: "no"}) == {"ovens": 2, "is_clean": False}


def test_what_cannot_work_is_found_at_its_knob() -> None:
    form = form_of(TrainConfig)
    typed = {"steps": "many", "streams": "0", "learning_rate": "99", "seed": "7", "clip": ""}
    found = form.refused({form.controls[name]: value for name, value in typed.items()})
    assert found.keys() == {"steps", "streams", "learning_rate"}
    assert "of type whole number" in str(found["steps"]) and "between" in str(found["streams"])
    assert form.refused({}) == {}


def test_what_is_given_is_shown_and_read_back() -> None:
    for kind in KINDS:
        form = form_of(kind)
        given = {field.name: field.default for field in dataclasses.fields(kind) if field.default != ""}
        shown = form.shown(given)
        assert set(shown) == set(form.controls.values())
        assert form.read(shown) == given
        assert set(form.shown({}).values()) == {""}
