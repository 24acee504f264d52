"""What went wrong, in words for people."""

import asyncpg

from sidecar.contract import Evidence, Outcome, ProbeFailure
from sidecar.unreached import causes, unreached

TROUBLES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises for whatever is wrong with the URL, the way, the server or the query."""

_ADVICE = {
    "08P01": (
        "the server understands us", Evidence.MISCONFIGURED,
        "a protocol violation: a pooler may refuse a parameter of url",
    ),
    "25006": (
        "the query only reads", Evidence.MISCONFIGURED,
        "it writes, and runs in a read-only transaction: change query",
    ),
    "28000": (
        "the user is admitted", Evidence.MISCONFIGURED,
        "refused for this user, database or address: correct url, or the server's pg_hba.conf",
    ),
    "28P01": (
        "the password is accepted", Evidence.MISCONFIGURED,
        "it is missing or wrong: correct user and password in url",
    ),
    "3D000": (
        "the database exists", Evidence.MISCONFIGURED,
        "no database of that name: correct it in url, or create it",
    ),
    "42501": (
        "the user may run the query", Evidence.MISCONFIGURED,
        "no permission: GRANT it, or change query",
    ),
    "53100": (
        "the server has resources", Evidence.WRONG,
        "its disk is full",
    ),
    "53200": (
        "the server has resources", Evidence.WRONG,
        "it is out of memory",
    ),
    "53300": (
        "the server has room for a connection", Evidence.WRONG,
        "too many connections: find who keeps so many, or raise max_connections",
    ),
    "57014": (
        "the query ends in time", Evidence.SILENT,
        "the server cancelled it: it takes longer than the timeout, or somebody stopped it",
    ),
    "57P01": (
        "the server stays up", Evidence.WRONG,
        "it is shutting down, or an administrator ended the connection",
    ),
    "57P02": (
        "the server stays up", Evidence.WRONG,
        "it has crashed and restarts",
    ),
    "57P03": (
        "the server is ready", Evidence.WRONG,
        "it is starting up, shutting down or recovering",
    ),
}  # fmt: skip
"""SQLSTATEs (PostgreSQL documentation, appendix A): the rule that is broken, and what the operator can do."""


def is_lost(error: Exception) -> bool:
    """Whether it is the connection that is gone, rather than the query that failed."""
    if isinstance(error, asyncpg.PostgresError):
        # Connection exceptions, operator intervention other than a cancelled query, idle time-outs.
        return (error.sqlstate or "").startswith(("08", "57P", "25P03"))
    return True


def explain(error: Exception, where: str) -> ProbeFailure:
    """Put the error into words."""
    for link in causes(error):
        if isinstance(link, asyncpg.PostgresError):
            return _refusal(link, where)
        if isinstance(link, asyncpg.ClientConfigurationError):
            return ProbeFailure("url suits asyncpg", str(link), evidence=Evidence.MISCONFIGURED)
    if isinstance(error, FileNotFoundError) and not where.startswith("/"):
        rule = "the TLS files in url can be read"
        return ProbeFailure(rule, "no such file", otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
    return unreached(error, where) or _broken_off(error, where)


def _broken_off(error: Exception, where: str) -> ProbeFailure:
    if "rejected SSL upgrade" in str(error):
        return ProbeFailure(f"{where} offers TLS", "a refusal: choose another sslmode in url, or is it no PostgreSQL?")
    if isinstance(error, asyncpg.InternalClientError):
        return ProbeFailure(f"{where} speaks the PostgreSQL protocol as asyncpg knows it", str(error))
    return ProbeFailure(f"{where} answers", "the connection was closed", evidence=Evidence.SILENT)


def _refusal(error: asyncpg.PostgresError, where: str) -> ProbeFailure:
    state = error.sqlstate or "none"
    if state in _ADVICE:
        rule, evidence, observed = _ADVICE[state]
        return ProbeFailure(rule, f"{observed} (SQLSTATE {state})", evidence=evidence)
    if state.startswith("08"):
        return ProbeFailure(f"{where} answers", "the connection was closed", evidence=Evidence.SILENT)
    # Class 42 is about the words of the query or the parameters of the URL: the probe's configuration.
    evidence = Evidence.MISCONFIGURED if state.startswith("42") else Evidence.WRONG
    return ProbeFailure("the query is answered", f"{error.args[0]} (SQLSTATE {state})", evidence=evidence)
