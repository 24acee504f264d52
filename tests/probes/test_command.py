"""The ``command`` kind with real programs."""

import os
import signal
import sys
from contextlib import suppress

import anyio
import psutil
import pytest
from servers.looking import look

from probes.command import KIND, Spec
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, Run, Target

pytestmark = pytest.mark.anyio

UNKNOWN = (Outcome.UNKNOWN, Evidence.OBSERVER)


def python(program: str) -> tuple[str, ...]:
    """Run a program in Python."""
    return (sys.executable, "-S", "-c", program)


def shell(script: str) -> tuple[str, ...]:
    """Run a script, as a user who wants a shell has to."""
    return ("/bin/sh", "-c", script)


@pytest.fixture
def probe_of(make_closed):
    """Make probes, which are closed at the end."""
    return lambda argv, **keys: make_closed(KIND, argv=argv, **keys)


def members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


async def look_until(probe, ready) -> None:
    """Look at a program that opens this pipe when it is ready, and cut the look off then."""
    with anyio.fail_after(60):
        async with anyio.create_task_group() as looking:
            looking.start_soon(probe.observe, Run())
            await anyio.to_thread.run_sync(ready.read_bytes, abandon_on_cancel=True)
            looking.cancel_scope.cancel()


def assert_nobody_left(file) -> None:
    """Every process of the group is gone whose leader wrote its number there; the leader is collected, too."""
    group = int(file.read_text())
    with pytest.raises(ChildProcessError):
        os.waitpid(group, os.WNOHANG)
    assert members(group) == []


async def gone(file) -> None:
    """Wait until those who are killed, and are nobody's children any more, have gone."""
    group = int(file.read_text())
    with anyio.fail_after(10):
        while members(group):  # noqa: ASYNC110
            await anyio.sleep(0.001)  # the end of somebody else's child is told to nobody here


@pytest.mark.parametrize(
    ("status", "outcome", "evidence"),
    [
        (0, Outcome.PASS, None),
        (1, Outcome.WARN, None),
        (2, Outcome.FAIL, Evidence.WRONG),
        (3, *UNKNOWN),
        (4, *UNKNOWN),
        (127, *UNKNOWN),
        (255, *UNKNOWN),
    ],
)
async def test_the_exit_status_decides(probe_of, status, outcome, evidence):
    """As monitoring plugins define it; the first line says why."""
    verdict = await look(probe_of(shell(f"echo 'DISK says so'; echo more; exit {status}")))
    assert (verdict.outcome, verdict.evidence) == (outcome, evidence)
    assert verdict.reason == f"the exit status is 0: found {status}, DISK says so"
    assert [phase.name for phase in verdict.observation.phases] == ["run"]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGKILL, signal.SIGRTMIN + 3])
async def test_an_end_by_a_signal_is_unknown(probe_of, number):
    """Whoever was killed has not finished looking."""
    verdict = await look(probe_of(shell(f"kill -{int(number)} $$")))
    assert (verdict.outcome, verdict.evidence) == UNKNOWN
    name = number.name if isinstance(number, signal.Signals) else f"signal {number}"
    assert verdict.reason == f"the exit status is 0: found an end by {name}, and no output"


async def test_figures_after_a_bar_are_notes(probe_of):
    """They are for machines, and not part of the reason."""
    verdict = await look(probe_of(shell("echo 'OK - all well | time=0.01s;;;0 size=300B'")))
    assert verdict.reason == "the exit status is 0: found 0, OK - all well"
    assert verdict.observation.notes == {"perfdata": "time=0.01s;;;0 size=300B"}


async def test_without_output_the_last_complaint_is_shown(probe_of):
    """A program that breaks says why on stderr."""
    verdict = await look(probe_of(python("import sys\nraise OSError('no disk')")))
    assert verdict.reason == "the exit status is 0: found 1, no output, but on stderr: OSError: no disk"


async def test_complaints_beside_output_are_left_out(probe_of):
    """The first line of the output is the message."""
    verdict = await look(probe_of(shell("echo warning >&2; echo OK")))
    assert verdict.reason == "the exit status is 0: found 0, OK"


