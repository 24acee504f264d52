"""The ``postgres`` kind against real servers."""

import asyncio
from urllib.parse import quote

import anyio
import asyncpg
import pytest
from servers.looking import look
from servers.postgres import PASSWORD

from probes.postgres import KIND, PostgresProbe, Spec
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, Run, Target
from sidecar.core.verdict import Verdict

pytestmark = pytest.mark.anyio


@pytest.fixture
def probe_of(make_closed):
    """Make probes, which are closed at the end."""
    return lambda url, **keys: make_closed(KIND, url=url, **keys)


@pytest.fixture
async def operator(postgres_server):
    """Give a connection of somebody who tells the shared server what to do."""
    connection = await asyncpg.connect(postgres_server.socket_url)
    yield connection
    await connection.close()


async def look_until_cut_off(probe: PostgresProbe) -> None:
    """Look at somebody who does not answer, until the deadline."""
    with anyio.move_on_after(0.1) as scope:
        await probe.observe(Run())
    assert scope.cancelled_caught


def phases(verdict: Verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


async def sessions(operator) -> list[int]:
    """The server processes that serve probes."""
    rows = await operator.fetch("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sidecar %'")
    return [row["pid"] for row in rows]


async def test_a_server_that_answers_passes(postgres_server, probe_of):
    """The default query needs no table; connecting is timed apart, and the server's version noted."""
    verdict = await look(probe_of(postgres_server.url))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "the query is answered: found 1")
    assert phases(verdict) == ["connect", "query"]
    assert verdict.observation.notes["server_version"].startswith("18.")


async def test_the_connection_is_kept(postgres_server, probe_of, operator):
    """Further looks use the connection of the first one, which names itself to the server."""
    probe = probe_of(postgres_server.url)
    assert [phases(await look(probe)) for _ in range(3)] == [["connect", "query"], ["query"], ["query"]]
    names = await operator.fetch(
        "SELECT application_name, state FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    assert [row["state"] for row in names if row["application_name"] == "sidecar tested"] == ["idle"]


async def test_a_unix_socket(postgres_server, probe_of):
    """A server is reached by its socket in the file system, too."""
    assert (await look(probe_of(postgres_server.socket_url))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("query", "expect"),
    [
        ("SELECT 42", "42"),
        ("SELECT 'ready'", "ready"),
        ("SELECT NOT pg_is_in_recovery()", "true"),
        ("SELECT false", "false"),
        ("SELECT NULL", "null"),
        ("SELECT 1 WHERE false", "null"),
        ("SHOW transaction_read_only", "on"),
        ("SHOW statement_timeout", "10s"),
    ],
)
async def test_an_answer_that_is_expected(postgres_server, probe_of, query, expect):
    """The first value is compared as text. The transaction is read-only, and the server limits it as well."""
    assert (await look(probe_of(postgres_server.url, query=query, expect=expect))).outcome is Outcome.PASS


async def test_an_answer_that_is_not_expected(postgres_server, probe_of):
    """It fails and shows both; the connection is as good as before."""
    probe = probe_of(postgres_server.url, query="SELECT 41", expect="42")
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason == "the query gives 42: found 41"
    assert phases(await look(probe)) == ["query"]


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("CREATE TABLE t (n int)", "25006"),
        ("SELECT nonsense", "42703"),
        ("SELECT * FROM nowhere", "42P01"),
        ("SELEKT 1", "42601"),
        ("SELECT 1; SELECT 2", "42601"),
    ],
)
async def test_a_query_that_is_wrong(postgres_server, probe_of, query, state):
    """It is the probe that is misconfigured, and the reason tells how; writing is refused."""
    verdict = await look(probe_of(postgres_server.url, query=query))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert f"(SQLSTATE {state})" in verdict.reason


