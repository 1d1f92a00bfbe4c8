"""Everything that is checked, in one command:

    python -m tests                  all of it; what follows is pytest's:  python -m tests -k jobs -x
    python -m tests -m "not browser" without the tests that drive the page in a browser

It first installs what is missing: the packages of requirements.txt and tests/requirements.txt, with pip, into the
Python that runs it, and a Chromium where there is none. CHARLM_CHROMIUM names one to use. Standard library alone, since
it runs before anything is installed.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt")
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?([<>=!~.,\w]*)")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD_SECONDS = 120
# The plugins that count, the same ones on every machine; others that happen to be installed stay out.
PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "_hypothesis_pytestplugin"}


def main() -> int:
    wants_browser = not any("not browser" in argument for argument in sys.argv[1:])
    try:
        install_packages()
        browser = {"CHARLM_CHROMIUM": find_browser() or install_browser()} if wants_browser else {}
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **PLUGINS, **browser}).returncode


class Missing(Exception):
    """What could not be installed, and what to do about it, in one sentence."""


# --- packages ---------------------------------------------------------------------------------------------------------


def install_packages() -> None:
    """With pip, unless all are there in the right versions."""
    wanting = [line for path in REQUIREMENTS for line in requirements(path) if not is_met(line)]
    if not wanting:
        return
    print("installing:", ", ".join(wanting), flush=True)
    is_environment = sys.prefix != sys.base_prefix
    if not is_environment and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        raise Missing(
            "This Python belongs to the system and takes no packages (PEP 668): make one of your own with"
            " `python3 -m venv .venv` and run `.venv/bin/python -m tests`."
        )
    if util.find_spec("pip") is None:
        raise Missing("This Python has no pip: install it (Debian: `apt install python3-pip`) and try again.")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not succeeds(*pip, *(f"--requirement={path}" for path in REQUIREMENTS)):
        raise Missing(f"pip could not install {', '.join(wanting)}: its reason stands above.")


def requirements(path: Path) -> Iterator[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return (line for line in lines if line and not line.startswith("-"))


def is_met(requirement: str) -> bool:
    """Whether a line as `name==1.2`, `name>=1,<2` or `name[extra]==1.2` is installed so."""
    found = REQUIREMENT.fullmatch(requirement.replace(" ", ""))
    assert found, requirement
    name, extra, limits = found.groups()
    try:
        installed = version(metadata.version(name))
        for also in metadata.requires(name) or () if extra else ():
            wanted, _, condition = also.partition(";")
            if f'extra == "{extra}"' in condition.replace("'", '"'):
                metadata.version(re.split(r"[^\w.-]", wanted)[0])
    except metadata.PackageNotFoundError:
        return False
    for limit in filter(None, limits.split(",")):
        sign, wanted = re.fullmatch(r"([<>=]=|[<>])(.+)", limit).groups()  # type: ignore[union-attr]
        one, other = padded(installed, version(wanted))
        if not {"==": one == other, ">=": one >= other, "<=": one <= other, "<": one < other, ">": one > other}[sign]:
            return False
    return True


def version(text: str) -> tuple[int, ...]:
    """1.2.3+cpu -> (1, 2, 3)"""
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0]))


def padded(*versions: tuple[int, ...]) -> list[tuple[int, ...]]:
    most = max(map(len, versions))
    return [one + (0,) * (most - len(one)) for one in versions]


# --- a browser --------------------------------------------------------------------------------------------------------


def find_browser() -> str:
    """The path of a Chromium that starts; "" where there is none."""
    named = os.environ.get("CHARLM_CHROMIUM")
    if named and not is_browser(named):
        raise Missing(f"CHARLM_CHROMIUM names {named}, which does not start: name another one, or none.")
    candidates = (named, playwrights_browser(), *map(shutil.which, BROWSERS))
    return next((path for path in candidates if path and is_browser(path)), "")


def playwrights_browser() -> str:
    """Where Playwright keeps the browser that it downloads itself, whether or not it has."""
    code = "from playwright.sync_api import sync_playwright as p\nwith p() as it: print(it.chromium.executable_path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip()


def is_browser(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install_browser() -> str:
    """Playwright's own, else the system's."""
    print("installing a Chromium …", flush=True)
    succeeds(sys.executable, "-m", "playwright", "install", "chromium", seconds=DOWNLOAD_SECONDS, is_quiet=True)
    if not find_browser() and shutil.which("apt-get"):
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if succeeds(*sudo, "apt-get", "-qq", "update", is_quiet=True):
            succeeds(*sudo, "apt-get", "-qq", "install", "--yes", "--no-install-recommends", "chromium", is_quiet=True)
    found = find_browser()
    if not found:
        raise Missing(
            "The tests of the page need a Chromium: install one (Debian: `apt install chromium`) or name it in"
            ' CHARLM_CHROMIUM; `python -m tests -m "not browser"` does without.'
        )
    return found


def succeeds(*command: str | Path, seconds: float | None = None, is_quiet: bool = False) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    output = subprocess.DEVNULL if is_quiet else None
    try:
        done = subprocess.run(
            command, timeout=seconds, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
