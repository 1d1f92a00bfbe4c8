"""The Runs tab: every run that the visitor has, side by side; named, deleted, downloaded, brought in.

Handlers ask the shelf (shelf.py), which decides what may be touched, and show what run_views makes of it.
"""

import contextlib
import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gradio as gr
from gradio.events import Dependency

from charlm.checkpoint import MAX_NAME
from charlm.errors import CharlmError, CheckpointError
from charlm.jobs import JobBoard, is_public
from charlm.space import keeps_runs
from charlm.ui import run_views, views
from charlm.ui.hub_panel import HubActs, Panel, hub_panel
from charlm.ui.labels import Labels, Said
from charlm.ui.live_plot import LivePlot
from charlm.ui.run_table import RunTable
from charlm.ui.runs import bare_name, folder_of, own_folder_of
from charlm.ui.shelf import Shelf, Story, the_one
from charlm.ui.visit import FORGET, KEEP, QUIET, WATCH, Visit, check_origin, sentences
from charlm.ui.words import error_words, say

POLL_SECONDS = 2.0
# Of what may be refused: in Gradio's queue, where a refusal is a message; outside it would be a failed request.
PRIVATE: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 8, "show_progress": "hidden"}
WORKING: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "show_progress": "full"}
FETCH = """(file) => {
    const link = Object.assign(document.createElement('a'), {href: file.url, download: file.orig_name});
    document.body.append(link);
    link.click();
    link.remove();
}"""
FOCUS_KEEP = "() => { setTimeout(() => document.querySelector('#keep-runs')?.focus(), 100); }"


@dataclass(frozen=True)
class Sight:
    """What is seen of the runs."""

    table: RunTable
    plot: LivePlot
    unit: gr.Radio
    across: gr.Radio
    compared: gr.Markdown
    timer: gr.Timer


@dataclass(frozen=True)
class Tools:
    """What can be done with the chosen runs."""

    note: gr.Markdown  # what was done last
    upload: gr.UploadButton
    text: gr.UploadButton  # for a run that came without the text that it learned
    train: gr.Button
    generate: gr.Button
    name: gr.Textbox
    rename: gr.Button
    download: gr.Button
    with_text: gr.Checkbox
    page: gr.Button
    delete: gr.Button
    asked: gr.Column  # whether they shall really be deleted
    question: gr.Markdown
    yes: gr.Button
    no: gr.Button
    file: gr.DownloadButton  # never seen: a file on its way to the browser
    arrived: gr.Textbox  # never seen: the name of a run that has just come
    gone: gr.Textbox  # never seen: the names of runs that were deleted, a JSON list

    @property
    def of_one(self) -> list[gr.Button]:
        return [self.train, self.generate, self.rename, self.download, self.page]


def runs_tab(board: JobBoard, visit: Visit, tabs: gr.Tabs) -> None:
    """The tab, its components and their wiring. `tabs` is where the others lie, to open a run there."""
    labels, acts = visit.labels, Acts(board)
    with labels.made(gr.Tab, {"label": "tab_runs"}, id="runs") as tab:
        labels.made(gr.Markdown, {"value": _kept}, visible=is_public())
        table = RunTable(elem_id="run-list")
        tools = _tools(labels)
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                plot, unit, across = _plot(labels)
            with gr.Column(scale=2, min_width=320):
                compared = gr.Markdown(elem_classes="tables")
        panel = hub_panel(labels)
        sight = Sight(table, plot, unit, across, compared, gr.Timer(POLL_SECONDS, active=False))
        gr.api(acts.api_runs, api_name="runs", queue=False)
    seen = _wire_sight(acts, visit, tab, sight, tools)
    _wire_changes(acts, visit, sight, tools, seen)
    _wire_files(acts, visit, sight, tools, seen)
    _wire_hub(HubActs(acts.shelf), panel, acts, visit, sight, tools, seen)
    open_there = {"inputs": [table, visit.language], "outputs": [visit.run, tabs], **PRIVATE}
    for button, place in ((tools.train, "train"), (tools.generate, "generate")):
        button.click(acts.opener(place), **open_there).success(None, visit.run, None, js=WATCH)


def _kept(language: str) -> str:
    """Whether runs are still there tomorrow, on a public server."""
    return say("kept_here" if keeps_runs() else "not_kept_here", language)