async def test_a_query_that_fails(postgres_server, probe_of):
    """An error in the data is the server's, and shown as the server words it."""
    verdict = await look(probe_of(postgres_server.url, query="SELECT 1 / 0"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason == "the query is answered: found division by zero (SQLSTATE 22012)"


async def test_a_user_without_the_right(postgres_server, probe_of, operator):
    """The reason says that a permission is missing."""
    await operator.execute("CREATE ROLE poor LOGIN PASSWORD 'x'")
    try:
        probe = probe_of(postgres_server.url_for("poor", "x"), query="SELECT * FROM pg_authid")
        verdict = await look(probe)
        await probe.aclose()
    finally:
        await operator.execute("DROP ROLE poor")
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert "42501" in verdict.reason


@pytest.mark.parametrize(
    ("credentials", "state"),
    [
        ({"password": "wr0ng"}, "28P01"),
        ({"password": ""}, "28P01"),
        ({"user": "nobody"}, "28P01"),
        ({"database": "nowhere"}, "3D000"),
    ],
)
async def test_credentials_that_are_wrong(postgres_server, probe_of, credentials, state):
    """It is the probe's configuration that is wrong, and the reason does not show the password."""
    verdict = await look(probe_of(postgres_server.url_for(**credentials)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert f"(SQLSTATE {state})" in verdict.reason
    assert "wr0ng" not in repr(verdict)
    assert PASSWORD not in repr(verdict)


@pytest.mark.parametrize(
    "parameters", ["colour=red", "sslmode=maybe", "sslmode=verify-full&sslrootcert=", "target_session_attrs=none"]
)
async def test_parameters_that_are_wrong(postgres_server, probe_of, parameters, monkeypatch, tmp_path):
    """What neither asyncpg nor the server understands is the configuration's fault."""
    monkeypatch.setenv("HOME", str(tmp_path))
    verdict = await look(probe_of(f"{postgres_server.url}?{parameters}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)


async def test_a_server_without_room(own_postgres, probe_of):
    """Beyond ``max_connections`` nobody is served."""
    others = [await asyncpg.connect(own_postgres.socket_url) for _ in range(4)]
    verdict = await look(probe_of(own_postgres.url))
    for other in others:
        await other.close()
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "53300" in verdict.reason


async def test_a_server_that_is_down_and_comes_back(own_postgres, probe_of):
    """Nobody listens: refused. As soon as somebody does, it passes."""
    probe = probe_of(own_postgres.url)
    await look(probe)
    own_postgres.stop()
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)
    assert verdict.reason == f"a connection to 127.0.0.1:{own_postgres.port} is accepted: found connection refused"
    own_postgres.start()
    assert (await look(probe)).outcome is Outcome.PASS


async def test_a_restart_between_two_looks_is_no_failure(own_postgres, probe_of):
    """The kept connection has died with the old server, and is replaced before anything is concluded."""
    probe = probe_of(own_postgres.url)
    await look(probe)
    own_postgres.stop()
    own_postgres.start()
    verdict = await look(probe)
    assert (verdict.outcome, phases(verdict)) == (Outcome.PASS, ["connect", "query"])


async def test_a_connection_closed_by_the_server_is_no_failure(postgres_server, probe_of, operator):
    """Servers and poolers close connections that are idle."""
    probe = probe_of(postgres_server.url)
    await look(probe)
    await operator.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name LIKE 'sidecar %'"
    )
    verdict = await look(probe)
    assert (verdict.outcome, phases(verdict)) == (Outcome.PASS, ["connect", "query"])


async def test_a_server_that_is_stopping(own_postgres, probe_of):
    """A server that waits for its clients to leave admits no new ones, and says so."""
    staying = await asyncpg.connect(own_postgres.socket_url)
    own_postgres.ask_to_stop_when_idle()
    probe = probe_of(own_postgres.url)
    while (verdict := await look(probe)).outcome is Outcome.PASS:
        await probe.aclose()
        probe = probe_of(own_postgres.url)
    await staying.close()
    assert verdict.outcome is Outcome.FAIL
    assert "57P03" in verdict.reason


async def test_a_frozen_server(own_postgres, probe_of):
    """The deadline ends the look, on a kept connection and on a fresh one. Afterwards all is as before."""
    probe = probe_of(own_postgres.url)
    await look(probe)
    own_postgres.freeze()
    await look_until_cut_off(probe)
    await look_until_cut_off(probe)
    own_postgres.thaw()
    verdict = await look(probe)
    assert (verdict.outcome, phases(verdict)) == (Outcome.PASS, ["connect", "query"])


async def test_a_frozen_server_does_not_delay_the_end(own_postgres, probe_of):
    """When the polite leave-taking is cancelled, the connection is cut."""
    probe = probe_of(own_postgres.url)
    await look(probe)
    own_postgres.freeze()
    with anyio.move_on_after(0.05) as scope:
        await probe.aclose()
    assert scope.cancelled_caught
    own_postgres.thaw()


async def test_a_server_that_accepts_and_hangs(silent_port, probe_of):
    """The deadline ends the look, in plain and where TLS is asked for."""
    for mode in ("disable", "prefer", "require"):
        await look_until_cut_off(probe_of(f"postgresql://u:p@127.0.0.1:{silent_port}/d?sslmode={mode}"))


async def test_a_query_that_takes_too_long(postgres_server, probe_of, operator):
    """A look that was cut off leaves nothing running: the server ends the query by itself."""
    probe = probe_of(postgres_server.url, timeout=1.0, query="SELECT pg_sleep(3600)")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as looking:
            looking.start_soon(probe.observe, Run())
            while not await sessions(operator):
                await operator.execute("SELECT pg_sleep(0.01)")
            looking.cancel_scope.cancel()
        while await sessions(operator):
            await operator.execute("SELECT pg_sleep(0.01)")


async def test_a_query_that_the_server_cancels(postgres_server, probe_of):
    """Should the server's limit come first, the reason says what happened."""
    verdict = await look(probe_of(postgres_server.url, timeout=0.05, query="SELECT pg_sleep(3600)"), within=30)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)
    assert "57014" in verdict.reason


@pytest.mark.parametrize("mode", ["disable", "require"])
async def test_a_server_of_another_protocol(probe_of, mode):
    """A web server is no PostgreSQL."""

    async def answer(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        verdict = await look(probe_of(f"postgresql://u:hidden@127.0.0.1:{port}/d?sslmode={mode}"))
    assert verdict.outcome is Outcome.FAIL
    assert "hidden" not in repr(verdict)


async def test_tls(postgres_server, start_tls, certificates, probe_of):
    """The parameters of libpq for TLS are obeyed, and the connection is kept in TLS as well."""
    front = start_tls(postgres_server.port, certificates.good(), postgres=True)
    parameters = f"sslmode=verify-full&sslrootcert={quote(str(certificates.ca_file))}"
    url = postgres_server.url.replace(f"127.0.0.1:{postgres_server.port}", f"localhost:{front.port}")
    probe = probe_of(f"{url}?{parameters}")
    assert [(await look(probe)).outcome for _ in range(2)] == [Outcome.PASS, Outcome.PASS]


async def test_tls_with_a_certificate_that_is_not_valid(postgres_server, start_tls, certificates, probe_of):
    """The reason says what is wrong with it."""
    front = start_tls(postgres_server.port, certificates.expired(), postgres=True)
    parameters = f"sslmode=verify-full&sslrootcert={quote(str(certificates.ca_file))}"
    verdict = await look(probe_of(f"postgresql://postgres:x@localhost:{front.port}/postgres?{parameters}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "certificate has expired" in verdict.reason


async def test_tls_that_the_server_does_not_offer(postgres_server, probe_of):
    """A server without TLS refuses it, and the reason names the parameter."""
    verdict = await look(probe_of(f"{postgres_server.url}?sslmode=require"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "sslmode" in verdict.reason


async def test_certificates_that_cannot_be_read(postgres_server, probe_of, tmp_path):
    """It is the sidecar that is at fault, so nothing is said about the server."""
    missing = quote(str(tmp_path / "none.pem"))
    verdict = await look(probe_of(f"{postgres_server.url}?sslmode=verify-full&sslrootcert={missing}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:hidden@h/d", "another scheme"),
        ("postgresql://u:hid@den@h/d", "special characters"),
        ("postgresql://u:hidden/x@h/d", "special characters"),
        ("postgresql://u:hidden#x@h/d", "special characters"),
        ("postgresql://u:hidden@h:port/d", "cannot be read"),
        ("postgresql://u:hidden@[::1/d", "cannot be read"),
        ("postgresql://u:hidden@h/d?sslmode", "cannot be read"),
    ],
)
async def test_urls_that_cannot_be_used(url, words):
    """They are errors of the configuration, which do not show the password."""
    with pytest.raises(ValueError, match=words) as caught:
        Spec(url=url)
    assert "hid" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://h",
        "postgresql:///d?host=/tmp",
        "postgresql://u:p%40@h1:5432,h2:5433/d?target_session_attrs=read-write",
        "postgresql://u@[::1]:5432/d",
        "postgresql://u@%2Fvar%2Frun/d",
    ],
)
async def test_urls_that_can_be_used(url):
    """Several hosts, sockets, and IPv6 are understood."""
    assert Spec(url=url).query == "SELECT 1"


async def test_what_a_failure_means_by_default():
    """Without its database the gateway is not ready, but a restart would not help."""
    assert (KIND.on_failure, KIND.target(Spec(url="postgres://h"), GatewayPlan())) == (
        OnFailure.UNREADY,
        Target.UPSTREAM,
    )


async def test_the_end_of_the_kept_connection_asks_for_a_look_at_once(own_postgres, probe_of):
    """A server that dies between two looks is noticed then, not at the next tick; with the tripwire off it is not."""
    noticed = anyio.Event()
    probe = probe_of(own_postgres.url, look_again=noticed.set)
    deaf = probe_of(own_postgres.url, tripwire=False, look_again=lambda: pytest.fail("the tripwire is off"))
    assert (await look(probe)).outcome is Outcome.PASS
    assert (await look(deaf)).outcome is Outcome.PASS
    assert not noticed.is_set()
    own_postgres.stop()
    with anyio.fail_after(20):
        await noticed.wait()
    assert (await look(probe)).outcome is Outcome.FAIL
    await deaf.aclose()


async def test_closing_by_ourselves_asks_for_nothing(postgres_server, probe_of):
    """The tripwire tells of the server's doing, not of ours."""
    probe = probe_of(postgres_server.url, look_again=lambda: pytest.fail("we closed it ourselves"))
    assert (await look(probe)).outcome is Outcome.PASS
    await probe.aclose()
    await anyio.wait_all_tasks_blocked()
