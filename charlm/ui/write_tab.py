"""One text, written by the run at the desk: streamed, coloured, and compared with the text that was trained on."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from charlm.errors import CheckpointError
from charlm.jobs import JobBoard
from charlm.ui.desk import Desk, Speakers
from charlm.ui.meter import Meter
from charlm.ui.runs import folder_of
from charlm.ui.text_views import copies_view, replaced_view
from charlm.ui.visit import QUIET, Visit, sentences
from charlm.ui.words import say
from charlm.ui.writer import Stops, Writer, pieces, sample_config
from charlm.ui.written_text import written_text

WRITING: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 16}


def write_tab(board: JobBoard, visit: Visit, desk: Desk, speakers: Speakers) -> None:
    """The components and their wiring."""
    labels = visit.labels
    with labels.made(gr.Tab, {"label": "tab_write"}, id="write"):
        with gr.Row():
            write = labels.made(gr.Button, {"value": "generate"}, variant="primary", min_width=90)
            stop = labels.made(gr.Button, {"value": "stop"}, min_width=90)
        written = written_text(labels, "written", "written_hint", elem_id="written")
        note = gr.Markdown(elem_classes="note")
        meter = gr.Markdown(elem_classes="meter")
    acts = Acts(board, speakers)
    inputs = [visit.language, desk.pace, desk.run, desk.prompt, desk.length, *desk.drawing]
    gr.on([write.click, desk.prompt.submit], acts.write, inputs, [written, note, meter], **WRITING)
    stop.click(acts.stop, None, None, **QUIET)


class Acts:
    """What the buttons of this part do."""

    def __init__(self, board: JobBoard, speakers: Speakers) -> None:
        self.board, self.speakers, self.stops, self.meter = board, speakers, Stops(), Meter()

    def write(
        self, request: gr.Request, language: str, pace: str, name: str, prompt: str, *values: Any
    ) -> Iterator[tuple[dict[str, Any], str, str]]:
        """The text so far and a note on it, some twenty times a second; at the end, how much of it is copied."""
        with sentences(language):
            config = sample_config(self.board.limits.characters, *values)
            writer = Writer(self.speakers.named(name), prompt, config)
        notes = replaced_view(writer.prompt, language)
        with self.stops.writing(request.session_hash) as stopped:
            for _ in pieces([writer], pace, stopped):
                yield writer.value(), notes, ""
        chars, speed = len(writer.written), writer.speed
        notes = f"{notes} {say('wrote', language, chars=chars, speed=speed, seed=config.seed)}"
        yield writer.value(), notes, say("comparing", language)
        copied, told = self._copies(name, writer, language)
        yield writer.value(copied), notes, told

    def _copies(self, name: str, writer: Writer, language: str) -> tuple[tuple[tuple[int, int], ...], str]:
        """The passages that are copied, and what is said of them."""
        try:
            found, own = self.meter.measured(folder_of(name), writer.written)
        except CheckpointError:
            return (), say("copies_unknown", language)
        return found.passages, copies_view(found, own, language)

    def stop(self, request: gr.Request) -> None:
        """End the text; what is written stays."""
        self.stops.stop(request.session_hash)
