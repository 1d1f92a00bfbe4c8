"""A run as one zip and back: what is downloaded, handed in, or sent to a friend. No network here.

    <run>/config.json  model.safetensors  trainer.safetensors  events.jsonl  README.md     and text.txt when asked

A zip comes from anybody, so it is believed in this order: its directory is small and plain, every name is a known one
and there once, no link, no path, no cipher, every size within its limit. Then the files are written beside the runs,
never among them, the bounded loader of checkpoint.py judges them, and only then do they become a run by one rename. A
zip that is refused leaves nothing behind. The same way in, `arriving`, is that of a run pulled from the Hub.
"""

import contextlib
import os
import shutil
import stat
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from charlm.checkpoint import CARD, CONFIG, MAX_BYTES, TEXT, TRAINER, WEIGHTS, check_run, checked_name
from charlm.errors import CheckpointError, RunExistsError
from charlm.log import EVENTS

FILES = (CONFIG, WEIGHTS, TRAINER, EVENTS, CARD)  # the five that travel, in this order: the log is the youngest
TAKEN = (*FILES, TEXT)
BESIDE = ("report.html", "curve.png")  # for people: may lie in a zip, and stay there when it becomes a run again
MOST_BYTES = (1 << 31) - 1  # of a zip, and of what is in it
MOST_ENTRIES = 64  # a Mac adds one of its own to every file
DIRECTORY_BYTES = 64 << 10
END = struct.Struct("<4s4H2LH")  # the last record of a zip, with no comment after it
NEEDED = (CONFIG, WEIGHTS)
ARRIVING = ".arriving-"
STALE_SECONDS = 24 * 3600.0  # what a killed process left half-way
CHUNK = 1 << 20


# --- out --------------------------------------------------------------------------------------------------------------


def pack(
    folder: Path, target: BinaryIO, with_text: bool = False, beside: Mapping[str, bytes] | None = None, called: str = ""
) -> None:
    """Write a run as a zip: weights, settings, history and card, what resuming needs, and the text only when asked.

    `beside` adds files that are none of the run's (names of BESIDE), or a card made for this zip (README.md). `called`
    is what the run is called in it, where its folder's name is nobody else's business. Raises CheckpointError for a run
    that has learned nothing yet or cannot be read.
    """
    beside, top = beside or {}, called or folder.name
    _need(set(beside) <= {*BESIDE, CARD}, "A zip holds no file {name!r}.", name=", ".join(beside))
    for name in NEEDED:
        _need((folder / name).is_file(), "The run {run} has no {file} yet.", run=folder.name, file=name)
    wanted = [*FILES, TEXT] if with_text else list(FILES)
    names = [name for name in wanted if name not in beside and (folder / name).is_file()]
    try:
        _need(
            sum((folder / name).stat().st_size for name in names) < MOST_BYTES,
            "The run {run} is too large for a zip.",
            run=folder.name,
        )
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                _add(archive, folder / name, f"{top}/{name}")
            for name, data in beside.items():
                archive.writestr(f"{top}/{name}", data)
    except OSError as error:
        raise CheckpointError("The zip could not be written: {reason}.", reason=error.strerror or error) from error


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    """One file as it is now; a log may grow meanwhile. Weights are noise to a compressor, so they are only stored."""
    _need(not path.is_symlink(), "{file} is a link; it does not go into a zip.", file=path.name)
    info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
    info.compress_type = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
    with open(path, "rb") as source, archive.open(info, "w") as entry:
        shutil.copyfileobj(source, entry, CHUNK)


# --- in ---------------------------------------------------------------------------------------------------------------


def unpack(source: Path, folder: Path, most: int = MOST_BYTES) -> None:
    """Make a zip the run `folder`, which must not exist; files of BESIDE stay in the zip.

    Raises CheckpointError, or RunExistsError, and has then written nothing. `most` bytes may lie in it.
    """
    with arriving(folder) as incoming, _opened(source) as file:
        with _damaged_when_it_fails():
            _check_directory(file, most)
            archive = zipfile.ZipFile(file)
        with archive:
            for name, info in _members(archive, most).items():
                _extract(archive, info, incoming / name)


def run_name(source: Path) -> str:
    """What a zip calls its run: its folder's name, else the file's own. Not checked, and maybe taken."""
    with contextlib.suppress(CheckpointError), _opened(source) as file, _damaged_when_it_fails():
        _check_directory(file, MOST_BYTES)
        with zipfile.ZipFile(file) as archive:
            inside = (PurePosixPath(info.filename) for info in archive.infolist())
            return next((path.parts[0] for path in inside if path.name == CONFIG and len(path.parts) == 2), source.stem)
    return source.stem


