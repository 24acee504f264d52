"""What went wrong, in words for people."""

from redis import exceptions

from probes.redis.link import Link
from sidecar.contract import Evidence, ProbeFailure
from sidecar.unreached import causes, unreached

NONSENSE = (exceptions.InvalidResponse, ValueError, RecursionError)
"""What reading a reply raises that is none."""

TROUBLES = (exceptions.RedisError, OSError, *NONSENSE)
"""What redis-py raises for whatever is wrong with the way, the server or the reply."""

_REFUSALS: tuple[tuple[type[exceptions.RedisError], str, str, Evidence, str], ...] = (
    (
        exceptions.AuthenticationError, "",
        "the credentials are accepted", Evidence.MISCONFIGURED,
        "they are missing or wrong: correct {credentials}",
    ),
    (
        exceptions.AuthenticationWrongNumberOfArgsError, "",
        "the credentials are accepted", Evidence.MISCONFIGURED,
        "the server wants no password, or knows no users: correct {credentials}",
    ),
    (
        exceptions.NoPermissionError, "",
        "the user may do what the probe asks for", Evidence.MISCONFIGURED,
        "no permission: grant it with ACL SETUSER <user> {needs}",
    ),
    (
        exceptions.ResponseError, "DB index is out of range",
        "the database in url exists", Evidence.MISCONFIGURED,
        "a number out of range: correct it in url",
    ),
    (
        exceptions.ResponseError, "DENIED",
        "the server admits us", Evidence.MISCONFIGURED,
        "protected mode: give the server a password, or let it listen on loopback only",
    ),
    (
        exceptions.BusyLoadingError, "",
        "", Evidence.WRONG,
        "LOADING, the server still reads its data into memory",
    ),
    (
        exceptions.MasterDownError, "",
        "", Evidence.WRONG,
        "MASTERDOWN, this replica has lost its master and serves no stale data",
    ),
    (
        exceptions.ResponseError, "MISCONF",
        "", Evidence.WRONG,
        "MISCONF, the server cannot save to disk and refuses writes: see its log and its disk",
    ),
    (
        exceptions.ResponseError, "BUSY",
        "", Evidence.WRONG,
        "BUSY, a script blocks the server: SCRIPT KILL ends it",
    ),
    (
        exceptions.ReadOnlyError, "",
        "", Evidence.WRONG,
        "READONLY, it is a replica: give its master's address in url, or leave out roundtrip",
    ),
    (
        exceptions.OutOfMemoryError, "",
        "", Evidence.WRONG,
        "OOM, maxmemory is used up and nothing may be evicted: raise it, or choose another maxmemory-policy",
    ),
    (
        exceptions.ResponseError, "NOREPLICAS",
        "", Evidence.WRONG,
        "NOREPLICAS, fewer replicas follow than min-replicas-to-write demands",
    ),
    (
        exceptions.MovedError, "",
        "", Evidence.MISCONFIGURED,
        "MOVED, it is a node of a cluster: write redis+cluster:// in url",
    ),
    (
        exceptions.ClusterDownError, "",
        "", Evidence.WRONG,
        "CLUSTERDOWN, the cluster does not serve this key",
    ),
    (
        exceptions.ResponseError, "This instance has cluster support disabled",
        "the server is a node of a cluster", Evidence.MISCONFIGURED,
        "a server by itself: write redis:// in url",
    ),
    (
        exceptions.ConnectionError, "max number of clients",
        "the server has room for a connection", Evidence.WRONG,
        "its maxclients are reached: raise the limit, or find who keeps so many connections",
    ),
)  # fmt: skip
"""What a server may answer instead: the error, how its text begins, the rule that is broken (else it is the
question's own), and advice."""


def explain(
    error: Exception, link: Link, rule: str, needs: str, credentials: str = "user and password in url"
) -> ProbeFailure | None:
    """Put redis-py's error into words; None for one that says nothing about the server.

    ``rule`` is what would have held without it, ``needs`` the right for what was asked, as ``ACL SETUSER`` takes it,
    and ``credentials`` where the operator finds those that were used.
    """
    for cause in causes(error):
        for kind, begin, broken, evidence, observed in _REFUSALS:
            if isinstance(cause, kind) and str(cause).startswith(begin):
                told = observed.format(needs=needs, credentials=credentials)
                return ProbeFailure(broken or rule, told, evidence=evidence)
        if isinstance(cause, exceptions.ResponseError):
            return ProbeFailure(rule, _without(link.password, str(cause)))
    failure = unreached(error, link.where)
    if failure is not None:
        return failure
    if isinstance(error, exceptions.ConnectionError):
        return ProbeFailure(f"{link.where} answers", "the connection was closed", evidence=Evidence.SILENT)
    if isinstance(error, NONSENSE):
        return ProbeFailure(f"{link.where} speaks the Redis protocol", _without(link.password, str(error)))
    return None


def _without(password: str | None, text: str) -> str:
    """Keep the password out: "unknown command" errors repeat what was sent."""
    text = text.partition(", with args")[0]
    return "an error that repeats the password" if password and password in text else text
