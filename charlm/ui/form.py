"""Controls made of the config dataclasses: a new knob appears here, with its help and limits, without an edit.

Every control may stay empty, which means "fitted to the text, or from the recipe"; only what is set is read back.
Numbers are typed into text boxes: gr.Number turns into a 0 as soon as it is shown.
"""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import gradio as gr

from charlm.config import check_value, type_name
from charlm.errors import ConfigError
from charlm.ui.labels import Labels
from charlm.ui.words import knob_words, number, say

YES_NO = (("fitted", ""), ("yes", "yes"), ("no", "no"))


@dataclasses.dataclass(frozen=True)
class Form:
    """The controls of one config class, by the name of their knob."""

    kind: type[Any]
    controls: Mapping[str, gr.components.Component]

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """What the visitor has set, as knobs of the right type. `values` maps components to values.

        Raises ConfigError for what is no number where one belongs.
        """
        return {name: typed(self.fields[name], value) for name, value in self._set(values).items()}

    def refused(self, values: Mapping[Any, Any]) -> dict[str, ConfigError]:
        """What cannot work whatever else is set, by knob: no number, or outside its limits."""
        found: dict[str, ConfigError] = {}
        for name, value in self._set(values).items():
            try:
                check_value(self.fields[name], typed(self.fields[name], value))
            except ConfigError as error:
                found[name] = error
        return found

    def shown(self, given: Mapping[str, Any]) -> dict[gr.components.Component, Any]:
        """The value of every control when these knobs are set, and no others."""
        return {control: _shown(given.get(name)) for name, control in self.controls.items()}

    @property
    def fields(self) -> dict[str, dataclasses.Field[Any]]:
        return {field.name: field for field in dataclasses.fields(self.kind)}

    def _set(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        found = {name: values.get(control) for name, control in self.controls.items()}
        return {name: value for name, value in found.items() if value not in (None, "")}


def make_form(kind: type[Any], labels: Labels, without: tuple[str, ...] = ()) -> Form:
    """Controls for all knobs of a config class but some, to be made inside a Blocks."""
    fields = [field for field in dataclasses.fields(kind) if field.name not in without]
    return Form(kind, {field.name: _control(field, labels) for field in fields})


def _control(field: dataclasses.Field[Any], labels: Labels) -> gr.components.Component:
    meta = field.metadata
    said: dict[str, Any] = {
        "label": lambda language: knob_words(field.name, meta["help"], language)[0],
        "info": lambda language: knob_words(field.name, meta["help"], language)[1],
    }
    if field.type is bool:
        said["choices"] = lambda language: [(say(key, language), value) for key, value in YES_NO]
        return labels.made(gr.Dropdown, said, value="")
    if meta["choices"]:
        said["choices"] = lambda language: [(say("fitted", language), ""), *((one, one) for one in meta["choices"])]
        return labels.made(gr.Dropdown, said, value="")
    said["info"] = lambda language: (
        f"{knob_words(field.name, meta['help'], language)[1]}"
        f" ({_limit(meta['low'], language)} … {_limit(meta['high'], language)})"
    )
    said["placeholder"] = "fitted"
    return labels.made(gr.Textbox, said, max_lines=1, max_length=30)


def _limit(value: float, language: str) -> str:
    """Written out, in the language's own form: 0.000001, 1,000,000."""
    decimals = -int(Decimal(str(value)).normalize().as_tuple().exponent)
    return number(value, f",.{max(0, decimals)}f", language)


def typed(field: dataclasses.Field[Any], value: Any) -> Any:
    """A knob's value as it is typed, or as it stands in an address. Raises ConfigError for what is no number."""
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


def _shown(value: Any) -> str:
    """What `typed` would read as that value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
