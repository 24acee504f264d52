"""What the ``redis`` kind asks besides PING, against real servers."""

import pytest
import redis
from servers.http import Peer
from servers.looking import look

from probes.redis import KIND
from sidecar.contract import Evidence, Outcome

pytestmark = pytest.mark.anyio

EVERYTHING = {"roundtrip": True, "memory": 90, "evictions": True, "role": "master"}


@pytest.fixture
def probe_of(make_closed):
    """Make probes, which are closed at the end."""
    return lambda url, **keys: make_closed(KIND, url=url, **keys)


def operator(server, **options) -> redis.Redis:
    """Somebody who tells the server what to do."""
    return redis.Redis(port=server.port, decode_responses=True, **options)


def answering(*replies: bytes):
    """Answer whatever is asked, piece after piece, in one connection, then keep silent."""

    async def script(peer: Peer) -> None:
        for reply in replies:
            await peer.hear()
            await peer.say(reply)
        await peer.until_hung_up()

    return script


def url_of(server) -> str:
    """Where a scripted server listens."""
    return f"redis://127.0.0.1:{server.port}"


def bulk(text: str) -> bytes:
    """Write a bulk string."""
    return b"$%d\r\n%s\r\n" % (len(text), text.encode())


async def test_everything_at_once(start_redis, probe_of):
    """All questions travel in one round trip over the connection that is kept; figures are noted."""
    probe = probe_of(start_redis("--maxmemory", "50mb").url, **EVERYTHING)
    verdicts = [await look(probe) for _ in range(2)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS, Outcome.PASS]
    assert [[phase.name for phase in verdict.observation.phases] for verdict in verdicts] == [
        ["connect", "replies"],
        ["replies"],
    ]
    notes = verdicts[1].observation.notes
    assert (notes["role"], notes["evicted_keys"], notes["maxmemory"]) == ("master", 0, 50 << 20)


async def test_the_key_expires_by_itself(start_redis, probe_of):
    """Each replica of the sidecar writes one key, a new value at each look, and leaves nothing for ever."""
    server = start_redis()
    probes = [probe_of(server.url, roundtrip=True, key_prefix="health:") for _ in range(2)]
    with operator(server) as client:
        assert {(await look(probe)).outcome for probe in probes} == {Outcome.PASS}
        first = {key: client.get(key) for key in client.scan_iter()}
        assert {(await look(probe)).outcome for probe in probes} == {Outcome.PASS}
        second = {key: client.get(key) for key in client.scan_iter()}
        assert first.keys() == second.keys()
        assert not set(first.values()) & set(second.values())
        assert all(key.startswith("health:") and 0 < client.ttl(key) <= 20 for key in first)


async def test_a_value_that_does_not_come_back(serve, probe_of):
    """A server that stores something else, or nothing, fails, and is not asked over the same connection again."""
    for read in (b"$-1\r\n", bulk("another")):
        server = await serve(answering(b"+PONG\r\n+OK\r\n" + read))
        verdict = await look(probe_of(url_of(server), roundtrip=True))
        assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
        assert verdict.reason.startswith("a key can be written and read back: found ")


async def test_a_user_with_just_the_rights(start_redis, probe_of):
    """The rights that the documentation names are enough."""
    server = start_redis("--maxmemory", "50mb")
    with operator(server) as client:
        client.execute_command("ACL", "SETUSER", "health", "+info", "~sidecar:*", "+set", "+get")
    probe = probe_of(server.url.replace("//", "//health:secret@"), **EVERYTHING)
    assert (await look(probe)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("keys", "right"),
    [
        ({"roundtrip": True}, "~sidecar:* +set +get"),
        ({"memory": 90}, "+info"),
        ({"evictions": True}, "+info"),
        ({"lag": 60}, "+info"),
    ],
)
async def test_a_user_without_the_right(redis_server, probe_of, keys, right):
    """The reason tells which one is missing; PING has passed all the same."""
    verdict = await look(probe_of(redis_server.url.replace("//", "//health:secret@"), **keys))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.endswith(f"grant it with ACL SETUSER <user> {right}")
    assert verdict.observation.findings[0].holds


async def test_memory_that_is_nearly_used_up(start_redis, probe_of):
    """Over the limit it warns and shows the share."""
    server = start_redis("--maxmemory", "20mb")
    probe = probe_of(server.url, memory=50)
    assert (await look(probe)).outcome is Outcome.PASS
    with operator(server) as client:
        for number in range(120):
            client.set(f"key:{number}", "x" * 100_000)
        verdict = await look(probe)
    assert verdict.outcome is Outcome.WARN
    assert verdict.reason.startswith("memory used is at most 50 % of maxmemory: found ")
    assert verdict.reason.endswith(" % of 20.0 MiB")


async def test_memory_without_a_limit(redis_server, probe_of):
    """There is no share of nothing; the reason tells what to do."""
    verdict = await look(probe_of(redis_server.url, memory=50))
    assert verdict.outcome is Outcome.WARN
    assert verdict.reason.endswith("found no maxmemory: set it on the server, or leave out 'memory'")


async def test_keys_that_are_evicted(start_redis, probe_of):
    """It warns when the count has grown since the look before, and only then."""
    server = start_redis("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-random")
    probe = probe_of(server.url, evictions=True)
    assert (await look(probe)).outcome is Outcome.PASS
    with operator(server) as client:
        for number in range(100):
            client.set(f"key:{number}", "x" * 100_000)
        verdict = await look(probe)
        assert verdict.outcome is Outcome.WARN
        assert verdict.reason.startswith("no key was evicted since the look before: found ")
        assert (await look(probe)).outcome is Outcome.PASS
        client.config_resetstat()
        assert (await look(probe)).outcome is Outcome.PASS
        client.client_kill_filter(_type="normal")
        client.set("more", "x" * 1_000_000)
    assert (await look(probe)).outcome is Outcome.PASS  # another server, for all that is known


async def test_a_server_without_memory_for_more(start_redis, probe_of):
    """Where nothing may be evicted, a write fails, and the reason tells why."""
    server = start_redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    with operator(server) as client, pytest.raises(redis.ResponseError):  # noqa: PT012 - whichever is too much
        for number in range(100):
            client.set(f"key:{number}", "x" * 100_000)
    verdict = await look(probe_of(server.url, roundtrip=True))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "found OOM, maxmemory is used up" in verdict.reason


async def test_a_master_with_too_few_replicas(start_redis, probe_of):
    """It refuses writes when its configuration says so."""
    server = start_redis("--min-replicas-to-write", "1")
    verdict = await look(probe_of(server.url, roundtrip=True))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "found NOREPLICAS" in verdict.reason


@pytest.mark.parametrize("listing", ["", "# Memory\r\n", "used_memory:lots\r\nmaxmemory:1\r\n", "used_memory:1"])
async def test_figures_that_are_not_told(serve, probe_of, listing):
    """A proxy in front of the server may answer INFO in its own way: that proves nothing."""
    server = await serve(answering(b"+PONG\r\n" + bulk(listing)))
    verdict = await look(probe_of(url_of(server), memory=50))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert verdict.reason.startswith("the server tells its ")


@pytest.mark.parametrize("reply", [b"$99999999999\r\n", b"*99999999999\r\n" + b":1\r\n" * 300_000])
async def test_a_reply_without_end(serve, probe_of, reply):
    """What is announced or sent beyond any possible answer is not read."""
    server = await serve(answering(b"+PONG\r\n" + reply))
    verdict = await look(probe_of(url_of(server), memory=50))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.endswith("speaks the Redis protocol: found a reply of more than 256 KiB")
