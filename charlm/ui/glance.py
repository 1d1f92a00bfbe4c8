"""What the screen of a run shows every second, by the shortest way: one GET, answered without Gradio's machinery.

Whoever has a run on the screen asks once a second, and each answer takes time from what is trained on the same cores:
by an event of Gradio 6 to 10 ms of one. The full value of the plot comes by such an event all the same, when something
happens; it holds the address of the glances that follow (live_plot.js). Whoever knows a run's name may look.
"""

from typing import Any
from urllib.parse import urlencode

from gradio.routes import ORJSONResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from charlm.errors import CharlmError
from charlm.history import History
from charlm.jobs import JobBoard, JobView
from charlm.ui import views
from charlm.ui.runs import Follower, Recent, folder_of

PATH = "glance"
HEADERS = {"Cache-Control": "no-store"}


class Glances:
    """The runs that are being watched, each with one reader for all its viewers."""

    def __init__(self, board: JobBoard) -> None:
        self.board, self.followers = board, Recent(Follower, most=256)

    @property
    def route(self) -> Route:
        """GET /glance?run=...&language=...&unit=..., to be served beside the page."""
        return Route(f"/{PATH}", self.answer)

    def answer(self, request: Request) -> Response:
        """The value of the plot, as JSON; that of an idle screen where a run is not there, or no longer."""
        run, language, unit = (request.query_params.get(name, "") for name in ("run", "language", "unit"))
        try:
            folder = folder_of(run)
        except CharlmError:
            return ORJSONResponse(views.idle_view(language), headers=HEADERS)
        with self.followers.get(folder).history() as history:
            return ORJSONResponse(glance_view(run, history, self.board.view(run), language, unit), headers=HEADERS)


def glance_view(run: str, history: History, view: JobView, language: str, unit: str) -> dict[str, Any]:
    """The value of the plot: curves and status, what the rest of the screen depends on, and where the next one is."""
    reason = history.finished.reason if history.finished else ""
    address = urlencode({"run": run, "language": language, "unit": unit})
    return {
        **views.plot_view(run, history, language, unit),
        "status": views.status_view(run, history, view, language),
        "moment": f"{run} {view.state} {reason} {history.last_step is not None} {len(history.samples)}",
        "next": "" if view.state == "ended" else f"{PATH}?{address}",
    }
