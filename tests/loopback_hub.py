"""A Hugging Face Hub on the loopback, for tests: as much of its protocol as pushing, pulling and deploying need.

    with LoopbackHub() as hub:                     # hub.url is what HF_ENDPOINT should say
        hub.fault("POST", "/commit/", status=500)  # the next such request fails
        hub.calls                                  # every request, with the token that it carried

Two servers, since the real Hub has two origins: its own, and the store that large files are sent to and fetched from.
Files of LARGE suffixes travel by LFS, or by Xet through the real hf_xet when `xet` names a folder for its local store.
Known differences: no rate limits, no limits of size or time, one branch, no history but parents.
"""

import base64
import hashlib
import json
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = (".safetensors", ".bin", ".png", ".zip")
OWNER, ALICE, BOB, READER = "hf_owner_of_the_server", "hf_alice", "hf_bob", "hf_alice_may_read"


@dataclass(frozen=True)
class Account:
    name: str
    may_write: bool = True


@dataclass(frozen=True)
class Entry:
    """A file of a revision. Large files are known by their SHA-256, others by git's SHA-1."""

    sha256: str
    git: str
    size: int
    is_large: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.git


@dataclass(frozen=True)
class Revision:
    files: dict[str, Entry]
    parent: str
    title: str


@dataclass
class Repository:
    kind: str  # "models" or "spaces"
    id: str
    private: bool = False
    gated: bool = False
    head: str = ""
    revisions: dict[str, Revision] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    hardware: str = ""
    sizes: dict[str, int] = field(default_factory=dict)  # that are announced in place of the true ones

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def commit(self, files: dict[str, Entry], title: str) -> str:
        about = json.dumps(
            [sorted((name, entry.sha256) for name, entry in files.items()), self.head, title, len(self.revisions)]
        )
        oid = hashlib.sha1(about.encode()).hexdigest()
        self.revisions[oid] = Revision(files, self.head, title)
        self.head = oid
        return oid


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    server: str  # "hub" or "store"
    method: str
    path: str
    token: str
    about: str  # its body, when that is JSON
    headers: dict[str, str]


@dataclass
class Fault:
    """What befalls the next `times` requests that match."""

    method: str
    path: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    hang: bool = False
    drop: bool = False
    after: bool = False  # the request is carried out, only its answer is lost
    first: Callable[[], object] | None = None  # something that happens just before it is carried out as usual
    times: int = 1

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method == method and re.search(self.path, path) is not None


class LoopbackHub:
    def __init__(self, xet: Path | None = None) -> None:
        self.accounts = {
            OWNER: Account("owner"), ALICE: Account("alice"), BOB: Account("bob"), READER: Account("alice", False),
        }  # fmt: skip
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}  # by SHA-256
        self.xet, self.xet_hashes = xet, dict[str, str]()
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.is_closing = threading.Event()
        self._servers = [self._listen("hub"), self._listen("store")]
        self.url, self.store_url = (
            f"http://{host}:{server.server_address[1]}"
            for host, server in zip(("127.0.0.1", "localhost"), self._servers, strict=True)
        )

    def _listen(self, name: str) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Exchange", (Exchange,), {"hub": self, "server_name": name})
        )
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def __enter__(self) -> "LoopbackHub":
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    # --- for tests ---

    def fault(self, method: str, path: str, **what: Any) -> None:
        self.faults.append(Fault(method, path, **what))

    def put(self, id: str, files: dict[str, bytes], kind: str = "models", **about: Any) -> Repository:
        """A repository as if somebody had made it with other tools."""
        repository = self.repositories[kind, id] = Repository(kind, id, **about)
        repository.commit({name: self.entry(name, data) for name, data in files.items()}, "put")
        return repository

    def files(self, id: str, revision: str = "", kind: str = "models") -> dict[str, bytes]:
        """What lies in a repository now, or at a commit."""
        repository = self.repositories[kind, id]
        entries = repository.revisions[revision or repository.head].files
        return {name: self.blobs[entry.sha256] for name, entry in entries.items()}

    def entry(self, name: str, data: bytes) -> Entry:
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = data
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return Entry(sha256, git, len(data), name.endswith(LARGE))

    def commits(self, id: str, kind: str = "models") -> list[str]:
        """The titles of a repository's commits, oldest first."""
        repository = self.repositories[kind, id]
        titles, oid = list[str](), repository.head
        while oid:
            titles.append(repository.revisions[oid].title)
            oid = repository.revisions[oid].parent
        return titles[::-1]