def _plot(labels: Labels) -> tuple[LivePlot, gr.Radio, gr.Radio]:
    plot = LivePlot(run_views.overlay_view([]), elem_id="runs-plot")
    units: Said = {"label": "unit", "choices": lambda language: [(say(one, language), one) for one in views.UNITS]}
    along: Said = {
        "label": "across", "choices": lambda language: [(say(one, language), one) for one in run_views.ACROSS],
    }  # fmt: skip
    with gr.Row():
        unit = labels.made(gr.Radio, units, value="nats", min_width=200)
        across = labels.made(gr.Radio, along, value="steps", min_width=200)
    return plot, unit, across


def _tools(labels: Labels) -> Tools:
    off: dict[str, Any] = {"interactive": False, "min_width": 150}
    with gr.Row(elem_classes="actions"):
        train = labels.made(gr.Button, {"value": "open_train"}, **off)
        generate = labels.made(gr.Button, {"value": "open_generate"}, **off)
        download = labels.made(gr.Button, {"value": "download"}, **off)
        page = labels.made(gr.Button, {"value": "report_page"}, **off)
        delete = labels.made(gr.Button, {"value": "delete"}, **off)
        upload = labels.made(gr.UploadButton, {"label": "upload_run"}, file_types=[".zip"], min_width=150)
    text = labels.made(gr.UploadButton, {"label": "give_text"}, visible=False, size="sm")
    with gr.Row(elem_classes="naming"):
        name = labels.made(
            gr.Textbox, {"label": "name", "info": "name_info"}, max_lines=1, max_length=MAX_NAME, min_width=240, scale=2
        )
        rename = labels.made(gr.Button, {"value": "rename"}, **off)
        with_text = labels.made(
            gr.Checkbox, {"label": "with_text", "info": "with_text_info"}, value=False, min_width=240, scale=2
        )
    with gr.Column(visible=False, elem_classes="danger") as asked:
        question = gr.Markdown()
        with gr.Row(elem_classes="actions"):
            no = labels.made(gr.Button, {"value": "delete_no"}, min_width=120, elem_id="keep-runs")
            yes = labels.made(gr.Button, {"value": "delete_yes"}, variant="stop", min_width=120)
    note = gr.Markdown(elem_classes="outcome")
    hidden = [gr.Textbox(visible=False) for _ in range(2)]
    return Tools(
        note, upload, text, train, generate, name, rename, download, with_text, page, delete, asked, question, yes, no,
        gr.DownloadButton(visible=False), *hidden,
    )  # fmt: skip


# --- wiring -----------------------------------------------------------------------------------------------------------


def _wire_sight(acts: "Acts", visit: Visit, tab: gr.Tab, sight: Sight, tools: Tools) -> dict[str, Any]:
    """What is seen follows what is chosen, what learns, and the language; returns the event that looks anew."""
    inputs = [sight.table, visit.runs, visit.language, sight.unit, sight.across]
    outputs = [sight.table, sight.plot, sight.compared, sight.timer, *tools.of_one, tools.delete, tools.text]
    seen = {"fn": acts.look, "inputs": inputs, "outputs": outputs, **QUIET}
    for event in (tab.select, sight.timer.tick, visit.language.change, sight.unit.input, sight.across.input):
        event(**seen, trigger_mode="always_last")
    chosen = sight.table.input(**seen, trigger_mode="always_last")  # a click during the last one's answer counts too
    chosen.then(acts.chosen, sight.table, [tools.name, tools.asked], **QUIET)
    chosen.then(lambda: "", None, tools.note, **QUIET)
    return seen


def _wire_changes(acts: "Acts", visit: Visit, sight: Sight, tools: Tools, seen: dict[str, Any]) -> None:
    named = [sight.table, tools.name, visit.language]
    for event in (tools.rename.click, tools.name.submit):
        event(acts.rename, named, tools.note, **PRIVATE).success(**seen)
    asked = [tools.asked, tools.question]
    tools.delete.click(acts.ask, [sight.table, visit.language], asked, **PRIVATE).success(
        None, None, None, js=FOCUS_KEEP
    )
    tools.no.click(lambda: gr.Column(visible=False), None, tools.asked, **QUIET)
    deleted = tools.yes.click(
        acts.delete, [sight.table, visit.language], [tools.gone, sight.table, tools.asked, tools.note], **PRIVATE
    )
    deleted.success(None, [tools.gone, visit.run, visit.runs], [visit.run, visit.runs], js=FORGET).then(**seen)


