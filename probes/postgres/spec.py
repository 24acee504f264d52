"""The keys of the kind."""

import re
from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Meta, Struct

from sidecar.contract import Duration, Secret


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "postgres"``."""

    url: Secret
    """``postgresql://user:password@host:5432/database``, with asyncpg's parameters, such as ``?sslmode=require``."""
    query: Annotated[str, Meta(min_length=1)] = "SELECT 1"
    """One statement that only reads."""
    expect: str | None = None
    """The first value of the first row as text: ``true`` and ``false`` for truth values, ``null`` for none."""
    writable: bool | None = None
    """Whether the server must take writes (a primary), or must not (a standby). A server whose
    ``default_transaction_read_only`` is on takes none."""
    lag: Annotated[Duration, Meta(ge=0.1)] | None = None
    """Warn when replication is further behind. At a standby: since the commit that it replayed last, and 0 when it has
    replayed all that it received and the stream is up. At a primary: the time in which its slowest standby, of which
    there must be one, replays; this needs the role ``pg_monitor``."""
    connections_left: Annotated[int, Meta(ge=1)] | None = None
    """Warn when fewer connections are left to ordinary users, under the server's ``max_connections``."""

    tripwire: bool = True
    """Look again at once when the kept connection ends between two looks."""

    def __post_init__(self) -> None:
        _check(self.url)


def place(url: str) -> str:
    """Name the server, or the servers, without user and password."""
    parts = urlsplit(url)
    return unquote(parts.netloc.rpartition("@")[2]) or ",".join(parse_qs(parts.query).get("host", ["localhost"]))


def names_itself(url: str) -> bool:
    """Tell whether the URL gives the session a name."""
    return "application_name" in parse_qs(urlsplit(url).query)


_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:@\[\]]*)(:[0-9]{1,5})?")


def _check(url: str) -> None:
    """Find what asyncpg would stumble over later. Raises ``ValueError`` that shows nothing of user and password."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("url has another scheme: expected postgresql:// or postgres://")
    try:
        parts = urlsplit(url)
        # asyncpg ends the password at the first @, where other libraries take the last.
        hosts = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
        sound = all(_HOST.fullmatch(host) for host in hosts.split(",")) and not parts.fragment
        parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        sound = False
    if not sound:
        expected = "postgresql://user:password@host:port/database, with special characters encoded, as %40 for @"
        raise ValueError(f"url cannot be read: expected {expected}")
