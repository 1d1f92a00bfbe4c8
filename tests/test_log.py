"""log: what a reader sees while another process writes, is killed, and goes on."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charlm.errors import CheckpointError
from charlm.events import Event, Finished, Sampled, Started, Step, to_line
from charlm.history import history_of
from charlm.log import EVENTS, LogReader, append, locked_log, read_events

STARTED = Started(100, 900, 100, 100, 30, 10, "cpu", "fp32", 1)


def steps(first: int, last: int, loss: float = 1.0) -> list[Event]:
    return [Step(n, n / 10, loss / n, 1.0, 1e-3, n * 10, n + loss, 0.5) for n in range(first, last + 1)]


def write(folder: Path, events: list[Event], log_bytes: int = 1 << 40) -> int:
    """Writes and returns the log's length, as a save remembers it."""
    with locked_log(folder, log_bytes) as log:
        for event in events:
            append(log, event)
        return log.tell()


def fields(events: list[Event]) -> list[object]:
    return [(type(event), *dataclasses.astuple(event)) for event in events]


def test_events_come_back_whole_and_in_order(tmp_path: Path) -> None:
    events = [STARTED, *steps(1, 3), Sampled(3, "", "a\nb\r\u2028\x85", 0.8, 1), Finished(3, "budget", 1.0)]
    length = write(tmp_path, events)
    assert fields(list(read_events(tmp_path))) == fields(events)
    assert (tmp_path / EVENTS).stat().st_size == length


def test_no_log_is_no_events(tmp_path: Path) -> None:
    assert list(read_events(tmp_path)) == []
    assert LogReader(tmp_path / "no folder").read() == history_of([])
    (tmp_path / "file").write_text("")
    assert list(read_events(tmp_path / "file")) == []


def test_a_log_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / EVENTS).mkdir()
    with pytest.raises(CheckpointError, match="events.jsonl cannot be read: Is a directory"):
        list(read_events(tmp_path))
    with pytest.raises(CheckpointError, match="cannot be read"):
        LogReader(tmp_path).read()
    with pytest.raises(CheckpointError, match="could not be opened"):
        write(tmp_path, [])


def test_a_reader_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    reader, events = LogReader(tmp_path), [STARTED, *steps(1, 2), Sampled(2, "", "é中👋 " * 9, 0.8, 1)]
    data, seen = "".join(map(to_line, events)).encode(), 0
    for length in range(len(data) + 1):  # every way a line can be torn, inside a character too
        (tmp_path / EVENTS).write_bytes(data[:length])
        seen = data[:length].count(b"\n")
        assert list(read_events(tmp_path)) == events[:seen]
        if length % 7 == 0 or length == len(data):
            assert reader.read() == history_of(events[:seen])
    assert seen == len(events)


def test_a_torn_line_in_the_middle_is_left_out(tmp_path: Path) -> None:
    good = [STARTED, *steps(1, 2)]
    lines = [to_line(event).encode() for event in good]
    (tmp_path / EVENTS).write_bytes(lines[0] + lines[1][:40] + b"\n" + lines[1] + b"\xff\xfe\n\n" + lines[2])
    assert list(read_events(tmp_path)) == good
    assert LogReader(tmp_path).read() == history_of(good)


def test_a_reader_goes_on_from_where_he_left_off(tmp_path: Path) -> None:
    reader = LogReader(tmp_path)
    begun = reader.read()
    assert begun.started is None
    for last in range(1, 2000, 100):
        write(tmp_path, steps(last, last + 99))
        assert reader.read() == LogReader(tmp_path).read() == history_of(steps(1, last + 99))
        assert reader.read() is begun  # what was read is not read again


@pytest.mark.parametrize("polls", [(), ("cut",), ("cut", "some"), ("some",)])
def test_a_resumed_run_is_read_as_if_anew(tmp_path: Path, polls: tuple[str, ...]) -> None:
    """Killed after 40 steps, saved at 20, told again with other losses; whenever the reader looks in between."""
    reader = LogReader(tmp_path)
    saved = write(tmp_path, [STARTED, *steps(1, 20)])
    write(tmp_path, steps(21, 40))
    assert reader.read().last_step.step == 40

    write(tmp_path, [], log_bytes=saved)
    if "cut" in polls:
        assert reader.read() == LogReader(tmp_path).read() == history_of([STARTED, *steps(1, 20)])
    retold = steps(21, 60, loss=2.0)
    write(tmp_path, retold[:5])
    if "some" in polls:
        assert reader.read() == LogReader(tmp_path).read()
    write(tmp_path, retold[5:])
    assert reader.read() == LogReader(tmp_path).read() == history_of([STARTED, *steps(1, 20), *retold])
    assert reader.read().train.y[20] == pytest.approx(2 / 21)


def test_a_cut_beyond_the_end_cuts_nothing(tmp_path: Path) -> None:
    length = write(tmp_path, steps(1, 3))
    assert write(tmp_path, [], log_bytes=length + 1000) == length


def test_a_log_that_is_gone_is_empty(tmp_path: Path) -> None:
    reader = LogReader(tmp_path)
    write(tmp_path, steps(1, 3))
    assert reader.read().last_step is not None
    (tmp_path / EVENTS).unlink()
    assert reader.read() == history_of([])


HOLD = """
import sys
from pathlib import Path
from charlm.log import locked_log
with locked_log(Path(sys.argv[1]), 1 << 40):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no lock")
def test_a_second_process_is_refused_and_cuts_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "my-run"
    folder.mkdir()
    length = write(folder, steps(1, 3))
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match="The run my-run is being trained by another process"):
            write(folder, [], log_bytes=0)
        assert (folder / EVENTS).stat().st_size == length
        assert len(list(read_events(folder))) == 3  # readers are free
        other.kill()  # and a killed one leaves no lock behind
    assert write(folder, [], log_bytes=length) == length


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_one_sentence() -> None:
    log = open("/dev/full", "wb")
    with pytest.raises(CheckpointError, match="events.jsonl could not be written: No space left on device"):
        append(log, STARTED)
    with pytest.raises(OSError):
        log.close()
