"""What the ``postgres`` kind finds out of a server besides its answer, against a real primary and its standby."""

import anyio
import asyncpg
import pytest
from servers.looking import look

from probes.postgres import KIND
from sidecar.contract import Evidence, Outcome
from sidecar.core.verdict import Verdict

pytestmark = pytest.mark.anyio


@pytest.fixture
def probe_of(make_closed):
    """Make probes, which are closed at the end."""
    return lambda server, url=None, **keys: make_closed(KIND, url=url or server.url, **keys)


@pytest.fixture
async def operator(postgres_pair):
    """Give a connection of somebody who tells the shared primary what to do."""
    connection = await asyncpg.connect(postgres_pair.primary.socket_url)
    yield connection
    await connection.close()


@pytest.fixture
async def paused(postgres_pair):
    """Let the shared standby receive without replaying."""
    connection = await asyncpg.connect(postgres_pair.standby.socket_url)
    await connection.execute("SELECT pg_wal_replay_pause()")
    yield
    await connection.execute("SELECT pg_wal_replay_resume()")
    await connection.close()


@pytest.fixture
async def poor(operator):
    """Give the credentials of a user without any right; both servers know it."""
    await operator.execute("CREATE ROLE poor LOGIN PASSWORD 'x'")
    yield {"user": "poor", "password": "x"}
    await operator.execute("DROP ROLE poor")


async def look_until(probe, outcome: Outcome, **notes: float) -> Verdict:
    """Look until there is this outcome with these notes: replication, time, and ended sessions tell of no event."""
    with anyio.fail_after(30):
        while True:
            verdict = await look(probe)
            if verdict.outcome is outcome and notes.items() <= verdict.observation.notes.items():
                return verdict
            await anyio.sleep(0.02)


def phases(verdict: Verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


async def test_a_primary_takes_writes(postgres_pair, probe_of):
    """The figures come over the connection that is kept, and the role is noted."""
    probe = probe_of(postgres_pair.primary, writable=True)
    verdicts = [await look(probe) for _ in range(2)]
    assert {(verdict.outcome, verdict.reason) for verdict in verdicts} == {
        (Outcome.PASS, "the server takes writes: found a primary")
    }
    assert [phases(verdict) for verdict in verdicts] == [["connect", "query"], ["query"]]
    assert verdicts[0].observation.notes["role"] == "primary"


async def test_a_standby_takes_none(postgres_pair, probe_of):
    """Where reading is all that is wanted, that is as it should be."""
    verdict = await look(probe_of(postgres_pair.standby, writable=False))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "the server takes no writes: found a standby")


@pytest.mark.parametrize(
    ("server", "writable", "reason"),
    [
        ("standby", True, "the server takes writes: found a standby"),
        ("primary", False, "the server takes no writes: found a primary"),
    ],
)
async def test_the_wrong_server(postgres_pair, probe_of, server, writable, reason):
    """It fails, and the way to the server is sought anew at each look."""
    probe = probe_of(getattr(postgres_pair, server), writable=writable)
    for _ in range(2):
        verdict = await look(probe)
        assert (verdict.outcome, verdict.evidence, verdict.reason) == (Outcome.FAIL, Evidence.WRONG, reason)
        assert phases(verdict) == ["connect", "query"]


async def test_a_primary_that_is_set_to_read_only(postgres_pair, probe_of, operator):
    """Some providers do so when the disk is full."""
    await operator.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        verdict = await look(probe_of(postgres_pair.primary, writable=True))
    finally:
        await operator.execute("ALTER ROLE postgres RESET default_transaction_read_only")
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "the server takes writes: found a primary, with default_transaction_read_only on"


async def test_a_promotion(own_postgres_pair, probe_of):
    """The standby becomes a primary, and is recognised as one."""
    probe = probe_of(own_postgres_pair.standby, writable=True)
    assert (await look(probe)).outcome is Outcome.FAIL
    connection = await asyncpg.connect(own_postgres_pair.standby.socket_url)
    assert await connection.fetchval("SELECT pg_promote()")
    await connection.close()
    assert (await look(probe)).outcome is Outcome.PASS


async def test_a_standby_that_keeps_up(postgres_pair, probe_of, operator):
    """When it has replayed all there is, it is not behind, however long ago that was."""
    await operator.execute("SELECT txid_current()")
    probe = probe_of(postgres_pair.standby, lag=60)
    verdict = await look_until(probe, Outcome.PASS, lag=0)
    assert verdict.reason == "the standby is at most 60 s behind: found 0.0 s"


