"""The connection of a probe: it can lead elsewhere, and tells what the verdict needs to know of it."""

from redis.asyncio.connection import Connection

from probes.redis.url import Place
from sidecar import resp
from sidecar.contract import Evidence, Outcome, ProbeFailure

REPLY_AT_MOST = 256 * 1024
"""Bytes of a reply. ``INFO replication`` of a master with a thousand replicas has 100 KB."""


class Link(resp.Link):
    """One connection, kept."""

    @property
    def host(self) -> str:
        """Where it leads to, or led to."""
        return str(getattr(self._connection, "host", ""))

    @property
    def password(self) -> str | None:
        """Never to be shown."""
        return self._connection.password

    @property
    def descriptor(self) -> int:
        """The socket of the open connection."""
        writer = self._connection._writer  # noqa: SLF001
        return int(writer.get_extra_info("socket").fileno()) if writer else -1

    async def open(self, place: Place | None = None) -> None:
        """Connect and log in, to another place if one is given."""
        if place is not None:
            assert isinstance(self._connection, Connection)  # noqa: S101 - URLs with several places have no socket's path
            self._connection.host, self._connection.port = place
        await super().open()

    async def _read_certificates(self) -> None:
        try:
            await super()._read_certificates()
        except OSError as error:
            files = getattr(self._connection, "ca_certs", None)
            raise ProbeFailure(
                "the TLS files can be read",
                f"{error.strerror or error} ({files})",
                otherwise=Outcome.UNKNOWN,
                evidence=Evidence.OBSERVER,
            ) from None