@contextlib.contextmanager
def arriving(folder: Path) -> Iterator[Path]:
    """A place for the files of a run from elsewhere: when the caller has filled it, it is judged and becomes `folder`.

    Anything raised on the way leaves nothing. Raises CheckpointError for a run that is refused.
    """
    checked_name(folder.name)
    exists = RunExistsError("There is a run {name} already. Choose another name for the new one.", name=folder.name)
    if os.path.lexists(folder):
        raise exists
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder.parent)
        place = tempfile.mkdtemp(dir=folder.parent, prefix=ARRIVING)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError("The folder {folder} cannot be made: {reason}.", folder=folder, reason=reason) from error
    try:
        incoming = Path(place) / folder.name  # one level down: a list of runs does not see it
        incoming.mkdir()
        yield incoming
        check_run(incoming)
        try:
            os.rename(incoming, folder)
        except OSError as error:
            raise exists from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f"{ARRIVING}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


# --- believing nothing ------------------------------------------------------------------------------------------------


def _need(condition: bool, template: str, **values: object) -> None:
    if not condition:
        raise CheckpointError(template, **values)


def _opened(source: Path) -> IO[bytes]:
    try:
        return open(source, "rb")
    except OSError as error:
        raise CheckpointError(
            "{file} cannot be read: {reason}.", file=source, reason=error.strerror or error
        ) from error


@contextlib.contextmanager
def _damaged_when_it_fails() -> Iterator[None]:
    """All that Python's zipfile raises on odd bytes, as one sentence."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError,
    ) as error:  # fmt: skip
        raise CheckpointError("This is no zip file, or it is damaged.") from error


def _check_directory(file: IO[bytes], most: int) -> None:
    """The record at the very end, before zipfile reads what it announces: a directory may be built to fill memory."""
    size = file.seek(0, os.SEEK_END)
    _need(size <= most, "{file} has {size:,} bytes; at most {limit:,} fit.", file="The zip", size=size, limit=most)
    file.seek(max(0, size - END.size - 20))
    tail = file.read()
    signature, *_, entries, directory_bytes, _, comment_bytes = END.unpack(tail[-END.size :])
    is_plain = signature == b"PK\5\6" and not comment_bytes and tail[:4] != b"PK\6\7"  # the last: a 64-bit directory
    _need(is_plain, "This is no zip file, or it is damaged.")
    _need(
        entries <= MOST_ENTRIES and directory_bytes <= DIRECTORY_BYTES,
        "This zip holds {entries:,} files; a run has at most {most}.", entries=entries, most=len(FILES) + 1,
    )  # fmt: skip
    file.seek(0)


def _members(archive: zipfile.ZipFile, most: int) -> dict[str, zipfile.ZipInfo]:
    """The files of a run by name. Raises CheckpointError for anything else that the zip holds."""
    found: dict[str, zipfile.ZipInfo] = {}
    tops = set[str]()
    for info in archive.infolist():
        if _is_of_a_mac(info.filename):
            continue
        top, _, name = info.filename.rpartition("/")
        tops.add(top)
        known = name in TAKEN or name in BESIDE or (name == "" and info.is_dir())
        is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR) and not info.flag_bits & 1
        is_inside = len(tops) == 1 and _is_one_name(top) and info.filename == (f"{top}/{name}" if top else name)
        is_good = known and is_plain and is_inside and name not in found
        _need(is_good, "The zip holds {name!r}, which is no file of a run.", name=info.filename[:100])
        if name in TAKEN:
            found[name] = info
            size, limit = info.file_size, MAX_BYTES[name]
            _need(size <= limit, "{file} has {size:,} bytes; at most {limit:,} fit.", file=name, size=size, limit=limit)
    for name in NEEDED:
        _need(name in found, "The zip holds no run: it has no {file}.", file=name)
    size = sum(info.file_size for info in found.values())
    _need(size <= most, "{file} has {size:,} bytes; at most {limit:,} fit.", file="The run", size=size, limit=most)
    return found


def _is_of_a_mac(name: str) -> bool:
    """What a Mac puts beside the files that it zips."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def _is_one_name(top: str) -> bool:
    """The files lie in no folder, or in one."""
    return top not in (".", "..") and not set(top) & set("/\\:\0")


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """As many bytes as were announced, not one more."""
    with _damaged_when_it_fails():
        _need(
            info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), "This is no zip file, or it is damaged."
        )
        entry = archive.open(info)
    with entry, _written(target) as file:
        left = info.file_size
        while chunk := _read(entry):
            left -= len(chunk)
            _need(left >= 0, "This is no zip file, or it is damaged.")
            file.write(chunk)
        _need(left == 0, "This is no zip file, or it is damaged.")


def _read(entry: IO[bytes]) -> bytes:
    with _damaged_when_it_fails():
        return entry.read(CHUNK)


@contextlib.contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    try:
        with open(target, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckpointError(
            "{path} could not be written: {reason}.", path=target.name, reason=error.strerror or error
        ) from error
