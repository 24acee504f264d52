"""Valkey servers that belong together: a master with its replica and a sentinel, and a cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
from servers.daemon import Daemon
from servers.ports import take_port
from servers.redis import RedisServer, binary

SERVICE = "mymaster"
SLOTS = 16384

StartSentinel = Callable[..., "Sentinel"]
"""Called with the port of the master, and further lines of the configuration."""

StartCluster = Callable[[int], "list[RedisServer]"]
"""Called with the number of nodes, each of which gets its share of the slots."""


class Pair(NamedTuple):
    """A master, and a replica that follows it."""

    master: RedisServer
    replica: RedisServer


class Sentinel(Daemon):
    """The same binary in another mode. It is ready when it knows the master's replica."""

    def __init__(self, directory: Path, master: int, *lines: str) -> None:
        self.port = take_port()
        own = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f'dir "{directory}"',
            f"sentinel monitor {SERVICE} 127.0.0.1 {master} 1",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        configuration = directory / "sentinel.conf"
        configuration.write_text("\n".join([*own, *lines]) + "\n")
        super().__init__([binary(), configuration, "--sentinel"], "+slave slave")

    def url(self, user: str = "") -> str:
        """How the master is found through it."""
        return f"redis+sentinel://{user}127.0.0.1:{self.port}/{SERVICE}"


@contextmanager
def failover(sentinel: Sentinel) -> Iterator[Callable[[], int]]:
    """Listen to a sentinel. What is given waits until it has made another server the master, and tells its port."""
    with redis.Redis(port=sentinel.port, decode_responses=True).pubsub() as events:
        events.subscribe("+switch-master")
        assert events.get_message(timeout=30)["type"] == "subscribe"
        yield lambda: int(events.get_message(timeout=30)["data"].split()[-1])


@pytest.fixture
def redis_pair(tmp_path: Path) -> Iterator[Pair]:
    """Start a master and its replica, which has all the data."""
    directories = [tmp_path / name for name in ("master", "replica")]
    for directory in directories:
        directory.mkdir()
    master = RedisServer(directories[0], "--repl-diskless-sync-delay", "0")
    try:
        follow = ("--replicaof", f"127.0.0.1 {master.port}")
        replica = RedisServer(directories[1], *follow, says="REPLICA sync: Finished with success")
        yield Pair(master, replica)
        replica.stop()
    finally:
        master.stop()


@pytest.fixture
def start_sentinel(tmp_path: Path) -> Iterator[StartSentinel]:
    """Start sentinels."""
    started: list[Sentinel] = []

    def start(master: int, *lines: str) -> Sentinel:
        directory = tmp_path / f"sentinel{len(started)}"
        directory.mkdir()
        started.append(Sentinel(directory, master, *lines))
        return started[-1]

    yield start
    for sentinel in started:
        sentinel.stop()


@pytest.fixture
def start_cluster(tmp_path: Path) -> Iterator[StartCluster]:
    """Start clusters, whole and in agreement."""
    started: list[RedisServer] = []

    def start(count: int) -> list[RedisServer]:
        nodes = [_start_node(tmp_path / f"node{number}", started) for number in range(count)]
        _bind_together(nodes)
        return nodes

    yield start
    for node in started:
        node.stop()


def _start_node(directory: Path, started: list[RedisServer]) -> RedisServer:
    directory.mkdir()
    options = {"cluster-enabled": "yes", "cluster-node-timeout": "500", "cluster-port": str(take_port())}
    node = RedisServer(directory, *(part for name, value in options.items() for part in (f"--{name}", value)))
    started.append(node)
    return node


def _bind_together(nodes: list[RedisServer]) -> None:
    """Share the slots out, introduce the nodes to each other, and wait until each sees the whole."""
    first = nodes[0]
    clients = [redis.Redis(port=node.port, decode_responses=True) for node in nodes]
    for number, client in enumerate(clients):
        share = SLOTS * number // len(nodes), SLOTS * (number + 1) // len(nodes) - 1
        client.execute_command("CLUSTER ADDSLOTSRANGE", *share)
    for client in clients[1:]:
        bus = clients[0].config_get("cluster-port")["cluster-port"]
        client.execute_command("CLUSTER MEET", "127.0.0.1", first.port, bus)
    for client in clients:
        while not _is_whole(client, len(nodes)):
            pass
        client.close()


def _is_whole(client: redis.Redis, count: int) -> bool:
    info = client.execute_command("CLUSTER INFO")
    fields = info if isinstance(info, dict) else dict(line.split(":") for line in info.split())
    return (fields["cluster_state"], fields["cluster_size"], fields["cluster_slots_ok"]) == (
        "ok",
        str(count),
        str(SLOTS),
    )
