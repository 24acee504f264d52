"""A process that tells a webhook of events, with its messages in a file of SQLite; it is killed by the test."""

import sys

import anyio
from msgspec.structs import replace

from sidecar.actors import outbox
from sidecar.actors.notify import Notifier
from sidecar.core.events import Event, EventKind
from sidecar.core.notices.plan import NotifyPlan, SinkKind, SinkPlan
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.store.sqlite import SqliteStore


async def main(path, url, *kinds):
    """Tell of these events, and go on until killed."""
    sinks = {"ops": SinkPlan(kind=SinkKind.WEBHOOK, url=url)}
    plan = replace(Plan(probes=()), notify=NotifyPlan(sinks=sinks))
    notifier = Notifier(plan, SqliteStore(path, None), running=lambda: None, publish=lambda _: None, log=lambda _: None)
    for kind in kinds:
        notifier.tell(Event(kind=EventKind(kind), at=0.0, severity=Severity.WARNING, message=kind))
    await notifier.run()


if __name__ == "__main__":
    outbox.FIRST_PAUSE = outbox.LONGEST_PAUSE = 0.02
    anyio.run(main, *sys.argv[1:])
