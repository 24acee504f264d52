"""The log: what it writes for whom, and that nobody can hold it up."""

import fcntl
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import anyio.to_thread
import pytest
from command_line import clean_environment

from sidecar.core.events import Event, EventKind
from sidecar.core.plan import LogFormat
from sidecar.core.severity import Severity
from sidecar.log import HELD_AT_MOST, Log

PIPE_HOLDS = 4096


@pytest.fixture
def _no_haste(monkeypatch):
    """Closing waits for the writer as long as a busy machine needs."""
    monkeypatch.setattr("sidecar.log.CLOSE_WITHIN", 60.0)


def event(message: str = "it happened", severity: Severity = Severity.INFO, **more: object) -> Event:
    """An event."""
    return Event(kind=EventKind.REMARK, at=12.5, severity=severity, message=message, **more)


def written(path: Path, *events: Event, format_: LogFormat = LogFormat.AUTO) -> str:
    """What these events come to in a file."""
    with path.open("wb") as file, Log(format_, file.fileno()) as log:
        for each in events:
            log.tell(each)
    return path.read_text()


@contextmanager
def full_pipe() -> Iterator[tuple[IO[bytes], int]]:
    """A small pipe that is full, as its reading end and the descriptor that nothing more can be written to."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_HOLDS)
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        writer.write(b"." * (PIPE_HOLDS - 1) + b"\n")
        yield reader, writer.fileno()


def test_json_has_time_severity_event_and_the_events_fields(tmp_path):
    """One object on each line; what an event does not have is left out."""
    before = datetime.now(UTC)
    text = written(
        tmp_path / "log",
        event("gone", Severity.ERROR, cause="local", probe="process", before="a", after="b", evidence=("one", "two")),
        event("well"),
    )
    one, other = map(json.loads, text.splitlines())
    at = datetime.fromisoformat(one.pop("time"))
    assert before.replace(microsecond=0) <= at <= datetime.now(UTC)
    assert one == {
        "severity": "error",
        "event": "remark",
        "message": "gone",
        "cause": "local",
        "probe": "process",
        "before": "a",
        "after": "b",
        "evidence": ["one", "two"],
    }
    assert list(other) == ["time", "severity", "event", "message"]


def test_several_lines_stay_one_line_of_json(tmp_path):
    """A refused reload lists its problems below each other; a machine reads line by line."""
    [line] = written(tmp_path / "log", event("refused:\none\ntwo")).splitlines()
    assert json.loads(line)["message"] == "refused:\none\ntwo"


def test_people_see_time_mark_and_message_with_further_lines_indented(tmp_path):
    """What belongs together stands together."""
    text = written(
        tmp_path / "log",
        event("well"),
        event("careful", Severity.WARNING),
        event("refused:\none", Severity.ERROR),
        format_=LogFormat.TEXT,
    )
    well, careful, refused, one = text.splitlines()
    assert well[12:] == "   well"
    assert careful[12:] == " ! careful"
    assert refused[12:] == " x refused:"
    assert one == " " * 15 + "one"
    assert datetime.strptime(well[:12], "%H:%M:%S.%f")  # noqa: DTZ007 - it is a time of day


@pytest.mark.parametrize(("format_", "text"), [(LogFormat.JSON, "\N{SNOWMAN} \\\\udcff"), (LogFormat.TEXT, "\\udcff")])
def test_half_a_surrogate_pair_is_written_as_an_escape(format_, text, tmp_path):
    """Names of files may hold bytes that are no text; neither the line nor the log is lost over them."""
    line = written(tmp_path / "log", event("\N{SNOWMAN} \udcff", evidence=("\ud800",)), format_=format_)
    assert text in line
    assert line.count("\n") == 1
    if format_ is LogFormat.JSON:
        assert json.loads(line)["evidence"] == ["\\ud800"]


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_gets_lines_for_people_in_colours_unless_declined(variables, coloured, monkeypatch):
    """Errors are red where colours are known and welcome."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen, other_end = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as reader, os.fdopen(other_end, "wb"):
        with Log(LogFormat.AUTO, other_end) as log:
            log.tell(event("gone", Severity.ERROR))
        line = reader.read(1000).decode()
    assert "x gone" in line
    assert line.startswith("\033[31m") is coloured


@pytest.mark.anyio
async def test_telling_never_waits_even_in_the_event_loop():
    """With a full pipe and nobody who reads, telling returns at once, however much there is to tell."""
    with full_pipe() as (reader, descriptor):
        log = Log(LogFormat.JSON, descriptor)
        log.__enter__()
        for number in range(3 * HELD_AT_MOST):
            log.tell(event(f"number {number}"))
        await anyio.to_thread.run_sync(_read_all_and_close, log, reader)