def _wire_files(acts: "Acts", visit: Visit, sight: Sight, tools: Tools, seen: dict[str, Any]) -> None:
    shown = {**WORKING, "show_progress_on": [tools.note]}
    packed = [sight.table, tools.with_text, visit.language]
    fetched = (
        tools.download.click(acts.download(tools.file), packed, tools.file, **shown),
        tools.page.click(acts.page(tools.file), [sight.table, visit.language], tools.file, **shown),
    )
    for one in fetched:
        one.success(None, tools.file, None, js=FETCH)
    given = [sight.table, tools.text, visit.language]
    tools.text.upload(acts.give_text, given, tools.note, **shown).success(**seen)
    came = tools.upload.upload(acts.take_in, [tools.upload, visit.language], [tools.arrived, tools.note], **shown)
    _wire_arrival(came, acts, visit, sight, tools, seen)


def _wire_hub(
    hub_acts: HubActs, panel: Panel, acts: "Acts", visit: Visit, sight: Sight, tools: Tools, seen: dict[str, Any]
) -> None:
    shown = {**WORKING, "show_progress": "hidden"}  # it tells by itself how far it is
    pushed = [sight.table, panel.repo, panel.license, panel.private, panel.token, visit.language]
    for event in (panel.push.click, panel.repo.submit):
        event(hub_acts.push, pushed, [panel.note, panel.token], **shown)
    pulled = [panel.source, panel.token, visit.language]
    came = gr.on(
        [panel.pull.click, panel.source.submit],
        hub_acts.pull,
        pulled,
        [panel.note, panel.token, tools.arrived],
        **shown,
    )
    _wire_arrival(came, acts, visit, sight, tools, seen)


def _wire_arrival(
    came: Dependency, acts: "Acts", visit: Visit, sight: Sight, tools: Tools, seen: dict[str, Any]
) -> None:
    """A run from elsewhere is remembered by the browser, and chosen."""
    kept = came.success(None, [tools.arrived, visit.runs], visit.runs, js=KEEP)
    chosen = kept.then(acts.choose, [tools.arrived, sight.table], sight.table, **QUIET).then(**seen)
    chosen.then(acts.chosen, sight.table, [tools.name, tools.asked], **QUIET)


# --- what the buttons do ----------------------------------------------------------------------------------------------


