"""The Generate tab: a desk with the run and its settings, and beside it what they are for. Each part wires itself.

desk          which run, which prompt, how it draws     compare_tab   several texts side by side
write_tab     one text                                  letters_tab   one character at a time, by hand
"""

import gradio as gr

from charlm.jobs import JobBoard
from charlm.ui.compare_tab import compare_tab
from charlm.ui.desk import Speakers, new_desk, wire_desk
from charlm.ui.letters_tab import letters_tab
from charlm.ui.visit import Visit
from charlm.ui.write_tab import write_tab


def generate_tab(board: JobBoard, visit: Visit, speakers: Speakers) -> None:
    """The tab, its components and their wiring."""
    with visit.labels.made(gr.Tab, {"label": "tab_generate"}, id="generate") as tab, gr.Row():
        with gr.Column(scale=2, min_width=320):
            desk = new_desk(board, visit.labels)
        wire_desk(desk, speakers, visit, tab)
        with gr.Column(scale=5, min_width=320), gr.Tabs():
            write_tab(board, visit, desk, speakers)
            compare_tab(board, visit, desk, speakers, tab)
            letters_tab(visit, desk, speakers)
