"""The probe: one connection that is kept, and one transaction a look."""

from typing import TypeAlias

import asyncpg

from probes.postgres.figures import Connection, ask_figures, figures_query, judge
from probes.postgres.refusals import TROUBLES, explain, is_lost
from probes.postgres.spec import Spec, names_itself, place
from sidecar.contract import Kind, OnFailure, Probe, Run, Setting

_Answers: TypeAlias = tuple[str, asyncpg.Record | None]
"""What the query gives, as text, and the figures, if any are wanted."""


class PostgresProbe(Probe[Spec]):
    """Keeps one connection. Whatever goes wrong on it, it is cut: nobody knows in what state it is."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._connection: Connection | None = None
        self._where = place(spec.url)
        # Whoever looks at pg_stat_activity should know us, unless the URL gives another name.
        self._server_settings = {} if names_itself(spec.url) else {"application_name": f"sidecar {setting.name}"}
        self._figures_query = figures_query(spec)

    async def observe(self, run: Run) -> None:
        """Run the query and hold its answer against ``expect``, then the server's figures against the other keys."""
        try:
            answer, figures = await self._look(run)
        except TROUBLES as error:
            raise explain(error, self._where) from None
        if self.spec.expect is None:
            run.expect("the query is answered", answer, holds=True)
        else:
            run.expect(f"the query gives {self.spec.expect}", answer, answer == self.spec.expect)
        if figures is not None and not judge(run, self.spec, figures):
            self._cut()  # whatever leads to the right server, be it DNS or a pooler, acts on a fresh connection

    async def aclose(self) -> None:
        """Take leave of the server, lest its log complain. When cancelled, cut the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _look(self, run: Run) -> _Answers:
        try:
            answers = await self._ask_kept(run)
            if answers is None:
                self._connection = await self._connect()
                run.phase("connect")
                answers = await self._ask(self._connection, run)
        except BaseException:
            self._cut()
            raise
        run.phase("query")
        return answers

    async def _ask_kept(self, run: Run) -> _Answers | None:
        """Ask over the kept connection; None if there is none, or none any more.

        Servers close connections that are idle, and all of them when they restart: a fresh one decides.
        """
        if self._connection is None:
            return None
        try:
            return await self._ask(self._connection, run)
        except TROUBLES as error:
            if not is_lost(error):
                raise
            self._cut()
            return None

    async def _ask(self, connection: Connection, run: Run) -> _Answers:
        # One round trip opens the transaction, with a limit that the server keeps even if we die. If the query fails
        # the transaction is not rolled back: the connection is cut.
        limit = max(1, round(self.setting.timeout * 1000))
        await connection.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}")
        value = await connection.fetchval(self.spec.query)
        figures = await ask_figures(connection, self._figures_query)
        await connection.execute("COMMIT")
        run.note("server_version", connection.get_settings().server_version)
        return _text(value), figures

    async def _connect(self) -> Connection:
        connection = await asyncpg.connect(
            self.spec.url,
            timeout=2 * self.setting.timeout,  # asyncpg insists on one; the caller's comes first
            statement_cache_size=0,  # statements that are kept prepared would stay behind in a pooler's session
            server_settings=self._server_settings,
        )
        if self.spec.tripwire:
            connection.add_termination_listener(self._notice_end)
        return connection

    def _notice_end(self, connection: object) -> None:
        """Look again at once when the server has ended the connection that is kept; not when we have."""
        if connection is self._connection:
            self.setting.look_again()

    def _cut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _text(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


KIND = Kind("postgres", Spec, PostgresProbe, on_failure=OnFailure.UNREADY)
