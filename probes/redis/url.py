"""From a URL to the servers that it names."""

import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import parse_url

Place = tuple[str, int]
"""Host and port."""

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:@\[\]]+))(?::([0-9]{1,5}))?")
_HOSTS_AT_MOST = 32

_ONE = "redis://user:password@host:port/database"
_SENTINEL = "redis+sentinel://user:password@host:26379,host2:26379/mymaster/database"
_CLUSTER = "redis+cluster://user:password@host:6379,host2:6379"
_ENCODED = "with special characters encoded, as %40 for @"


class Servers(NamedTuple):
    """What a URL says."""

    arguments: dict[str, Any]
    """Of the connection to a server, as redis-py reads them; with several places, to the first."""
    places: tuple[Place, ...] = ()
    """The sentinels, or the cluster's nodes that are known; empty for one server."""
    service: str | None = None
    """How the sentinels call the master; None without Sentinel."""

    @property
    def is_cluster(self) -> bool:
        """The places are nodes of a cluster."""
        return bool(self.places) and self.service is None


def read_url(url: str) -> Servers:
    """Read the URL by redis-py's rules, and more strictly: redis-py ignores a database that is no number.

    Raises ``ValueError`` that shows nothing of user and password.
    """
    scheme, _, rest = url.partition("://")
    if scheme in ("redis", "rediss", "unix"):
        return Servers(_arguments(url, _ONE))
    base, _, form = scheme.partition("+")
    if base in ("redis", "rediss") and form == "sentinel":
        return _read_sentinel(base, rest)
    if base in ("redis", "rediss") and form == "cluster":
        return _read_cluster(base, rest)
    raise ValueError(
        "url has another scheme: expected redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"
    )


def _read_sentinel(base: str, rest: str) -> Servers:
    user, places, path, query = _take_apart(rest, 26379, _SENTINEL)
    service, _, database = path.partition("/")
    if not service:
        raise ValueError(f"url names no service of the sentinels: expected {_SENTINEL}")
    return Servers(_arguments(_single(base, user, places[0], database, query), _SENTINEL), places, unquote(service))


def _read_cluster(base: str, rest: str) -> Servers:
    user, places, path, query = _take_apart(rest, 6379, _CLUSTER)
    if path not in ("", "0"):
        raise ValueError("url has a database, but a cluster has only number 0: leave it out")
    return Servers(_arguments(_single(base, user, places[0], "", query), _CLUSTER), places)


def _take_apart(rest: str, port: int, expected: str) -> tuple[str, tuple[Place, ...], str, str]:
    """Give what stands before the hosts, the hosts, the path without its slashes, and the query."""
    parts = urlsplit(f"//{rest}")
    user, separator, hosts = parts.netloc.rpartition("@")
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    places = tuple((host[1] or unquote(host[2]), int(host[3] or port)) for host in found if host)
    if len(places) < len(found) or any(not 0 < place[1] < 65536 for place in places) or parts.fragment:
        raise _unreadable(expected)
    if len(places) > _HOSTS_AT_MOST:
        raise ValueError(f"url names {len(places)} hosts: expected at most {_HOSTS_AT_MOST}")
    return user + separator, places, parts.path.strip("/"), parts.query


def _single(base: str, user: str, place: Place, database: str, query: str) -> str:
    host, port = place
    return f"{base}://{user}{f'[{host}]' if ':' in host else host}:{port}/{database}?{query}"


def _arguments(url: str, expected: str) -> dict[str, Any]:
    try:
        path = "" if url.startswith("unix://") else urlsplit(url).path.strip("/")
        int(path or "0")
        return dict(parse_url(url))
    except ValueError:
        raise _unreadable(expected) from None


def _unreadable(expected: str) -> ValueError:
    return ValueError(f"url cannot be read: expected {expected}, {_ENCODED}")
