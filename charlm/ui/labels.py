"""Which sentence stands on which component, so that a change of language can say them all anew. Knows no sentence."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from charlm.ui.words import say

Made = TypeVar("Made", bound=Block)
Said = Mapping[str, str | Callable[[str], Any]]  # property -> key of a sentence, or what makes its value of a language


class Labels:
    """The components of a page whose words are fixed, in the order in which they were made."""

    def __init__(self) -> None:
        self._made: list[tuple[Block, Said]] = []

    def made(self, kind: type[Made], said: Said, **rest: Any) -> Made:
        """A component with its sentences in English, to be made inside a Blocks; `rest` is Gradio's."""
        block = kind(**_spoken(said, "en"), **rest)
        self._made.append((block, said))
        return block

    @property
    def blocks(self) -> list[Block]:
        """What `anew` updates."""
        return [block for block, _ in self._made]

    def anew(self, language: str) -> list[Any]:
        """All of them in a language, as a handler returns them."""
        return [gr.update(**_spoken(said, language)) for _, said in self._made]


def _spoken(said: Said, language: str) -> dict[str, Any]:
    return {name: say(what, language) if isinstance(what, str) else what(language) for name, what in said.items()}
