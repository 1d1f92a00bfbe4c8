"""Real servers: `python app.py` as somebody would start it, from another folder, on a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A running app.py; what it keeps lies in `folder`."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", errors="replace")

    def runs(self) -> set[Path]:
        return {path.parent for path in (self.folder / "checkpoints").glob("*/config.json")}


def started(folder: Path, **environment: str) -> Server:
    """A server that begins to start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "checkpoints").mkdir()
    given = {
        name: value for name, value in os.environ.items() if name not in ("SPACE_ID", "CHARLM_PUBLIC", "PYTHONPATH")
    }
    given |= {"CHARLM_CHECKPOINTS": str(folder / "checkpoints"), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    given |= {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1", "NO_PROXY": "localhost,127.0.0.1"}
    given |= {"BROWSER": "true"}  # the program that does nothing: no window opens
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, ROOT / "app.py"], cwd=folder, env=given | environment, stdout=log, stderr=log
        )
    return Server(f"http://127.0.0.1:{port}", folder, process)


def wait_until_ready(server: Server) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{server.url}/config", timeout=30).close()
            return
        except OSError:
            assert server.process.poll() is None and time.monotonic() < end, server.log
            time.sleep(0.1)


def ended(server: Server) -> None:
    """Ctrl-C. A traceback through our code in the log is a defect, whatever was asked; Gradio logs what it refuses."""
    server.process.send_signal(signal.SIGINT)
    try:
        server.process.wait(60)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
        raise
    assert f'File "{ROOT}' not in server.log, server.log


def until_used(server: Server) -> Iterator[Server]:
    try:
        wait_until_ready(server)
        yield server
    finally:
        ended(server)
