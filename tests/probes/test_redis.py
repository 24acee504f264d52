"""The ``redis`` kind against real servers."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest
import redis
from servers.looking import look

from probes.redis import KIND, RedisProbe, Spec
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, Run, Target
from sidecar.core.verdict import Verdict

pytestmark = pytest.mark.anyio


@pytest.fixture
def probe_of(make_closed):
    """Make probes, which are closed at the end."""
    return lambda url, **keys: make_closed(KIND, url=url, **keys)


async def look_until_cut_off(probe: RedisProbe) -> None:
    """Look at somebody who does not answer, until the deadline."""
    with anyio.move_on_after(0.05) as scope:
        await probe.observe(Run())
    assert scope.cancelled_caught


def phases(verdict: Verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


@pytest.fixture
def tls_front(redis_server, start_tls):
    """Put TLS in front of the shared server."""
    return lambda context: start_tls(redis_server.port, context)


def operator(server, **options) -> redis.Redis:
    """Somebody who tells the server what to do."""
    return redis.Redis(port=server.port, decode_responses=True, **options)


def answers(client: redis.Redis) -> bool:
    """Whether the server does what it is told, instead of telling that it is busy."""
    try:
        return client.ping()
    except redis.ResponseError:
        return False


@asynccontextmanager
async def saying(*replies: bytes):
    """Serve on loopback: say the next reply to whatever is asked, in any connection, then keep silent."""
    rest = list(replies)
    writers = []

    async def serve(reader, writer):
        writers.append(writer)
        while await reader.read(4096) and rest:
            writer.write(rest.pop(0))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for writer in writers:
            writer.transport.abort()


async def test_a_server_that_answers_passes(redis_server, probe_of):
    """PING is answered with PONG; connecting is timed apart."""
    verdict = await look(probe_of(redis_server.url))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "PING is answered with PONG: found PONG")
    assert phases(verdict) == ["connect", "ping"]


async def test_the_connection_is_kept(start_redis, probe_of):
    """Further looks use the connection of the first one."""
    server = start_redis()
    probe = probe_of(server.url)
    assert [phases(await look(probe)) for _ in range(3)] == [["connect", "ping"], ["ping"], ["ping"]]
    with operator(server) as client:
        assert len(client.client_list()) == 2  # the probe's and the operator's own


async def test_a_unix_socket(redis_server, probe_of):
    """A server is reached by its socket in the file system, too."""
    assert (await look(probe_of(f"unix://{redis_server.socket}"))).outcome is Outcome.PASS


async def test_a_user_who_may_only_ping(redis_server, probe_of):
    """No further right is needed, so that the probe's credential can be the least there is."""
    probe = probe_of(redis_server.url.replace("//", "//health:secret@"))
    assert [(await look(probe)).outcome for _ in range(2)] == [Outcome.PASS, Outcome.PASS]


async def test_the_parameters_of_redis_py(start_redis, probe_of):
    """Parameters in the URL are obeyed, and those of connection pools do no harm."""
    server = start_redis()
    probe = probe_of(f"{server.url}/2?client_name=watcher&max_connections=5&timeout=1&socket_timeout=1&protocol=3")
    assert (await look(probe)).outcome is Outcome.PASS
    with operator(server) as client:
        first = next(iter(client.client_list()))
        assert (first["name"], first["db"]) == ("watcher", "2")


