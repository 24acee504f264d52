"""The store in Redis: bounded in time, back by itself, and honest about what a claim is worth there."""

import asyncio

import anyio
import pytest
import redis
from servers.http import Peer
from servers.redis import RedisServer, StartRedis

from sidecar.core.plan import StatePlan, StoreKind
from sidecar.store import link, open_store
from sidecar.store.contract import Store, StoreError
from sidecar.store.redis import RedisStore

pytestmark = pytest.mark.anyio


@pytest.fixture
async def opened():
    """Close at the end what is put here."""
    stores: list[Store] = []
    yield lambda store: stores.append(store) or store
    for store in stores:
        await store.aclose()


async def test_a_server_that_is_silent_holds_up_nobody(silent_port: int, opened) -> None:
    """Every call ends with its deadline, also one that waits for another."""
    store = opened(RedisStore(f"redis://127.0.0.1:{silent_port}", "test", within=0.2))
    calls = (store.get("x"), store.put("x", b"1"), store.claim("x", b"1"), store.append("s", [b"1"], 1))
    with anyio.fail_after(30):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [StoreError] * 4
    assert str(results[1]) == (f"cannot write the state in redis at 127.0.0.1:{silent_port}: no answer within 0.2 s")
    assert store.unfit == f"redis at 127.0.0.1:{silent_port} has not answered yet"


async def test_a_server_that_freezes_is_left_and_found_again(start_redis: StartRedis, opened) -> None:
    """An answer that comes too late never meets the next question."""
    server = start_redis()
    store = opened(RedisStore(server.url, "test", within=0.3))
    await store.put("x", b"1")
    await store.put("y", b"2")
    server.freeze()
    with pytest.raises(StoreError, match=r"cannot read .*: no answer within"):
        await store.get("x")
    server.thaw()
    patient = opened(RedisStore(server.url, "test"))
    assert await patient.get("y") == b"2"
    assert await store.get("y") == b"2"


async def test_a_server_that_is_restarted_is_found_again(start_redis: StartRedis, opened) -> None:
    """By every call, none of which fails for it; an entry is not put twice."""
    server = start_redis("--appendonly", "yes")
    store = opened(RedisStore(server.url, "test"))
    calls = [
        lambda: store.put("x", b"1"),
        lambda: store.append("stream", [b"1"], 10),
        lambda: store.get("x"),
        lambda: store.claim("claim", b"mine"),
        lambda: store.documents(""),
        lambda: store.append("stream", [b"2"], 10),
    ]
    results = []
    for call in calls:
        results.append(await call())
        server.stop()
        server.start()
    assert results == [None, None, b"1", b"mine", {"claim": b"mine", "x": b"1"}, None]
    assert [value for _, value in await store.read("stream", 10)] == [b"1", b"2"]


async def test_a_server_that_is_gone_is_told(start_redis: StartRedis, opened) -> None:
    """Without user and password."""
    server = start_redis()
    url = f"redis://someone:hunter22@127.0.0.1:{server.port}"
    with pytest.raises(StoreError, match="invalid username-password pair") as refused:
        await opened(RedisStore(url, "test")).get("x")
    server.stop()
    with pytest.raises(StoreError, match=rf"cannot read the state in redis at 127\.0\.0\.1:{server.port}: ") as gone:
        await opened(RedisStore(url, "test")).get("x")
    assert "hunter22" not in f"{refused.value} {gone.value}"


