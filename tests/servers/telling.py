"""A process that tells a webhook of events, with its messages in a file; it is killed by the test."""

import json
import sys
from base64 import b64decode, b64encode
from pathlib import Path

import anyio
from msgspec.structs import replace
from servers.store import MemoryStore

from sidecar.actors import outbox
from sidecar.actors.notify import Notifier
from sidecar.core.events import Event, EventKind, Severity
from sidecar.core.notify_plan import NotifyPlan, SinkKind, SinkPlan
from sidecar.core.plan import Plan


class FileStore(MemoryStore):
    """The same in a file, replaced at once: what was written survives a kill."""

    def __init__(self, path):
        super().__init__()
        self._path = Path(path)
        if self._path.exists():
            kept = json.loads(self._path.read_text())
            self._number = kept["number"]
            self.streams = {
                name: [(number, b64decode(data)) for number, data in entries]
                for name, entries in kept["streams"].items()
            }

    async def append(self, stream, values, keep):
        """Append, and write the file."""
        await super().append(stream, values, keep)
        self._write()

    async def drop(self, stream, numbers):
        """Drop, and write the file."""
        await super().drop(stream, numbers)
        self._write()

    def _write(self):
        streams = {
            name: [(number, b64encode(data).decode()) for number, data in entries]
            for name, entries in self.streams.items()
        }
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps({"number": self._number, "streams": streams}))
        draft.rename(self._path)


async def main(path, url, *kinds):
    """Tell of these events, and go on until killed."""
    sinks = {"ops": SinkPlan(kind=SinkKind.WEBHOOK, url=url)}
    plan = replace(Plan(probes=()), notify=NotifyPlan(sinks=sinks))
    notifier = Notifier(plan, "web-1", FileStore(path), publish=lambda _: None, log=lambda _: None)
    for kind in kinds:
        notifier.tell(Event(kind=EventKind(kind), at=0.0, severity=Severity.WARNING, message=kind))
    await notifier.run()


if __name__ == "__main__":
    outbox.FIRST_PAUSE = outbox.LONGEST_PAUSE = 0.02
    anyio.run(main, *sys.argv[1:])
