"""archive: a run as a zip comes back byte for byte, and no zip that a stranger can make leaves anything behind.

The hostile zips are written by hand or with the standard library's own zipfile, never with archive.py.
"""

import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import tiny

from charlm import archive
from charlm.archive import ARRIVING, BESIDE, FILES, arriving, pack, run_name, unpack
from charlm.checkpoint import (
    CARD,
    CONFIG,
    MAX_BYTES,
    TEXT,
    TRAINER,
    WEIGHTS,
    list_runs,
    load_checkpoint,
    load_trainer,
    save_trainer,
    save_weights,
)  # fmt: skip
from charlm.errors import CheckpointError, RunExistsError
from charlm.log import EVENTS

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, stopped in the middle, with its log. Not to be changed."""
    folder = tmp_path_factory.mktemp("good") / "my-run"
    trainer = tiny.run(folder)
    list(islice(trainer.events(), 5))
    save_weights(folder, trainer.published(), trainer.step, 1.25)
    save_trainer(folder, trainer, 0)
    (folder / EVENTS).write_text('{"event": "Measured", "name": "stream", "loss": 1.5}\n', "utf-8")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a run will be; beside it must be nothing when one is refused."""
    return tmp_path / "runs" / "new"


def packed(folder: Path, path: Path, **how: object) -> Path:
    with open(path, "wb") as file:
        pack(folder, file, **how)  # type: ignore[arg-type]
    return path


def zipped(path: Path, files: Files, **how: object) -> Path:
    with zipfile.ZipFile(path, "w", **how) as file:  # type: ignore[call-overload]
        for name, data in files.items():
            file.writestr(name, data)
    return path