@pytest.mark.parametrize(
    "reply",
    [b"$abc\r\n", b"!\r\n", b"+" + b"x" * 100_000 + b"\r\n", b"*1\r\n" * 5000, b"*9999999\r\n" + b"+\r\n" * 2_000_000],
    ids=["no number", "no type", "long line", "nested", "many lines"],
)
async def test_what_is_no_reply_of_a_redis_is_told(
    reply: bytes, serve, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends nothing, and takes no more memory than any reply that is expected."""
    monkeypatch.setattr(link, "REPLY_AT_MOST", 100_000)

    async def lie(peer: Peer) -> None:
        await peer.say(reply)
        await peer.until_hung_up()

    server = await serve(lie)
    with pytest.raises(StoreError, match="cannot read the state in redis at"):
        await opened(RedisStore(f"redis://127.0.0.1:{server.port}", "test", within=5.0)).get("x")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://user:hunter22@host", "expected redis://"),
        ("redis+sentinel://user:hunter22@host/mymaster", "expected redis://"),
        ("redis://user:hunter22@host:port", "expected redis://"),
        ("redis://user:hunter22@host?nonsense=1", "has the parameter nonsense, which redis-py does not know"),
    ],
)
async def test_a_url_that_cannot_be_used_is_told(url: str, complaint: str) -> None:
    """At once, and without its password."""
    with pytest.raises(StoreError, match=complaint) as refused:
        open_store(StatePlan(store=StoreKind.REDIS, url=url), 9000)
    assert "hunter22" not in str(refused.value)
    with pytest.raises(StoreError, match=r"set state\.url or REDIS_URL"):
        open_store(StatePlan(store=StoreKind.REDIS), 9000)


@pytest.mark.parametrize(
    ("options", "evicts"),
    [
        ((), False),
        (("--maxmemory", "100mb"), False),
        (("--maxmemory-policy", "allkeys-lru"), False),
        (("--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"), False),
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"), True),
    ],
    ids=["default", "full is an error", "no limit", "only what expires", "any key"],
)
async def test_a_server_that_evicts_keys_is_unfit_for_claims(
    start_redis: StartRedis, opened, options: tuple[str, ...], evicts: bool
) -> None:
    """Only where there is a limit, and a policy that takes what never expires."""
    store = opened(RedisStore(start_redis(*options).url, "test"))
    assert "has not answered yet" in store.unfit
    await store.get("x")
    assert (store.lasting, store.shared) == (True, True)
    if evicts:
        assert "evicts keys (maxmemory-policy allkeys-lfu), claims among them: set maxmemory-policy no" in store.unfit
    else:
        assert store.unfit is None


async def test_a_policy_that_is_changed_is_noticed_at_the_next_claim(start_redis: StartRedis, opened) -> None:
    """The connection need not be made anew."""
    server = start_redis("--maxmemory", "100mb")
    store = opened(RedisStore(server.url, "test"))
    await store.claim("one", b"1")
    assert store.unfit is None
    with redis.Redis(port=server.port) as operator:
        operator.config_set("maxmemory-policy", "allkeys-random")
    await store.claim("two", b"1")
    assert "allkeys-random" in store.unfit


async def test_a_server_that_does_not_tell_its_policy_is_unfit(start_redis: StartRedis, opened) -> None:
    """But it is used: a claim by a person's word still works."""
    rules = ("--user", "state", "on", ">hunter22", "~test:*", "+@all", "-info")
    server = start_redis(*rules)
    store = opened(RedisStore(f"redis://state:hunter22@127.0.0.1:{server.port}", "test"))
    assert await store.claim("x", b"1") == b"1"
    assert "does not tell whether it evicts keys: " in store.unfit
    with pytest.raises(StoreError, match=r"cannot write .*: .*NOPERM|No permissions"):
        await opened(RedisStore(f"redis://state:hunter22@127.0.0.1:{server.port}", "theirs")).put("x", b"1")


async def test_a_full_server_refuses_what_is_written(start_redis: StartRedis, opened) -> None:
    """What was written before stays, and can be read."""
    server = start_redis("--maxmemory", "8mb")
    store = opened(RedisStore(server.url, "test"))
    await store.put("x", b"1")

    async def fill() -> None:
        for number in range(100):
            await store.put(f"large/{number}", b"x" * 500_000)

    with pytest.raises(StoreError, match=r"cannot write .*maxmemory"):
        await fill()
    assert await store.get("x") == b"1"


async def test_a_key_of_another_kind_is_told(stores_redis: RedisServer, redis_plan: StatePlan, opened) -> None:
    """Somebody else uses our prefix."""
    with redis.Redis(port=stores_redis.port) as other:
        other.set(f"{redis_plan.prefix}:documents", "theirs")
    store = opened(open_store(redis_plan, 9000))
    for call in (store.get("x"), store.claim("x", b"1")):
        with pytest.raises(StoreError, match=r"WRONGTYPE|wrong kind"):
            await call
    await store.append("stream", [b"1"], 1)


async def test_keys_begin_with_the_prefix(stores_redis: RedisServer, redis_plan: StatePlan, opened) -> None:
    """One hash with all documents, and each stream; nothing expires."""
    store = opened(open_store(redis_plan, 9000))
    await store.put("x", b"1")
    await store.append("events", [b"1"], 1)
    with redis.Redis(port=stores_redis.port, decode_responses=True) as operator:
        keys = sorted(operator.keys(f"{redis_plan.prefix}:*"))
        assert keys == [f"{redis_plan.prefix}:documents", f"{redis_plan.prefix}:stream:events"]
        assert [operator.ttl(key) for key in keys] == [-1, -1]


async def test_a_replica_cannot_be_written(start_redis: StartRedis, opened) -> None:
    """The server has lost its office: it is told, and asked anew by the next call."""
    server = start_redis()
    store = opened(RedisStore(server.url, "test"))
    await store.put("x", b"1")
    with redis.Redis(port=server.port) as operator:
        operator.replicaof("127.0.0.1", server.port)
        with pytest.raises(StoreError, match="read only replica"):
            await store.put("x", b"2")
        operator.replicaof("NO", "ONE")
    await store.put("x", b"3")


async def test_over_tls(redis_server: RedisServer, start_tls, certificates, opened) -> None:
    """The certificates are read beside the loop; one that is not trusted is told."""
    front = start_tls(redis_server.port, certificates.good())
    url = f"rediss://localhost:{front.port}"
    store = opened(RedisStore(f"{url}?ssl_ca_certs={certificates.ca_file}", "test-tls"))
    await store.put("x", b"1")
    assert await store.get("x") == b"1"
    await store.remove("x")
    with pytest.raises(StoreError, match=r"cannot read .*: .*[Cc]ertificate"):
        await opened(RedisStore(url, "test-tls")).get("x")
