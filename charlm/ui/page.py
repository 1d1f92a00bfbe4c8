"""The whole page, and how it is launched. Knows which tabs there are, and nothing of what they do."""

from typing import Any

import gradio as gr

from charlm.jobs import JobBoard
from charlm.ui.generate_tab import generate_tab
from charlm.ui.live_plot import serve_plotly
from charlm.ui.theme import STYLE, theme
from charlm.ui.train_tab import train_tab
from charlm.ui.visit import new_visit
from charlm.ui.words import say

QUEUE = 64
DELETE_UPLOADS = (3600, 7200)  # looked for every hour, kept for two


def build_page(board: JobBoard) -> gr.Blocks:
    """The page, ready to be launched."""
    serve_plotly()
    with gr.Blocks(title=say("title"), delete_cache=DELETE_UPLOADS, analytics_enabled=False) as page:
        gr.Markdown(f"# {say('title')}\n{say('about')}", elem_id="head")
        visit = new_visit(page)
        with gr.Tabs():
            with gr.Tab(say("tab_train"), id="train"):
                train_tab(board, visit)
            generate_tab(board, visit)
    return page


def launch_page(board: JobBoard, **options: Any) -> gr.Blocks:
    """Open the page. `options` are Gradio's, as `server_port` or `prevent_thread_lock`."""
    page = build_page(board)
    page.queue(max_size=QUEUE, default_concurrency_limit=4)
    page.launch(
        theme=theme(), css=STYLE, max_threads=200, max_file_size=board.limits.text_bytes, run_history=False,
        enable_monitoring=False, footer_links=["settings"], ssr_mode=False, mcp_server=False, show_error=False,
        share=False, **options,
    )  # fmt: skip
    return page