def contents(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run_files(folder: Path, top: str = "run/") -> Files:
    return {f"{top}{name}": data for name, data in contents(folder).items()}


# --- there and back ---


def test_a_run_comes_back_byte_for_byte_without_its_text(good: Path, tmp_path: Path, target: Path) -> None:
    unpack(packed(good, tmp_path / "a.zip"), target)
    assert contents(target) == {name: data for name, data in contents(good).items() if name != TEXT}
    assert load_checkpoint(target).step == load_checkpoint(good).step
    assert target.stat().st_mode & 0o777 == good.stat().st_mode & 0o777
    assert os.listdir(target.parent) == ["new"]


def test_with_its_text_it_goes_on_where_it_stopped(good: Path, tmp_path: Path, target: Path) -> None:
    unpack(packed(good, tmp_path / "a.zip", with_text=True), target)
    assert contents(target) == contents(good)
    assert tiny.digest(load_trainer(target)[0]) == tiny.digest(load_trainer(good)[0])


def test_a_zip_opens_as_one_folder_and_holds_what_it_says(good: Path, tmp_path: Path) -> None:
    beside = {"report.html": b"<p>hello</p>", "curve.png": b"\x89PNG", CARD: b"# a card"}
    with zipfile.ZipFile(packed(good, tmp_path / "a.zip", beside=beside)) as file:
        assert {name.partition("/")[0] for name in file.namelist()} == {"my-run"}
        names = {name.partition("/")[2] for name in file.namelist()}
        assert names == {CONFIG, WEIGHTS, TRAINER, EVENTS, *beside}
        assert file.read("my-run/report.html") == beside["report.html"]
        assert file.testzip() is None


def test_what_lies_beside_stays_in_the_zip_and_the_card_comes_along(good: Path, tmp_path: Path, target: Path) -> None:
    unpack(packed(good, tmp_path / "a.zip", beside=dict.fromkeys(BESIDE, b"x") | {CARD: b"# a card"}), target)
    assert set(contents(target)) == {*FILES}
    assert (target / CARD).read_bytes() == b"# a card"


def test_nothing_else_can_be_put_beside(good: Path, tmp_path: Path) -> None:
    for name in ("../x", "malware.exe", CONFIG, TEXT):
        with pytest.raises(CheckpointError, match="holds no file"):
            pack(good, io.BytesIO(), beside={name: b""})


def test_a_link_in_a_run_does_not_travel(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    for name in (CONFIG, WEIGHTS):
        (folder / name).write_bytes((good / name).read_bytes())
    (folder / EVENTS).symlink_to("/etc/hostname")
    with pytest.raises(CheckpointError, match="is a link"):
        pack(folder, io.BytesIO())


def test_a_run_that_has_learned_nothing_is_not_packed(good: Path, tmp_path: Path) -> None:
    tiny.run(tmp_path / "fresh")
    with pytest.raises(CheckpointError, match=f"fresh has no {WEIGHTS} yet"):
        pack(tmp_path / "fresh", io.BytesIO())


@pytest.mark.parametrize("top", ["run/", "", "Mon modèle 学/"])
def test_a_zip_made_by_hand_is_taken(top: str, good: Path, tmp_path: Path, target: Path) -> None:
    """By other programs: without a folder, with entries for folders, with what a Mac adds."""
    files = {**({top: b""} if top else {}), **run_files(good, top)}
    files |= {f"__MACOSX/{top}._{CONFIG}": b"\0\5\26\7", f"{top}.DS_Store": b"\0\0\0\1Bud1"}
    unpack(zipped(tmp_path / "a.zip", files, compression=zipfile.ZIP_DEFLATED), target)
    assert contents(target) == contents(good)


def test_the_name_of_a_run_is_that_of_its_folder_else_of_its_file(good: Path, tmp_path: Path) -> None:
    assert run_name(packed(good, tmp_path / "other.zip")) == "my-run"
    assert run_name(zipped(tmp_path / "flat.zip", run_files(good, ""))) == "flat"
    (tmp_path / "odd.zip").write_bytes(b"no zip")
    assert run_name(tmp_path / "odd.zip") == "odd"


def test_equal_runs_make_equal_weights_files(good: Path, tmp_path: Path) -> None:
    """Also in another process, whose hashes of strings are others."""
    model = load_checkpoint(good)
    save_weights(tmp_path, dict(model.model.named_parameters()), model.step, model.loss)
    assert (tmp_path / WEIGHTS).read_bytes() == (good / WEIGHTS).read_bytes()


# --- hostile zips ---


def changed(name: str, data: bytes) -> Callable[[Path, Path], Path]:
    """One file of a good run is another one."""
    return lambda good, path: zipped(path, {**run_files(good), f"run/{name}": data})


def added(*names: str) -> Callable[[Path, Path], Path]:
    return lambda good, path: zipped(path, {**run_files(good), **dict.fromkeys(names, b"x")})


def linked(good: Path, path: Path) -> Path:
    zipped(path, {f"run/{CONFIG}": (good / CONFIG).read_bytes()})
    with zipfile.ZipFile(path, "a") as file:
        info = zipfile.ZipInfo(f"run/{WEIGHTS}")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/hostname")
    return path


def twice(good: Path, path: Path) -> Path:
    zipped(path, run_files(good))
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr(f"run/{CONFIG}", "{}")
    return path


def bomb(good: Path, path: Path) -> Path:
    """A log of zeros: a thousandth of its size in the zip."""
    files = run_files(good) | {f"run/{CARD}": bytes(MAX_BYTES[CARD] + 1)}
    return zipped(path, files, compression=zipfile.ZIP_DEFLATED)


def lying(good: Path, path: Path) -> Path:
    """The directory says ten bytes where there are many: the second place of the size is the central record."""
    data = zipped(path, run_files(good)).read_bytes()
    size = (good / CONFIG).stat().st_size
    place = data.rindex(struct.pack("<II", size, size))
    path.write_bytes(data[:place] + struct.pack("<II", 10, 10) + data[place + 8 :])
    return path


def torn(good: Path, path: Path) -> Path:
    data = zipped(path, run_files(good)).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def spoiled(good: Path, path: Path) -> Path:
    """A byte in the middle of the weights: the check sum is wrong."""
    data = bytearray(zipped(path, run_files(good)).read_bytes())
    place = data.index((good / WEIGHTS).read_bytes()[-40:])
    data[place] ^= 1
    path.write_bytes(data)
    return path


def ciphered(good: Path, path: Path) -> Path:
    data = bytearray(zipped(path, run_files(good)).read_bytes())
    at = -1
    while (at := data.find(b"PK\1\2", at + 1)) >= 0:
        data[at + 8] |= 1
    path.write_bytes(data)
    return path


def many(good: Path, path: Path) -> Path:
    return zipped(path, {**run_files(good), **{f"run/{i}": b"" for i in range(10_000)}})


def announcing(entries: int, directory: int) -> Callable[[Path, Path], Path]:
    """A good zip whose last record announces something else."""

    def write(good: Path, path: Path) -> Path:
        data = zipped(path, run_files(good)).read_bytes()
        end = archive.END.pack(b"PK\5\6", 0, 0, entries, entries, directory, 0, 0)
        path.write_bytes(data[:-22] + end)
        return path

    return write


def behind_64_bits(good: Path, path: Path) -> Path:
    """Ten thousand files in a 64-bit directory, and a last record that says five."""
    data = many(good, path).read_bytes()
    *_, entries, size, place, _ = archive.END.unpack(data[-22:])
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, place)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1)
    end = archive.END.pack(b"PK\5\6", 0, 0, 5, 5, 300, 0xFFFFFFFF, 0)
    path.write_bytes(data[:-22] + record + locator + end)
    return path


