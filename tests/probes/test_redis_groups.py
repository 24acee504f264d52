"""The ``redis`` kind against servers that belong together: replication, Sentinel, and clusters."""

import anyio
import pytest
import redis
from servers.looking import look
from servers.redis_groups import failover

from probes.redis import KIND, Spec
from sidecar.contract import Evidence, Outcome
from sidecar.core.verdict import Verdict

pytestmark = pytest.mark.anyio


@pytest.fixture
def probe_of(make_closed):
    """Make probes, which are closed at the end."""
    return lambda url, **keys: make_closed(KIND, url=url, **keys)


async def look_until(probe, outcome: Outcome) -> Verdict:
    """Look until there is this outcome: what a server reports of time passing comes without an event."""
    with anyio.fail_after(30):
        while (verdict := await look(probe)).outcome is not outcome:  # noqa: ASYNC110 - see above
            await anyio.sleep(0.05)
    return verdict


def phases(verdict: Verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


def operator(server, **options) -> redis.Redis:
    """Somebody who tells the server what to do."""
    return redis.Redis(port=server.port, decode_responses=True, **options)


def nodes_url(*nodes, scheme: str = "redis") -> str:
    """Name a cluster by some of its nodes."""
    return f"{scheme}+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


# Replication


@pytest.mark.parametrize("role", ["master", "replica"])
async def test_a_server_that_has_its_role(redis_pair, probe_of, role):
    """The role is noted, the link of a replica is up, and nobody is behind."""
    server = getattr(redis_pair, role)
    probe = probe_of(server.url, role=role, lag=20, lag_bytes=0)
    verdict = await look_until(probe, Outcome.PASS)
    assert verdict.reason == f"the role is {role}: found {role}"
    assert verdict.observation.notes["role"] == role
    assert verdict.observation.notes["lag_bytes"] == 0


@pytest.mark.parametrize(("role", "found"), [("master", "replica"), ("replica", "master")])
async def test_a_server_that_has_the_other_role(redis_pair, probe_of, role, found):
    """It fails, and the way to the server is sought anew."""
    server = getattr(redis_pair, found)
    probe = probe_of(server.url, role=role)
    for _ in range(2):
        verdict = await look(probe)
        assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
        assert verdict.reason == f"the role is {role}: found {found}"
        assert phases(verdict) == ["connect", "replies"]


async def test_a_replica_that_has_lost_its_master(own_redis_pair, probe_of):
    """It fails when the role or the lag matters, and only then."""
    master, replica = own_redis_pair
    plain, strict = probe_of(replica.url), probe_of(replica.url, role="replica", lag=60)
    master.stop()
    verdict = await look_until(strict, Outcome.FAIL)
    assert verdict.evidence is Evidence.WRONG
    assert verdict.reason.startswith("the replica's link to its master is up: found down for ")
    assert verdict.reason.endswith(f" s, to 127.0.0.1:{master.port}")
    assert (await look(plain)).outcome is Outcome.PASS


async def test_a_replica_that_copies_its_masters_data(own_redis_pair, probe_of, start_redis):
    """While the copy is under way its data are old or none, and the reason says what goes on."""
    master, _ = own_redis_pair
    with operator(master) as client:
        client.config_set("repl-diskless-sync-delay", 3600)
    late = start_redis("--replicaof", f"127.0.0.1 {master.port}")
    verdict = await look_until(probe_of(late.url, role="replica"), Outcome.FAIL)
    assert verdict.reason.startswith("the replica's link to its master is up: found down")


async def test_a_replica_whose_master_keeps_silent(own_redis_pair, probe_of):
    """A link that is up but silent is a warning: the master may be frozen, or the way to it cut."""
    master, replica = own_redis_pair
    probe = probe_of(replica.url, lag=1)
    master.freeze()
    verdict = await look_until(probe, Outcome.WARN)
    assert verdict.reason.startswith("the replica heard from its master within 1 s: found ")


async def test_a_master_whose_replica_keeps_silent(own_redis_pair, probe_of):
    """What the replica has not acknowledged is known at once; the silence, as it lasts."""
    master, replica = own_redis_pair
    by_bytes, by_seconds = probe_of(master.url, lag_bytes=1000), probe_of(master.url, lag=1)
    assert (await look(by_bytes)).outcome is Outcome.PASS
    replica.freeze()
    with operator(master) as client:
        client.set("much", "x" * 100_000)
    verdict = await look(by_bytes)
    assert verdict.outcome is Outcome.WARN
    assert verdict.reason.startswith("the slowest replica is at most 1000 bytes behind: found 100")
    verdict = await look_until(by_seconds, Outcome.WARN)
    assert verdict.reason.startswith("the slowest replica acknowledged within 1 s: found ")


async def test_a_master_that_nobody_follows(redis_server, probe_of):
    """Where a lag is limited, somebody is expected to follow: that nobody does is a warning."""
    verdict = await look(probe_of(redis_server.url, lag=60))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.WARN,
        "every replica is online, and there is one: found 0 of 0",
    )
    assert (await look(probe_of(redis_server.url, role="master"))).outcome is Outcome.PASS


