"""The gateway as our own child: how it starts, how it ends, and what is told of both."""

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from sidecar.gateway.child import Child, Command, CommandError, require

pytestmark = pytest.mark.anyio


def command(*arguments: str) -> Command:
    """A command in the environment of the tests."""
    return Command(arguments, dict(os.environ))


async def run(*arguments: str, number: signal.Signals | None = None) -> tuple[int, str]:
    """Run a command to its end; returns its status and what is said of it."""
    ended = anyio.Event()
    child = Child.start(command(*arguments), ended.set)
    try:
        if number is not None:
            child.send(number)
        await ended.wait()
        first = child.ending()
        assert child.ending() == first, "it stays to be asked until it is collected"
        return first.status, first.words
    finally:
        child.send(signal.SIGKILL)
        await ended.wait()
        child.collect()


@pytest.mark.parametrize(
    ("arguments", "number", "status", "words"),
    [
        (("true",), None, 0, "has ended with status 0"),
        (("sh", "-c", "exit 3"), None, 3, "has ended with status 3"),
        (("sleep", "1000"), signal.SIGTERM, 143, "was killed by SIGTERM"),
        (("sleep", "1000"), signal.SIGKILL, 137, "was killed by SIGKILL"),
        (("sh", "-c", f"kill -{signal.SIGRTMIN + 3} $$"), None, 128 + signal.SIGRTMIN + 3, "was killed by signal 37"),
    ],
)
async def test_an_end_is_told_with_the_status_of_a_shell(arguments, number, status, words):
    """Its own status, or 128 and the signal's number."""
    assert await run(*arguments, number=number) == (status, words)


async def test_the_command_leads_a_session_of_its_own_and_gets_default_signals():
    """What Python ignores, such as SIGPIPE, a gateway must not inherit as ignored."""
    program = "import os, sys; sys.exit(os.getsid(0) != os.getpid())"
    assert (await run(sys.executable, "-S", "-c", program))[0] == 0
    assert (await run("grep", "-q", "^SigIgn:.*0000000000000000$", "/proc/self/status"))[0] == 0


async def test_a_missing_program_is_127():
    """Also when it has gone since it was looked for."""
    with pytest.raises(CommandError, match="there is no such command") as refusal:
        Child.start(command("/no/such/program"), lambda: None)
    assert refusal.value.status == 127


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", ""])
def test_a_missing_program_is_found_out_beforehand(name):
    """Before a port is opened."""
    with pytest.raises(CommandError, match="there is no such command") as refusal:
        require(command(name))
    assert refusal.value.status == 127


@pytest.mark.parametrize(
    ("mode", "text", "why"), [(0o644, "#!/bin/sh\n", "permission denied"), (0o755, "what", "no program")]
)
async def test_a_file_that_cannot_be_executed_is_126(tmp_path: Path, mode: int, text: str, why: str):
    """A file without permission, and one that is no program."""
    file = tmp_path / "gateway"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(CommandError, match=why) as refusal:
        Child.start(command(str(file)), lambda: None)
    assert refusal.value.status == 126


@pytest.fixture
def on_a_path_of_its_own(tmp_path: Path) -> Command:
    """A program that only the command's own PATH leads to; what is there is not refused beforehand."""
    file = tmp_path / "gateway"
    file.write_text("#!/bin/sh\nexit 4\n")
    file.chmod(0o755)
    found = Command(["gateway"], {"PATH": str(tmp_path)})
    require(found)
    return found


async def test_the_command_is_looked_for_on_its_own_path(on_a_path_of_its_own: Command):
    """PATH is the one in the environment that the command gets."""
    ended = anyio.Event()
    child = Child.start(on_a_path_of_its_own, ended.set)
    await ended.wait()
    assert child.ending().status == 4
    child.collect()


def test_arguments_are_no_part_of_the_name():
    """They may hold credentials."""
    assert Command(["/usr/bin/node", "--token", "hunter2"], {}).name == "node"
