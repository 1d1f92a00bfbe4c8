"""The list of runs: a table of which one or several can be chosen, by mouse, finger or keyboard.

Its value is the names of the chosen runs; what it shows is the property `table` (run_views.table_view). The two are
kept apart so that an update of what is shown never takes back what somebody has just chosen. Both reach the script as
data alone, never through the template, which would be evaluated as code.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

DRAW = Path(__file__).with_suffix(".js").read_text("utf-8")
TEMPLATE = '<div class="run-table"></div>'


class RunTable(gr.HTML):
    """The component; events: `input` when a run is chosen or no longer."""

    def __init__(self, value: Sequence[str] = (), table: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(
            list(value), html_template=TEMPLATE, js_on_load=DRAW, apply_default_css=False, table=table or {}, **kwargs
        )

    def preprocess(self, payload: Any) -> list[str]:
        """What came from a browser, or from somebody who says that he is one."""
        return [run for run in payload if isinstance(run, str)] if isinstance(payload, list) else []

    def postprocess(self, value: Any) -> list[str]:
        return list(value or [])

    def api_info(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}}
