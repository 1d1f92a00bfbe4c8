"""Controls made of the config dataclasses: a new knob appears here, with its help and limits, without an edit.

Every control may stay empty, which means "fitted to the text, or from the recipe"; only what is set is read back.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import gradio as gr

from charlm.ui.words import say


@dataclasses.dataclass(frozen=True)
class Form:
    """The controls of one config class, by the name of their knob."""

    kind: type[Any]
    controls: Mapping[str, gr.components.Component]

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """What the visitor has set, as knobs of the right type. `values` maps components to values."""
        types = {field.name: field.type for field in dataclasses.fields(self.kind)}
        found = {name: values.get(control) for name, control in self.controls.items()}
        return {name: _typed(types[name], value) for name, value in found.items() if value not in (None, "")}


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
    return gr.Number(
        value=None, label=label, info=limits, placeholder=say("fitted"), precision=0 if field.type is int else None
    )


def _typed(kind: Any, value: Any) -> Any:
    if kind is bool:
        return value == "yes"
    return kind(value)
