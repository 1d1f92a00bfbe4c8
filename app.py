"""The page:  python app.py  opens it in the browser; on a Hugging Face Space it serves strangers, within limits.

CHARLM_PUBLIC=1 turns the limits of a public server on; GRADIO_SERVER_PORT and GRADIO_SERVER_NAME say where it listens.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")  # a host's token is never a visitor's


def main() -> None:
    from charlm.jobs import JobBoard  # first: its fork server loads torch while this process loads Gradio

    board = JobBoard()
    from charlm.space import bring_examples
    from charlm.ui.page import launch_page

    bring_examples()
    launch_page(board, inbrowser=not os.environ.get("SPACE_ID"))


if __name__ == "__main__":
    main()