class Answer(Exception):
    """An answer from anywhere inside a route."""

    def __init__(self, status: int, message: str = "", code: str = "", **headers: str) -> None:
        self.status, self.message, self.code, self.headers = status, message, code, headers


Route = Callable[..., None]
ROUTES: list[tuple[str, re.Pattern[str], Route]] = []
REPO = r"(?P<id>[^/]+/[^/]+)"
API = rf"/api/(?P<kind>models|spaces)/{REPO}"


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    def kept(function: Route) -> Route:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return kept


class Exchange(BaseHTTPRequestHandler):
    """One request. `hub` and `server_name` come from a subclass that LoopbackHub makes."""

    hub: LoopbackHub
    server_name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # a client that is gone
            self.close_connection = True

    def _serve(self) -> None:
        self.place, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        self.query = {name: values[0] for name, values in query.items()}
        self.body = self._read_body()
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        about = self.body[:2000].decode(errors="replace") if "json" in self.headers.get("Content-Type", "") else ""
        fault = self._note(Call(self.server_name, self.command, self.path, self.token, about, dict(self.headers)))
        if fault is not None and fault.first:
            fault.first()
            fault = None
        if fault is None:
            return self._carry_out()
        if fault.after:
            self.send_data = self._nothing  # type: ignore[method-assign]
            self._carry_out()
            del self.send_data
        if fault.hang:
            self.hub.is_closing.wait(120)
        if fault.hang or fault.drop:
            self.close_connection = True
            self.connection.shutdown(2)
            return None
        return self.send_data(fault.status, fault.body.encode(), fault.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _nothing(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """An answer that is lost."""

    def _note(self, call: Call) -> Fault | None:
        with self.hub.lock:
            self.hub.calls.append(call)
            fault = next((one for one in self.hub.faults if one.fits(call.method, call.path)), None)
            if fault:
                fault.times -= 1
            return fault

    def _carry_out(self) -> None:
        try:
            for method, pattern, function in ROUTES:
                found = pattern.fullmatch(self.place)
                if found and method in (self.command, "GET" if self.command == "HEAD" else ""):
                    with self.hub.lock:
                        return function(
                            self, **{name: unquote(value) for name, value in found.groupdict().items() if value}
                        )
            raise Answer(404, f"no such route: {self.command} {self.place}")
        except Answer as answer:
            headers = {"X-Error-Message": answer.message} | answer.headers
            headers |= {"X-Error-Code": answer.code} if answer.code else {}
            self.send_data(answer.status, json.dumps({"error": answer.message}).encode(), headers)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def send_data(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_json(self, facts: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_data(status, json.dumps(facts).encode(), headers)

    def send_part(self, data: bytes, headers: dict[str, str]) -> None:
        """All of it, or the range that was asked for."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return self.send_data(200, data, headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers = headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        return self.send_data(206, data[first : last + 1], headers)

    # --- who may what ---

    def account(self) -> Account | None:
        if not self.token:
            return None
        if self.token not in self.hub.accounts:
            raise Answer(401, "Invalid credentials in Authorization header")
        return self.hub.accounts[self.token]

    def repository(self, kind: str, id: str, to_write: bool = False) -> Repository:
        """What is missing and what is private look the same: 401 to strangers, 404 to who is signed in."""
        account, found = self.account(), self.hub.repositories.get((kind, id))
        is_owner = account is not None and found is not None and found.owner == account.name
        if found is None or (found.private and not is_owner):
            raise Answer(404 if account else 401, "Repository not found", "RepoNotFound")
        if found.gated and not is_owner:
            raise Answer(403 if account else 401, "Access to this repository is restricted", "GatedRepo")
        if to_write and not (is_owner and account and account.may_write):
            raise Answer(403 if account else 401, "You don't have the rights to write here")
        return found


def revision_of(repository: Repository, name: str) -> str:
    if name in ("", "main"):
        return repository.head
    oid = repository.tags.get(name, name)
    if oid not in repository.revisions:
        raise Answer(404, f"Invalid rev id: {name}", "RevisionNotFound")
    return oid


# --- accounts and repositories ---


@route("GET", "/api/whoami-v2")
def whoami(exchange: Exchange) -> None:
    account = exchange.account()
    if account is None:
        raise Answer(401, "Invalid username or password.")
    exchange.send_json({"type": "user", "name": account.name, "orgs": [], "auth": {"type": "access_token"}})


@route("POST", "/api/repos/create")
def create(exchange: Exchange) -> None:
    asked, account = json.loads(exchange.body), exchange.account()
    if account is None:
        raise Answer(401, "Invalid username or password.")
    kind = "spaces" if asked.get("type") == "space" else "models"
    id = f"{asked.get('organization') or account.name}/{asked['name']}"
    url = f"{exchange.hub.url}/{'spaces/' if kind == 'spaces' else ''}{id}"
    if (kind, id) in exchange.hub.repositories:
        return exchange.send_json({"url": url, "error": "You already created this repo"}, 409)
    if not account.may_write or account.name != id.partition("/")[0]:
        raise Answer(403, "You don't have the rights to create a repo under this namespace")
    repository = exchange.hub.put(id, {".gitattributes": b"*.safetensors filter=lfs\n"}, kind)
    repository.private = asked.get("visibility") == "private"
    repository.hardware = asked.get("hardware", "")
    return exchange.send_json({"url": url})


@route("POST", f"{API}/hardware")
def hardware(exchange: Exchange, kind: str, id: str) -> None:
    repository = exchange.repository(kind, id, to_write=True)
    repository.hardware = json.loads(exchange.body)["flavor"]
    stage = {"stage": "BUILDING", "hardware": {"current": None, "requested": repository.hardware}, "gcTimeout": None}
    exchange.send_json(stage)


@route("POST", "/api/validate-yaml")
def validate(exchange: Exchange) -> None:
    errors = []
    try:
        facts = front_matter(json.loads(exchange.body)["content"])
        for result in [result for model in facts.get("model-index", ()) for result in model["results"]]:
            if not {"task", "dataset", "metrics"} <= result.keys():
                errors.append({"message": "model-index: a result has task, dataset and metrics"})
    except (yaml.YAMLError, TypeError, KeyError) as error:
        errors.append({"message": f"not valid YAML: {type(error).__name__}"})
    exchange.send_json({"errors": errors, "warnings": []}, 400 if errors else 200)


def front_matter(card: str) -> dict[str, Any]:
    found = re.match(r"---\r?\n(.*?)\r?\n---", card, re.DOTALL)
    return yaml.safe_load(found[1]) or {} if found else {}


# --- reading ---


@route("GET", f"{API}(?:/revision/(?P<revision>.+))?")
def info(exchange: Exchange, kind: str, id: str, revision: str = "") -> None:
    repository = exchange.repository(kind, id)
    oid = revision_of(repository, revision)
    files = repository.revisions[oid].files
    siblings = []
    for name, entry in sorted(files.items()):
        size = (
            {"size": repository.sizes.get(name, entry.size), "blobId": entry.git} if "blobs" in exchange.query else {}
        )
        siblings.append({"rfilename": name, **size})
    card = exchange.hub.blobs.get(files["README.md"].sha256, b"").decode() if "README.md" in files else ""
    stated = front_matter(card)
    tags = [*stated.get("tags", ()), *([stated["library_name"]] if "library_name" in stated else [])]
    exchange.send_json(
        {"_id": "1", "id": id, "sha": oid, "private": repository.private, "gated": False, "tags": tags, "downloads": 0}
        | {"likes": 0, "siblings": siblings, "cardData": stated or None}
    )


@route("GET", f"{API}/tree/(?P<revision>[^/]+)")
def tree(exchange: Exchange, kind: str, id: str, revision: str) -> None:
    repository = exchange.repository(kind, id)
    files = repository.revisions[revision_of(repository, revision)].files
    rows = [{"type": "file", "oid": entry.git, "size": entry.size, "path": name} for name, entry in files.items()]
    exchange.send_json(rows)


@route("GET", rf"(?:/(?P<kind>spaces))?/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
def resolve(exchange: Exchange, id: str, revision: str, path: str, kind: str = "models") -> None:
    hub, repository = exchange.hub, exchange.repository(kind, id)
    oid = revision_of(repository, revision)
    entry = repository.revisions[oid].files.get(path)
    if entry is None:
        raise Answer(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": oid})
    headers = {"X-Repo-Commit": oid, "ETag": f'"{entry.etag}"', "Content-Type": "application/octet-stream"}
    if not entry.is_large:
        return exchange.send_part(hub.blobs[entry.sha256], headers)
    headers |= {"X-Linked-ETag": f'"{entry.etag}"', "X-Linked-Size": str(entry.size)}
    headers |= {"Location": f"{hub.store_url}/large/{entry.sha256}"}
    if entry.sha256 in hub.xet_hashes:
        headers["X-Xet-Hash"] = hub.xet_hashes[entry.sha256]
        headers["Link"] = f'<{hub.url}/api/models/{id}/xet-read-token/{oid}>; rel="xet-auth"'
    return exchange.send_data(302, b"", headers)


@route("GET", r"/large/(?P<sha256>[0-9a-f]{64})")
def large(exchange: Exchange, sha256: str) -> None:
    if sha256 not in exchange.hub.blobs:
        raise Answer(404, "no such key")
    exchange.send_part(exchange.hub.blobs[sha256], {"ETag": f'"{sha256}"'})


# --- writing ---


@route("POST", f"{API}/preupload/(?P<revision>[^/]+)")
def preupload(exchange: Exchange, kind: str, id: str, revision: str) -> None:
    repository = exchange.repository(kind, id, to_write=True)
    held, answers = repository.revisions[revision_of(repository, revision)].files, []
    for file in json.loads(exchange.body)["files"]:
        path = file["path"]
        known = {"oid": held[path].etag} if path in held else {}
        mode = "lfs" if path.endswith(LARGE) else "regular"
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **known})
    exchange.send_json({"files": answers})


@route("POST", rf"(?:/(?P<kind>spaces))?/{REPO}\.git/info/lfs/objects/batch")
def batch(exchange: Exchange, id: str, kind: str = "models") -> None:
    exchange.repository(kind, id, to_write=True)
    objects = []
    for wanted in json.loads(exchange.body)["objects"]:
        oid = wanted["oid"]
        upload = {"href": f"{exchange.hub.store_url}/large/{oid}", "header": {}}
        verify = {"href": f"{exchange.hub.url}/api/{kind}/{id}/verify", "header": {}}
        actions = {} if oid in exchange.hub.blobs else {"actions": {"upload": upload, "verify": verify}}
        objects.append({"oid": oid, "size": wanted["size"], **actions})
    exchange.send_json({"transfer": "basic", "objects": objects})


@route("PUT", r"/large/(?P<sha256>[0-9a-f]{64})")
def receive(exchange: Exchange, sha256: str) -> None:
    if hashlib.sha256(exchange.body).hexdigest() != sha256:
        raise Answer(400, "BadDigest")
    exchange.hub.blobs[sha256] = exchange.body
    exchange.send_data(200)


@route("POST", f"{API}/verify")
def verify(exchange: Exchange, kind: str, id: str) -> None:
    said = json.loads(exchange.body)
    if len(exchange.hub.blobs.get(said["oid"], b"")) != said["size"]:
        raise Answer(404, "not uploaded")
    exchange.send_json({})


@route("POST", f"{API}/commit/(?P<revision>[^/]+)")
def commit(exchange: Exchange, kind: str, id: str, revision: str) -> None:
    hub, repository = exchange.hub, exchange.repository(kind, id, to_write=True)
    header, *lines = [json.loads(line) for line in exchange.body.splitlines()]
    expected = header["value"].get("parentCommit")
    if expected and expected != repository.head:
        raise Answer(412, "A commit has happened since. Please refresh and try again.")
    files = dict(repository.revisions[repository.head].files)
    for line in lines:
        about = line["value"]
        if line["key"] == "file":
            files[about["path"]] = hub.entry(about["path"], base64.b64decode(about["content"]))
        elif line["key"] == "lfsFile":
            files[about["path"]] = _pointer(hub, about)
        elif line["key"] == "deletedFile":
            del files[about["path"]]
    oid = repository.commit(files, header["value"]["summary"])
    url = f"{hub.url}/{'spaces/' if kind == 'spaces' else ''}{id}/commit/{oid}"
    exchange.send_json({"success": True, "commitOid": oid, "commitUrl": url})


def _pointer(hub: LoopbackHub, about: dict[str, Any]) -> Entry:
    """A large file must have arrived before the commit that names it."""
    oid = about["oid"]
    if hub.xet and oid not in hub.blobs:
        hub.xet_hashes |= xet_hashes(hub.xet)
    if oid not in hub.blobs and oid not in hub.xet_hashes:
        raise Answer(400, f"{about['path']} has not been uploaded")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {about['size']}\n".encode()
    git = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
    return Entry(oid, git, about["size"], True)


@route("POST", f"{API}/tag/(?P<revision>[^/]+)")
def tag(exchange: Exchange, kind: str, id: str, revision: str) -> None:
    repository = exchange.repository(kind, id, to_write=True)
    name = json.loads(exchange.body)["tag"]
    if name in repository.tags:
        raise Answer(409, f"Tag reference exists already: {name}")
    repository.tags[name] = revision_of(repository, revision)
    exchange.send_json({})


@route("GET", f"{API}/xet-(?P<right>read|write)-token/(?P<revision>[^/]+)")
def xet_token(exchange: Exchange, kind: str, id: str, right: str, revision: str) -> None:
    exchange.repository(kind, id, to_write=right == "write")
    if not exchange.hub.xet:
        raise Answer(404, "no xet here")
    url, ends = f"local://{exchange.hub.xet}", int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(ends)}
    exchange.send_json({"casUrl": url, "exp": ends, "accessToken": "xet"}, headers=headers)


RECORD = 48  # bytes of each record in a shard of Xet's local store


def xet_hashes(store: Path) -> dict[str, str]:
    """SHA-256 -> Xet hash of the files in a local store, read from its shards.

    A shard has a head of one record, then for each file: a record with its hash, flags and number of segments, a record
    a segment, as many again if they can be verified (bit 31), and one with its SHA-256 (bit 30). A record of ones ends
    the list.
    """
    found = {}
    for path in store.rglob("shards/*.mdb"):
        records = [data for (data,) in struct.iter_unpack(f"{RECORD}s", _whole_records(path.read_bytes()))][1:]
        place = 0
        while place < len(records) and records[place][:32] != b"\xff" * 32:
            flags, segments = struct.unpack_from("<II", records[place], 32)
            about = place + 1 + segments * (2 if flags >> 31 else 1)
            if flags >> 30 & 1 and about < len(records):
                found[_hash_text(records[about][:32])] = _hash_text(records[place][:32])
            place = about + (flags >> 30 & 1)
    return found


def _whole_records(data: bytes) -> bytes:
    return data[: len(data) // RECORD * RECORD]


def _hash_text(hash: bytes) -> str:
    """Four little-endian numbers of 64 bits, as Xet writes its hashes."""
    return "".join(f"{part:016x}" for part in struct.unpack("<4Q", hash))
