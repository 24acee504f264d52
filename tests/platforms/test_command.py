"""A rollback command as a real process: what it is told, how it ends, and what is left of it."""

import os
import signal
import sys

import anyio
import anyio.to_thread
import pytest

from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable
from sidecar.platforms.command import Command
from sidecar.platforms.contract import PlatformError, Restoration, UncertainError

pytestmark = pytest.mark.anyio

TARGET = KnownGood(release="2.6.0", at=0.0, deployments=("d-7", "d-3"))


def python(code: str, *, timeout: float = 30.0) -> Command:
    """A command that runs this code."""
    return Command((sys.executable, "-c", code), timeout=timeout)


async def roll_back(command: Command) -> None:
    """Find the target and roll back to it."""
    with anyio.fail_after(60):
        await command.roll_back(TARGET, await command.find(TARGET), "2.7.1")


async def gone(pid: int) -> None:
    """Return when this process has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    await anyio.wait_readable(pidfd)
    os.close(pidfd)


async def test_the_command_is_told_what_to_restore_in_the_place_of_what(tmp_path):
    """In its environment, beside everything that is there anyway; no shell reads it."""
    names = ("SIDECAR_TARGET_RELEASE", "SIDECAR_TARGET_DEPLOYMENTS", "SIDECAR_BAD_RELEASE", "PATH")
    await roll_back(
        python(f"import os; open({str(tmp_path / 'told')!r}, 'w').write(repr([os.environ[n] for n in {names}]))")
    )
    assert (tmp_path / "told").read_text() == repr(["2.6.0", "d-7 d-3", "2.7.1", os.environ["PATH"]])


async def test_a_command_is_found_before_it_is_needed():
    """Its own name for the target is the newest deployment, or the release."""
    command = python("")
    assert await command.accepted() == f"the rollback command is {sys.executable}"
    assert await command.find(TARGET) == Restorable("d-7")
    assert await command.find(KnownGood(release="2.6.0", at=0.0)) == Restorable("2.6.0")


@pytest.mark.parametrize("place", ["missing", "plain"])
async def test_what_is_no_program_is_told_before_it_is_needed(tmp_path, place):
    """With its name; a file that may not be executed is none."""
    (tmp_path / "plain").touch(mode=0o600)
    name = str(tmp_path / place)
    command = Command((name,), timeout=1.0)
    with pytest.raises(PlatformError, match=f"cannot find the rollback command '{name}'"):
        await command.find(TARGET)
    with pytest.raises(PlatformError, match=f"cannot start the rollback command '{name}'"):
        await command.roll_back(TARGET, Restorable("d-7"), "2.7.1")


async def test_any_other_status_than_0_is_a_refusal_and_its_last_line_is_told():
    """Whatever it has said before, and wherever it has said it."""
    with pytest.raises(PlatformError, match=r"has ended with status 3: no such release$"):
        await roll_back(
            python("import sys; print('x' * 999_999); sys.exit(print('no such release', file=sys.stderr) or 3)")
        )
    with pytest.raises(PlatformError, match=r"has ended with status 1, and said nothing$"):
        await roll_back(python("import os; os._exit(1)"))


async def test_an_end_by_a_signal_leaves_open_what_was_done():
    """Somebody has killed it half-way."""
    with pytest.raises(UncertainError, match="was ended by signal 9"):
        await roll_back(python("import os; os.kill(os.getpid(), 9)"))


async def test_at_the_deadline_it_is_killed_with_all_it_has_started(tmp_path):
    """What it has done by then, nobody knows."""
    pids = tmp_path / "pids"
    code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(pids)!r} + ".new", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename({str(pids)!r} + ".new", {str(pids)!r})
print("half-way", flush=True)
time.sleep(600)
"""
    with pytest.raises(UncertainError, match=r"was killed after 3 s: half-way"):
        await roll_back(python(code, timeout=3.0))
    with anyio.fail_after(30):
        for pid in map(int, pids.read_text().split()):
            await gone(pid)


async def test_what_it_leaves_running_stays(tmp_path):
    """It may be the earlier release itself; and it need not have closed the output for the end to be seen."""
    told = tmp_path / "pid"
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(told)!r}, "w").write(str(child.pid))
"""
    await roll_back(python(code))
    pid = int(told.read_text())
    try:
        os.kill(pid, 0)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_when_the_sidecar_ends_meanwhile_it_goes_on(tmp_path):
    """A command that replaces the deployment ends the sidecar too, and must not die of that."""
    begun, go, done = (tmp_path / name for name in ("begun", "go", "done"))
    for pipe in (begun, go, done):
        os.mkfifo(pipe)
    code = f"""
import pathlib
pathlib.Path({str(begun)!r}).write_text("begun")
pathlib.Path({str(go)!r}).read_text()
pathlib.Path({str(done)!r}).write_text("done")
"""
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(roll_back, python(code))
            await anyio.to_thread.run_sync(begun.read_text)
            tasks.cancel_scope.cancel()
        await anyio.to_thread.run_sync(go.write_text, "go")
        assert await anyio.to_thread.run_sync(done.read_text) == "done"


async def test_what_becomes_of_it_nobody_here_can_tell():
    """The restored release's own sidecar has to."""
    progress = await python("").progress(TARGET, Restorable("d-7"))
    assert progress.restoration is Restoration.UNKNOWN
    assert progress.words == "only 2.6.0 itself can tell, by its own sidecar"


async def test_a_release_that_no_environment_can_hold_is_told():
    """A NUL character in its name."""
    with pytest.raises(PlatformError, match="embedded null byte"):
        await python("").roll_back(KnownGood(release="a\0b", at=0.0), Restorable("d"), "2.7.1")


async def test_what_a_command_says_shows_no_secret():
    """It goes into messages, the store and the endpoints."""
    code = "print('denied: token hunter2hunter2'); raise SystemExit(3)"
    command = Command((sys.executable, "-c", code), timeout=30.0, secrets=frozenset({"hunter2hunter2"}))
    with pytest.raises(PlatformError, match=r"has ended with status 3: denied: token \[redacted\]$"):
        await roll_back(command)
