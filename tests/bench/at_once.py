"""Some jobs at once on one board, in a process of its own, because OpenMP reads its settings when it is loaded.

    python -m tests.bench.at_once JOBS PLACES THREADS SECONDS     prints the chars/s of each job, a JSON list

PLACES and THREADS 0: as the board chooses. The speed is that of the Step events told in a span of SECONDS, begun when
every job has warmed up, but at the latest after PATIENCE: jobs that hinder each other may never.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from charlm.jobs import HOME, JobBoard

WARM_STEPS = 150  # by then the yardsticks are made too
PATIENCE = 15.0
MODEL = {"hidden_size": 256, "embedding_size": 64}
TRAINING = {"steps": 1_000_000, "streams": 16, "window": 32, "optimizer": "adamw", "precision": "fp32"}


def main() -> None:
    jobs, places, threads, seconds = (int(value) for value in sys.argv[1:])
    work = partial(learn, threads) if threads else None
    board = JobBoard(HOME, work=work, **{"places": places} if places else {})
    try:
        with tempfile.TemporaryDirectory() as place:
            folders = begin(board, Path(place), jobs)
            print(json.dumps(speeds(folders, seconds)))
            for folder in folders:
                board.stop(folder.name)
            while any(board.is_active(folder.name) for folder in folders):
                time.sleep(0.1)
    finally:
        board.close()


def begin(board: JobBoard, place: Path, jobs: int) -> list[Path]:
    """That many equal runs, each under way in a process of its own."""
    from charlm.checkpoint import create_run
    from charlm.recipes import plan
    from tests.bench import texts

    corpus, folders = texts.shakespeare().corpus, [place / f"run-{number}" for number in range(jobs)]
    for folder in folders:
        create_run(folder, corpus, plan(corpus, "", MODEL, TRAINING))
        board.start(folder, "bench")
    return folders


def speeds(folders: list[Path], seconds: float) -> list[float]:
    """Characters learned in a training second by each run, over a span of time that all of them share."""
    from charlm.log import LogReader

    def marks() -> list[tuple[int, float, int]]:
        steps = [LogReader(folder).read().last_step for folder in folders]
        return [(step.chars_seen, step.seconds, step.step) if step else (0, 0.0, 0) for step in steps]

    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and min(step for _, _, step in marks()) < WARM_STEPS:
        time.sleep(0.05)
    before = marks()
    time.sleep(seconds)
    return [
        (chars - chars_before) / (took - took_before) if took > took_before else 0.0
        for (chars_before, took_before, _), (chars, took, _) in zip(before, marks(), strict=True)
    ]


def learn(threads: int, folder: Path, is_stopped: Callable[[], bool]) -> None:
    """What a job does when the board is not to choose its threads."""
    import torch

    from charlm.recording import resumed

    torch.set_num_threads(threads)
    for _ in resumed(folder)[1]:
        if is_stopped():
            break


if __name__ == "__main__":
    main()