@pytest.mark.parametrize("place", ["redis://health:wr0ng@127.0.0.1:{port}", "unix://health:wr0ng@{socket}"])
async def test_a_wrong_password(redis_server, probe_of, place):
    """It is the probe's configuration that is wrong, and the reason does not show the password."""
    verdict = await look(probe_of(place.format(port=redis_server.port, socket=redis_server.socket)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.startswith("the credentials are accepted: found they are missing or wrong")
    assert "wr0ng" not in repr(verdict)


async def test_a_missing_password(start_redis, probe_of):
    """A server that wants a password says so only when it is asked."""
    verdict = await look(probe_of(start_redis("--requirepass", "x").url))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)


async def test_a_password_that_nobody_asked_for(start_redis, probe_of):
    """A server without a password refuses one."""
    verdict = await look(probe_of(start_redis().url.replace("//", "//:secret@")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.startswith("the credentials are accepted")


async def test_a_user_who_may_not_ping(start_redis, probe_of):
    """The reason tells how to grant it."""
    server = start_redis("--user", "poor", "on", ">x", "+get")
    verdict = await look(probe_of(server.url.replace("//", "//poor:x@")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert "ACL SETUSER" in verdict.reason


async def test_a_database_that_does_not_exist(redis_server, probe_of):
    """A number out of range is the configuration's fault."""
    verdict = await look(probe_of(f"{redis_server.url}/99"))
    assert (verdict.evidence, verdict.reason) == (
        Evidence.MISCONFIGURED,
        "the database in url exists: found a number out of range: correct it in url",
    )


async def test_a_server_that_is_down_and_comes_back(start_redis, probe_of):
    """Nobody listens: refused. As soon as somebody does, it passes."""
    server = start_redis()
    probe = probe_of(server.url)
    await look(probe)
    server.stop()
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)
    assert verdict.reason == f"a connection to 127.0.0.1:{server.port} is accepted: found connection refused"
    server.start()
    assert (await look(probe)).outcome is Outcome.PASS


async def test_a_socket_file_that_is_not_there(tmp_path, probe_of):
    """Its server is not there either."""
    verdict = await look(probe_of(f"unix://{tmp_path}/none.sock"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)


async def test_a_restart_between_two_looks_is_no_failure(start_redis, probe_of):
    """The kept connection has died with the old server, and is replaced before anything is concluded."""
    server = start_redis()
    probe = probe_of(server.url)
    await look(probe)
    server.stop()
    server.start()
    verdict = await look(probe)
    assert (verdict.outcome, phases(verdict)) == (Outcome.PASS, ["connect", "ping"])


async def test_a_connection_closed_by_the_server_is_no_failure(start_redis, probe_of):
    """Servers close connections that are idle."""
    server = start_redis()
    probe = probe_of(server.url)
    await look(probe)
    with operator(server) as client:
        client.client_kill_filter(_type="normal")
    verdict = await look(probe)
    assert (verdict.outcome, phases(verdict)) == (Outcome.PASS, ["connect", "ping"])


async def test_a_server_that_hangs_up_on_everybody(probe_of):
    """A fresh connection that is closed before an answer is a failure without a reply."""

    async def hang_up(_, writer):
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        verdict = await look(probe_of(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)


async def test_a_frozen_server(start_redis, probe_of):
    """The deadline ends the look. The late answer to it is never taken for the answer to a later one."""
    server = start_redis()
    probe = probe_of(server.url)
    await look(probe)
    server.freeze()
    await look_until_cut_off(probe)
    await look_until_cut_off(probe)
    server.thaw()
    verdict = await look(probe)
    assert (verdict.outcome, phases(verdict)) == (Outcome.PASS, ["connect", "ping"])


async def test_a_server_that_accepts_and_hangs(silent_port, probe_of):
    """The deadline ends the look, connected or not, in plain and in TLS."""
    for scheme in ("redis", "rediss"):
        await look_until_cut_off(probe_of(f"{scheme}://:secret@127.0.0.1:{silent_port}"))


async def test_half_a_reply_never_meets_the_next_ping(probe_of):
    """A connection on which a reply was cut off is cut as well."""
    async with saying(b"+PO", b"+PONG\r\n") as url:
        probe = probe_of(url)
        await look_until_cut_off(probe)
        assert (await look(probe)).outcome is Outcome.PASS


async def test_a_server_of_another_protocol(probe_of):
    """A web server is no Redis, and the reason shows what it said."""
    async with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        verdict = await look(probe_of(url))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "speaks the Redis protocol" in verdict.reason
    assert "HTTP/1.1 400" in verdict.reason


@pytest.mark.parametrize("reply", [b"$x\r\n", b"*1\r\n" * 5000, b"+" * 200_000, b"\xff\xfe\r\n"])
async def test_nonsense(probe_of, reply):
    """Replies that cannot be read, nest without end, or whose line never ends are failures, not crashes."""
    async with saying(reply) as url:
        verdict = await look(probe_of(url))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)


async def test_another_answer_than_pong(probe_of):
    """Whatever else is answered is shown, and the connection is not used again."""
    async with saying(b"+GNOP\r\n", b"+PONG\r\n") as url:
        probe = probe_of(url)
        assert (await look(probe)).reason == "PING is answered with PONG: found GNOP"
        assert phases(await look(probe)) == ["connect", "ping"]


async def test_an_error_that_repeats_the_password(probe_of):
    """Servers that do not know AUTH repeat what was sent; the reason does not."""
    echo = b"-ERR unknown command `AUTH`, with args beginning with: `health`, `s3cret`\r\n"
    for reply in (echo, b"-ERR s3cret is no command\r\n"):
        async with saying(reply) as url:
            verdict = await look(probe_of(url.replace("//", "//health:s3cret@")))
        assert verdict.outcome is Outcome.FAIL
        assert "s3cret" not in repr(verdict)


async def test_a_replica_without_its_master(start_redis, probe_of, free_port):
    """It refuses PING when it must not serve stale data."""
    server = start_redis("--replicaof", f"127.0.0.1 {free_port}", "--replica-serve-stale-data", "no")
    verdict = await look(probe_of(server.url))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "MASTERDOWN" in verdict.reason


async def test_a_server_that_cannot_save(start_redis, probe_of, tmp_path):
    """It refuses writes, and PING with them."""
    server = start_redis("--save", "3600 1", "--enable-protected-configs", "local")
    probe = probe_of(server.url)
    assert (await look(probe)).outcome is Outcome.PASS
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    with operator(server) as client:
        client.config_set("dir", str(doomed))
        doomed.rmdir()
        with pytest.raises(redis.ResponseError):
            client.save()
        client.bgsave()
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            pass
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "MISCONF" in verdict.reason


async def test_a_server_without_room(start_redis, probe_of):
    """Beyond ``maxclients`` nobody is served."""
    server = start_redis("--maxclients", "1")
    with operator(server) as client:
        client.ping()
        verdict = await look(probe_of(server.url))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "maxclients" in verdict.reason


async def test_a_server_that_loads_its_data(start_redis, probe_of):
    """It listens while it reads its data into memory, and refuses PING until it is done."""
    server = start_redis()
    with operator(server) as client:
        client.mset({f"key:{number}": "x" * 100 for number in range(1000)})
        client.save()
    server.stop()
    slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    server = start_redis(*slowly, says="Loading RDB")
    while (verdict := await look(probe_of(server.url))).evidence is Evidence.REFUSED:
        pass
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "LOADING" in verdict.reason


async def test_a_server_blocked_by_a_script(start_redis, probe_of):
    """The reason tells how to end the script."""
    server = start_redis("--busy-reply-threshold", "1")
    probe = probe_of(server.url)
    await look(probe)
    with operator(server) as client, operator(server) as other:
        script = client.connection_pool.get_connection()
        script.send_command("EVAL", "while true do end", 0)
        while answers(other):
            pass
        verdict = await look(probe)
        other.script_kill()
        script.disconnect()
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "SCRIPT KILL" in verdict.reason


async def test_tls_with_a_certificate_that_is_trusted(tls_front, certificates, probe_of):
    """The connection is kept in TLS as well."""
    front = tls_front(certificates.good())
    probe = probe_of(f"rediss://health:secret@localhost:{front.port}", tls_ca_file=str(certificates.ca_file))
    assert [(await look(probe)).outcome for _ in range(2)] == [Outcome.PASS, Outcome.PASS]


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("expired", "certificate has expired"),
        ("of_another_name", "Hostname mismatch"),
        ("of_another_authority", "unable to get local issuer certificate"),
    ],
)
async def test_tls_with_a_certificate_that_is_not_valid(certificate, words, certificates, tls_front, probe_of):
    """The reason says what is wrong with it; ``tls_verify = false`` takes it as it is."""
    front = tls_front(getattr(certificates, certificate)())
    url = f"rediss://localhost:{front.port}"
    verdict = await look(probe_of(url, tls_ca_file=str(certificates.ca_file)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert words in verdict.reason
    assert (await look(probe_of(url, tls_verify=False))).outcome is Outcome.PASS


async def test_tls_on_one_side_only(redis_server, tls_front, certificates, probe_of):
    """A plain server waits for the end of a line, until the deadline; one that speaks TLS hangs up."""
    await look_until_cut_off(probe_of(f"rediss://127.0.0.1:{redis_server.port}", tls_verify=False))
    front = tls_front(certificates.good())
    verdict = await look(probe_of(f"redis://127.0.0.1:{front.port}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)


async def test_a_frozen_server_behind_tls(start_redis, start_tls, certificates, probe_of):
    """No farewell is waited for: nothing is left open."""
    server = start_redis()
    front = start_tls(server.port, certificates.good())
    probe = probe_of(f"rediss://localhost:{front.port}", tls_ca_file=str(certificates.ca_file))
    await look(probe)
    server.freeze()
    await look_until_cut_off(probe)
    server.thaw()
    assert phases(await look(probe)) == ["connect", "ping"]


async def test_certificates_that_cannot_be_read(redis_server, probe_of, tmp_path):
    """It is the sidecar that is at fault, so nothing is said about the server."""
    verdict = await look(probe_of(f"rediss://127.0.0.1:{redis_server.port}", tls_ca_file=str(tmp_path / "none.pem")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert "none.pem" in verdict.reason


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "http://:hidden@h"}, "another scheme"),
        ({"url": "redis://u:hidden/x@h"}, "special characters"),
        ({"url": "redis://u:hidden#x@h"}, "special characters"),
        ({"url": "redis://:hidden@h:70000"}, "cannot be read"),
        ({"url": "redis://:hidden@h/zero"}, "cannot be read"),
        ({"url": "redis://:hidden@h?db=zero"}, "cannot be read"),
        ({"url": "redis://:hidden@h?colour=red"}, "parameter colour"),
        ({"url": "rediss://:hidden@h?ssl_cert_reqs=maybe"}, "refuses"),
        ({"url": "redis://:hidden@h", "tls_ca_file": "ca.pem"}, "tls_ca_file"),
        ({"url": "redis://:hidden@h", "tls_verify": False}, "tls_verify"),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration, which do not show the password."""
    with pytest.raises(ValueError, match=words) as caught:
        Spec(**keys)
    assert "hidden" not in str(caught.value)


async def test_what_a_failure_means_by_default():
    """A cache that fails degrades the service."""
    assert (KIND.on_failure, KIND.target(Spec(url="redis://h"), GatewayPlan())) == (OnFailure.DEGRADE, Target.UPSTREAM)


async def test_the_end_of_the_kept_connection_asks_for_a_look_at_once(start_redis, probe_of):
    """A server that dies between two looks is noticed then, not at the next tick; with the tripwire off it is not."""
    server = start_redis()
    noticed = anyio.Event()
    probe = probe_of(server.url, look_again=noticed.set)
    deaf = probe_of(server.url, tripwire=False, look_again=lambda: pytest.fail("the tripwire is off"))
    assert (await look(probe)).outcome is Outcome.PASS
    assert (await look(deaf)).outcome is Outcome.PASS
    server.stop()
    with anyio.fail_after(20):
        await noticed.wait()
    assert (await look(probe)).outcome is Outcome.FAIL
    await deaf.aclose()
