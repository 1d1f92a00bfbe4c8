"""The shape of the code: who may import whom, and what may stand nowhere. Read from the sources, never by running."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import charlm

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "charlm"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = [path for path in (ROOT / "app.py", ROOT / "train.py") if path.exists()]
FOR_PEOPLE = {"terminal", "__main__"}  # may print
LONGEST = 60  # lines of a function
TOP_LEVEL = {
    "app.py", "train.py", "charlm", "checkpoints", "tests", "requirements.txt", "README.md", "pyproject.toml",
    "LICENSE", ".gitignore", ".gitattributes", ".ci",
}  # fmt: skip
every_source = pytest.mark.parametrize("path", SOURCES + SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> str:
    """The name in the table: a package counts as one module."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, wherever in it, TYPE_CHECKING included: knowing is depending."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.relative_to(ROOT).parts[: -node.level]) + "." if node.level else ""
            module = f"{package}{node.module or ''}".rstrip(".")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def modules() -> set[str]:
    return {module_of(path) for path in SOURCES} - {"__init__"}


def known_to(module: str) -> set[str]:
    """The modules of charlm that a module imports."""
    names = (name.split(".") for path in SOURCES if module_of(path) == module for name in imported(path))
    return {name[1] for name in names if name[0] == "charlm" and len(name) > 1} & modules() - {module}


def levels() -> dict[str, int]:
    rows = re.findall(r"^ *level (\d+) +(.+)$", inspect.getdoc(charlm) or "", re.MULTILINE)
    names = Counter(name for _, row in rows for name in row.split())
    assert [name for name, count in names.items() if count > 1] == []
    assert [int(level) for level, _ in rows] == list(range(len(rows)))
    return {name: int(level) for level, row in rows for name in row.split()}


def test_every_module_has_its_place_in_the_table() -> None:
    missing = modules() - levels().keys()
    assert not missing, f"not in charlm/__init__.py's table: {sorted(missing)}"


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_lower_levels(module: str) -> None:
    level = levels()
    upward = {other: level[other] for other in known_to(module) if level[other] >= level[module]}
    assert not upward, f"{module} (level {level[module]}) imports {upward}"


def test_the_reader_of_imports_sees_them() -> None:
    """Or all of the tests on imports would pass for nothing."""
    assert known_to("corpus") >= {"config", "text", "vocabulary", "errors"}
    assert known_to("yardsticks") == {"corpus"}  # under TYPE_CHECKING alone
    assert known_to("model") >= {"cells"}  # `from charlm import cells`
    assert known_to("corpora") >= {"corpus", "errors"}  # from each file of the package


@pytest.mark.parametrize(
    ("library", "homes"),
    [("gradio", {"ui"}), ("plotly", {"ui"}), ("huggingface_hub", {"hub"}), ("tqdm", {"terminal"}), ("pickle", set())],
)
def test_a_library_has_one_home(library: str, homes: set[str]) -> None:
    found = {module_of(path) for path in SOURCES if any(name.split(".")[0] == library for name in imported(path))}
    assert found <= homes


@every_source
def test_what_stands_nowhere(path: Path) -> None:
    """No hidden state, no pickles, nothing swallowed, and one place that prints."""
    is_for_people = path in SCRIPTS or module_of(path) in FOR_PEOPLE
    for node in ast.walk(tree(path)):
        here = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Global), f"{here}: global {' '.join(node.names)}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert is_for_people or called != "print", f"{here}: only {sorted(FOR_PEOPLE)} print"
            assert called not in ("torch.load", "torch.save", "eval", "exec"), f"{here}: {called}"
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            is_silent = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
            raises = any(isinstance(line, ast.Raise) for line in ast.walk(node))
            assert node.type or raises, f"{here}: a bare except that goes on"
            assert not (is_silent and re.search(r"\b(Base)?Exception\b", caught)), f"{here}: swallows {caught}"


HERE = "50000" if charlm._is_virtual() else "1000"


@pytest.mark.parametrize(
    ("imported", "chosen", "expected"),
    [
        ("charlm", {}, HERE),
        ("charlm", {"GOMP_SPINCOUNT": "7"}, "7"),
        ("charlm", {"OMP_WAIT_POLICY": "passive"}, "None"),
        ("app, charlm", {}, "1000"),
        ("app, charlm", {"GOMP_SPINCOUNT": "7"}, "7"),
        ("app, charlm", {"CHARLM_PUBLIC": "1"}, HERE),
        ("app, charlm", {"SPACE_ID": "a/b"}, HERE),
    ],
)
def test_how_long_a_thread_waits_is_chosen_before_torch_is_loaded(
    imported: str, chosen: dict[str, str], expected: str
) -> None:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "CHARLM_PUBLIC", "SPACE_ID")
    environment = {name: value for name, value in os.environ.items() if name not in names} | chosen
    code = f"import os, sys, {imported}; assert 'torch' not in sys.modules; print(os.environ.get('GOMP_SPINCOUNT'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_a_virtual_machine_is_known_by_its_first_processor(tmp_path: Path) -> None:
    processors = tmp_path / "cpuinfo"
    assert not charlm._is_virtual(str(processors))  # as on a system that has no such file
    for flags, expected in (("fpu vme hypervisor lahf_lm", True), ("fpu vme lahf_lm", False)):
        processors.write_text(f"processor\t: 0\nmodel name\t: Any\nflags\t\t: {flags}\n")
        assert charlm._is_virtual(str(processors)) == expected


@every_source
def test_functions_fit_on_a_screen(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= LONGEST, f"{path.name}: {node.name} has {lines} lines"


@every_source
def test_a_file_opens_by_saying_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{path.name} does not say what it is"


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh Python has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"gradio", "plotly", "huggingface_hub", "torch", "numpy"}


@pytest.mark.parametrize(
    ("module", "light_of"),
    [
        ("charlm", HEAVY),
        ("charlm.log", HEAVY),
        ("charlm.jobs", HEAVY - {"numpy"}),
        ("charlm.corpora", HEAVY - {"numpy"}),
        ("charlm.recording", {"gradio", "plotly", "huggingface_hub"}),
        ("charlm.__main__", {"gradio", "plotly"}),
        ("charlm.checkpoint", HEAVY - {"numpy"}),
        ("charlm.ui.page", {"torch"}),  # or the page would open two seconds later
    ],
)
def test_what_importing_costs(module: str, light_of: set[str]) -> None:
    loaded = loaded_by(f"import {module}")
    assert "charlm" in loaded
    assert not loaded & light_of


STUBS = """
import inspect, sys
touched, getfile = [], inspect.getfile
sys.addaudithook(lambda event, args: touched.append(args[0]) if event == "open" and str(args[0])[-4:] == ".pyi" else 0)
import app
with app.without_stubs():
    import gradio
assert inspect.getfile is getfile and getfile(gradio.Textbox).endswith("textbox.py")
print(len(touched))
"""


def test_gradio_is_imported_without_writing_its_stubs() -> None:
    """With its own import it reads and writes some hundred files, for two fifths of its time."""
    for code, is_touched in ((STUBS, False), (STUBS.replace("app.without_stubs()", "open(sys.executable)"), True)):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert bool(int(done.stdout)) is is_touched, done.stdout


def test_the_top_level_holds_what_the_layout_names() -> None:
    git = shutil.which("git")
    listed = git and subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if not listed or listed.returncode:
        pytest.skip("this is no git repository")
    odd = {name.strip('"').split("/")[0] for name in listed.stdout.splitlines()} - TOP_LEVEL
    assert not odd