async def test_a_replica_takes_no_writes(redis_pair, probe_of):
    """The round trip tells that it is a replica, and what to do."""
    verdict = await look(probe_of(redis_pair.replica.url, roundtrip=True))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.startswith("a key can be written and read back: found READONLY, it is a replica: give its")


# Sentinel


async def test_the_master_is_found_through_sentinel(redis_pair, start_sentinel, probe_of):
    """The sentinel is asked once, and the master over one connection from then on."""
    sentinel = start_sentinel(redis_pair.master.port)
    probe = probe_of(sentinel.url(), roundtrip=True, key_prefix="through sentinel:")
    verdicts = [await look(probe) for _ in range(2)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS, Outcome.PASS]
    assert [phases(verdict) for verdict in verdicts] == [["sentinel", "connect", "replies"], ["replies"]]
    with operator(redis_pair.master) as client:
        assert len(client.keys("through sentinel:*")) == 1


async def test_a_failover(own_redis_pair, start_sentinel, probe_of):
    """While the master is dead the probe fails; as soon as there is another, it is probed."""
    sentinel = start_sentinel(own_redis_pair.master.port)
    probe = probe_of(sentinel.url())
    await look(probe)
    with failover(sentinel) as next_master:
        own_redis_pair.master.stop()
        verdict = await look(probe)
        assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)
        assert next_master() == own_redis_pair.replica.port
    verdict = await look(probe)
    assert (verdict.outcome, verdict.observation.notes["role"]) == (Outcome.PASS, "master")
    assert phases(verdict) == ["sentinel", "connect", "replies"]


async def test_a_master_that_is_demoted(own_redis_pair, start_sentinel, probe_of):
    """A kept connection to what is a replica by now is a failure, and given up for the way to the new master."""
    sentinel = start_sentinel(own_redis_pair.master.port)
    probe = probe_of(sentinel.url())
    await look(probe)
    with operator(own_redis_pair.master) as old, operator(own_redis_pair.replica) as new, operator(sentinel) as watcher:
        new.replicaof("NO", "ONE")
        old.replicaof("127.0.0.1", own_redis_pair.replica.port)
        verdict = await look(probe)
        assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
        assert "the role is master: found replica" in [
            f"{finding.rule}: found {finding.observed}" for finding in verdict.observation.findings
        ]
        watcher.execute_command("SENTINEL REMOVE", "mymaster")
        watcher.execute_command("SENTINEL MONITOR", "mymaster", "127.0.0.1", own_redis_pair.replica.port, 1)
    assert (await look(probe)).outcome is Outcome.PASS


