"""A text that a network wrote: coloured by how probable each character was, with what else it might have been.

Point at a character, tap it, or focus the text and use the arrow keys. The value is plain data, made by
`text_views.text_value`; it reaches the script (written_text.js) as data alone, never through the template, which would
be evaluated as code:

    text      the prompt and what was written          prompt   how many characters of it are the prompt
    shares    of each character written, 1 + `each` probabilities in thousandths, two base-36 digits each: its own,
              then those of the likeliest              others   those likeliest, `each` characters for each
    each      how many likeliest there are             copied   [start, end) of passages of the training text

Strings, because a page takes a long string as it is, and a list of ten thousand only by its parts; and while a text
grows, Gradio sends what is new of a string alone.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from charlm.ui.labels import Labels, Said
from charlm.ui.words import say

SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")
STYLE = Path(__file__).with_suffix(".css")
LEGEND = "".join(f'<li class="{kind}"></li>' for kind in ("", "level-1", "level-2", "level-3", "level-4", "copied"))
TEMPLATE = (
    '<div class="written-text"><div class="name" aria-hidden="true"></div>'
    '<div class="paper" role="textbox" aria-readonly="true" aria-multiline="true" tabindex="0"></div>'
    '<div class="cursor" hidden></div><div class="card" role="status" hidden></div>'
    '<div class="legend"><label><input type="checkbox" checked><span></span></label>'
    f'<ul>{LEGEND}</ul><button type="button" class="copy"></button></div></div>'
)
WORDS = {  # as the script calls them -> their keys
    "coloured": "text_coloured", "copied": "text_copied", "instead": "text_instead", "copy": "text_copy",
    "has_copied": "text_has_copied", "space": "char_space", "newline": "char_line_end", "tab": "char_tab",
    "unknown": "char_unknown",
}  # fmt: skip


class WrittenText(gr.HTML):
    """The component; its value is described on top of this file, `words` are those of one language."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(value, html_template=TEMPLATE, js_on_load=SCRIPT, apply_default_css=False, **kwargs)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}


def written_text(labels: Labels, label: str, placeholder: str, **kwargs: Any) -> WrittenText:
    """The component under a label, to be made inside a Blocks, that speaks the page's language."""

    def words(language: str) -> dict[str, str]:
        keys = WORDS | {"label": label, "placeholder": placeholder}
        return {word: say(key, language) for word, key in keys.items()}

    said: Said = {"words": words}
    return labels.made(WrittenText, said, **kwargs)
