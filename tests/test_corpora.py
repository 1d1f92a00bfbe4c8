"""corpora: the texts with a name. Downloads are served by a server on this machine, or not at all."""

import email.message
import hashlib
import http.client
import http.server
import io
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charlm.config import TextConfig
from charlm.corpora import BUILT_IN, TEXTS, downloads, is_named, load_corpus, named_corpora
from charlm.corpora.downloads import DOWNLOADS, Download, cache_folder, fetch
from charlm.corpora.toys import TOYS
from charlm.errors import CorpusError
from charlm.yardsticks import ngram_losses

SCRIPTS = {  # what most letters of a language are, and how long its text is at least
    "comedy-en": ("en", "abcdefghijklmnopqrstuvwxyz", 80_000),
    "tale-fr": ("fr", "abcdefghijklmnopqrstuvwxyzàâçéèêëîïôûùœ", 15_000),
    "tale-es": ("es", "abcdefghijklmnopqrstuvwxyzáéíñóúü", 15_000),
    "tale-zh": ("zh", "".join(map(chr, range(0x4E00, 0xA000))), 10_000),
    "tale-ko": ("ko", "".join(map(chr, range(0xAC00, 0xD7A4))), 10_000),
}
TYPICAL = {"fr": " le ", "es": " que ", "zh": "的", "ko": "는 ", "en": " the "}


# --- built in ---


def test_these_are_built_in() -> None:
    assert {one.name: one.language for one in BUILT_IN} == {name: row[0] for name, row in SCRIPTS.items()}
    assert {one.name for one in BUILT_IN} == {path.stem for path in TEXTS.iterdir()}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_built_in_text_is_long_enough_and_in_its_language(name: str) -> None:
    language, letters, least = SCRIPTS[name]
    corpus = load_corpus(name)
    assert len(corpus.text) >= least
    assert (corpus.report.encoding, corpus.report.notes) == ("utf-8", ())
    assert corpus.title == next(one.title for one in BUILT_IN if one.name == name)
    found = [char for char in corpus.text.lower() if char.isalpha()]
    assert sum(char in letters for char in found) > 0.99 * len(found)
    assert corpus.text.count(TYPICAL[language]) > len(corpus.text) / 500
    assert len(corpus.vocabulary) < len(corpus.text) / 8


def test_the_comedy_is_not_too_easy_to_count() -> None:
    """A text that repeats itself would make any network look clever."""
    corpus = load_corpus("comedy-en")
    assert ngram_losses(corpus.train, corpus.validation, len(corpus.vocabulary))[4] >= 1.3


def test_the_config_reaches_the_text() -> None:
    assert len(load_corpus("tale-fr", TextConfig(max_chars=500)).text) == 500
    assert load_corpus("tale-fr", TextConfig(ascii=True)).text.isascii()


# --- names ---


def test_names_are_distinct_and_known() -> None:
    names = [one.name for one in named_corpora()]
    assert len(names) == len(set(names)) == len(BUILT_IN) + len(TOYS) + len(DOWNLOADS)
    assert {one.kind for one in named_corpora()} == {"built in", "toy", "download"}
    assert all(map(is_named, [*names, "toy-promise-40"]))
    assert not any(map(is_named, ["", "comedy", "toy-promise-0", "../tale-fr", "tale-fr.txt"]))


def test_toys_load_by_name() -> None:
    for toy in TOYS:
        corpus = load_corpus(toy.name)
        assert (corpus.title, len(corpus.text)) == (toy.name, 200_000)
    assert load_corpus("toy-promise-40").text != load_corpus("toy-promise").text


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(CorpusError, match="no corpus 'shakespeare'. Corpora: comedy-en, .*tinyshakespeare"):
        load_corpus("shakespeare")


# --- downloads ---

BODY = "Un texte de tous, à télécharger.\n".encode() * 50


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no folder of corpora."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHARLM_CORPORA", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "charlm"


