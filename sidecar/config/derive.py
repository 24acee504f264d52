"""Zero configuration: which probes the environment calls for.

The gateway is probed by HTTP, by MCP and as a process, always. Cache, database and BrightData are probed when the
environment names them. ``API_TOKEN`` is the name that ``@brightdata/mcp`` uses; but it is anybody's name, and a
credential must not go to the wrong party, so it counts only beside ``WEB_UNLOCKER_ZONE`` of the same program.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from sidecar.config.expanded import Expanded

TOKEN_VARIABLES = ("BRIGHTDATA_API_TOKEN", "BRIGHTDATA_API_KEY", "BRIGHT_DATA_API_TOKEN", "BRIGHT_DATA_API_KEY")
ZONE_VARIABLES = ("BRIGHTDATA_ZONE", "BRIGHTDATA_UNLOCKER_ZONE", "WEB_UNLOCKER_ZONE")

# A third party's API, far away and shared with everybody: it is asked less often, and given longer.
_FAR = {"interval": 30.0, "timeout": 10.0}
_REDIS = re.compile(r"(?:rediss?(?:\+(?:sentinel|cluster))?|unix)://")
_POSTGRES = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?://")


class Derived(Struct, frozen=True, kw_only=True):
    """A probe that can be derived."""

    kind: str
    keys: dict[str, Any] = {}
    pace: dict[str, float] = {}
    """Times that take the place of the inherited ones."""
    needs: str = ""
    """The key that a variable gives; a table that gives it needs no variable."""
    absent: str = ""
    """Why the environment does not call for it; empty when it does."""


def derive(environ: Mapping[str, str]) -> dict[str, Derived]:
    """Name every derivable probe, in the order in which people look at them."""
    return {
        "gateway": Derived(kind="http", keys={"url": "/", "status": "100-499"}),
        "mcp": Derived(kind="mcp", keys={"url": "/mcp"}),
        "process": Derived(kind="process"),
        "database": _database(environ),
        "cache": _cache(environ),
        "brightdata": _brightdata(environ),
    }


def _cache(environ: Mapping[str, str]) -> Derived:
    url = environ.get("REDIS_URL")
    if not url:
        return Derived(kind="redis", needs="url", absent="REDIS_URL is not set")
    if not _REDIS.match(url):
        return Derived(kind="redis", needs="url", absent="REDIS_URL does not begin with redis://, rediss:// or unix://")
    return Derived(kind="redis", keys={"url": Expanded(url, ("REDIS_URL",))})


def _database(environ: Mapping[str, str]) -> Derived:
    url = environ.get("DATABASE_URL")
    if not url:
        return Derived(kind="postgres", needs="url", absent="DATABASE_URL is not set")
    if not _POSTGRES.match(url):
        return Derived(
            kind="postgres", needs="url", absent="DATABASE_URL does not begin with postgresql:// or postgres://"
        )
    # SQLAlchemy's form names a driver, as in postgresql+psycopg://, which means nothing to anybody else.
    scheme, separator, rest = url.partition("://")
    return Derived(
        kind="postgres", keys={"url": Expanded(scheme.partition("+")[0] + separator + rest, ("DATABASE_URL",))}
    )


def _brightdata(environ: Mapping[str, str]) -> Derived:
    names = (*TOKEN_VARIABLES, "API_TOKEN") if environ.get("WEB_UNLOCKER_ZONE") else TOKEN_VARIABLES
    token = next((name for name in names if environ.get(name)), None)
    if token is None:
        hint = " (API_TOKEN counts only beside WEB_UNLOCKER_ZONE)" if environ.get("API_TOKEN") else ""
        return Derived(kind="brightdata", pace=_FAR, needs="token", absent=f"{TOKEN_VARIABLES[0]} is not set{hint}")
    keys = {"token": Expanded(environ[token], (token,))}
    zone = next((name for name in ZONE_VARIABLES if environ.get(name)), None)
    if zone is not None:
        keys["zone"] = Expanded(environ[zone], (zone,))
    return Derived(kind="brightdata", keys=keys, pace=_FAR)
