"""What is learned, and how: a recipe first, the cell, and every knob behind "more". Knows nothing of runs or texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from charlm.config import BUDGETS, ModelConfig, TrainConfig
from charlm.errors import CharlmError, ConfigError
from charlm.jobs import Limits
from charlm.recipes import DEFAULT_SECONDS, PRESETS, QUICK, recipe_named
from charlm.ui.form import Form, make_form
from charlm.ui.labels import Labels, Said
from charlm.ui.visit import QUIET
from charlm.ui.words import say

OWN = ""  # no recipe: a time of one's own
RECIPE_WORDS = {  # in the order in which they are offered
    "quick": "recipe_quick", "good": "recipe_good", "best": "recipe_best", OWN: "recipe_own",
    "rnn-notebook": "recipe_rnn", "lstm-notebook": "recipe_lstm", "random-chunks": "recipe_chunks",
}  # fmt: skip
SIZES = (64, 128, 256, 384, 512)
LIKELY_CELLS = ("lstm", "gru", "rnn")
Values = Mapping[gr.components.Component, Any]


@dataclass(frozen=True)
class Settings:
    """What is learned, and how."""

    recipe: gr.Radio
    seconds: gr.Slider  # of one's own time
    cell: gr.Radio
    size: gr.Dropdown
    model: Form
    training: Form
    fold: gr.Accordion  # what hides the knobs
    command: gr.Textbox  # the same for a terminal

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.recipe, self.cell, self.seconds, *self.hidden}

    @property
    def hidden(self) -> set[gr.components.Component]:
        """What the fold hides."""
        return {self.size, *self.model.controls.values(), *self.training.controls.values()}

    def read(self, values: Values) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The recipe, and what is given beside it for the network and for training. Raises ConfigError."""
        recipe, model, training = values[self.recipe], self.model.read(values), self.training.read(values)
        if is_free(recipe):
            model["cell"] = values[self.cell]
            model |= {"hidden_size": int(values[self.size])} if values[self.size] else {}
        if not recipe and not any(training.get(name) for name in BUDGETS):
            training["seconds"] = float(values[self.seconds])
        return recipe, model, training

    def refused(self, values: Values) -> dict[gr.components.Component, CharlmError]:
        """The controls whose values cannot work, whatever the text, and why not."""
        found = self.model.refused(values) | self.training.refused(values)
        budgets = [name for name in BUDGETS if values.get(self.training.controls.get(name)) not in (None, "", "0")]
        if len(budgets) > 1:
            try:
                TrainConfig(**dict.fromkeys(budgets, 1))
            except ConfigError as error:
                found |= dict.fromkeys(budgets, error)
        return {self.control_of(name): error for name, error in found.items()}

    def control_of(self, knob: str) -> gr.components.Component:
        """Where a knob is set; of one that has no control here, the recipe."""
        others = {"cell": self.cell, "hidden_size": self.size, "seconds": self.seconds}
        return {**others, **self.model.controls, **self.training.controls}.get(knob, self.recipe)

    def filled(self, recipe: str, given: Mapping[str, Any]) -> dict[gr.components.Component, Any]:
        """The value of every control when these knobs are given, and no others."""
        chosen = {self.recipe: recipe, self.cell: given.get("cell", "lstm"), self.size: given.get("hidden_size", 0)}
        chosen[self.seconds] = given.get("seconds", DEFAULT_SECONDS)
        return {**chosen, **self.model.shown(given), **self.training.shown(given)}


def is_free(recipe: str) -> bool:
    """Whether it leaves the network to choose: a preset does, a tutorial does not."""
    return not recipe or recipe_named(recipe) in PRESETS


def make_settings(limits: Limits, labels: Labels) -> Settings:
    """The controls."""
    recipe = labels.made(
        gr.Radio, {"label": "recipe", "choices": _recipes}, value=QUICK.name, elem_id="recipe", elem_classes="cards"
    )
    said: Said = {"label": "seconds", "info": "seconds_info"}
    most = min(1800, limits.seconds)
    own: dict[str, Any] = {"minimum": 5, "maximum": most, "value": DEFAULT_SECONDS, "step": 5, "visible": False}
    seconds = labels.made(gr.Slider, said, **own)
    cells = [(name.upper(), name) for name in LIKELY_CELLS]
    cell = labels.made(gr.Radio, {"label": "cell"}, choices=cells, value=LIKELY_CELLS[0])
    with labels.made(gr.Accordion, {"label": "more"}, open=False, elem_classes="knobs") as fold:
        labels.made(gr.Markdown, {"value": "more_info"})
        size = labels.made(gr.Dropdown, {"label": "size", "choices": _sizes}, value=0)
        model = make_form(ModelConfig, labels, without=("cell", "hidden_size"))
        training = make_form(TrainConfig, labels, without=("seconds",))
    recipe.change(_what_a_recipe_leaves, recipe, [cell, size, seconds], **QUIET)
    command = labels.made(
        gr.Textbox, {"label": "command"}, interactive=False, max_lines=4, buttons=["copy"], elem_classes="written",
        elem_id="command",
    )  # fmt: skip
    return Settings(recipe, seconds, cell, size, model, training, fold, command)


def _sizes(language: str) -> list[tuple[str, int]]:
    return [(say("size_fitted", language), 0), *((str(size), size) for size in SIZES)]


def _recipes(language: str) -> list[tuple[str, str]]:
    return [(say(key, language), name) for name, key in RECIPE_WORDS.items()]


def _what_a_recipe_leaves(name: str) -> list[Any]:
    return [gr.Radio(interactive=is_free(name)), gr.Dropdown(interactive=is_free(name)), gr.Slider(visible=name == OWN)]