async def test_a_service_that_the_sentinels_do_not_know(redis_pair, start_sentinel, probe_of):
    """It is the configuration's fault."""
    sentinel = start_sentinel(redis_pair.master.port)
    verdict = await look(probe_of(sentinel.url().replace("mymaster", "other")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == (
        f"the sentinel at 127.0.0.1:{sentinel.port} knows the service 'other': "
        "found no service of that name: correct it in url"
    )


async def test_sentinels_with_a_password(redis_pair, start_sentinel, probe_of):
    """It is another than the master's; the reason says where to correct it, and shows neither."""
    sentinel = start_sentinel(redis_pair.master.port, "requirepass hidden")
    verdict = await look(probe_of(sentinel.url(), sentinel_password="wr0ng"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.endswith("correct sentinel_user and sentinel_password")
    assert "wr0ng" not in repr(verdict)
    assert (await look(probe_of(sentinel.url(), sentinel_password="hidden"))).outcome is Outcome.PASS


async def test_the_master_has_its_own_credentials(redis_pair, start_sentinel, probe_of):
    """Those of the URL go to the master, never to a sentinel."""
    sentinel = start_sentinel(redis_pair.master.port)
    verdict = await look(probe_of(sentinel.url(user="health:wr0ng@")))
    assert verdict.reason.endswith("correct user and password in url")
    with operator(redis_pair.master) as client:
        client.execute_command("ACL SETUSER", "health", "+info")
    assert (await look(probe_of(sentinel.url(user="health:secret@")))).outcome is Outcome.PASS


async def test_sentinels_that_are_down_or_hang(redis_pair, start_sentinel, probe_of, free_port, silent_port):
    """One that answers is enough, and is asked first the next time."""
    sentinel = start_sentinel(redis_pair.master.port)
    hosts = f"127.0.0.1:{free_port},127.0.0.1:{silent_port},127.0.0.1:{sentinel.port}"
    probe = probe_of(f"redis+sentinel://{hosts}/mymaster")
    assert (await look(probe)).outcome is Outcome.PASS
    assert probe._sentinels._places[0] == ("127.0.0.1", sentinel.port)


async def test_no_sentinel_at_all(probe_of, free_port):
    """The reason tells of each."""
    verdict = await look(probe_of(f"redis+sentinel://127.0.0.1:{free_port},127.0.0.1:{free_port}/mymaster"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)
    assert verdict.reason.startswith("one of 2 sentinels answers: found a connection to 127.0.0.1:")


async def test_a_server_that_is_no_sentinel(redis_server, probe_of):
    """The port of the master in place of the sentinel's is a mistake that is easily made."""
    verdict = await look(probe_of(f"redis+sentinel://127.0.0.1:{redis_server.port}/mymaster"))
    assert verdict.outcome is Outcome.FAIL
    assert "unknown command" in verdict.reason


# Clusters


async def test_a_cluster_that_is_whole(redis_cluster, probe_of):
    """Any node tells; the round trip goes to the node that has the key, over the one connection that is kept."""
    for node in redis_cluster:
        probe = probe_of(nodes_url(node), roundtrip=True)
        verdict = await look(probe)
        assert (verdict.outcome, verdict.reason) == (
            Outcome.PASS,
            "a key can be written and read back: found what was written",
        )
        assert verdict.observation.notes["cluster_nodes"] == 3
        assert phases(await look(probe)) == ["replies"]


async def test_a_cluster_that_has_lost_a_node(start_cluster, probe_of):
    """The first node in the URL is down; another one tells how many slots are lost with it."""
    nodes = start_cluster(3)
    nodes[0].stop()
    verdict = await look_until(probe_of(nodes_url(*nodes)), Outcome.FAIL)
    assert verdict.evidence is Evidence.WRONG
    assert verdict.reason.startswith("the cluster serves all 16384 slots: found state ")
    assert verdict.reason.endswith(" with 10923 served, 5461 of failed nodes")


async def test_a_cluster_with_slots_of_nobody(start_cluster, probe_of):
    """Keys in them cannot be stored, whatever the state of the nodes."""
    (node,) = start_cluster(1)
    probe = probe_of(nodes_url(node))
    assert (await look(probe)).outcome is Outcome.PASS
    with operator(node) as client:
        client.execute_command("CLUSTER DELSLOTSRANGE", 0, 99)
        client.config_set("cluster-require-full-coverage", "no")
    verdict = await look_until(probe, Outcome.FAIL)
    assert verdict.reason.endswith("with 16284 served, 100 of no node")


async def test_a_slot_that_is_being_moved(start_cluster, probe_of):
    """The key's slot is on its way to another node: that is a warning, not a failure."""
    nodes = start_cluster(3)
    probe = probe_of(nodes_url(*nodes), roundtrip=True)
    await look(probe)
    key = probe._questions[-1]._key
    with operator(nodes[0]) as client:
        slot = client.execute_command("CLUSTER KEYSLOT", key)
        owner = min(3 * slot // 16384, 2)
    source, target = nodes[owner], nodes[owner - 1]
    with operator(source) as client, operator(target) as other:
        other.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", client.execute_command("CLUSTER MYID"))
        client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", other.execute_command("CLUSTER MYID"))
        client.delete(key)
    verdict = await look(probe)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.WARN,
        f"a key can be written and read back: found its slot on the way to 127.0.0.1:{target.port}",
    )


async def test_a_node_of_a_cluster_by_itself(redis_cluster, probe_of):
    """Without ``+cluster`` in the URL a key may belong to another node: the reason tells how to write it."""
    verdicts = [await look(probe_of(node.url, roundtrip=True, key_prefix="{same slot}")) for node in redis_cluster]
    reasons = [verdict.reason for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    assert len(reasons) == 2
    assert all(reason.endswith("MOVED, it is a node of a cluster: write redis+cluster:// in url") for reason in reasons)


async def test_a_server_that_is_in_no_cluster(redis_server, probe_of):
    """The reason tells how to write it."""
    verdict = await look(probe_of(nodes_url(redis_server)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == "the server is a node of a cluster: found a server by itself: write redis:// in url"


async def test_nodes_that_hang(redis_cluster, probe_of, silent_port):
    """A node that accepts and hangs gets no more than its share of the time."""
    node = redis_cluster[0]
    url = nodes_url(node).replace("//", f"//127.0.0.1:{silent_port},")
    assert (await look(probe_of(url, timeout=2))).outcome is Outcome.PASS


async def test_a_cluster_behind_tls(redis_cluster, start_tls, certificates, probe_of):
    """The certificate is checked for the node that is asked."""
    node = redis_cluster[0]
    front = start_tls(node.port, certificates.good())
    probe = probe_of(f"rediss+cluster://localhost:{front.port}", tls_ca_file=str(certificates.ca_file))
    assert [(await look(probe)).outcome for _ in range(2)] == [Outcome.PASS, Outcome.PASS]


# URLs


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "unix+sentinel://:hidden@h/s"}, "another scheme"),
        ({"url": "redis+sentinel://:hidden@h:26379"}, "names no service"),
        ({"url": "redis+sentinel://:hidden@h:26379/s/zero"}, "cannot be read"),
        ({"url": "redis+sentinel://:hidden@h:port/s"}, "cannot be read"),
        ({"url": "redis+sentinel://:hidden@h,,g/s"}, "cannot be read"),
        ({"url": "redis+sentinel://:hidden/x@h/s"}, "cannot be read"),
        ({"url": "redis+sentinel://:hidden@h:70000/s"}, "cannot be read"),
        ({"url": "redis+cluster://:hidden@h/1"}, "only number 0"),
        ({"url": "redis+cluster://:hidden@h#x"}, "cannot be read"),
        ({"url": "redis+cluster://:hidden@" + ",".join("h" * 33)}, "at most 32"),
        ({"url": "redis+cluster://:hidden@h?colour=red"}, "parameter colour"),
        ({"url": "redis+cluster://:hidden@h", "tls_verify": False}, "tls_verify"),
        ({"url": "redis+cluster://:hidden@h", "sentinel_password": "hidden"}, "sentinel_password"),
        ({"url": "redis+sentinel://:hidden@h/s", "sentinel_user": "u"}, "sentinel_user"),
        ({"url": "redis+sentinel://:hidden@h/s", "role": "replica"}, "role"),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration, which do not show the password."""
    with pytest.raises(ValueError, match=words) as caught:
        Spec(**keys)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://u:p%40@h1,h2:26380,[::1]:26381/mymaster/2?client_name=x",
        "rediss+sentinel://h/mymaster",
        "redis+cluster://h1,[2001:db8::1]",
        "rediss+cluster://u:p@h:7000/0",
    ],
)
async def test_urls_that_can_be_used(url):
    """Several hosts, default ports, IPv6, databases and parameters are understood."""
    assert Spec(url=url).url == url
