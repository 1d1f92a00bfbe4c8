"""The next character's probabilities as bars that can be chosen, by a click or by the character's own key.

The value: {"bars": [[symbol, probability], ...] the likeliest first, "others": what all the other characters have
together, "count": how many they are}. Data alone reaches the script (next_bars.js); the template holds none, for it
would be evaluated as code. A choice is the event `click` with {"symbol": ...}, the key Backspace the event `undo`.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from charlm.ui.labels import Labels, Said
from charlm.ui.words import say

SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")
STYLE = Path(__file__).with_suffix(".css")
TEMPLATE = '<div class="next-bars"><div class="bars" role="group"></div><div class="rest"></div></div>'
WORDS = {"label": "next_character", "space": "char_space", "newline": "char_line_end", "tab": "char_tab"}
COUNT, SHARE = "COUNT", "SHARE"  # where the script puts its numbers into the sentence on the others


class NextBars(gr.HTML):
    """The component; its value is described on top of this file, `words` are those of one language."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(value, html_template=TEMPLATE, js_on_load=SCRIPT, apply_default_css=False, **kwargs)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}


def next_bars(labels: Labels, **kwargs: Any) -> NextBars:
    """The component, to be made inside a Blocks, that speaks the page's language."""

    def words(language: str) -> dict[str, str]:
        said = {word: say(key, language) for word, key in WORDS.items()}
        return said | {"others": say("other_characters", language, count=COUNT, share=SHARE)}

    said: Said = {"words": words}
    return labels.made(NextBars, said, **kwargs)