@pytest.mark.usefixtures("paused")
async def test_a_standby_that_lags(postgres_pair, probe_of, operator):
    """What it has received but not replayed counts from the last commit that it has replayed."""
    await operator.execute("SELECT txid_current()")
    verdict = await look_until(probe_of(postgres_pair.standby, lag=0.1), Outcome.WARN)
    assert verdict.reason.startswith("the standby is at most 0.1 s behind: found ")
    assert verdict.reason.endswith(" s")


async def test_a_standby_that_has_lost_its_primary(own_postgres_pair, probe_of):
    """Nobody knows what it misses: the time since the last commit counts, and the reason says so."""
    connection = await asyncpg.connect(own_postgres_pair.primary.socket_url)
    await connection.execute("SELECT txid_current()")
    await connection.close()
    probe = probe_of(own_postgres_pair.standby, lag=1)
    await look_until(probe, Outcome.PASS)
    own_postgres_pair.primary.stop()
    verdict = await look_until(probe, Outcome.WARN)
    assert verdict.reason.startswith("the standby is at most 1 s behind: found ")
    assert verdict.reason.endswith(" s, and nothing received from the primary")


async def test_a_primary_whose_standby_keeps_up(postgres_pair, probe_of):
    """How many follow is noted."""
    verdict = await look_until(probe_of(postgres_pair.primary, lag=60), Outcome.PASS)
    assert verdict.observation.notes["standbys"] == 1


@pytest.mark.usefixtures("paused")
async def test_a_primary_whose_standby_lags(postgres_pair, probe_of, operator):
    """The primary knows how long the standby takes."""
    probe = probe_of(postgres_pair.primary, lag=0.1)
    with anyio.fail_after(30):
        while (verdict := await look(probe)).outcome is not Outcome.WARN:
            await operator.execute("SELECT txid_current()")
    assert verdict.reason.startswith("the slowest standby is at most 0.1 s behind: found ")


async def test_a_primary_that_nobody_follows(postgres_server, probe_of):
    """Where a lag is limited, somebody is expected to follow."""
    verdict = await look(probe_of(postgres_server, lag=60))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.WARN,
        "the slowest standby is at most 60 s behind: found no standby",
    )


async def test_connections_that_are_left(postgres_pair, probe_of):
    """Ordinary users have what the superuser's reserve leaves; it warns when too few are left."""
    probe = probe_of(postgres_pair.primary, connections_left=3)
    before = await look_until(probe, Outcome.PASS, connections_left=11)
    others = [await asyncpg.connect(postgres_pair.primary.socket_url) for _ in range(9)]
    verdict = await look(probe)
    for other in others:
        await other.close()
    assert (before.outcome, before.reason) == (Outcome.PASS, "at least 3 connections are left: found 11 of 12")
    assert (verdict.outcome, verdict.reason) == (Outcome.WARN, "at least 3 connections are left: found 2 of 12")


async def test_a_user_without_any_right(postgres_pair, probe_of, poor):
    """Such a user learns everything but how far a primary's standbys are, and is told what that needs."""
    primary, standby = postgres_pair
    probe = probe_of(primary, primary.url_for(**poor), writable=True, connections_left=3)
    await look_until(probe, Outcome.PASS, connections_left=10)  # of 12: this one, and the operator's
    verdict = await look(probe_of(primary, primary.url_for(**poor), lag=60))
    assert verdict.outcome is Outcome.WARN
    assert verdict.reason.endswith("found no permission to see it: GRANT pg_monitor to the user")
    probe = probe_of(standby, standby.url_for(**poor), writable=False, lag=60)
    with anyio.fail_after(30):
        while (verdict := await look(probe)).evidence is Evidence.MISCONFIGURED:
            pass  # the user has not yet come to the standby
    assert verdict.outcome is Outcome.PASS


async def test_a_server_that_does_not_tell(postgres_pair, probe_of, operator, poor):
    """Servers that only resemble PostgreSQL have no such functions, or deny them: the reason names the keys."""
    await operator.execute("REVOKE EXECUTE ON FUNCTION pg_is_in_recovery() FROM PUBLIC")
    try:
        verdict = await look(probe_of(None, postgres_pair.primary.url_for(**poor), writable=True))
    finally:
        await operator.execute("GRANT EXECUTE ON FUNCTION pg_is_in_recovery() TO PUBLIC")
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == (
        "the server tells what 'writable', 'lag' and 'connections_left' ask for: "
        "found permission denied for function pg_is_in_recovery (SQLSTATE 42501)"
    )