@pytest.mark.usefixtures("_no_haste")
def test_what_is_dropped_is_counted_and_told_when_somebody_reads_again():
    """Every line is either there, in order, or counted by the remark that stands where they are missing."""
    told = 3 * HELD_AT_MOST
    with full_pipe() as (reader, descriptor):
        log = Log(LogFormat.JSON, descriptor)
        log.__enter__()
        for number in range(told):
            log.tell(event(f"number {number}"))
        lines = _read_all_and_close(log, reader)[1:]
    messages = [json.loads(line)["message"] for line in lines]
    numbers = [int(message.split()[1]) for message in messages if message.startswith("number")]
    remarks = [message for message in messages if not message.startswith("number")]
    assert numbers == sorted(numbers)
    assert {remark.partition("missing here: ")[2] for remark in remarks} == {"nobody has read in time"}
    assert sum(int(remark.split()[0]) for remark in remarks) == told - len(numbers)


def _read_all_and_close(log: Log, reader: IO[bytes]) -> list[str]:
    """Close the log while somebody reads at last; returns what was read."""
    pieces: list[bytes] = []

    def read() -> None:
        while piece := reader.read(65536):
            pieces.append(piece)
            if piece.endswith(b"END\n"):
                break

    reading = threading.Thread(target=read)
    reading.start()
    log.__exit__(None, None, None)
    os.set_blocking(log._descriptor, True)
    os.write(log._descriptor, b"END\n")
    reading.join()
    return b"".join(pieces).decode().splitlines()[:-1]


def test_a_reader_who_never_comes_holds_up_the_end_for_a_moment_only():
    """Closing gives up on a pipe that stays full."""
    with full_pipe() as (_, descriptor), Log(LogFormat.JSON, descriptor) as log:
        for number in range(2 * HELD_AT_MOST):
            log.tell(event(f"number {number}"))


@pytest.mark.usefixtures("_no_haste")
def test_everything_told_is_written_when_the_log_is_closed(tmp_path):
    """The last words before the end are the ones that matter."""
    text = written(tmp_path / "log", *(event(f"number {number}") for number in range(HELD_AT_MOST // 2)))
    assert text.count("\n") == HELD_AT_MOST // 2


FULL_FOR_A_WHILE = """
import resource, sys, time
from sidecar.core.events import Event, EventKind
from sidecar.core.severity import Severity
from sidecar.core.plan import LogFormat
from sidecar.log import Log

def event(message):
    return Event(kind=EventKind.REMARK, at=0.0, severity=Severity.INFO, message=message)

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
with open(sys.argv[1], "wb") as file, Log(LogFormat.JSON, file.fileno()) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    log.tell(event("torn"))
    while not log._lost:
        time.sleep(0.001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    log.tell(event("well"))
"""


def test_a_full_disk_loses_lines_but_not_the_count_of_them(tmp_path):
    """When there is room again, the torn line is ended, the loss told, and the log goes on."""
    path = tmp_path / "log"
    command = [sys.executable, "-c", FULL_FOR_A_WHILE, str(path)]
    subprocess.run(command, env=clean_environment(tmp_path), timeout=60, check=True)
    torn, remark, well = path.read_text().splitlines()
    assert len(torn) == 10
    assert json.loads(remark)["message"] == "1 line is missing here: writing was refused"
    assert json.loads(well)["message"] == "well"


def test_a_disk_that_stays_full_is_no_error():
    """The device that is always full."""
    with Path("/dev/full").open("wb", buffering=0) as full, Log(LogFormat.JSON, full.fileno()) as log:
        for _ in range(10):
            log.tell(event())


def test_a_reader_who_has_left_is_no_error():
    """A broken pipe loses lines, not the sidecar."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb"), Log(LogFormat.JSON, write_end) as log:
        log.tell(event())


@pytest.mark.usefixtures("_no_haste")
def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing():
    """Whoever shares the descriptor may do so; the log waits until it is writable."""
    with full_pipe() as (reader, descriptor):
        os.set_blocking(descriptor, False)
        log = Log(LogFormat.JSON, descriptor)
        log.__enter__()
        for number in range(HELD_AT_MOST - 1):  # far more than the pipe holds
            log.tell(event(f"number {number}"))
        lines = _read_all_and_close(log, reader)[1:]
    assert [json.loads(line)["message"] for line in lines] == [f"number {number}" for number in range(HELD_AT_MOST - 1)]
