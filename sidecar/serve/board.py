"""The board on which every answer stands: complete responses, all rendered from one snapshot."""

from collections.abc import Callable

from sidecar.core.forecast import forecast
from sidecar.core.notices.sink import SinkState
from sidecar.core.snapshot import Snapshot, health_at
from sidecar.core.state import Health
from sidecar.serve import health_json, prometheus
from sidecar.serve.health_json import About
from sidecar.serve.response import Page, write_response
from sidecar.serve.routes import Route

_Key = tuple[Route, bool, bool, bool]


class Board:
    """Hands out responses. ``publish`` comes before the first ``reply``.

    A response is rendered when it is first asked for after a change, and then kept until the next: between two
    requests the probes change the snapshot many times, and most of what could be rendered nobody asks for. That holds
    for the 503 for a snapshot past its time as well; should it fail, readiness says 503 in fewer words.
    """

    def __init__(self, about: About, clock: Callable[[], float]) -> None:
        self._about = about
        self._clock = clock
        self._snapshot: Snapshot
        self._believe_until: float
        self._believed: dict[_Key, bytes] = {}
        self._expired: dict[_Key, bytes] = {}
        self._sinks: tuple[SinkState, ...] = ()

    def publish(self, snapshot: Snapshot) -> None:
        """Put up a new snapshot in the place of the last."""
        self._snapshot = snapshot
        self._believe_until = snapshot.state.health.believe_until
        self._believed = {}
        self._expired = {}

    def show_sinks(self, sinks: tuple[SinkState, ...]) -> None:
        """Show how it goes with those who are told."""
        self._sinks = sinks
        self._believed = {}
        self._expired = {}

    def reply(self, route: Route, *, details: bool, head_only: bool, keep_alive: bool) -> bytes:
        """Give the complete response. Whether the snapshot may still be believed is tested each time."""
        now = self._clock()
        replies = self._believed if now <= self._believe_until else self._expired
        key = (route, details, head_only, keep_alive)
        reply = replies.get(key)
        if reply is None:
            is_too_old = replies is self._expired and route is Route.READY
            page = (self._too_old if is_too_old else self._page)(route, health_at(self._snapshot, now), details=details)
            reply = replies[key] = write_response(page, head_only=head_only, keep_alive=keep_alive)
        return reply

    def explain(self, route: Route, *, head_only: bool, keep_alive: bool) -> bytes:
        """Give the complete response with what holds the status and what happens next. Only for the authorised.

        It tells how old things are, so it is rendered for each request.
        """
        return write_response(self.explained(route), head_only=head_only, keep_alive=keep_alive)

    def explained(self, route: Route) -> Page:
        """Render the details of this moment, with what holds the status and what happens next."""
        now = self._clock()
        return health_json.render(
            route,
            self._snapshot,
            health_at(self._snapshot, now),
            self._about,
            details=True,
            explained=forecast(self._snapshot, now),
            sinks=self._sinks,
        )

    def _too_old(self, route: Route, health: Health, *, details: bool) -> Page:
        """Render the 503 past the snapshot's time: nothing needs to work in order to say that nothing works."""
        try:
            return self._page(route, health, details=details)
        except Exception:  # noqa: BLE001 - whatever it is, it must not keep the answer back
            return health_json.render_bare_refusal(health.status)

    def _page(self, route: Route, health: Health, *, details: bool) -> Page:
        if route is Route.METRICS:
            return prometheus.render(self._snapshot, health, self._about, details=details, sinks=self._sinks)
        return health_json.render(route, self._snapshot, health, self._about, details=details, sinks=self._sinks)
