"""Releases in parent mode: the sidecar itself starts the release before again where one is bad."""

import os
import signal
from collections.abc import Mapping, Sequence

from servers.configuration import keys
from servers.deployment import Deployment, Program

RULES = {
    "derive": False,
    "defaults.interval": "400ms",
    "defaults.timeout": "400ms",
    "probes.gateway.kind": "http",
    "probes.gateway.status": "200",
    "probes.gateway.failure_threshold": 1,
    "drain.lame_duck": "0s",
    "parent.restart_backoff": "100ms",
    "state.dir": "state",
    "state.volume": True,
    "state.replicas": 1,
    "release.bake": "1s",
    "release.start_samples": 0,
    "release.min_samples": 2,
    "release.restart_budget": 0,
    "rollback.platform": "parent",
    "rollback.cool_down": "0s",
}
"""Keys of the configuration with their sections; the release's id is missing."""


def config(release: str, rules: Mapping[str, object] = {}) -> str:
    """Write the configuration of a release, in which these rules differ or are added."""
    return keys({**RULES, "release.id": release, **rules})


def start_release(
    deployment: Deployment, release: str, command: Sequence[object], rules: Mapping[str, object] = {}
) -> Program:
    """Start the sidecar with the command of a release."""
    return deployment.parent(config(release, rules), command)


def deploy_good(deployment: Deployment, *options: str) -> int:
    """Let release 1 turn out good, whose gateway has these options, and end it; gives its exit status."""
    sidecar = start_release(deployment, "1", deployment.gateway_command(*options))
    sidecar.event("release_changed", after="good")
    sidecar.signal(signal.SIGTERM)
    return sidecar.exit_status()


def deploy_bad(deployment: Deployment) -> Program:
    """Start release 2, which crashes as it bakes; gives its sidecar."""
    sidecar = start_release(deployment, "2", deployment.gateway_command())
    sidecar.event("release_changed", after="baking")
    os.kill(sidecar.named("listening")[-1]["pid"], signal.SIGKILL)
    return sidecar
