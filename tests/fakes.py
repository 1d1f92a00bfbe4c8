"""Work for jobs that no network is needed for. A job's process imports this file, so it loads nothing heavy.

python tests/fakes.py FOLDER     a program with one endless job, to be killed
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))  # for when it is run by itself

from charlm.errors import TextError  # noqa: E402

IsStopped = Callable[[], bool]


def at_once(folder: Path, is_stopped: IsStopped) -> None:
    """Notes that its turn came, in a file beside the run folder."""
    with open(folder.parent / "order", "a") as order:
        order.write(f"{folder.name}\n")


def until_stopped(folder: Path, is_stopped: IsStopped) -> None:
    """Works until it is told to stop, then saves."""
    _begin(folder)
    while not is_stopped():
        time.sleep(0.005)
    (folder / "saved").touch()


def slow_to_save(folder: Path, is_stopped: IsStopped) -> None:
    until_stopped(folder, is_stopped)
    time.sleep(0.5)
    (folder / "saved slowly").touch()


def deaf(folder: Path, is_stopped: IsStopped) -> None:
    _begin(folder)
    time.sleep(60)


def gone(folder: Path, is_stopped: IsStopped) -> None:
    os._exit(3)


def killed(folder: Path, is_stopped: IsStopped) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refused(folder: Path, is_stopped: IsStopped) -> None:
    raise TextError("The text has {chars} characters.", chars=5)


def too_large(folder: Path, is_stopped: IsStopped) -> None:
    bytearray(2 << 30)


def failing(folder: Path, is_stopped: IsStopped) -> None:
    raise SystemExit(7)


def _begin(folder: Path) -> None:
    """Leaves its process number and what was loaded before it began."""
    (folder / "loaded").write_text(json.dumps(sorted(sys.modules)))
    (folder / "pid").write_text(str(os.getpid()))


def main() -> None:
    from charlm.jobs import HOME, JobBoard

    folder = Path(sys.argv[1])
    board = JobBoard(HOME, places=1, work=until_stopped)
    board.start(folder, "somebody")
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
