"""``DeploymentHealthChecker`` inside a program: what it answers, and that it never gets in the program's way."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from servers.http import OK, answer, serving, whole
from servers.processes import Start, freeze

from sidecar import DeploymentHealthChecker, DeploymentStatus
from sidecar.core.errors import SidecarError

Configure = Callable[..., str]

PATIENT = ('timeout = "1h"', 'interval = "1h"')


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write configurations that probe one URL with everything decided by the first result, with patience as a rule."""

    def write(url: str, *keys: str, more: str = "") -> str:
        path = tmp_path / "sidecar.toml"
        probe = ['kind = "http"', f'url = "{url}"', "failure_threshold = 1", *(keys or PATIENT)]
        path.write_text("\n".join(["derive = false", "[probes.api]", *probe, more]))
        return str(path)

    return write


async def until(condition: Callable[[], bool]) -> None:
    """Wait until this holds. The checker tells no events: a program asks it, and so does a test."""
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - there is none
            await anyio.sleep(0.005)


@pytest.mark.anyio
async def test_it_answers_as_soon_as_the_block_is_entered(configure, serve):
    """Every probe has reported by then, and all four questions have their answers."""
    server = await serve(answer(OK))
    async with DeploymentHealthChecker(configure(server.url())) as checker:
        assert checker.get_deployment_status() is DeploymentStatus.READY
        assert await checker.check_startup() is True
        assert await checker.check_readiness() is True
        assert await checker.check_liveness() is True


@pytest.mark.anyio
async def test_a_failure_is_seen_while_the_block_lasts(configure, serve):
    """It goes on probing: an upstream that falls sick makes the deployment unready, but never dead."""
    sick = False

    async def script(peer):
        await peer.request()
        await peer.say(whole(503) if sick else OK)

    server = await serve(script)
    path = configure(server.url(), 'on_failure = "unready"', 'interval = "50ms"')
    async with DeploymentHealthChecker(path) as checker:
        await until(lambda: checker.get_deployment_status() is DeploymentStatus.READY)
        sick = True
        await until(lambda: checker.get_deployment_status() is DeploymentStatus.UNHEALTHY)
        assert await checker.check_readiness() is False
        assert await checker.check_startup() is True
        assert await checker.check_liveness() is True


@pytest.mark.anyio
async def test_the_death_of_the_gateway_is_seen(tmp_path, start_listener: Start, free_port):
    """Liveness is False when the gateway's process is confirmed dead."""
    gateway = start_listener(free_port)
    (tmp_path / "x.toml").write_text(
        f'derive = false\n[gateway]\nport = {free_port}\n[probes.p]\nkind = "process"\ninterval = "50ms"'
    )
    async with DeploymentHealthChecker(str(tmp_path / "x.toml")) as checker:
        await until(lambda: checker.get_deployment_status() is DeploymentStatus.READY)
        gateway.kill()
        await until(lambda: checker.get_deployment_status() is DeploymentStatus.UNHEALTHY)
        assert await checker.check_liveness() is False


@pytest.mark.anyio
async def test_a_target_that_hangs_does_not_hold_up_the_entry(configure, silent_port):
    """The probe's deadline bounds it."""
    path = configure(f"http://127.0.0.1:{silent_port}/", 'timeout = "50ms"')
    with anyio.fail_after(20):
        async with DeploymentHealthChecker(path) as checker:
            assert await checker.check_startup() is False
            assert checker.get_deployment_status() is DeploymentStatus.STARTING


@pytest.mark.anyio
async def test_a_probe_with_an_initial_delay_is_not_waited_for(configure, serve):
    """It is pending, and the deployment is starting."""
    server = await serve(answer(OK))
    path = configure(server.url(), 'initial_delay = "1h"', *PATIENT)
    with anyio.fail_after(20):
        async with DeploymentHealthChecker(path) as checker:
            assert checker.get_deployment_status() is DeploymentStatus.STARTING
            assert server.requests == []


@pytest.mark.anyio
async def test_outside_the_block_it_says_how_to_use_it(configure, serve):
    """Before and after the block there is nothing to answer from, and every question says so."""
    server = await serve(answer(OK))
    checker = DeploymentHealthChecker(configure(server.url()))

    async def refuses() -> None:
        with pytest.raises(RuntimeError, match="use `async with DeploymentHealthChecker"):
            checker.get_deployment_status()
        for ask in (checker.check_startup, checker.check_readiness, checker.check_liveness):
            with pytest.raises(RuntimeError, match="use `async with DeploymentHealthChecker"):
                await ask()

    await refuses()
    async with checker:
        pass
    await refuses()
    with pytest.raises(RuntimeError, match="was not entered"):
        await checker.__aexit__(None, None, None)


@pytest.mark.anyio
async def test_it_cannot_be_entered_twice_at_once_but_again_later(configure, serve):
    """One block at a time; a second entry is refused and leaves the first alone."""
    server = await serve(answer(OK))
    checker = DeploymentHealthChecker(configure(server.url()))
    async with checker:
        with pytest.raises(RuntimeError, match="entered already"):
            await checker.__aenter__()
        assert await checker.check_readiness() is True
    async with checker:
        assert await checker.check_readiness() is True


@pytest.mark.anyio
async def test_a_configuration_without_probes_is_refused(tmp_path):
    """It raises what the command line would say, and can be entered once that is mended."""
    path = tmp_path / "x.toml"
    path.write_text("derive = false")
    checker = DeploymentHealthChecker(str(path))
    with pytest.raises(SidecarError, match="no probe is left to run"):
        await checker.__aenter__()
    async with serving(answer(OK)) as server:
        path.write_text(f'derive = false\n[probes.api]\nkind = "http"\nurl = "{server.url()}"')
        async with checker:
            assert await checker.check_readiness() is True


