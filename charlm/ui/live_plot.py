"""A loss curve that grows without being rebuilt: zoom, hidden curves and the dark theme survive every update.

gr.Plot makes a new chart at each update; here one <div> is handed to `Plotly.react` again and again (live_plot.js).
Values reach the script as data alone, never through the template, which would be evaluated as code. Plotly's own script
comes from the plotly package, so nothing is fetched from elsewhere; it is fetched when the page is there.

The value: {"name": what it is, "language", "separators": of decimals and thousands, "buttons": Plotly's names -> ours,
"run": id, "x": axis title, "y": axis title, "curves": [{"name", "x", "y", "is_thin"}], "levels": [{"name", "y"}],
"rate": {"name", "y"}, "marks": [{"x", "name"}]}, plain numbers. A level is a line across the plot with its name on
it, a mark one from top to bottom. The rate, at the x of the first curve, has a small plot of its own below; it and the
marks may be left out. Without curves, a "message" stands in their place.

Two curves are one run's training and validation loss. Of several runs, each curve has its run's "colour" (1 to 8, the
theme's --curve-1 ... --curve-8, each with a marker of its own): curves of a colour are shown and hidden together, and
the thin ones stay out of the legend.

Three more parts where a run is watched. "status" is said above the plot: paragraphs, in which ** begins and ends bold
and a backslash stands before what means itself. "moment" names what the rest of the page depends on: the event `apply`
tells that it has changed. "next" is the address that gives the next value, as JSON: it is asked every second, and four
times as often before the first curve; "" when there will be no other.
"""

import json
from pathlib import Path
from typing import Any

import gradio as gr
import plotly

PLOTLY_SCRIPT = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SCRIPT_URL = json.dumps(f"gradio_api/file={PLOTLY_SCRIPT.as_posix()}")
DRAW = Path(__file__).with_suffix(".js").read_text("utf-8").replace("PLOTLY_SCRIPT", SCRIPT_URL)
TEMPLATE = '<div class="live-plot" role="figure" style="width:100%;height:440px"></div>'


class LivePlot(gr.HTML):
    """The component; its value is described on top of this file."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(value, html_template=TEMPLATE, js_on_load=DRAW, apply_default_css=False, **kwargs)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}


def serve_plotly() -> None:
    """Let the page fetch Plotly's script from this server."""
    gr.set_static_paths([str(PLOTLY_SCRIPT)])
