"""Runs to and from the Hugging Face Hub, and the page as a Space. Knows nothing of the page or the terminal.

    push_run(folder, "user/name", token)        weights, settings, history, card: one commit, with a tag; never the text
    pull_run("user/name", folder)               looked at, sizes checked, fetched at one commit, judged, then a run
    deploy("user/space", token)                 the page itself, from a clean list of files (space.py)

Whose token is used is always said by who calls; "" is nobody's. Each call does its errand in a process of its own that
ends with its deadline (errand.py). Only worker.py there speaks to huggingface_hub.
"""

import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from charlm import __version__
from charlm.archive import FILES, MOST_BYTES, NEEDED, arriving
from charlm.card import LICENSES, PICTURE, card_of, checked_license
from charlm.checkpoint import CARD, MAX_BYTES, ORIGIN, load_checkpoint, write_atomically
from charlm.errors import CheckpointError, HubError
from charlm.hub.errand import Facts, Progress, Stage, refused, run_errand, seconds_for
from charlm.jobs import is_public
from charlm.space import DEFAULT_HARDWARE, HARDWARE, checked_hardware, space_files

__all__ = [
    "HARDWARE", "LICENSES", "Deployed", "Origin", "Progress", "Pulled", "Pushed", "Seen", "Stage", "account_of",
    "checked_repo", "deploy", "look_at", "origin_of", "pull_run", "push_run", "seconds_for", "stored_token",
]  # fmt: skip
PART = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,99}", re.ASCII)
LICENSE = re.compile(r"[\w.-]{1,40}", re.ASCII)
SLACK_BYTES = 64 << 20  # of a file, for what the library writes besides


@dataclass(frozen=True)
class Pushed:
    """A push that is done; `commit` and `tag` name this very version for ever."""

    repo: str
    commit: str
    tag: str
    url: str


@dataclass(frozen=True)
class Pulled:
    """A run that came from the Hub: its name here, and which version of what it is."""

    run: str
    repo: str
    commit: str


@dataclass(frozen=True)
class Seen:
    """What a repository holds at a commit: the files of a run with their sizes in bytes, and its licence."""

    repo: str
    commit: str
    sizes: dict[str, int]
    license: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.sizes.values())


@dataclass(frozen=True)
class Origin:
    """Where a run came from."""

    repo: str
    commit: str


@dataclass(frozen=True)
class Deployed:
    """A Space that was made or brought up to date."""

    repo: str
    commit: str
    url: str


def _silent(stage: Stage) -> None:
    """Nobody waits."""


# --- who, and what --------------------------------------------------------------------------------------------------


def checked_repo(repo: str) -> str:
    """A name on the Hub as USER/NAME. Raises HubError before anything is asked of anybody."""
    repo = repo.strip().removeprefix("https://huggingface.co/").strip("/")
    parts = repo.split("/")
    if len(parts) != 2 or not all(map(PART.fullmatch, parts)) or repo.endswith(".git") or len(repo) > 96:
        raise refused("name", repo=repo[:100])
    return repo


def stored_token() -> str:
    """The token of whoever started this program (`hf auth login`, HF_TOKEN), "" for none.

    On a server for strangers always "": the host's token is never a visitor's.
    """
    if is_public():
        return ""
    from huggingface_hub import get_token  # half a second to load

    return get_token() or ""


def account_of(token: str) -> str:
    """The user name that a token belongs to. Raises HubError when the Hub does not accept it."""
    if not token:
        raise refused("sign_in")
    return str(run_errand("whoami", token, {}, _silent)["name"])


