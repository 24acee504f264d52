"""What a command leaves behind is told from everything else, and ended."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.gateway.leftovers import MARK, sweep
from sidecar.linux import procfs

STAYS = "sleep 1000 & echo $!; exit 0"
DAEMON = "setsid sh -c 'echo $$; kill -STOP $$' & exit 0"
"""It speaks when it is what it will be: while a program is being loaded, it has no environment to see."""

LATE_DAEMON = (
    "setsid sh -c 'echo $$; read go <$GO; setsid sh -c \"echo \\$\\$ >$NAMED; kill -STOP \\$\\$\" & exit 0' & exit 0"
)
"""It waits for a word, leaves another behind, and ends."""


@contextmanager
def ended(script: str, mark: str = "") -> Iterator[tuple[int, list[int]]]:
    """Run a script in a session of its own to its end, but do not collect it; yields its pid and those that it says."""
    with subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, MARK: mark},
    ) as process:
        assert process.stdout is not None
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        said = [int(process.stdout.readline())]
        try:
            yield process.pid, said
        finally:
            sweep(process.pid, mark or "no mark")


def is_running(pid: int) -> bool:
    """Tell whether a process, whosever child it is now, has not ended."""
    try:
        return not procfs.stat(pid).exited
    except ProcessLookupError:
        return False


def test_whoever_is_in_the_session_is_killed_and_gone_when_it_is_told() -> None:
    """The pid is told, and nothing runs under it any more."""
    with ended(STAYS) as (session, [left]):
        assert is_running(left)
        assert sweep(session, "another") == [left]
        assert not is_running(left)
        assert sweep(session, "another") == []


def test_a_daemon_is_known_by_its_mark() -> None:
    """It has left the session and the parent; what it inherited it still has."""
    with ended(DAEMON, mark="mine") as (session, [left]):
        assert left in sweep(session, "mine")
        assert not is_running(left)


def test_a_daemon_that_comes_into_being_meanwhile_is_found(tmp_path, monkeypatch) -> None:
    """Its parent is listed, and has ended when it is looked at: the list is no proof that nobody is left."""
    go, named, real = tmp_path / "go", tmp_path / "named", procfs.pids
    os.mkfifo(go)
    os.mkfifo(named)
    monkeypatch.setenv("GO", str(go))
    monkeypatch.setenv("NAMED", str(named))
    born = []

    def pids() -> list[int]:
        listed = list(real())
        if not born:
            go.write_text("now\n")
            born.append(int(named.read_text()))
            while is_running(parent):
                pass
        return listed

    with ended(LATE_DAEMON, mark="mine") as (session, [parent]):
        monkeypatch.setattr("sidecar.linux.procfs.pids", pids)
        assert sweep(session, "mine") == born
        assert not is_running(born[0])


def test_nobody_else_is_touched() -> None:
    """Neither another session nor another mark."""
    with ended(STAYS, mark="theirs") as (_, [left]), ended(STAYS) as (session, _):
        sweep(session, "mine")
        assert is_running(left)
