"""The keys of the kind, and the connections that they describe."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from probes.redis.link import REPLY_AT_MOST
from probes.redis.url import Servers, read_url
from sidecar.contract import Duration, Secret, Size
from sidecar.resp import AnyConnection, make_connection


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "redis"``. All that is asked at a look travels in one round trip."""

    url: Secret
    """One server: ``redis://user:password@host:6379/0``, ``rediss://`` for TLS, or ``unix:///path``. The master that
    Sentinel names: ``redis+sentinel://user:password@host:26379,host2:26379/mymaster/0``; user and password are the
    master's. A cluster: ``redis+cluster://user:password@host:6379,host2:6379``; one node is asked, another when it is
    lost. With TLS ``rediss+sentinel://`` and ``rediss+cluster://``. All with redis-py's parameters."""
    tls_ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's; only with ``rediss``."""
    tls_verify: bool = True
    """Whether the server's certificate must be valid; only with ``rediss``."""
    sentinel_user: str | None = None
    """The user to log in as at the sentinels; only with ``sentinel_password``."""
    sentinel_password: Secret | None = None
    """The sentinels' own password, where they want one."""
    roundtrip: bool = False
    """Also write a key that expires by itself, and read it back. A read-only replica fails."""
    key_prefix: Annotated[str, Meta(min_length=1, max_length=200)] = "sidecar:"
    """What the names of the keys begin with that ``roundtrip`` writes."""
    memory: Annotated[float, Meta(gt=0, le=100)] | None = None
    """Warn when more than so many percent of the server's ``maxmemory`` are used."""
    evictions: bool = False
    """Warn when the server has evicted keys since the look before."""
    role: Literal["master", "replica"] | None = None
    """The role that the server must have. With Sentinel it is the master anyway."""
    lag: Annotated[Duration, Meta(ge=1)] | None = None
    """Warn when replication is so far behind. At a replica: since it last heard from its master, who speaks every 10 s
    at least (``repl-ping-replica-period``). At a master: since its slowest replica, of which there must be one, last
    acknowledged. At a replica whose link to its master is down, ``lag`` and ``role`` fail."""
    lag_bytes: Size | None = None
    """The same in bytes. At a replica: received and not applied yet. At a master: not acknowledged by the slowest."""

    tripwire: bool = True
    """Look again at once when the kept connection ends between two looks."""

    def __post_init__(self) -> None:
        is_plain = not self.url.startswith(("rediss://", "rediss+"))
        if is_plain and self.tls_ca_file is not None:
            raise ValueError("tls_ca_file is for TLS: expected a url that begins with rediss")
        if is_plain and not self.tls_verify:
            raise ValueError("tls_verify = false is for TLS: expected a url that begins with rediss")
        servers = read_url(self.url)
        if self.sentinel_password is not None and servers.service is None:
            raise ValueError("sentinel_password is for Sentinel: expected a url that begins with redis+sentinel://")
        if self.sentinel_user is not None and self.sentinel_password is None:
            raise ValueError("sentinel_user needs sentinel_password")
        if self.role == "replica" and servers.service is not None:
            raise ValueError('role is "replica": Sentinel names the master, write redis:// and the replica\'s address')
        connection_to(servers, self)


def connection_to(servers: Servers, spec: Spec) -> AnyConnection:
    """Make the connection, without connecting it. Raises ``ValueError`` that shows nothing of user and password."""
    arguments = dict(servers.arguments)
    if spec.tls_ca_file is not None:
        arguments["ssl_ca_certs"] = spec.tls_ca_file
    if not spec.tls_verify:
        arguments |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    try:
        return make_connection(arguments, REPLY_AT_MOST)
    except ValueError as error:
        raise ValueError(f"url {error}") from None


def connection_to_sentinels(servers: Servers, spec: Spec) -> AnyConnection:
    """Make the connection to whichever sentinel: TLS as to the master, but a login of their own and no database."""
    connection = connection_to(servers, spec)
    connection.username, connection.password, connection.db = spec.sentinel_user, spec.sentinel_password, 0
    return connection
