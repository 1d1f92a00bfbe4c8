"""One errand to the Hugging Face Hub, in a process of its own: the only file that speaks to huggingface_hub.

It is run by its path (charlm/hub/errand.py starts it), so it imports nothing of CharLM and no torch. Standard input is
one JSON object, {"errand": name, "token": ..., ...}; standard output is JSON lines: {"stage": name} on the way, and at
the end {"done": {...}} or {"failed": code, ...values}. The codes are the keys of errand.SENTENCES.

Why a process: whoever started it can end it for certain, whatever hangs (a read, a retry, hf_xet's threads). What it
may do is bounded in three ways more: each read by READ_SECONDS, the library's own being none; a pause that the server
asks for is told instead of slept; and files and memory by limits of the operating system where it has them. It sees no
token but the one it is given: its surroundings hold none, and without one it is told to use none.
"""

import contextlib
import errno
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.errors as hub_errors
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    hf_hub_download,
    set_client_factory,
)
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx2 here, httpx in older versions
from huggingface_hub.utils._http import default_client_factory

READ_SECONDS = 30.0
PATIENCE_SECONDS = 10.0  # a longer pause that the server asks for is told, not slept
MEMORY_BYTES = 6 << 30  # of addresses, most of which a threaded library only reserves
SAID_CHARS = 200
TAG = "charlm"  # in the front matter of every card and Space made here
FREE = {".gitattributes", "README.md"}  # what a repository may hold that nobody has put anything into
Facts = dict[str, Any]


class Refused(Exception):
    """The end of an errand: a code of errand.SENTENCES, and the values in it."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.code, self.values = code, values


def main() -> None:
    request = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints

    def tell(**facts: object) -> None:
        output.write(json.dumps(facts) + "\n")
        output.flush()

    bound_resources(request.get("file_bytes", 0))
    set_client_factory(bounded_client)
    token = request.pop("token", "")
    try:
        done = ERRANDS[request.pop("errand")](HfApi(token=token or False), request, lambda name: tell(stage=name))
        tell(done=done)
    except Exception as error:  # the edge: whatever it is becomes one code, never a trace with a token in it
        refused = refusal(error, bool(token))
        said = str(refused.values.get("said", ""))
        tell(failed=refused.code, **{**refused.values, "said": printable(said.replace(token or "\0", "(token)"))})


# --- bounds -----------------------------------------------------------------------------------------------------------


def bound_resources(file_bytes: int) -> None:
    """No file that is written grows beyond `file_bytes` (0: any size), no answer fills the memory."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if file_bytes:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def bounded_client() -> httpx.Client:
    """The library's client, each read of it bounded, and no pause longer than PATIENCE_SECONDS obeyed."""
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "request": [*hooks["request"], bound], "response": [told_to_wait]}
    return client


def bound(request: httpx.Request) -> None:
    """Callers inside the library pass no timeout, or None: hence on every request, not on the client."""
    given = request.extensions.get("timeout") or {}
    kinds = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {kind: given.get(kind) or READ_SECONDS for kind in kinds}


def told_to_wait(response: httpx.Response) -> None:
    """Too many requests end the errand at once; so does trouble with a long pause. The library would sleep."""
    seconds = asked_seconds(response.headers.get("retry-after", ""))
    if response.status_code == 429:
        raise Refused("busy", seconds=seconds or 60)
    if response.status_code >= 500 and seconds > PATIENCE_SECONDS:
        raise Refused("trouble", status=response.status_code)
    if response.status_code == 409 and response.request.url.path.endswith("/repos/create"):
        time.sleep(1)  # the library asks again without a pause


def asked_seconds(header: str) -> int:
    """Retry-After as seconds; 0 when it holds none."""
    return int(header) if re.fullmatch(r"\d{1,9}", header.strip()) else 0


# --- errands ----------------------------------------------------------------------------------------------------------


def whoami(api: HfApi, request: Facts, stage: Callable[[str], None]) -> Facts:
    """The name of the account that a token is of."""
    return {"name": str(api.whoami()["name"])}


def look(api: HfApi, request: Facts, stage: Callable[[str], None]) -> Facts:
    """What a repository holds: the commit that a revision means now, and each wanted file with its size."""
    info = api.model_info(request["repo"], revision=request["revision"] or None, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or () if file.rfilename in request["files"]}
    return {"repo": info.id, "commit": info.sha, "sizes": sizes, "license": license_of(info)}


def fetch(api: HfApi, request: Facts, stage: Callable[[str], None]) -> Facts:
    """The files of one commit into a folder; each must have the size that was announced."""
    stage("download")
    for name, size in request["sizes"].items():
        try:
            hf_hub_download(
                request["repo"], name, revision=request["commit"], local_dir=request["folder"], token=api.token,
                endpoint=api.endpoint, etag_timeout=READ_SECONDS,
            )  # fmt: skip
        except Exception as error:
            if any(isinstance(cause, OSError) and cause.errno == errno.EFBIG for cause in chain(error)):
                raise Refused("lies", file=name) from error
            raise
        if Path(request["folder"], name).stat().st_size != size:
            raise Refused("lies", file=name)
    return {}


