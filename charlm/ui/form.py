"""Controls made of the config dataclasses: a new knob appears here, with its help and limits, without an edit.

Every control may stay empty, which means "fitted to the text, or from the recipe"; only what is set is read back.
Numbers are typed into text boxes: gr.Number turns into a 0 as soon as it is shown.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import gradio as gr

from charlm.config import type_name
from charlm.errors import ConfigError
from charlm.ui.words import say


@dataclasses.dataclass(frozen=True)
class Form:
    """The controls of one config class, by the name of their knob."""

    kind: type[Any]
    controls: Mapping[str, gr.components.Component]

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """What the visitor has set, as knobs of the right type. `values` maps components to values.

        Raises ConfigError for what is no number where one belongs.
        """
        fields = {field.name: field for field in dataclasses.fields(self.kind)}
        found = {name: values.get(control) for name, control in self.controls.items()}
        return {name: _typed(fields[name], value) for name, value in found.items() if value not in (None, "")}


def make_form(kind: type[Any], without: tuple[str, ...] = ()) -> Form:
    """Controls for all knobs of a config class but some, to be made inside a Blocks."""
    fields = [field for field in dataclasses.fields(kind) if field.name not in without]
    return Form(kind, {field.name: _control(field) for field in fields})


def _control(field: dataclasses.Field[Any]) -> gr.components.Component:
    label, meta = field.name.replace("_", " ").capitalize(), field.metadata
    if field.type is bool:
        choices = [(say("fitted"), ""), (say("yes"), "yes"), (say("no"), "no")]
        return gr.Dropdown(choices, value="", label=label, info=meta["help"])
    if meta["choices"]:
        return gr.Dropdown([(say("fitted"), ""), *meta["choices"]], value="", label=label, info=meta["help"])
    limits = f"{meta['help']} ({meta['low']:g} … {meta['high']:g})"
    return gr.Textbox(label=label, info=limits, placeholder=say("fitted"), max_lines=1, max_length=30)


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    if field.type is bool:
        return value == "yes"
    try:
        return field.type(value)  # type: ignore[operator]
    except (ValueError, OverflowError, TypeError) as error:
        raise ConfigError(
            "{knob} must be of type {type}, not {value!r}.",
            knob=field.name,
            type=type_name(field),
            value=str(value)[:50],
        ) from error
