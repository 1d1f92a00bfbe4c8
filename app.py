"""The page:  python app.py  opens it in the browser; on a Hugging Face Space it serves strangers, within limits.

CHARLM_PUBLIC=1 turns the limits of a public server on; GRADIO_SERVER_PORT and GRADIO_SERVER_NAME say where it listens.
"""

import contextlib
import inspect
import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")  # a host's token is never a visitor's
# At home the browser wants the same cores (charlm/__init__.py says what this is). charlm.jobs.is_public cannot be
# asked: whoever imports charlm has chosen already.
if not os.environ.get("SPACE_ID") and os.environ.get("CHARLM_PUBLIC") != "1":
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@contextlib.contextmanager
def without_stubs() -> Iterator[None]:
    """Gradio writes type stubs of its 81 components whenever it is imported, for 1.1 of 2.6 seconds; not within this.

    It leaves out a class that is in no file.
    """
    getfile = inspect.getfile

    def file_of(thing: Any) -> str:
        if inspect.isclass(thing) and thing.__module__.startswith(("gradio.", "charlm.")):
            raise OSError("Within this, components are in no file.")
        return getfile(thing)

    inspect.getfile = file_of
    try:
        yield
    finally:
        inspect.getfile = getfile


def main() -> None:
    with without_stubs():
        from charlm.ui.page import launch_page
    from charlm.jobs import JobBoard
    from charlm.space import bring_examples

    bring_examples()
    launch_page(JobBoard(), inbrowser=not os.environ.get("SPACE_ID"))


if __name__ == "__main__":
    main()
