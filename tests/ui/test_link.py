"""The link says settings, a text's name and a run, and nothing else; what anybody may send is refused in a sentence."""

import dataclasses
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.errors import ConfigError
from charlm.ui.link import KNOBS, MOST_CHARS, Link, link_of, read_link

HERE = "https://example.org/page/"
EVERY = {field.name: field for kind in (TextConfig, ModelConfig, TrainConfig) for field in dataclasses.fields(kind)}


def values(name: str) -> st.SearchStrategy[Any]:
    meta, kind = EVERY[name].metadata, EVERY[name].type
    if kind is bool:
        return st.booleans()
    if meta["choices"]:
        return st.sampled_from(meta["choices"])
    if kind is int:
        return st.integers(int(meta["low"]), int(meta["high"]))
    digits = st.floats(meta["low"], meta["high"]).map(lambda value: float(f"{value:.5g}"))
    return digits.filter(lambda value: meta["low"] <= value <= meta["high"])


@given(st.data())
def test_what_is_written_is_read(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(EVERY)), unique=True, max_size=8))
    knobs = {name: data.draw(values(name)) for name in names}
    link = Link("tale-fr", "good", knobs, "tale-fr-lstm-2")
    address = link_of(HERE, link)
    assert address.startswith(f"{HERE}?")
    assert read_link(address.removeprefix(HERE)) == link


def test_only_what_is_said_is_in_it() -> None:
    assert link_of(HERE, Link("comedy-en", "quick", {"cell": "gru"})) == f"{HERE}?text=comedy-en&recipe=quick&cell=gru"
    assert link_of(HERE, Link(None, "", {"seconds": 60.0})) == f"{HERE}?seconds=60"


@pytest.mark.parametrize(
    "query", ["", "?", "?__theme=dark", "?logs=container&__sign=abc", "?tex=comedy-en", "?a&b=&=c"]
)
def test_parameters_of_others_are_left_alone(query: str) -> None:
    assert read_link(query) is None


def test_knobs_are_the_forms() -> None:
    assert KNOBS == EVERY


HOSTILE = {
    "text": ["/etc/passwd", "../x", "my.txt", "<script>", "toy-markov-9999999999"],
    "recipe": ["none", "quick ", "${x}", "a" * 3000],
    "run": ["../x", "", "a/b", "<b>", ".", "x" * 200, "con"],
    "cell": ["transformer", "LSTM", "<img src=x>"],
    "hidden_size": ["-1", "0", "1e9", "many", "9" * 500, "NaN", "1.5"],
    "learning_rate": ["nan", "inf", "-1", "1e300", "0x10"],
    "tied": ["1", "true", "<b>"],
    "steps": ["1;drop", "1 000"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, found in HOSTILE.items() for value in found if value]
)
def test_what_the_form_would_not_take_is_refused_in_a_sentence(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_link("?" + urlencode({name: value}))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("query", ["?text=" + "a" * MOST_CHARS, "?" + "&".join(f"a{i}=1" for i in range(500))])
def test_a_link_is_no_longer_than_needed(query: str) -> None:
    with pytest.raises(ConfigError, match="too many parts"):
        read_link(query)


@given(st.text(max_size=200))
def test_any_query_is_read_or_refused(query: str) -> None:
    try:
        read_link(query)
    except ConfigError as error:
        assert str(error)
