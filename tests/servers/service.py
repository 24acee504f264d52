"""A service on a platform: one replica, deployed release by release, each with the sidecar as its gateway's parent.

The platform is the Railway of ``servers.railway``; what it would do with containers is done here with processes. All
deployments share one Redis, as they would there.
"""

import queue
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from servers.deployment import BIN, WITHIN, Deployment, Program
from servers.hook import Hook
from servers.railway import API_TOKEN, ENVIRONMENT, PROJECT, SERVICE, Railway
from servers.railway import Deployment as Deployed
from servers.redis import StartRedis

CONFIG = """
derive = false

[defaults]
interval = "400ms"
fast_interval = "200ms"
timeout = "400ms"

[probes.gateway]
kind = "http"
status = "200"
failure_threshold = 1

[drain]
enabled = false

[parent]
restart_backoff = "100ms"

[state]
store = "redis"

[release]
start_within = "3s"
start_samples = 2
bake = "3s"
bake_limit = "60s"
min_samples = 10
slack = "150ms"
significance = 0.2
unhealthy_budget = "20s"
restart_budget = 1

[rollback]
platform = "railway"
cool_down = "0s"
verify_within = "60s"
"""


class Replica:
    """One deployment of the service: where it runs, and its sidecar."""

    def __init__(self, place: Deployment, deployed: Deployed, config: str, variables: dict[str, str]) -> None:
        self.place = place
        self.deployed = deployed
        self.sidecar: Program
        self.options: Sequence[str] = ()
        """Those of its gateway."""
        self._config = config
        self._variables = variables

    def start(self) -> "Replica":
        """Start the sidecar, which starts the gateway; again, if it has ended."""
        self.sidecar = self.place.parent(self._config, self.place.gateway_command(*self.options), env=self._variables)
        return self

    def says(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the sidecar's, in the same place and with the same variables, to its end."""
        return subprocess.run(
            [BIN / "sidecar", words[0], "--config", self.place.directory / "sidecar.toml", *words[1:]],
            cwd=self.place.directory,
            env=self.place._environment(self.place.ports | self._variables),
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )

    def is_at(self, phase: str, within: str | None = None) -> dict:
        """Wait until its release has come so far; ``within`` is part of the reason."""
        event = self.sidecar.event("release_changed", after=phase)
        assert within is None or within in event["message"], event
        return event


class Service:
    """Deploys releases, and restores earlier ones when the platform is asked to."""

    def __init__(self, directory: Path, railway: Railway, hook: Hook, redis_url: str, config: str = CONFIG) -> None:
        self.railway = railway
        self.hook = hook
        self._directory = directory
        self._redis_url = redis_url
        self._config = config
        self._replicas: list[Replica] = []
        self._asked: queue.Queue[tuple[Deployed, Deployed]] = queue.Queue()
        railway.on_rollback = lambda new, old: self._asked.put((new, old))
        railway.rollback_becomes = ("BUILDING",)

    def deploy(self, release: str, *options: str) -> Replica:
        """Deploy a release, whose gateway has these options."""
        replica = self.replica(self.railway.deploy(release, "DEPLOYING"))
        replica.options = options
        return replica.start()

    def restored(self) -> Replica:
        """Wait until a rollback is asked for, and start the release that it restores."""
        new, _ = self._asked.get(timeout=WITHIN)
        return self.replica(new).start()

    def serves(self, replica: Replica) -> None:
        """Move the traffic to a replica that is ready, as the platform does."""
        self.railway.move(replica.deployed, "SUCCESS")

    def replica(self, deployed: Deployed, name: str = "replica") -> Replica:
        """Make a replica of a deployment, to be started."""
        directory = self._directory / f"{name}-of-{deployed.id}"
        directory.mkdir()
        place = Deployment(directory)
        variables = {
            "REDIS_URL": self._redis_url,
            "RAILWAY_API_URL": self.railway.url,
            "RAILWAY_API_TOKEN": API_TOKEN,
            "RAILWAY_PROJECT_ID": PROJECT,
            "RAILWAY_ENVIRONMENT_ID": ENVIRONMENT,
            "RAILWAY_SERVICE_ID": SERVICE,
            "RAILWAY_DEPLOYMENT_ID": deployed.id,
            "RAILWAY_REPLICA_ID": directory.name,
        }
        named = self._config.replace("[release]\n", f'[release]\nid = "{deployed.release}"\n')
        replica = Replica(place, deployed, named + self.hook.sink('severity = "info"\n'), variables)
        self._replicas.append(replica)
        return replica

    def close(self) -> None:
        """End everything."""
        for replica in self._replicas:
            replica.place.close()


@pytest.fixture
def service(tmp_path: Path, railway: Railway, start_redis: StartRedis, hook: Hook) -> Iterator[Service]:
    """Hold the deployments of one service."""
    deployed = Service(tmp_path, railway, hook, start_redis().url)
    try:
        yield deployed
    finally:
        deployed.close()