class Acts:
    """What the buttons, the list and the clock of this tab do."""

    def __init__(self, board: JobBoard) -> None:
        self.shelf = Shelf(board)

    def look(self, chosen: list[str], remembered: str, language: str, unit: str, across: str) -> list[Any]:
        """The list; plot, figures and settings of the chosen runs; the clock, which goes while one learns; buttons."""
        runs = self.shelf.runs(remembered)
        there = [one.run for one in runs if one.run in chosen]
        stories = self._stories(there)
        is_learning = any(one.state in ("queued", "running") for one in runs)
        one, some = (gr.Button(interactive=is_so) for is_so in (len(stories) == len(there) == 1, bool(there)))
        return [
            gr.update(table=run_views.table_view(runs, language)),
            run_views.overlay_view(stories, language, unit, across),
            run_views.compared_view(stories, language, unit),
            gr.Timer(active=is_learning),
            *[one] * 5,
            some,
            gr.UploadButton(visible=len(stories) == len(there) == 1 and not stories[0].has_text),
        ]

    def _stories(self, runs: list[str]) -> list[Story]:
        """Of the runs that are whole, and have not been deleted meanwhile."""
        stories = []
        for run in runs:
            with contextlib.suppress(CheckpointError):
                stories.append(self.shelf.story(run))
        return stories

    def chosen(self, chosen: list[str]) -> list[Any]:
        """The name of the one that is chosen; a question about others goes."""
        name = ""
        if len(chosen) == 1:
            try:
                name = self.shelf.story(chosen[0]).shown
            except CharlmError:
                name = bare_name(chosen[0])  # damaged: it can still be deleted
        return [name, gr.Column(visible=False)]

    def choose(self, arrived: str, chosen: list[str]) -> list[str]:
        """The run that has come; if none has, the choice stays."""
        return [arrived] if arrived else chosen

    def opener(self, place: str) -> Callable[..., list[Any]]:
        """What makes the chosen run the one that the page watches, in another tab."""

        def open_there(chosen: list[str], language: str) -> list[Any]:
            with sentences(language):
                return [folder_of(the_one(chosen)).name, gr.Tabs(selected=place)]

        return open_there

    def rename(self, chosen: list[str], name: str, language: str, request: gr.Request) -> str:
        with sentences(language):
            check_origin(request)
            run = the_one(chosen)
            self.shelf.rename(run, name or "")
            return say("named_now", language, name=views.plain(self.shelf.story(run).shown))

    def ask(self, chosen: list[str], language: str) -> list[Any]:
        """The question before something is deleted."""
        with sentences(language):
            for run in chosen:
                own_folder_of(run)
            facts = [one for one in self.shelf.runs(json.dumps(chosen)) if one.run in chosen]
            if not facts:
                raise CheckpointError(say("choose_first"))
        names = ", ".join(views.plain(one.shown) for one in facts)
        size = run_views.size_view(sum(one.size for one in facts), language)
        return [gr.Column(visible=True), say("delete_really", language, names=names, size=size)]

    def delete(self, chosen: list[str], language: str, request: gr.Request) -> list[Any]:
        """What may be deleted is; of the rest it is said why not."""
        with sentences(language):
            check_origin(request)
        gone, left = [], []
        for run in chosen:
            try:
                self.shelf.delete(run)
                gone.append(run)
            except CharlmError as error:
                left.append(error_words(error, language))
        names = ", ".join(views.plain(bare_name(run)) for run in gone)
        note = [say("deleted", language, names=names)] if gone else []
        note += [f"⚠️ {views.plain(sentence)}" for sentence in dict.fromkeys(left)]
        stay = [run for run in chosen if run not in gone]
        return [json.dumps(gone), stay, gr.Column(visible=False), "\n\n".join(note)]

    def download(self, button: gr.DownloadButton) -> Callable[..., str]:
        """What makes the zip of the chosen run."""

        def pack(chosen: list[str], with_text: bool, language: str) -> str:
            with sentences(language):
                run = folder_of(the_one(chosen)).name  # before anything is called after it

                def write(file: BinaryIO) -> None:
                    self.shelf.pack(run, file, with_text is True, language)

                return _on_its_way(button, f"{bare_name(run)}.zip", write)

        return pack

    def page(self, button: gr.DownloadButton) -> Callable[..., str]:
        """What makes the report of the chosen run."""

        def tell(chosen: list[str], language: str) -> str:
            with sentences(language):
                run = folder_of(the_one(chosen)).name  # before anything is called after it
                page = self.shelf.report(run, language).encode("utf-8")
                return _on_its_way(button, f"{bare_name(run)}.html", lambda file: file.write(page))

        return tell

    def take_in(self, file: str | None, language: str, request: gr.Request) -> list[str]:
        """A visitor's zip becomes a run; its name, and a sentence on it."""
        with sentences(language):
            check_origin(request)
            if not file:
                raise CheckpointError(say("upload_first"))
            run = self.shelf.take_in(Path(file))
            return [run, say("came", language, name=views.plain(self.shelf.story(run).shown))]

    def give_text(self, chosen: list[str], file: str | None, language: str, request: gr.Request) -> str:
        """A run that came without its text gets it back."""
        with sentences(language):
            check_origin(request)
            if not file:
                raise CheckpointError(say("upload_first"))
            self.shelf.give_text(the_one(chosen), Path(file))
        return say("has_text", language)

    def api_runs(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        """The runs that there are, newest first: name, title of the text, cell, hidden units, step, loss.

        At home all of them. On a public server the examples, and those of the runs called `names` that are there: the
        name of a run is the right to it. The loss is in nats per character, of the whole validation text (protocol
        "stream") or of the best evaluation; null before the first one.
        """
        return [run_views.api_row(one) for one in self.shelf.runs(json.dumps(names or [], default=str)) if one.config]


def _on_its_way(button: gr.DownloadButton, name: str, write: Callable[[BinaryIO], Any]) -> str:
    """A file in Gradio's folder, made for this one click, under a path that nobody can guess; Gradio clears it away.

    Nothing of the path but the name comes from a run, and that is one of runs.py.
    """
    folder = Path(button.GRADIO_CACHE) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    try:
        with open(folder / name, "xb") as file:
            write(file)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return str(folder / name)
