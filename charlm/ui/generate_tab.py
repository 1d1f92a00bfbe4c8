"""The Generate tab: choose a run, write. Text streams in; stopping keeps what is there."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from charlm.checkpoint import read_config
from charlm.config import SampleConfig
from charlm.errors import CharlmError
from charlm.jobs import JobBoard
from charlm.sampling import generate
from charlm.ui import views
from charlm.ui.runs import Recent, folder_of, speaker, version_of, visible_runs
from charlm.ui.visit import Visit
from charlm.ui.words import say

CELLS = ("lstm", "gru", "rnn")
REFRESH_SECONDS = 0.05  # between two pieces of streamed text
DEFAULTS = SampleConfig()


def generate_tab(board: JobBoard, visit: Visit) -> gr.Tab:
    """The components and their wiring; the tab, so that the page can refresh its runs when it is opened."""
    speakers = Recent(speaker, most=8)
    with gr.Tab(say("tab_generate"), id="generate") as tab:
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                run = gr.Dropdown([], label=say("run"), interactive=True)
                cell = gr.Radio([(name.upper(), name) for name in CELLS], label=say("cell"), value=None)
                about = gr.Markdown()
                prompt = gr.Textbox(label=say("prompt"), info=say("prompt_hint"), lines=2, max_length=10_000)
                temperature = gr.Slider(
                    0, 2, value=DEFAULTS.temperature, step=0.05, label=say("temperature"), info=say("temperature_info")
                )
                length = gr.Slider(
                    50,
                    min(10_000, board.limits.characters),
                    value=DEFAULTS.length,
                    step=50,
                    label=say("length"),
                    info=say("length_info"),
                )
                with gr.Row():
                    top_k = gr.Number(
                        0, label=say("top_k"), info=say("top_k_info"), precision=0, minimum=0, min_width=100
                    )
                    top_p = gr.Number(
                        1.0,
                        label=say("top_p"),
                        info=say("top_p_info"),
                        minimum=0.01,
                        maximum=1,
                        step=0.05,
                        min_width=100,
                    )
                    seed = gr.Number(
                        -1, label=say("seed"), info=say("seed_info"), precision=0, minimum=-1, min_width=100
                    )
            with gr.Column(scale=3, min_width=320):
                with gr.Row():
                    write = gr.Button(say("generate"), variant="primary", min_width=90)
                    stop = gr.Button(say("stop"), min_width=90)
                written = gr.Textbox(
                    label=say("written"),
                    lines=20,
                    max_lines=28,
                    interactive=False,
                    elem_classes="written",
                    buttons=["copy"],
                    autoscroll=True,
                )
                note = gr.Markdown()

    def refresh(remembered: str, chosen: str | None, watched: str | None) -> list[Any]:
        """The runs there are now; the chosen one stays, else the one that is being watched, else the newest."""
        names = visible_runs(remembered)
        value = next((name for name in (chosen, watched) if name in names), names[0] if names else None)
        return [gr.Dropdown(names, value=value), *show(value)]

    def show(name: str | None) -> list[Any]:
        try:
            checkpoint, _ = speakers.get(folder_of(name), version_of(folder_of(name)))
        except CharlmError as error:
            return [None, say("no_runs") if not name else views.plain(str(error))]
        return [checkpoint.config.model.cell, views.run_view(checkpoint.config, checkpoint.step, checkpoint.loss)]

    def choose_cell(wanted: str, name: str | None, remembered: str) -> Any:
        """The run of the same text that has this cell, else the newest one that has it."""
        return _run_with_cell(wanted, name, visible_runs(remembered)) or gr.Dropdown()

    def speak(name: str, text: str, *values: Any) -> Iterator[tuple[str, str]]:
        try:
            checkpoint, folded = speakers.get(folder_of(name), version_of(folder_of(name)))
            config = _sample_config(board, *values)
            known = checkpoint.vocabulary.encode_prompt((text or "")[:10_000])
        except CharlmError as error:
            raise gr.Error(str(error), print_exception=False) from error
        notes = _replaced(known.replaced)
        began, shown, so_far, count = time.monotonic(), 0.0, [known.text], 0
        for char in generate(folded, checkpoint.vocabulary, known.text, config):
            so_far.append(char)
            count += 1
            if time.monotonic() - shown > REFRESH_SECONDS:
                shown = time.monotonic()
                yield "".join(so_far), notes
        speed = count / max(1e-6, time.monotonic() - began)
        yield "".join(so_far), f"{notes} {say('wrote', chars=count, speed=speed, seed=config.seed)}"

    quiet = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    inputs = [run, prompt, length, temperature, top_k, top_p, seed]
    writing = gr.on(
        [write.click, prompt.submit],
        speak,
        inputs,
        [written, note],
        concurrency_limit=4,
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(None, cancels=[writing], queue=False, api_visibility="private")
    run.input(show, run, [cell, about], **quiet)
    cell.input(choose_cell, [cell, run, visit.runs], run, **quiet).then(show, run, [cell, about], **quiet)
    tab.select(refresh, [visit.runs, run, visit.run], [run, cell, about], **quiet)
    visit.recalled.then(refresh, [visit.runs, run, visit.run], [run, cell, about], **quiet)
    return tab


def _run_with_cell(wanted: str, name: str | None, names: list[str]) -> str | None:
    configs = {}
    for one in names:
        try:
            configs[one] = read_config(folder_of(one))
        except CharlmError:
            continue  # a damaged run is said to be so when it is chosen
    same_text = configs[name].digest if name in configs else ""
    having = [one for one, config in configs.items() if config.model.cell == wanted]
    return next((one for one in having if configs[one].digest == same_text), having[0] if having else None)


def _sample_config(
    board: JobBoard, length: float, temperature: float, top_k: float, top_p: float, seed: float
) -> SampleConfig:
    """What the sliders say, within this server's limit; -1 draws a seed."""
    chosen = secrets.randbelow(2**31) if seed is None or seed < 0 else int(seed)
    return SampleConfig(
        length=min(int(length), board.limits.characters), temperature=float(temperature), top_k=int(top_k or 0),
        top_p=float(top_p or 1.0), seed=chosen,
    )  # fmt: skip


def _replaced(replaced: tuple[tuple[str, str], ...]) -> str:
    if not replaced:
        return ""
    chars = " ".join(views.plain(repr(char)) for char, _ in replaced)
    return say("replaced", chars=chars, known=" ".join(views.plain(repr(known)) for _, known in replaced))