class Server(http.server.ThreadingHTTPServer):
    """Answers with `body`, counts how often it is asked."""

    body, asked = BODY, 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/text.txt"

    def handle_error(self, *_: object) -> None:
        """Who hangs up early is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path != "/text.txt":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def download(*addresses: str, body: bytes = BODY) -> Download:
    return Download("a-text", "A text", "fr", "text.txt", addresses, hashlib.sha256(body).hexdigest())


def test_a_download_is_checked_and_kept(server: Server, cache: Path) -> None:
    assert fetch(download(server.address)) == BODY
    assert fetch(download(server.address)) == BODY
    assert server.asked == 1
    assert [path.name for path in cache.iterdir()] == ["text.txt"]


def test_another_file_is_refused_and_not_kept(server: Server, cache: Path) -> None:
    server.body = BODY + b"!"
    with pytest.raises(CorpusError, match=r"a-text could not be downloaded: .*checksum differs.*\(comedy-en\)"):
        fetch(download(server.address))
    assert not cache.exists()


def test_the_next_address_is_tried(server: Server) -> None:
    wrong = server.address.replace("text.txt", "gone.txt")
    assert fetch(download(wrong, server.address)) == BODY
    assert server.asked == 2


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "text.txt").write_bytes(BODY[:100])
    assert fetch(download(server.address)) == BODY == (cache / "text.txt").read_bytes()


def test_the_folder_of_corpora_comes_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("CHARLM_CORPORA", str(own))
    assert fetch(download(server.address)) == BODY and server.asked == 1
    (own / "text.txt").write_bytes(BODY)
    (cache_folder() / "text.txt").unlink()
    assert fetch(download(server.address)) == BODY and server.asked == 1
    (own / "text.txt").write_bytes(b"another text")  # is passed over
    assert fetch(download(server.address)) == BODY and server.asked == 2


@pytest.mark.parametrize("bytes_allowed", [len(BODY) - 1, 0])
def test_a_download_without_end_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch, bytes_allowed: int) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", bytes_allowed)
    with pytest.raises(CorpusError, match="more than .* bytes or 120 seconds"):
        fetch(download(server.address))


def test_a_download_that_drips_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DEADLINE_SECONDS", -1)
    with pytest.raises(CorpusError, match="-1 seconds"):
        fetch(download(server.address))


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError(OSError(-2, "Name or service not known")),
        urllib.error.HTTPError("http://x", 503, "Service Unavailable", email.message.Message(), io.BytesIO()),
        TimeoutError("timed out"),
        ConnectionResetError(104, "Connection reset by peer"),
        http.client.BadStatusLine("HELLO"),
        http.client.IncompleteRead(b"half"),
        ValueError("unknown url type: 'x'"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_no_network_is_one_sentence(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    for one in DOWNLOADS:
        with pytest.raises(CorpusError) as caught:
            load_corpus(one.name)
        text = str(caught.value)
        assert text.startswith(f"{one.name} could not be downloaded: ") and "\n" not in text
        assert "built-in text (comedy-en)" in text and one.file in text and "CHARLM_CORPORA" in text
        assert str(getattr(failure, "reason", failure)) in text
    if isinstance(failure, urllib.error.HTTPError):
        failure.close()


def test_a_refused_connection_is_one_sentence() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        with pytest.raises(CorpusError, match="could not be downloaded: .*refused"):
            fetch(download(f"http://127.0.0.1:{nobody.getsockname()[1]}/text.txt"))


def unwritable(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")


def full(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "text.txt").mkdir()  # cannot be replaced by a file


@pytest.mark.parametrize("prepare", [unwritable, full])
def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    server: Server, cache: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(cache)
    assert fetch(download(server.address)) == BODY
    assert not cache.is_dir() or os.listdir(cache) == ["text.txt"]  # and nothing half-written stays


def test_the_cache_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/people/somebody")
    assert cache_folder() == Path("/people/somebody/.cache/charlm")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder().name == "charlm" and cache_folder().parent.is_dir()


@pytest.mark.corpora
def test_the_tutorials_texts(corpora_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_CORPORA", str(corpora_folder))
    for name, chars, symbols in (("tinyshakespeare", 1_115_394, 65), ("moliere", 1_687_290, 85)):
        corpus = load_corpus(name)
        assert (len(corpus.text), len(corpus.vocabulary), corpus.report.notes) == (chars, symbols, ())
        assert corpus.digest == next(one.sha256 for one in DOWNLOADS if one.name == name)
