"""The address that shares settings, the choice of a text and a run, and what such an address says.

    https://.../?text=comedy-en&recipe=good&cell=gru&learning_rate=0.01&run=comedy-en-gru-2

Pure functions. Never in it: a text itself, only the name of one that everybody has. What comes in can be anybody's:
names and values that the form would not take are refused as a whole, and parameters of others (Gradio's begin with
"__") are left alone. Knows no components.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from charlm.checkpoint import checked_name
from charlm.config import ModelConfig, TextConfig, TrainConfig, check_value
from charlm.corpora import named_corpora
from charlm.errors import CharlmError, ConfigError
from charlm.recipes import recipe_named
from charlm.ui.form import typed
from charlm.ui.words import say

KNOBS = {one.name: one for kind in (TextConfig, ModelConfig, TrainConfig) for one in dataclasses.fields(kind)}
NAMES = ("text", "recipe", "run", *KNOBS)
MOST_CHARS = 4000


@dataclass(frozen=True)
class Link:
    """What an address shares. None: it says nothing of that."""

    text: str | None = None  # a corpus that has a name
    recipe: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)  # knobs
    run: str | None = None


def link_of(address: str, link: Link) -> str:
    """The address that shares it; `address` is the page's own, without a query."""
    parts = {"text": link.text, "recipe": link.recipe, **link.given, "run": link.run}
    told = {name: _written(value) for name, value in parts.items() if value not in (None, "")}
    return f"{address}?{urlencode(told)}"


def read_link(query: str) -> Link | None:
    """What a query shares; None when there is nothing of ours in it. Raises ConfigError, one sentence."""
    if len(query) > MOST_CHARS:
        raise ConfigError(say("bad_link_long"), most=MOST_CHARS)
    try:
        pairs = parse_qsl(query.removeprefix("?"), max_num_fields=100)
    except ValueError as error:
        raise ConfigError(say("bad_link_long"), most=MOST_CHARS) from error
    found = {name: value for name, value in pairs if name in NAMES}
    if not found:
        return None
    given = {name: _read(name, value) for name, value in found.items() if name in KNOBS}
    link = Link(found.get("text"), found.get("recipe"), given, found.get("run"))
    if link.text is not None and link.text not in {one.name for one in named_corpora()}:
        raise ConfigError(say("bad_link_text"), name=link.text[:100])
    if link.recipe:
        recipe_named(link.recipe[:100])
    if link.run is not None:
        _check_run(link.run)
    return link


def _read(name: str, value: str) -> Any:
    knob = KNOBS[name]
    if knob.type is bool and value not in ("yes", "no"):
        raise ConfigError("{knob} must be one of {choices}, not {value!r}.", knob=name, choices="yes, no", value=value)
    read = typed(knob, value[:100])
    check_value(knob, read)
    return read


def _check_run(run: str) -> None:
    try:
        checked_name(run)
    except CharlmError as error:
        raise ConfigError(say("not_yours")) from error


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
