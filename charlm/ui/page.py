"""The whole page, and how it is launched. Knows which tabs there are, and nothing of what they do."""

import importlib
from functools import partial
from typing import Any

import gradio as gr

from charlm.jobs import JobBoard
from charlm.ui import next_bars, written_text
from charlm.ui.desk import Speakers
from charlm.ui.generate_call import offer_generate
from charlm.ui.generate_tab import generate_tab
from charlm.ui.glance import Glances
from charlm.ui.labels import Labels
from charlm.ui.live_plot import serve_plotly
from charlm.ui.race_tab import race_tab
from charlm.ui.runs_tab import runs_tab
from charlm.ui.theme import STYLE, theme
from charlm.ui.train_tab import train_tab
from charlm.ui.visit import QUIET, new_visit
from charlm.ui.words import say

QUEUE = 64
LOOK_SECONDS = 0.01  # that a click may lie in the queue before it is seen
DELETE_UPLOADS = (3600, 7200)  # looked for every hour, kept for two


def build_page(board: JobBoard, glances: Glances) -> gr.Blocks:
    """The page, ready to be launched beside the route of its glances."""
    serve_plotly()
    with gr.Blocks(title=say("page_title"), delete_cache=DELETE_UPLOADS, analytics_enabled=False) as page:
        labels, speakers = Labels(), Speakers()
        with gr.Row(elem_id="top"):
            labels.made(gr.Markdown, {"value": _head}, elem_id="head")
            visit = new_visit(page, labels)
            visit.recalled.then(partial(warm_up, board), None, None, **QUIET)
        with gr.Tabs() as tabs:
            with labels.made(gr.Tab, {"label": "tab_train"}, id="train") as tab:
                train_tab(board, glances, visit, tab)
            generate_tab(board, visit, speakers)
            race_tab(board, visit)
            runs_tab(board, visit, tabs)
        offer_generate(board, speakers)
        visit.language.change(labels.anew, visit.language, labels.blocks, **QUIET)
    return page


def warm_up(board: JobBoard) -> None:
    """Load torch, here and where runs are trained. Not before the page is there: it would come some seconds later."""
    board.warm_up()
    importlib.import_module("charlm.model")


def _head(language: str) -> str:
    return f"# {say('title', language)}\n{say('about', language)}"


def _upload_bytes(board: JobBoard) -> int:
    """Of a text, or of a run; each is held to its own limit where it is read."""
    return max(board.limits.text_bytes, board.limits.run_bytes)


def launch_page(board: JobBoard, **options: Any) -> gr.Blocks:
    """Open the page. `options` are Gradio's, as `server_port` or `prevent_thread_lock`."""
    glances = Glances(board)
    page = build_page(board, glances)
    page.queue(max_size=QUEUE, default_concurrency_limit=4)
    # Gradio looks into its queue a thousand times a second: 7 % of a core, with nobody there, that training wants.
    page._queue.sleep_when_free, page._queue.progress_update_sleep_when_free = LOOK_SECONDS, 5 * LOOK_SECONDS
    page.launch(
        theme=theme(), css=STYLE, css_paths=[written_text.STYLE, next_bars.STYLE], max_threads=200,
        max_file_size=_upload_bytes(board), run_history=False,
        enable_monitoring=False, footer_links=["settings"], ssr_mode=False, mcp_server=False, show_error=False,
        share=False, app_kwargs={"routes": [glances.route]}, **options,
    )  # fmt: skip
    return page
