"""python -m tests.bench: the rows one after the other, each in a process of its own; writes the table after each."""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from charlm.jobs import cores
from tests.bench import generation, growth, quality, sharing, speed, unseen
from tests.bench.machine import Machine, describe, stolen_seconds
from tests.bench.report import Results, markdown, write
from tests.bench.row import Row, Scale, from_json, to_json

HERE = Path(__file__).parent
ROWS: dict[str, Callable[[Scale], Row]] = {
    "1": quality.row_1, "2": quality.row_2, "3": quality.row_3, "4": quality.row_4, "5": quality.row_5,
    "6": quality.row_6, "7": speed.row_7, "8": generation.row_8, "9": speed.row_9, "10": sharing.row_10,
    "10b": sharing.row_10b, "11": speed.row_11, "new": unseen.row_new, "also": growth.row_also, "gpu": quality.row_gpu,
}  # fmt: skip
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
ENVIRONMENT = {"8": ONE_THREAD}  # of a row's process, where it matters


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure, and write the table.")
    flags.add_argument("--quick", action="store_true", help="shortened: about three minutes instead of forty")
    flags.add_argument("--rows", default="", help=f"some of {','.join(ROWS)}")
    flags.add_argument("--repeat", type=int, default=0, help="alternating repetitions of throughputs (5; 3 when quick)")
    flags.add_argument("--out", type=Path, help="the two files without their suffix (results; latest for a part)")
    flags.add_argument("--child", default="", help=argparse.SUPPRESS)  # one row, into the file --out
    return flags


def main() -> int:
    arguments = parser().parse_args()
    scale = Scale(arguments.quick, arguments.repeat or (3 if arguments.quick else 5))
    if arguments.child:
        arguments.out.write_text(json.dumps(measured_here(arguments.child, scale)), "utf-8")
        return 0
    chosen = arguments.rows.split(",") if arguments.rows else list(ROWS)
    if unknown := set(chosen) - ROWS.keys():
        parser().error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    is_all = len(chosen) == len(ROWS) and not scale.is_quick
    stem = arguments.out or HERE / ("results" if is_all else "latest")
    results = run(chosen, scale, stem)
    print(markdown(results))
    print(f"{stem}.json, {stem}.md", file=sys.stderr)
    return 0


def run(chosen: list[str], scale: Scale, stem: Path) -> Results:
    """All chosen rows; what is there is written after each, for whoever looks in meanwhile."""
    began, rows = time.monotonic(), list[Row]()
    say("the machine ...")
    machine: Machine = describe(scale.repeats)
    command = " ".join(["python -m tests.bench", *sys.argv[1:]])
    for name in chosen:
        say(f"row {name} ...")
        rows.append(measured(name, scale))
        say(f"row {name}: {summary(rows[-1])}")
        minutes = (time.monotonic() - began) / 60
        results = Results(command, date.today().isoformat(), minutes, scale.is_quick, machine, tuple(rows))
        write(results, stem)
    return results


def measured(name: str, scale: Scale) -> Row:
    """A row from a process of its own; one that fails says so and does not stop the others."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "row.json"
        command = [sys.executable, "-m", "tests.bench", f"--child={name}", f"--out={out}", f"--repeat={scale.repeats}"]
        command += ["--quick"] if scale.is_quick else []
        done = subprocess.run(command, cwd=HERE.parents[1], env={**os.environ, **ENVIRONMENT.get(name, {})})
        if done.returncode or not out.exists():
            return Row(name, "this row", "It left no figure", unjudged=f"failed: exit code {done.returncode}")
        return from_json(json.loads(out.read_text("utf-8")))


def measured_here(name: str, scale: Scale) -> dict[str, object]:
    """The row, with what it took."""
    began, stolen, load = time.monotonic(), stolen_seconds(), os.getloadavg()[0]
    row = ROWS[name](scale)
    took = time.monotonic() - began
    share = (stolen_seconds() - stolen) / (took * cores())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux
    return to_json(dataclasses.replace(row, took_seconds=took, load=load, stolen=share, peak_mb=peak))


def summary(row: Row) -> str:
    from tests.bench.report import number

    figures = ", ".join(f"{figure.name} {number(figure, figure.value)}".strip() for figure in row.figures)
    verdict = {True: "met", False: "NOT MET", None: row.unjudged or "not judged"}[row.is_met]
    return f"{figures or 'no figure'} ({verdict}; {row.took_seconds:.0f} s)"


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
