"""Requests by which a platform shows that it is set up wrongly. Each sort is told once."""

from collections.abc import Callable

from sidecar.serve.routes import Ask, Beat, Refusal, Route

_RAILWAY = b"healthcheck.railway.app"
"""The name under which Railway's health check asks (docs.railway.com, "Healthchecks")."""


class Misdirected:
    """Looks at what is asked, and warns."""

    def __init__(self, public_domain: str | None, gateway_port: int, warn: Callable[[str], None]) -> None:
        self._public_domain = public_domain.lower().encode() if public_domain else None
        self._gateway_port = gateway_port
        self._warn = warn
        self._told: set[bytes] = set()

    def look(self, asked: Ask | Beat | Refusal) -> None:
        """Warn when this request, or one like it, should have been another."""
        if isinstance(asked, Beat):
            return
        host = asked.host.lower().partition(b":")[0]
        if not host or host in self._told:
            return
        if host == self._public_domain:
            self._told.add(host)
            self._warn(
                f"a request for {host.decode()} has come to the health port: set the target port of this domain to the "
                f"gateway's, {self._gateway_port}"
            )
        elif host == _RAILWAY and isinstance(asked, Ask) and asked.route is Route.LIVE:
            self._told.add(host)
            self._warn(
                "Railway's health check asks for the liveness, which is 200 before the gateway is up: set the "
                "health-check path to /health/ready"
            )
