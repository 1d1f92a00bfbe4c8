"""Rows -> JSON, Markdown, and the README's table. Pure functions but for `write` and `load`.

python -c "from tests.bench.report import *; print(readme_table(load(Path('tests/bench/results.json'))))"
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.machine import Machine
from tests.bench.row import Figure, Row, from_json, to_json

VERDICTS = {True: "yes", False: "**no**", None: "–"}
DECIMALS = {"nats": 4, "s": 1, "x": 1, "%": 1, "MB/s": 0}  # of a unit; of others none
SIGNS = {"x": "×", "%": " %", "nats": "", "points": ""}  # what follows a number; else a blank and the unit


@dataclass(frozen=True)
class Results:
    """One run of the benchmark."""

    command: str
    date: str
    minutes: float
    is_quick: bool
    machine: Machine
    rows: tuple[Row, ...]


def write(results: Results, stem: Path) -> None:
    """stem.json and stem.md."""
    values = dataclasses.asdict(results) | {"rows": [to_json(row) for row in results.rows]}
    stem.with_suffix(".json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")
    stem.with_suffix(".md").write_text(markdown(results), "utf-8")


def load(path: Path) -> Results:
    """The results that `write` made."""
    values = json.loads(path.read_text("utf-8"))
    rows = tuple(from_json(row) for row in values["rows"])
    return Results(**values | {"machine": Machine(**values["machine"]), "rows": rows})


def markdown(results: Results) -> str:
    """All of it: the table, the machine, and the numbers behind each row."""
    length = "shortened" if results.is_quick else "in full"
    parts = [
        f"# Results\n\n`{results.command}`, {length}, {results.date}, {results.minutes:.0f} minutes.\n",
        _table(("", "what", "measured", "at least", "aim", "met"), (_full_cells(row) for row in results.rows)),
        machine_line(results.machine) + "\n",
        *(_section(row) for row in results.rows),
    ]
    return "\n".join(parts)


def readme_table(results: Results) -> str:
    """The README's table: what was measured, and how the goal stood."""
    cells = ((row.row, row.what, _measured(row), _goals(row, "goal"), VERDICTS[row.is_met]) for row in results.rows)
    table = _table(("", "what", "measured", "at least", "met"), cells)
    return f"{table}\n{machine_line(results.machine)}\n"


def machine_line(machine: Machine) -> str:
    """The computer in a sentence."""
    bf16 = f", bf16 {machine.bf16_gflops:.0f}" if machine.bf16_gflops else ", no bf16"
    environment = f", {machine.environment}" if machine.environment else ""
    return (
        f"Measured on {machine.cores} cores of {machine.processor} ({machine.system}), GEMM fp32"
        f" {machine.fp32_gflops:.0f}{bf16} GFLOP/s, Python {machine.python}, torch {machine.torch} on {machine.threads}"
        f" threads{environment}, load before it {machine.load:.1f}; GPU: {machine.gpu or 'none'}."
    )


def _section(row: Row) -> str:
    stolen = f", {row.stolen:.0%} of the processors taken by others on the host" if row.stolen >= 0.005 else ""
    about = f"{row.took_seconds:.0f} s, load before it {row.load:.1f}{stolen}, at most {row.peak_mb:,.0f} MB"
    lines = [f"## {row.row}: {row.what}\n", f"{row.protocol}. ({about})\n"]
    lines += [f"Not held against its goals: {row.unjudged}.\n"] if row.unjudged else []
    lines += [f"- {line}" for line in row.detail]
    return "\n".join(lines) + "\n"


def _full_cells(row: Row) -> tuple[str, ...]:
    return row.row, row.what, _measured(row), _goals(row, "goal"), _goals(row, "aim"), VERDICTS[row.is_met]


def _measured(row: Row) -> str:
    if not row.figures:
        return row.unjudged or "not measured"
    told = ", ".join(f"{_named(figure)}{number(figure, figure.value)}" for figure in row.figures)
    return f"{told} ({row.unjudged.split(':')[0]})" if row.unjudged else told


def _goals(row: Row, which: str) -> str:
    """Of all figures, with names where there are several."""
    told = [(figure, getattr(figure, which)) for figure in row.figures]
    wanted = [f"{_named(figure)}{number(figure, value)}" for figure, value in told if value is not None]
    return ", ".join(wanted) or "–"


def _named(figure: Figure) -> str:
    return f"{figure.name} " if figure.name else ""


def number(figure: Figure, value: float | None) -> str:
    """A value as the unit of its figure is written."""
    if value is None:
        return "not reached"
    sign = SIGNS.get(figure.unit, f" {figure.unit}")
    return f"{value:,.{DECIMALS.get(figure.unit, 0)}f}{sign}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
