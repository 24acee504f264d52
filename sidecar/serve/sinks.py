"""How it goes with those who are told, as the health+json dialect shows it to the authorised."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from sidecar.core.notices.sink import SinkState
from sidecar.serve.moments import moment


class SinkView(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One sink."""

    kind: str
    pending: int
    delivered: int
    failures: int
    lost: int
    last_success: datetime | None = None
    last_error: str | None = None
    failing_since: datetime | None = None


def view_sinks(sinks: Sequence[SinkState]) -> dict[str, SinkView]:
    """Show every sink by its name."""
    return {
        sink.name: SinkView(
            kind=sink.kind,
            pending=sink.pending,
            delivered=sink.delivered,
            failures=sink.failures,
            lost=sink.lost,
            last_success=None if sink.last_success is None else moment(sink.last_success),
            last_error=sink.last_error,
            failing_since=None if sink.failing_since is None else moment(sink.failing_since),
        )
        for sink in sinks
    }