async def test_arguments_are_no_shells(probe_of, tmp_path):
    """They arrive as they are, and nothing in them is expanded."""
    odd = "$(touch x); `id` | * \\ 'quoted' \"double\" ünïcode"
    verdict = await look(
        probe_of((*python("import sys; print(sys.argv[1] == sys.argv[2])"), odd, odd), cwd=str(tmp_path))
    )
    assert verdict.reason.endswith("found 0, True")
    assert list(tmp_path.iterdir()) == []


async def test_surroundings(probe_of, tmp_path, monkeypatch):
    """It runs in its directory, with our environment and what is added to it, without input, in its own session."""
    monkeypatch.setenv("INHERITED", "yes")
    program = (
        "import os, sys; print(os.getcwd() == sys.argv[1], os.environ['INHERITED'], os.environ['ADDED'], "
        "len(sys.stdin.read()), os.getsid(0) == os.getpid() == os.getpgid(0))"
    )
    probe = probe_of((*python(program), str(tmp_path)), cwd=str(tmp_path), env={"ADDED": "too"})
    assert (await look(probe)).reason.endswith("found 0, True yes too 0 True")


async def test_nothing_of_ours_is_inherited(probe_of):
    """No descriptor but the three is open in the program, not even one that is inheritable."""
    program = "import sys; print(sorted(path for path in sys.argv[1:] if __import__('os').path.exists(path)))"
    ours = os.open(os.devnull, os.O_RDONLY)
    try:
        os.set_inheritable(ours, True)
        descriptors = [f"/proc/self/fd/{number}" for number in range(3, 100)]
        verdict = await look(probe_of((*python(program), *descriptors)))
    finally:
        os.close(ours)
    assert verdict.reason.endswith("found 0, []")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "no such file or directory"),
        ("#!/bin/sh\n", 0o644, "permission denied"),
        ("nothing that runs\n", 0o755, "exec format error"),
        ("#!/no/such/interpreter\n", 0o755, "no such file or directory"),
    ],
)
async def test_a_program_that_cannot_be_started(probe_of, tmp_path, content, mode, words):
    """It says nothing about the target: unknown, with the path and the cause."""
    file = tmp_path / "program"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    verdict = await look(probe_of((str(file),)))
    assert (verdict.outcome, verdict.evidence) == UNKNOWN
    assert verdict.reason == f"the program can be started: found {words} ({file})"


async def test_a_program_that_is_nowhere_on_the_path(probe_of):
    """A name without a slash is sought."""
    assert (await look(probe_of(("true",)))).outcome is Outcome.PASS
    assert "(no-such-program-here)" in (await look(probe_of(("no-such-program-here",)))).reason


async def test_a_directory_that_is_not_there(probe_of, tmp_path):
    """The reason names the directory, not the program."""
    verdict = await look(probe_of(("true",), cwd=str(tmp_path / "absent")))
    assert (verdict.outcome, "absent)" in verdict.reason) == (Outcome.UNKNOWN, True)


STUBBORN = {
    "ignores SIGTERM": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    "closes its output": "import os, time; os.close(1); os.close(2); time.sleep(600)",
    "stops itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "has children": "import subprocess; subprocess.run(['sleep', '600'])",
}


@pytest.mark.parametrize("program", STUBBORN.values(), ids=STUBBORN.keys())
async def test_whoever_does_not_end_is_killed_when_the_look_ends(probe_of, tmp_path, program):
    """With its children, and collected: nobody is left."""
    file, ready = tmp_path / "pid", tmp_path / "ready"
    os.mkfifo(ready)
    begin = f"import os; open({str(file)!r}, 'w').write(str(os.getpid())); open({str(ready)!r}, 'w').close()\n"
    probe = probe_of(python(begin + program))
    with anyio.fail_after(60):
        await look_until(probe, ready)
        await probe.aclose()
        await gone(file)
    assert_nobody_left(file)


