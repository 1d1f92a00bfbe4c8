"""A page and its board in one process, as app.py has them, that also begins a run when its standard input asks for it.

    python -m tests.bench.page PORT

Prints "ready". Each line on its input, JSON {"text", "model", "training"}, begins a run on its board and prints the
run's name. The end of its input stops the runs and ends it.
"""

import json
import sys

from charlm.jobs import JobBoard
from charlm.recipes import plan
from charlm.terminal import read_corpus
from charlm.ui.page import launch_page, warm_up
from charlm.ui.runs import begin_run


def main() -> None:
    board = JobBoard()
    page = launch_page(board, server_port=int(sys.argv[1]), prevent_thread_lock=True, quiet=True)
    warm_up(board)
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        corpus = read_corpus(wanted["text"])
        settings = plan(corpus, "", wanted["model"], wanted["training"])
        print(begin_run(board, "bench", "bench", corpus, settings), flush=True)
    board.close()
    page.close(verbose=False)


if __name__ == "__main__":
    main()
