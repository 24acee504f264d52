"""What is written down, so that the past can be read, and replayed under other rules. One entry is one line of JSON.

Moments are Unix time, because a journal outlives a boot: within one run of the sidecar CLOCK_BOOTTIME plus a constant,
so that differences are exact, and a clock that is set meanwhile moves nothing.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sidecar.core.drain import DrainStep
from sidecar.core.plan import Target
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import Hold, KnownGood
from sidecar.core.releases.rollback import RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.verdict import Evidence, Outcome

LINE_AT_MOST = 1 << 20
"""Bytes of an entry, which most are far below. A longer line is no entry of ours."""

TEXT_AT_MOST = 500
"""Characters of each text in an entry."""

Moment = Annotated[float, Meta(ge=0, le=2.5e11)]
"""Seconds of Unix time, as long as years have four digits."""

Seconds = Annotated[float, Meta(ge=0, le=1e9)]


def _tag(name: str) -> str:
    """Name an entry's sort after its class: ``GatewayExited`` is ``gateway_exited``."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")


class _Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="entry", tag=_tag):
    at: Moment


class Process(Struct, frozen=True):
    """A process, told from another by pid and start."""

    pid: int
    start_ticks: int
    started: Moment


class Watched(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A probe as it was configured: what no replay can change, because the evidence was gathered so."""

    name: str
    kind: str
    target: Target
    interval: Seconds
    fast_interval: Seconds
    timeout: Seconds
    slow: Seconds | None = None
    settings: str = ""
    """The fingerprint of the kind's own settings."""


class _Rules(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    plan: str
    """The fingerprint of the configuration that is in force."""
    probes: tuple[Watched, ...]
    release: str | None = None


class SidecarStarted(_Rules, frozen=True, kw_only=True, omit_defaults=True):
    """The sidecar began: nothing was known yet."""

    replica: str
    version: str


class SidecarRuns(_Rules, frozen=True, kw_only=True, omit_defaults=True):
    """What holds, said again from time to time: the entries that said it first are dropped one day."""

    gateway: Process | None = None
    child: Process | None = None


class Replanned(_Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Another configuration is in force."""


class Lost(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Entries before this one could not be kept."""

    count: int


class Verdicts(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Verdicts of one probe that say the same, evenly spread from ``at`` to ``last``: when they were reported."""

    probe: str
    outcome: Outcome
    reason: str
    evidence: Evidence | None = None
    last: Moment
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1
    fastest: Seconds
    mean: Seconds
    slowest: Seconds
    """How long an execution took."""


class GatewayAppeared(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody listened on the gateway's port."""

    process: Process | None = None
    unproven: str | None = None


class GatewayExited(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The gateway's process had exited."""

    process: Process


class ChildStarted(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Parent mode: the command was started."""

    process: Process


class ChildEnded(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Parent mode: the command had ended."""

    status: int
    words: str


class DrainAdvanced(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The drain's actor took a step: how long work in flight took is evidence. ``cancel``: its step was refused."""

    step: DrainStep


class StopRequested(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The sidecar was asked to stop."""


class ObserverLate(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The sidecar itself was held up."""

    lag: Seconds


class MaintenanceBegun(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An operator took the replica out."""

    reason: str
    by: str
    since: Moment
    until: Moment


class MaintenanceEnded(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An operator put it back."""

    reason: str
    by: str


class TimePassed(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """It was looked at what ends by itself."""


class DrainOrdered(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An operator ordered a drain, and it began."""

    reason: str
    by: str


class ReplacementOrdered(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Parent mode: another command was to take the place of the one that ran."""

    reason: str


class MemoryRecalled(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The store said something else about releases than before. All its times are Unix time."""

    memory: Memory


class StandingRecalled(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The sidecar before this one had left what it knew."""

    upstream: tuple[str, ...] = ()
    process: Process | None = None
    gateway: tuple[str, ...] = ()
    drains: tuple[float, ...] = ()


class TrafficMeasured(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """The gateway's own metrics were read."""

    sample: Sample


class HoldBegun(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An operator stopped all automation."""

    hold: Hold


class HoldEnded(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """Automation went on."""

    by: str


class ReleasePromoted(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An operator said that the release was good."""

    reason: str
    by: str


class RollbackOrdered(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An operator ordered a rollback, and it began."""

    target: KnownGood | None = None
    reason: str
    by: str
    forced: bool = False


class RollbackAdvanced(_Entry, frozen=True, kw_only=True, omit_defaults=True):
    """A rollback came a step further: what the platform answers is evidence."""

    step: RollbackStep
    detail: str = ""


class Told(_Entry, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """An event, as it was told to people."""

    kind: str
    severity: str
    message: str
    cause: str | None = None
    probe: str | None = None
    before: str | None = None
    after: str | None = None
    evidence: tuple[str, ...] = ()


Rules = SidecarStarted | SidecarRuns | Replanned
Entry = (
    Rules
    | Lost
    | Verdicts
    | GatewayAppeared
    | GatewayExited
    | ChildStarted
    | ChildEnded
    | DrainAdvanced
    | StopRequested
    | ObserverLate
    | MaintenanceBegun
    | MaintenanceEnded
    | TimePassed
    | DrainOrdered
    | ReplacementOrdered
    | MemoryRecalled
    | StandingRecalled
    | TrafficMeasured
    | HoldBegun
    | HoldEnded
    | ReleasePromoted
    | RollbackOrdered
    | RollbackAdvanced
    | Told
)

_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def write_entry(entry: Entry) -> bytes:
    """Write an entry as a line, without its end."""
    return msgspec.json.encode(entry)


def read_entry(line: bytes | str) -> Entry:
    """Read an entry. Raises ``ValueError`` with what is wrong with it."""
    if len(line) > LINE_AT_MOST:
        raise ValueError(f"a line of {len(line)} bytes: expected at most {LINE_AT_MOST}")
    entry = _DECODER.decode(line)
    if isinstance(entry, Verdicts) and entry.last < entry.at:
        raise ValueError("the last verdict is before the first")
    return entry


def keep(text: str) -> str:
    """Cut a text to what an entry keeps of it, and leave out what could steer a terminal."""
    if len(text) <= TEXT_AT_MOST and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text[:TEXT_AT_MOST])
    return shown if len(text) <= TEXT_AT_MOST else shown + "…"