def push(api: HfApi, request: Facts, stage: Callable[[str], None]) -> Facts:
    """Put a folder's files into a repository as one commit, with a tag of its own. The same again changes nothing."""
    repo, kind, folder = request["repo"], request["kind"], Path(request["folder"])
    stage("create")
    url = api.create_repo(repo, repo_type=kind, private=request["private"], exist_ok=True, **request["creating"])
    info: Any = api.repo_info(repo, repo_type=kind)
    held = {file.rfilename for file in info.siblings or ()}
    if held - FREE and TAG not in tags_of(info):
        raise Refused("taken")
    stage("upload")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    gone = sorted(name for name in held - files.keys() if is_owned(name, request["owned"]))
    commit = api.create_commit(
        repo,
        [CommitOperationAdd(name, path) for name, path in files.items()]
        + [CommitOperationDelete(name, is_folder=False) for name in gone],
        commit_message=request["message"],
        repo_type=kind,
        parent_commit=info.sha,
    )
    tag = request["tag"] and f"{request['tag']}-{commit.oid[:7]}"
    if tag:
        stage("tag")
        api.create_tag(repo, tag=tag, revision=commit.oid, repo_type=kind, exist_ok=True)
    return {"repo": repo, "commit": commit.oid, "tag": tag, "url": str(url)}


def hardware(api: HfApi, request: Facts, stage: Callable[[str], None]) -> Facts:
    """Ask for a Space's hardware."""
    api.request_space_hardware(request["repo"], hardware=request["hardware"])
    return {}


ERRANDS: dict[str, Callable[[HfApi, Facts, Callable[[str], None]], Facts]] = {
    "whoami": whoami,
    "look": look,
    "fetch": fetch,
    "push": push,
    "hardware": hardware,
}


def is_owned(name: str, owned: list[str]) -> bool:
    """Whether a file is one that an earlier push put there: by its name, or by a folder's name with its slash."""
    return any(name == one or (one.endswith("/") and name.startswith(one)) for one in owned)


def tags_of(info: Any) -> set[str]:
    """As the Hub lists them, and as the card states them."""
    return {*(info.tags or ()), *(getattr(info.card_data, "tags", None) or ())}


def license_of(info: Any) -> str:
    """The licence that a repository states, "" for none."""
    stated = getattr(info.card_data, "license", None)
    return stated if isinstance(stated, str) else ""


# --- what went wrong --------------------------------------------------------------------------------------------------

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
BY_STATUS = {402: "payment", 403: "forbidden", 409: "conflict", 412: "changed", 429: "busy"}
BY_KIND: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (  # the first that fits
    (hub_errors.GatedRepoError, "gated"),
    (hub_errors.RevisionNotFoundError, "revision"),
    (hub_errors.RemoteEntryNotFoundError, "file"),
    (hub_errors.HFValidationError, "name"),
    (hub_errors.LocalTokenNotFoundError, "sign_in"),
    (hub_errors.OfflineModeIsEnabled, "offline"),
    (httpx.TimeoutException, "unreachable"),
    (hub_errors.DisabledRepoError, "disabled"),
)


def refusal(error: BaseException, is_signed_in: bool) -> Refused:
    """The code of an exception, looked for down to its causes: the library wraps what happened."""
    causes = list(chain(error))
    for cause in causes:
        if isinstance(cause, Refused):
            return cause
    if isinstance(error, ValueError) and "in README.md" in str(error):
        return Refused("card", said=str(error))
    for cause in causes:
        for kind, code in BY_KIND:
            if isinstance(cause, kind):
                return Refused(code, said=server_message(cause))
        if isinstance(cause, hub_errors.HfHubHTTPError):
            return by_status(cause, is_signed_in)
    full = next((cause for cause in causes if isinstance(cause, OSError) and cause.errno in DISK), None)
    if full is not None:
        return Refused("disk", said=full.strerror or "")
    if any(
        isinstance(cause, httpx.HTTPError | ConnectionError | hub_errors.LocalEntryNotFoundError) for cause in causes
    ):
        return Refused("unreachable")
    return Refused("failed", said=type(error).__name__)


def by_status(error: hub_errors.HfHubHTTPError, is_signed_in: bool) -> Refused:
    """What the Hub answered. 401 to somebody signed in means that the sign-in is not accepted; what the store of large
    files refuses has nothing to do with the sign-in, which it never sees."""
    status, said = error.response.status_code, server_message(error)
    if not str(error.response.request.url).startswith(constants.ENDPOINT):
        return Refused("trouble", status=status)
    if isinstance(error, hub_errors.RepositoryNotFoundError) or status == 404:
        return Refused("missing", said=said)
    if status == 401:
        return Refused("expired" if is_signed_in else "missing", said=said)
    code = BY_STATUS.get(status) or ("trouble" if status >= 500 else "refused")
    return Refused(code, status=status, said=said, seconds=60)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what it was raised from, and so on."""
    for _ in range(10):
        if error is not None:
            yield error
            error = error.__cause__ or error.__context__


def server_message(error: BaseException) -> str:
    return str(getattr(error, "server_message", "") or "")


def printable(text: str) -> str:
    """One short line for people; whoever wrote it."""
    return "".join(char if char.isprintable() else " " for char in text)[:SAID_CHARS].strip()


if __name__ == "__main__":
    main()
