"""A pid file is believed only as far as it deserves."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.gateway import pidfile
from sidecar.gateway.pidfile import PidFileError, process_in_file


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process that runs until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as started:
        yield started
        started.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Choose where the pid file is."""
    return tmp_path / "the gateway's.pid"


@pytest.mark.parametrize("form", ["{}", "{}\n", "  {} \r\n"])
def test_the_process_that_wrote_the_file_is_believed(form: str, path: Path, process: "subprocess.Popen[bytes]") -> None:
    """The usual ways to write a pid are all understood."""
    path.write_text(form.format(process.pid))
    assert process_in_file(str(path)).pid == process.pid


def test_a_process_that_is_younger_than_the_file_reuses_a_pid(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """The file of a gateway long dead, left over from before a restart, names somebody else by now."""
    path.write_text(str(process.pid))
    day_before = path.stat().st_mtime - 86400
    os.utime(path, (day_before, day_before))
    with pytest.raises(PidFileError, match="pid was reused"):
        process_in_file(str(path))


def test_a_process_that_has_exited_is_not_running(path: Path) -> None:
    """Neither a zombie nor a pid that nobody has is a gateway."""
    with subprocess.Popen([sys.executable, "-c", ""]) as exited:
        os.waitid(os.P_PID, exited.pid, os.WEXITED | os.WNOWAIT)
        path.write_text(str(exited.pid))
        with pytest.raises(PidFileError, match="does not run"):
            process_in_file(str(path))
    with pytest.raises(PidFileError, match="does not run"):
        process_in_file(str(path))


def leave_out(path: Path) -> None:
    """Make no file."""
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("words", "make"),
    [
        pytest.param("there is no pid file", leave_out, id="missing"),
        pytest.param("cannot read .*: Is a directory", Path.mkdir, id="directory"),
        pytest.param("holds no pid", os.mkfifo, id="a pipe that nobody writes to"),
        pytest.param("holds no pid", Path.touch, id="empty"),
        pytest.param("holds no pid", lambda path: path.write_bytes(b"\x7fELF" * 1000), id="binary"),
        pytest.param("holds no pid", lambda path: path.write_bytes(b"1" * 10**6), id="huge"),
        pytest.param("holds no pid", lambda path: path.write_text("-1"), id="a process group"),
        pytest.param("holds no pid", lambda path: path.write_text("0"), id="zero"),
        pytest.param("holds no pid", lambda path: path.write_text("12 13"), id="two"),
        pytest.param("holds no pid", lambda path: path.write_text("١٢"), id="other digits"),
        pytest.param("does not run", lambda path: path.write_text("9999999"), id="beyond all pids"),
    ],
)
def test_a_file_that_holds_no_pid_is_refused_with_a_reason(
    words: str, make: Callable[[Path], object], path: Path
) -> None:
    """Whatever stands there, the answer comes at once, names the file, and shows nothing of its content."""
    make(path)
    with pytest.raises(PidFileError, match=words) as error:
        process_in_file(str(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("owner", "started", "words"),
    [
        (0, 99.0, None),
        (1000, 100.5, None),
        (1000, 102.0, "pid was reused"),
        (33, 99.0, "uid 33, who may not decide"),
    ],
)
def test_a_file_is_believed_by_its_age_and_owner(owner: int, started: float, words: str | None) -> None:
    """Who owns the file decides what is signalled: root, we, or the process's own user may, nobody else."""
    owners = frozenset({0, 1000})
    doubt = pidfile._contradiction(started=started, written=100.0, owners=owners, owner=owner)
    assert doubt is None if words is None else doubt is not None and words in doubt