@pytest.mark.anyio
async def test_without_a_path_the_usual_places_count(configure, serve, tmp_path, monkeypatch):
    """``conf/sidecar.toml`` below the working directory, as for the command."""
    server = await serve(answer(OK))
    (tmp_path / "conf").mkdir()
    os.rename(configure(server.url()), tmp_path / "conf" / "sidecar.toml")  # noqa: PTH104 - a str
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDECAR_CONFIG", raising=False)
    async with DeploymentHealthChecker() as checker:
        assert await checker.check_readiness() is True


@pytest.mark.anyio
async def test_it_opens_no_port_and_takes_no_signal(configure, serve, free_port):
    """Both belong to the program."""
    server = await serve(answer(OK))
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    async with DeploymentHealthChecker(configure(server.url(), more=f"[server]\nport = {free_port}")):
        assert [signal.getsignal(number) for number in signal.valid_signals()] == before
        socket.create_server(("", free_port)).close()


@pytest.mark.anyio
async def test_it_drains_nothing(tmp_path, start_listener: Start, free_port):
    """A gateway that hangs is seen, and is still there afterwards, however eager the drain's settings are."""
    gateway = start_listener(free_port)
    (tmp_path / "x.toml").write_text(f"""
        derive = false
        [gateway]
        port = {free_port}
        [probes.process]
        kind = "process"
        interval = "50ms"
        [drain]
        drain_after = "0s"
        min_uptime = "0s"
        lame_duck = "0s"
        quiesce = "0s"
        grace = "0s"
    """)
    async with DeploymentHealthChecker(str(tmp_path / "x.toml")) as checker:
        await until(lambda: checker.get_deployment_status() is DeploymentStatus.READY)
        freeze(gateway.pid)
        await until(lambda: checker._snapshot.checks[0].check.failures > 10)
        assert checker.get_deployment_status() is DeploymentStatus.UNHEALTHY
        os.kill(gateway.pid, signal.SIGCONT)
        await until(lambda: checker.get_deployment_status() is DeploymentStatus.READY)
    assert await anyio.to_thread.run_sync(gateway.ask, "alive") == "alive"


@pytest.mark.anyio
async def test_it_may_be_entered_in_one_task_and_left_in_another(configure, serve):
    """As frameworks do with what lasts from start to shutdown."""
    server = await serve(answer(OK))
    checker = DeploymentHealthChecker(configure(server.url()))
    await asyncio.create_task(checker.__aenter__())
    assert await checker.check_readiness() is True
    await asyncio.create_task(checker.__aexit__(None, None, None))


@pytest.mark.anyio
@pytest.mark.parametrize("natively", [False, True])
async def test_cancelled_while_entering_it_leaves_nothing_behind(natively, configure, silent_port):
    """Whether by a cancel scope or by the task: no task of ours lives on."""
    before = asyncio.all_tasks()
    path = configure(f"http://127.0.0.1:{silent_port}/", *PATIENT)
    checker = DeploymentHealthChecker(path)
    entering = asyncio.create_task(checker.__aenter__())
    await until(lambda: checker._snapshot is not None)
    if natively:
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    else:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await entering
        assert entering.cancelled()
    assert asyncio.all_tasks() == before
    with pytest.raises(RuntimeError, match="cannot check"):
        checker.get_deployment_status()


@pytest.mark.anyio
async def test_a_block_that_is_cancelled_is_left_cleanly(configure, serve):
    """The cancellation goes through, and so does what the program raises."""
    server = await serve(answer(OK))
    before = asyncio.all_tasks()
    with anyio.CancelScope() as scope:
        async with DeploymentHealthChecker(configure(server.url())):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    with pytest.raises(ZeroDivisionError):
        async with DeploymentHealthChecker(configure(server.url())):
            raise ZeroDivisionError
    assert asyncio.all_tasks() == before


class Crashing(DeploymentHealthChecker):
    """Breaks down when it is told to."""

    broken = False

    def _publish(self, snapshot):
        if self.broken:
            raise ZeroDivisionError
        super()._publish(snapshot)


@pytest.mark.anyio
async def test_its_own_breakdown_does_not_cancel_the_program(configure, serve):
    """The block goes on; what broke is raised when it is left."""
    server = await serve(answer(OK))
    checker = Crashing(configure(server.url(), 'interval = "50ms"'))
    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012 - it is the block that raises, at its end
        async with checker:
            checker.broken = True
            await until(checker._task.done)
            assert await checker.check_liveness() is True
    assert raised.group_contains(ZeroDivisionError)


@pytest.mark.anyio
async def test_a_breakdown_at_the_entry_is_raised_there(configure, serve):
    """Nobody waits for a checker that cannot begin."""
    server = await serve(answer(OK))
    checker = Crashing(configure(server.url(), *PATIENT))
    checker.broken = True
    with anyio.move_on_after(20) as scope, pytest.raises(ZeroDivisionError):
        await checker.__aenter__()
    assert not scope.cancel_called


@pytest.mark.parametrize("run", [asyncio.run, lambda program: anyio.run(lambda: program)])
def test_it_runs_under_asyncio_and_under_anyio(run, configure):
    """In a program of either kind, from its first moment to its end."""

    async def program() -> bool:
        async with serving(answer(OK)) as server, DeploymentHealthChecker(configure(server.url())) as checker:
            return await checker.check_readiness()

    assert run(program()) is True