def origin_of(folder: Path) -> Origin | None:
    """Where a run came from; None for one that was made here."""
    try:
        data = (folder / ORIGIN).read_bytes()[: MAX_BYTES[ORIGIN]]
        found = json.loads(data)
        return Origin(str(found["repo"]), str(found["commit"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


# --- push -------------------------------------------------------------------------------------------------------------


def push_run(
    folder: Path, repo: str, token: str, *, private: bool = False, license: str = "", progress: Progress = _silent
) -> Pushed:
    """Put a run on the Hub, or a newer version of it. The text that it learned stays here.

    One commit: cut off before it, the repository is as it was, and the same call again completes. Without `license`,
    the one that the repository or the run's own card states stays. Raises HubError, CheckpointError or ConfigError.
    """
    repo, license = checked_repo(repo), checked_license(license)
    if not token:
        raise refused("sign_in")
    progress(Stage.PREPARE)
    license = license or _stated_license(repo, token)
    with tempfile.TemporaryDirectory(prefix="charlm-push-") as name:
        staged = Path(name)
        size = _stage(folder, staged)
        card, step = card_of(staged, repo, license, text_of=folder), load_checkpoint(staged).step
        (staged / CARD).write_text(card.text, "utf-8")
        (staged / PICTURE).write_bytes(card.picture)
        request: Facts = {
            "repo": repo, "kind": "model", "private": private, "creating": {}, "folder": name, "owned": [*FILES],
            "message": f"Step {step:,}", "tag": f"step-{step}",
        }  # fmt: skip
        done = run_errand("push", token, request, progress, size)
    return Pushed(done["repo"], done["commit"], done["tag"], done["url"])


def _stated_license(repo: str, token: str) -> str:
    """Of a repository that is there already; this also tells a sign-in that is not accepted, before any work."""
    try:
        return look_at(repo, token).license
    except HubError as error:
        if error.code != "missing":
            raise
        return ""


def _stage(folder: Path, staged: Path) -> int:
    """Copies of what travels, since a run may be learning meanwhile; never the text, never a link. Bytes in all."""
    for name in NEEDED:
        if not (folder / name).is_file():
            raise CheckpointError("The run {run} has no {file} yet.", run=folder.name, file=name)
    size = 0
    try:
        for name in FILES:
            path = folder / name
            if path.is_file() and not path.is_symlink():
                size += shutil.copyfile(path, staged / name).stat().st_size
    except OSError as error:
        raise CheckpointError(
            "{path} could not be written: {reason}.", path=staged, reason=error.strerror or error
        ) from error
    return size


# --- pull -------------------------------------------------------------------------------------------------------------


def look_at(repo: str, token: str = "", revision: str = "") -> Seen:
    """What a repository holds now, or at a revision (branch, tag or commit). Nothing is downloaded. Raises HubError."""
    repo = checked_repo(repo)
    if revision and not REVISION.fullmatch(revision):
        raise refused("revision", repo=repo, revision=revision[:100])
    found = run_errand("look", token, {"repo": repo, "revision": revision, "files": list(FILES)}, _silent)
    stated = found["license"] if LICENSE.fullmatch(found["license"]) else ""
    return Seen(repo, str(found["commit"]), {name: int(size or 0) for name, size in found["sizes"].items()}, stated)


def pull_run(
    repo: str, folder: Path, token: str = "", *, revision: str = "", most: int = MOST_BYTES,
    progress: Progress = _silent,
) -> Pulled:  # fmt: skip
    """Make the run `folder`, which must not exist, out of a repository. Nothing of it is believed.

    The commit is settled first, then the sizes (`most` bytes in all), then five known files of just that commit are
    fetched beside the runs and judged. Raises HubError, CheckpointError or RunExistsError; then nothing is written.
    """
    progress(Stage.LOOK)
    with arriving(folder) as incoming:
        seen = look_at(repo, token, revision)
        _check_sizes(seen, most)
        fetched = incoming.parent / "fetched"
        fetched.mkdir()
        request: Facts = {
            "repo": seen.repo, "commit": seen.commit, "sizes": seen.sizes, "folder": str(fetched),
            "file_bytes": max(seen.sizes.values()) + SLACK_BYTES,
        }  # fmt: skip
        run_errand("fetch", token, request, progress, seen.size)
        progress(Stage.CHECK)
        for name in seen.sizes:
            os.replace(fetched / name, incoming / name)
        write_atomically(incoming / ORIGIN, json.dumps(asdict(Origin(seen.repo, seen.commit))).encode())
    return Pulled(folder.name, seen.repo, seen.commit)


def _check_sizes(seen: Seen, most: int) -> None:
    for name in NEEDED:
        if name not in seen.sizes:
            raise refused("no_run", repo=seen.repo, file=name)
    for name, size in (*seen.sizes.items(), ("all", seen.size)):
        limit = min(MAX_BYTES.get(name, most), most)
        if not 0 <= size <= limit:
            raise refused("too_large", repo=seen.repo, file=name, size=size, limit=limit)


# --- the page as a Space ----------------------------------------------------------------------------------------------


def deploy(
    repo: str, token: str, *, hardware: str = "", private: bool = False, progress: Progress = _silent
) -> Deployed:
    """Make or bring up to date a Space with this page: the project's own files, no private run, no cache, no link.

    Without `hardware` a new Space has the Hub's default, and one that exists keeps its own. Raises HubError or
    ConfigError.
    """
    repo, chosen = checked_repo(repo), checked_hardware(hardware)
    if not token:
        raise refused("sign_in")
    progress(Stage.PREPARE)
    with tempfile.TemporaryDirectory(prefix="charlm-space-") as name:
        files = space_files(chosen or DEFAULT_HARDWARE)
        for path, data in files.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        creating = {"space_sdk": "gradio"} | ({"space_hardware": chosen} if chosen else {})
        request: Facts = {
            "repo": repo, "kind": "space", "private": private, "creating": creating, "folder": name,
            "owned": ["charlm/", "checkpoints/", "zero.py"], "message": f"CharLM {__version__}", "tag": "",
        }  # fmt: skip
        done = run_errand("push", token, request, progress, sum(map(len, files.values())))
    if chosen:
        run_errand("hardware", token, {"repo": repo, "hardware": chosen}, progress)
    return Deployed(done["repo"], done["commit"], done["url"])
