"""Public-domain texts that the tutorials use: looked up in `CHARLM_CORPORA`, then in the cache, then downloaded.

Every way ends in the same SHA-256. A download is written beside its place and renamed, so a cut-off one leaves nothing.
"""

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from charlm.errors import CorpusError

TIMEOUT_SECONDS = 20
MAX_BYTES = 20 << 20


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
    """Where downloads are kept: XDG_CACHE_HOME, or ~/.cache, then charlm."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "charlm"


def fetch(download: Download) -> bytes:
    """The bytes of a download, from the nearest place. Raises CorpusError when no place has them."""
    folders = [Path(os.environ["CHARLM_CORPORA"])] if os.environ.get("CHARLM_CORPORA") else []
    for folder in (*folders, cache_folder()):
        path = folder / download.file
        if path.is_file() and _is_right(path.read_bytes(), download):
            return path.read_bytes()
    reasons = []
    for address in download.addresses:
        try:
            data = _downloaded(address)
        except (OSError, urllib.error.URLError, ValueError) as error:
            reasons.append(str(getattr(error, "reason", error)))
            continue
        if _is_right(data, download):
            _keep(data, cache_folder() / download.file)
            return data
        reasons.append("the file there is another one now (its checksum differs)")
    raise CorpusError(
        "{name} could not be downloaded: {reason}. Use a built-in text (comedy-en), or put {file} into a folder"
        " and name that in CHARLM_CORPORA.",
        name=download.name, reason=reasons[-1], file=download.file,
    )  # fmt: skip


def _is_right(data: bytes, download: Download) -> bool:
    return hashlib.sha256(data).hexdigest() == download.sha256


def _downloaded(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
        return bytes(answer.read(MAX_BYTES))


def _keep(data: bytes, path: Path) -> None:
    """Into the cache, if it can be written; a read-only home is no reason to fail."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
    except OSError:
        return
