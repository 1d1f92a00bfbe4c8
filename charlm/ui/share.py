"""What the form describes, told to others: as a command for a terminal, and as a link that fills the form elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from charlm.errors import CharlmError, ConfigError
from charlm.ui import views
from charlm.ui.labels import Labels
from charlm.ui.link import NAMES, Link, link_of, read_link
from charlm.ui.runs import folder_of
from charlm.ui.screen import Watching
from charlm.ui.settings import OWN, Settings
from charlm.ui.source import Source
from charlm.ui.visit import LAST, QUIET, REMEMBER, Visit
from charlm.ui.words import error_words, say

Values = Mapping[gr.components.Component, Any]
Change = dict[gr.components.Component, Any]
# The page's own address, and what it was opened with. Read once: what the visitor does then is not undone by a reload.
ARRIVED = """() => {
    const here = new URL(window.location.href), query = here.search;
    NAMES.forEach(name => here.searchParams.delete(name));
    if (here.search !== query) window.history.replaceState(null, '', here.href);
    return [here.origin + here.pathname, query];
}""".replace("NAMES", str(list(NAMES)))


@dataclass(frozen=True)
class Share:
    """The components."""

    address: gr.Textbox  # hidden: the page's own
    query: gr.Textbox  # hidden: what it was opened with
    note: gr.Markdown  # what an opened link has done
    with_run: gr.Checkbox
    link: gr.Textbox


def make_note() -> gr.Markdown:
    """Where it is said what an opened link has done."""
    return gr.Markdown(visible=False, elem_classes="note")


def make_share(labels: Labels, note: gr.Markdown) -> Share:
    """The components, folded away."""
    address, query = (gr.Textbox(visible=False, max_length=8192) for _ in range(2))
    with labels.made(gr.Accordion, {"label": "share"}, open=False):
        labels.made(gr.Markdown, {"value": "share_info"})
        with_run = labels.made(gr.Checkbox, {"label": "share_run", "info": "share_run_info"}, value=False)
        written: dict[str, Any] = {"interactive": False, "max_lines": 4, "elem_classes": "written", "elem_id": "link"}
        link = labels.made(gr.Textbox, {"label": "link"}, buttons=["copy"], **written)
    return Share(address, query, note, with_run, link)


class Sharing:
    """What is written of the form, and how a link fills it."""

    def __init__(self, visit: Visit, source: Source, settings: Settings, share: Share) -> None:
        self.visit, self.source, self.settings, self.share = visit, source, settings, share

    def wire(self, watching: Watching) -> None:
        """Command and link follow every change. A link that the page was opened with fills the form, and is watched."""
        visit, source, settings, share = self.visit, self.source, self.settings, self.share
        told = {*settings.inputs, *source.reading.controls.values(), source.kind, source.name, source.file}
        told |= {share.with_run, visit.run, share.address}
        written: dict[str, Any] = {"fn": self.written, "inputs": told, "outputs": [settings.command, share.link]}
        gr.on([part.change for part in told], **written, **LAST)
        filled = {*source.inputs, *settings.inputs, share.note, visit.run} - {source.pasted, source.file}
        arrived = visit.recalled.then(None, None, [share.address, share.query], js=ARRIVED)
        arrived.then(**written, **QUIET)
        opened = arrived.then(self.open, [share.query, visit.language], list(filled), **QUIET)
        opened.then(None, visit.run, visit.runs, js=REMEMBER).then(**watching.polled)

    # --- out ----------------------------------------------------------------------------------------------------------

    def written(self, values: Values) -> list[str]:
        """What the form describes, for a terminal and as a link; nothing while a setting is half typed."""
        try:
            recipe, model, training = self.settings.read(values)
            given = {**self.source.reading.read(values), **model, **training}
        except ConfigError:
            return ["", ""]
        run = values[self.visit.run] if values[self.share.with_run] else None
        text = str(values[self.source.name]) if values[self.source.kind] == "named" else None
        link = link_of(values[self.share.address] or "", Link(text, recipe, given, run or None))
        return [views.command_view(self._place(values), recipe, given), link]

    def _place(self, values: Values) -> str:
        """The text as a terminal would name it; a pasted one has to be saved first."""
        if values[self.source.kind] == "named":
            return str(values[self.source.name])
        file = values[self.source.file] if values[self.source.kind] == "file" else None
        return Path(file).name if file else "text.txt"

    # --- in -----------------------------------------------------------------------------------------------------------

    def open(self, query: str, language: str) -> Change:
        """Fill the form as a link says. One that says what the form would not take is ignored, in a sentence."""
        try:
            link = read_link(query or "")
            if link is None:
                return {self.share.note: gr.Markdown(visible=False)}
            filled = self._filled(link)
        except CharlmError as error:
            return {self.share.note: _noted("bad_link", error, language)}
        try:
            watched = {self.visit.run: folder_of(link.run).name} if link.run else {}
        except CharlmError as error:  # it was deleted; the settings are still good
            return filled | {self.share.note: _noted("half_link", error, language)}
        return filled | watched | {self.share.note: gr.Markdown(say("good_link", language), visible=True)}

    def _filled(self, link: Link) -> Change:
        """The values of the form. Raises ConfigError for a choice that it does not offer, as a tutorial's own cell."""
        filled: Change = {self.source.kind: "named", self.source.name: link.text} if link.text else {}
        if link.recipe or link.given:
            filled |= self.settings.filled(link.recipe or OWN, link.given) | self.source.reading.shown(link.given)
        for control, knob in ((self.settings.cell, "cell"), (self.settings.size, "hidden_size")):
            values = [value for _, value in control.choices]
            if filled.get(control, values[0]) not in values:
                choices = ", ".join(str(value) for value in values if value)
                raise ConfigError(
                    "{knob} must be one of {choices}, not {value!r}.", knob=knob, choices=choices, value=filled[control]
                )
        return filled


def _noted(key: str, error: CharlmError, language: str) -> gr.Markdown:
    return gr.Markdown(say(key, language, why=views.plain(error_words(error, language))), visible=True)
