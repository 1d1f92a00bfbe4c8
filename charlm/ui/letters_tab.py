"""One character at a time, by hand: how probable each next character is, and one of them is chosen.

Nothing is kept between two choices: the text says it all. The network reads its end anew each time, so many characters
that what came before them no longer matters.
"""

from typing import Any

import gradio as gr
import numpy as np

from charlm.config import SampleConfig
from charlm.insight import surprise
from charlm.sampling import chances, next_id
from charlm.stepping import Floats
from charlm.ui.desk import Desk, Speakers
from charlm.ui.next_bars import next_bars
from charlm.ui.text_views import bars_value, packed, replaced_view, text_value
from charlm.ui.visit import LAST, QUIET, Visit, sentences
from charlm.ui.writer import MAX_PROMPT, Speaker, sample_config
from charlm.ui.written_text import written_text

READ_CHARS = 1000  # of the end of the text


def letters_tab(visit: Visit, desk: Desk, speakers: Speakers) -> None:
    """The components and their wiring."""
    labels = visit.labels
    with labels.made(gr.Tab, {"label": "tab_letters"}, id="letters") as tab:
        said = {"label": "letters_text", "info": "letters_hint"}
        text = labels.made(gr.Textbox, said, lines=3, max_lines=8, max_length=MAX_PROMPT, elem_classes="written")
        with gr.Row():
            draw = labels.made(gr.Button, {"value": "draw"}, variant="primary", min_width=90)
            undo = labels.made(gr.Button, {"value": "undo"}, min_width=90)
        bars = next_bars(labels, elem_id="next-bars")
        note = gr.Markdown(elem_classes="note")
        read = written_text(labels, "letters_read", "letters_empty", elem_id="read", elem_classes="unmeasured")
    acts = Acts(speakers)
    inputs = [visit.language, desk.run, text, *desk.drawing]
    bars.click(acts.choose, [visit.language, desk.run, text], text, **QUIET)
    draw.click(acts.draw, inputs, text, **QUIET)
    gr.on([undo.click, bars.undo], lambda text: (text or "")[:-1], text, text, **QUIET)
    changed = [text.change, desk.run.change, visit.language.change, tab.select]
    changed += [part.change for part in (desk.temperature, desk.top_k, desk.top_p)]
    gr.on(changed, acts.look, inputs, [bars, read, note], **LAST)


class Acts:
    """What the bars and the buttons of this part do."""

    def __init__(self, speakers: Speakers) -> None:
        self.speakers = speakers

    def look(self, language: str, run: str | None, text: str, *drawing: Any) -> list[Any]:
        """The bars after a text, how probable its characters were, and what the network does not know of it."""
        if not run:  # the desk says why there is none
            return [None, None, ""]
        with sentences(language):
            speaker, config = self.speakers.named(run), sample_config(1, 1, *drawing)
            return _seen(speaker, text or "", config, language)

    def choose(self, event: gr.EventData, language: str, run: str, text: str) -> str:
        """The text with the character of a bar, or of a key, if the network knows it."""
        with sentences(language):
            symbols = self.speakers.named(run)[0].vocabulary.id_of
        chosen = event._data.get("symbol") if isinstance(event._data, dict) else None
        return _longer(text, chosen if isinstance(chosen, str) and chosen in symbols else "")

    def draw(self, language: str, run: str, text: str, *drawing: Any) -> str:
        """The text with a character that the dice chose: those of the seed and of this place in the text."""
        with sentences(language):
            speaker, config = self.speakers.named(run), sample_config(1, 1, *drawing)
        _, logits = _read(speaker, text or "")
        uniform = float(np.random.default_rng((config.seed, len(text or ""))).random())
        vocabulary = speaker[0].vocabulary
        return _longer(text, vocabulary.symbols[next_id(logits, config, uniform, vocabulary.unknown_id)])


def _longer(text: str | None, more: str) -> str:
    return ((text or "") + more)[-MAX_PROMPT:]


def _read(speaker: Speaker, text: str) -> tuple[dict[str, Any], Floats]:
    """What WrittenText shows of the end of a text, and the logits (V,) of what comes next."""
    checkpoint, folded = speaker
    known = checkpoint.vocabulary.encode_prompt(text[-READ_CHARS:]).text
    expected, logits = surprise(folded, checkpoint.vocabulary, known)
    shares, others = packed(expected, checkpoint.vocabulary)
    return text_value(known, min(1, len(known)), shares, others, expected.shares.shape[1]), logits


def _seen(speaker: Speaker, text: str, config: SampleConfig, language: str) -> list[Any]:
    vocabulary = speaker[0].vocabulary
    value, logits = _read(speaker, text)
    bars = bars_value(chances(logits, config, vocabulary.unknown_id), vocabulary)
    return [bars, value, replaced_view(vocabulary.encode_prompt(text[-READ_CHARS:]), language)]
