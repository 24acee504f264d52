"""``postgres``: a PostgreSQL server answers a query, over one connection that is kept between looks.

The query runs in a transaction of its own, read-only, which the server itself ends at the probe's timeout. Nothing
stays behind in the session, so that a pooler such as PgBouncer may stand in between.
"""

import re
from typing import Annotated, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from msgspec import Meta, Struct

from sidecar.contract import Evidence, Kind, OnFailure, Outcome, Probe, ProbeFailure, Run, Secret, Setting
from sidecar.unreached import causes, unreached

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_TROUBLES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises for whatever is wrong with the URL, the way, the server or the query."""


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "postgres"``."""

    url: Secret
    """``postgresql://user:password@host:5432/database``, with asyncpg's parameters, such as ``?sslmode=require``."""
    query: Annotated[str, Meta(min_length=1)] = "SELECT 1"
    """One statement that only reads."""
    expect: str | None = None
    """The first value of the first row as text: ``true`` and ``false`` for truth values, ``null`` for none."""

    def __post_init__(self) -> None:
        _check(self.url)


class PostgresProbe(Probe[Spec]):
    """Keeps one connection. Whatever goes wrong on it, it is cut: nobody knows in what state it is."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._connection: _Connection | None = None
        self._where = _place(spec.url)
        # Whoever looks at pg_stat_activity should know us, unless the URL gives another name.
        is_named = "application_name" in parse_qs(urlsplit(spec.url).query)
        self._server_settings = {} if is_named else {"application_name": f"sidecar {setting.name}"}

    async def observe(self, run: Run) -> None:
        """Run the query and hold its answer against ``expect``."""
        try:
            answer = await self._look(run)
        except _TROUBLES as error:
            raise _explain(error, self._where) from None
        if self.spec.expect is None:
            run.expect("the query is answered", answer, holds=True)
        else:
            run.expect(f"the query gives {self.spec.expect}", answer, answer == self.spec.expect)

    async def aclose(self) -> None:
        """Take leave of the server, lest its log complain. When cancelled, cut the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _look(self, run: Run) -> str:
        try:
            answer = await self._ask_kept(run)
            if answer is None:
                self._connection = await self._connect()
                run.phase("connect")
                answer = await self._ask(self._connection, run)
        except BaseException:
            self._cut()
            raise
        run.phase("query")
        return answer

    async def _ask_kept(self, run: Run) -> str | None:
        """Ask over the kept connection; None if there is none, or none any more.

        Servers close connections that are idle, and all of them when they restart: a fresh one decides.
        """
        if self._connection is None:
            return None
        try:
            return await self._ask(self._connection, run)
        except _TROUBLES as error:
            if not _is_lost(error):
                raise
            self._cut()
            return None

    async def _ask(self, connection: _Connection, run: Run) -> str:
        # One round trip opens the transaction, with a limit that the server keeps even if we die. If the query fails
        # the transaction is not rolled back: the connection is cut.
        limit = max(1, round(self.setting.timeout * 1000))
        await connection.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}")
        value = await connection.fetchval(self.spec.query)
        await connection.execute("COMMIT")
        run.note("server_version", connection.get_settings().server_version)
        return _text(value)

    async def _connect(self) -> _Connection:
        return await asyncpg.connect(
            self.spec.url,
            timeout=2 * self.setting.timeout,  # asyncpg insists on one; the caller's comes first
            statement_cache_size=0,  # statements that are kept prepared would stay behind in a pooler's session
            server_settings=self._server_settings,
        )

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _text(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


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


def _place(url: str) -> str:
    """Name the server, or the servers, without user and password."""
    parts = urlsplit(url)
    return unquote(parts.netloc.rpartition("@")[2]) or ",".join(parse_qs(parts.query).get("host", ["localhost"]))


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


def _is_lost(error: Exception) -> bool:
    """Whether it is the connection that is gone, rather than the query that failed."""
    if isinstance(error, asyncpg.PostgresError):
        # Connection exceptions, operator intervention other than a cancelled query, idle time-outs.
        return (error.sqlstate or "").startswith(("08", "57P", "25P03"))
    return True


def _explain(error: Exception, where: str) -> ProbeFailure:
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


KIND = Kind("postgres", Spec, PostgresProbe, on_failure=OnFailure.UNREADY)