async def test_the_deadline_passes_in_silence(probe_of):
    """Whoever has not ended by then has said nothing."""
    verdict = await look(probe_of(("sleep", "600")), within=0.1)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)
    assert verdict.reason == "replies within 0.1 s: found nothing"


async def test_the_next_look_is_a_fresh_one(probe_of, tmp_path):
    """After a look that was cut off, the next one runs the program anew."""
    ready, flag = tmp_path / "ready", tmp_path / "flag"
    os.mkfifo(ready)
    probe = probe_of(shell(f"test -e '{flag}' || {{ touch '{flag}'; : >'{ready}'; sleep 600; }}; echo OK"))
    await look_until(probe, ready)
    assert (await look(probe)).outcome is Outcome.PASS


async def test_children_that_are_left_behind_delay_nothing(probe_of, tmp_path):
    """They hold the pipe open, and are killed when the program itself has ended."""
    file = tmp_path / "pid"
    verdict = await look(probe_of(shell(f"echo $$ >'{file}'; sleep 600 & sleep 600 & echo OK")))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "the exit status is 0: found 0, OK")
    await gone(file)
    assert_nobody_left(file)


async def test_much_output_is_dropped_and_does_no_harm(probe_of):
    """The program can say all it wants to say; the first line is shown, cut to a readable length."""
    program = "import sys; print('x' * 5_000_000); sys.stderr.write('y' * 5_000_000); sys.exit(1)"
    verdict = await look(probe_of(python(program)))
    assert verdict.outcome is Outcome.WARN
    assert verdict.reason.startswith("the exit status is 0: found 1, xxx")
    assert len(verdict.reason) < 400


@pytest.mark.parametrize("stream", ["", " >&2"])
async def test_a_flood_is_stopped(probe_of, stream):
    """Whoever never stops talking is killed long before the deadline."""
    verdict = await look(probe_of(shell(f"exec yes{stream}"), timeout=50.0))
    assert (verdict.outcome, verdict.evidence) == UNKNOWN
    assert verdict.reason == "the output ends: found more than 16 MiB: send it to /dev/null"
    assert verdict.observation.elapsed < 50


async def test_output_that_is_no_text(probe_of):
    """Any bytes are shown safely."""
    verdict = await look(probe_of(python("import os; os.write(1, bytes(range(1, 256)))")))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.isprintable()


async def test_a_status_that_somebody_else_has_collected(probe_of):
    """Where the parent process has the kernel throw away the statuses of its children, nothing is concluded from 0."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        verdict = await look(probe_of(shell("sleep 0.1; exit 2")))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert (verdict.outcome, verdict.evidence) == UNKNOWN
    assert "the exit status is told" in verdict.reason


async def test_nothing_is_left_open(probe_of):
    """Neither descriptors nor children pile up, whether a program ends or is killed."""
    good, hanging, absent = probe_of(("true",)), probe_of(("sleep", "600")), probe_of(("/absent",))
    children, counts = psutil.Process().children(), []
    for _ in range(5):
        await look(good)
        await look(hanging, within=0.05)
        await look(absent)
        await hanging.aclose()
        counts.append(psutil.Process().num_fds())
    assert counts[1:] == counts[:1] * 4
    assert psutil.Process().children() == children


async def test_what_a_failure_means_by_default():
    """Whatever a program looks at, it is an upstream."""
    spec = Spec(argv=("true",))
    assert (KIND.on_failure, KIND.target(spec, GatewayPlan())) == (OnFailure.DEGRADE, Target.UPSTREAM)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"argv": ("",)}, "empty"),
        ({"argv": ("a\0b",)}, "NUL"),
        ({"env": {"A": "hidden\0"}}, "NUL"),
        ({"env": {"A=B": "hidden"}}, "without ="),
        ({"env": {"": "hidden"}}, "without ="),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration, which do not show what may be a credential."""
    with pytest.raises(ValueError, match=words) as caught:
        Spec(**{"argv": ("true",), **keys})
    assert "hidden" not in str(caught.value)
