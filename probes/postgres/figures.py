"""What the server says of itself, by one query.

Source: PostgreSQL documentation, 9.28 "System administration functions", 27.2 "The cumulative statistics system".
"""

from typing import TypeAlias

import asyncpg

from probes.postgres.spec import Spec
from sidecar.contract import Evidence, Outcome, ProbeFailure, Run

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_WRITABLE = """
    current_setting('default_transaction_read_only')::bool AS read_only"""

_LAG = """
    EXISTS (SELECT FROM pg_stat_wal_receiver WHERE coalesce(status, 'streaming') = 'streaming') AS receiving,
    pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() AS all_replayed,
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS since_last,
    standbys, standbys_hidden, standbys_lag"""

_STANDBYS = """
    FROM (
        SELECT count(*) AS standbys,
               coalesce(bool_or(state IS NULL), false) AS standbys_hidden,
               coalesce(max(extract(epoch FROM replay_lag)), 0)::float8 AS standbys_lag
        FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
    ) AS followers"""

_CONNECTIONS = """
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int AS connections,
    (
        SELECT count(*) FROM pg_stat_activity
        WHERE coalesce(backend_type, 'client backend') = 'client backend'
            AND datid IS NOT NULL AND usesysid IS NOT NULL
    ) AS connections_used"""


def figures_query(spec: Spec) -> str | None:
    """Write the query for what these settings want to know; None if that is nothing.

    To users without ``pg_monitor`` the server shows NULL where it knows more: hence the ``coalesce``.
    """
    columns = [
        part
        for wanted, part in ((spec.writable, _WRITABLE), (spec.lag, _LAG), (spec.connections_left, _CONNECTIONS))
        if wanted is not None
    ]
    if not columns:
        return None
    return f"SELECT pg_is_in_recovery() AS recovering,{','.join(columns)}{_STANDBYS if spec.lag is not None else ''}"


async def ask_figures(connection: Connection, query: str | None) -> asyncpg.Record | None:
    """Run that query, within the transaction that is open."""
    if query is None:
        return None
    try:
        return await connection.fetchrow(query)
    except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError) as error:
        rule = "the server tells what 'writable', 'lag' and 'connections_left' ask for"
        observed = f"{error.args[0]} (SQLSTATE {error.sqlstate})"
        raise ProbeFailure(rule, observed, evidence=Evidence.MISCONFIGURED) from None


def judge(run: Run, spec: Spec, figures: asyncpg.Record) -> bool:
    """Hold the figures against what is expected; false if this is not the server that is wanted."""
    recovering = figures["recovering"]
    run.note("role", "standby" if recovering else "primary")
    if spec.connections_left is not None:
        _judge_connections(run, spec.connections_left, figures)
    if spec.lag is not None and recovering:
        _judge_standby(run, spec.lag, figures)
    elif spec.lag is not None:
        _judge_primary(run, spec.lag, figures)
    return spec.writable is None or _judge_writable(run, figures, wanted=spec.writable)


def _judge_writable(run: Run, figures: asyncpg.Record, *, wanted: bool) -> bool:
    if figures["recovering"]:
        observed = "a standby"
    elif figures["read_only"]:
        observed = "a primary, with default_transaction_read_only on"
    else:
        observed = "a primary"
    is_writable = not figures["recovering"] and not figures["read_only"]
    rule = "the server takes writes" if wanted else "the server takes no writes"
    return run.expect(rule, observed, is_writable == wanted)


def _judge_standby(run: Run, limit: float, figures: asyncpg.Record) -> None:
    receiving, since = figures["receiving"], figures["since_last"]
    caught_up = receiving and figures["all_replayed"]
    # Clocks of two machines may differ by more than the lag.
    behind = 0.0 if caught_up else None if since is None else max(0.0, since)
    if behind is not None:
        run.note("lag", round(behind, 3))
    observed = "no commit replayed yet" if behind is None else f"{behind:.1f} s"
    if not receiving:
        observed += ", and nothing received from the primary"
    is_near = behind is not None and behind <= limit
    run.expect(f"the standby is at most {limit:g} s behind", observed, is_near, otherwise=Outcome.WARN)


def _judge_primary(run: Run, limit: float, figures: asyncpg.Record) -> None:
    rule = f"the slowest standby is at most {limit:g} s behind"
    run.note("standbys", figures["standbys"])
    if figures["standbys_hidden"]:
        observed = "no permission to see it: GRANT pg_monitor to the user"
        run.expect(rule, observed, False, otherwise=Outcome.WARN)
        return
    run.note("lag", round(figures["standbys_lag"], 3))
    observed = f"{figures['standbys_lag']:.1f} s" if figures["standbys"] else "no standby"
    is_near = figures["standbys"] > 0 and figures["standbys_lag"] <= limit
    run.expect(rule, observed, is_near, otherwise=Outcome.WARN)


def _judge_connections(run: Run, at_least: int, figures: asyncpg.Record) -> None:
    left = figures["connections"] - figures["connections_used"]
    run.note("connections_left", left)
    observed = f"{left} of {figures['connections']}"
    run.expect(f"at least {at_least} connections are left", observed, left >= at_least, otherwise=Outcome.WARN)
