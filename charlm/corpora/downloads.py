"""Public-domain texts that the tutorials use: looked up in `CHARLM_CORPORA`, then in the cache, then downloaded.

Every way ends in the same SHA-256. A download is written beside its place and renamed, so a cut-off one leaves nothing.
"""

import hashlib
import http.client
import os
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from charlm.errors import CorpusError
from charlm.notes import Note, note

TIMEOUT_SECONDS = 20  # without an answer
DEADLINE_SECONDS = 120  # for all of it
MAX_BYTES = 20 << 20
PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Download:
    """A text somewhere else: its file name in a folder of corpora, its addresses and its digest."""

    name: str
    title: str
    language: str
    file: str
    addresses: tuple[str, ...]
    sha256: str


DOWNLOADS = (
    Download(
        "tinyshakespeare", "Tiny Shakespeare", "en", "tinyshakespeare.txt",
        (
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "https://raw.githubusercontent.com/dmlc/web-data/master/mxnet/tinyshakespeare/input.txt",
        ),
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    Download(
        "moliere", "Molière, dialogues", "fr", "moliere.txt",
        ("https://raw.githubusercontent.com/SimonThomine/CoursDeepLearning/main/fr/05_NLP/moliere.txt",),
        "9589b888061b947f572349272728147e6de1c34887a1298c92563e7cb1f10d28",
    ),
)  # fmt: skip


def cache_folder() -> Path:
    """Where downloads are kept: XDG_CACHE_HOME, or ~/.cache, then charlm. Without a home: temporary files."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "charlm"
    try:
        return Path.home() / ".cache" / "charlm"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "charlm"


def fetch(download: Download) -> bytes:
    """The bytes of a download, from the nearest place. Raises CorpusError when no place has them."""
    own = os.environ.get("CHARLM_CORPORA")
    kept = cache_folder() / download.file
    for path in (*([Path(own) / download.file] if own else []), kept):
        data = _read(path)
        if data is not None and _is_right(data, download):
            return data
    reason: Note | str = note("it has no address")
    for address in download.addresses:
        try:
            data = _downloaded(address)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            continue
        if _is_right(data, download):
            _keep(data, kept)
            return data
        reason = note("the file there is another one now (its checksum differs)")
    raise CorpusError(
        "{name} could not be downloaded: {reason}. Use a built-in text (comedy-en), or put {file} into a folder"
        " and name that in CHARLM_CORPORA.",
        name=download.name, reason=reason, file=download.file,
    )  # fmt: skip


def _is_right(data: bytes, download: Download) -> bool:
    return hashlib.sha256(data).hexdigest() == download.sha256


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # not there, or not for this user: the next place may have it
        return None


def _downloaded(address: str) -> bytes:
    """Raises TimeoutError when the whole takes too long, however steadily it drips."""
    data, deadline = bytearray(), time.monotonic() + DEADLINE_SECONDS
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
        while piece := answer.read1(PIECE_BYTES):
            data += piece
            if len(data) > MAX_BYTES or time.monotonic() > deadline:
                raise TimeoutError(f"more than {MAX_BYTES:,} bytes or {DEADLINE_SECONDS} seconds")
    return bytes(data)


def _keep(data: bytes, path: Path) -> None:
    """Into the cache, if it can be written; a read-only home or a full disk is no reason to fail."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