def with_comment(good: Path, path: Path) -> Path:
    zipped(path, run_files(good))
    with zipfile.ZipFile(path, "a") as file:
        file.comment = b"PK\5\6" * 40
    return path


def other_method(method: int) -> Callable[[Path, Path], Path]:
    return lambda good, path: zipped(path, run_files(good), compression=method)


def deep(good: Path, path: Path) -> Path:
    return zipped(path, run_files(good, "a/b/"))


def raw(data: bytes) -> Callable[[Path, Path], Path]:
    def write(good: Path, path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


def another_text(good: Path, path: Path) -> Path:
    return zipped(path, {**run_files(good), f"run/{TEXT}": b"another text altogether"})


EVENT = '{"event": "Sampled", "step": 1, "prompt": "", "text": %s, "temperature": 0.8, "seed": 1}\n'
FIGURES = "".join(json.dumps({"event": "Measured", "name": f"n{i}", "loss": 1.0}) + "\n" for i in range(1000))
HOSTILE: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "an unknown file": (added("run/pytorch_model.bin"), "no file of a run"),
    "a path upwards": (added("run/../../x"), "no file of a run"),
    "a path upwards as the folder": (added(f"../{CONFIG}"), "no file of a run"),
    "the folder is two dots": (lambda good, path: zipped(path, run_files(good, "../")), "no file of a run"),
    "an absolute path": (lambda good, path: zipped(path, run_files(good, "/")), "no file of a run"),
    "a path of Windows": (lambda good, path: zipped(path, run_files(good, "run\\")), "no file of a run"),
    "a drive of Windows": (lambda good, path: zipped(path, run_files(good, "C:/")), "no file of a run"),
    "two folders": (added(f"other/{CONFIG}"), "no file of a run"),
    "a folder in a folder": (deep, "no file of a run"),
    "a folder named as a file": (added(f"run/{CARD}/"), "no file of a run"),
    "another case": (added("run/CONFIG.JSON"), "no file of a run"),
    "a link": (linked, "no file of a run"),
    "a file twice": (twice, "no file of a run"),
    "ciphered": (ciphered, "no file of a run"),
    "origin.json": (added("run/origin.json"), "no file of a run"),
    "ten thousand files": (many, "at most"),
    "a huge number of files announced": (announcing(0xFFFF, 1 << 20), "at most"),
    "a huge directory announced": (announcing(5, 0xFFFFFFFF), "at most"),
    "a 64-bit directory": (behind_64_bits, "no zip file"),
    "a comment": (with_comment, "no zip file"),
    "a bomb": (bomb, "README.md has 1,048,577 bytes"),
    "a size that is a lie": (lying, "no zip file"),
    "torn": (torn, "no zip file"),
    "a wrong check sum": (spoiled, "no zip file"),
    "bzip2": (other_method(zipfile.ZIP_BZIP2), "no zip file"),
    "lzma": (other_method(zipfile.ZIP_LZMA), "no zip file"),
    "empty": (raw(b""), "no zip file"),
    "an empty zip": (lambda good, path: zipped(path, {}), "no config.json"),
    "a text": (raw(b"PK" * 50), "no zip file"),
    "no weights": (lambda good, path: zipped(path, {f"run/{CONFIG}": (good / CONFIG).read_bytes()}), f"no {WEIGHTS}"),
    "pickled weights": (changed(WEIGHTS, b"\x80\x02cos\nsystem\n(S'id'\ntR."), "no safetensors"),
    "a newer format": (changed(CONFIG, b'{"format_version": 2}'), "newer CharLM"),
    "a config that is no object": (changed(CONFIG, b"[" * 9000), "not valid JSON"),
    "a trainer that is none": (changed(TRAINER, b"\xff" * 64), "no safetensors"),
    "a trainer too large": (changed(TRAINER, bytes(3 << 20)), "at most"),
    "another text": (another_text, "not the text"),
    "half a surrogate pair in the log": (changed(EVENTS, (EVENT % '"\\ud800"').encode()), "no history"),
    "an endless line in the log": (changed(EVENTS, (EVENT % ('"' + "x" * 2_000_000 + '"')).encode()), "no history"),
    "endless figures in the log": (changed(EVENTS, FIGURES.encode()), "no history"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_one_sentence_and_nothing_is_written(
    name: str, good: Path, tmp_path: Path, target: Path
) -> None:
    make, sentence = HOSTILE[name]
    source = make(good, tmp_path / "hostile.zip")
    target.parent.mkdir()
    with pytest.raises(CheckpointError, match=sentence) as caught:
        unpack(source, target)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    assert os.listdir(target.parent) == []
    assert sorted(os.listdir(tmp_path)) == ["hostile.zip", "runs"]


def test_a_limit_of_the_caller_holds_for_the_zip_and_for_what_is_in_it(
    good: Path, tmp_path: Path, target: Path
) -> None:
    source = packed(good, tmp_path / "a.zip")
    with pytest.raises(CheckpointError, match="The zip has"):
        unpack(source, target, most=source.stat().st_size - 1)
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {**run_files(good), f"run/{EVENTS}": b"\n" * 500_000}.items():
            file.writestr(name, data)
    with pytest.raises(CheckpointError, match="The run has"):
        unpack(tmp_path / "b.zip", target, most=400_000)
    assert not target.parent.exists() or os.listdir(target.parent) == []


def test_an_entry_gives_no_more_than_it_announced(good: Path, tmp_path: Path, target: Path) -> None:
    """Both records say one kilobyte, with the check sum of the first kilobyte; the stream holds sixteen megabytes."""
    files = run_files(good) | {f"run/{CARD}": bytes(16 << 20)}
    source = zipped(tmp_path / "a.zip", files, compression=zipfile.ZIP_DEFLATED)
    real, said = (struct.pack("<I", zlib.crc32(bytes(size))) for size in (16 << 20, 1024))
    data = source.read_bytes().replace(struct.pack("<I", 16 << 20), struct.pack("<I", 1024))
    assert data.count(real) == 2
    source.write_bytes(data.replace(real, said))
    unpack(source, target, most=1 << 20)
    assert (target / CARD).read_bytes() == bytes(1024)


# --- arriving ---


def test_a_run_of_that_name_is_never_replaced(good: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("x")
    source = packed(good, tmp_path / "a.zip")
    with pytest.raises(RunExistsError, match="There is a run there already"):
        unpack(source, tmp_path / "there")
    assert contents(tmp_path / "there") == {"mine": b"x"}


def test_a_run_that_appears_meanwhile_is_never_replaced(good: Path, target: Path) -> None:
    with pytest.raises(RunExistsError), arriving(target) as incoming:
        for name in (CONFIG, WEIGHTS):
            (incoming / name).write_bytes((good / name).read_bytes())
        target.mkdir()
        (target / "mine").write_text("x")
    assert os.listdir(target.parent) == ["new"]
    assert contents(target) == {"mine": b"x"}


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "con", "x" * 97, "a\n"])
def test_a_name_that_is_no_runs_is_refused(name: str, good: Path, tmp_path: Path) -> None:
    source = packed(good, tmp_path / "a.zip")
    with pytest.raises(CheckpointError):
        unpack(source, tmp_path / "runs" / name)
    assert os.listdir(tmp_path) == ["a.zip"]


def test_what_is_arriving_is_no_run_yet(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLM_CHECKPOINTS", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), arriving(tmp_path / "new") as incoming:
        (incoming / CONFIG).write_bytes((good / CONFIG).read_bytes())
        assert list_runs() == []
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_goes_after_a_day(good: Path, tmp_path: Path) -> None:
    old, young = tmp_path / f"{ARRIVING}old", tmp_path / f"{ARRIVING}young"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, 0))
    unpack(packed(good, tmp_path / "a.zip"), tmp_path / "new")
    assert not old.exists() and young.exists()


def test_a_full_disk_is_a_sentence(good: Path, tmp_path: Path, target: Path) -> None:
    source = packed(good, tmp_path / "a.zip")
    with tiny.room_for(2000), pytest.raises(CheckpointError, match="could not be written"):
        unpack(source, target)
    assert os.listdir(target.parent) == []


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path, target: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.zip cannot be read"):
        unpack(tmp_path / "nowhere.zip", target)
