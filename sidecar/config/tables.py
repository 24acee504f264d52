"""The tables of the file that are not already tables of the plan."""

from typing import Annotated

from msgspec import Meta, Struct

from sidecar.core.plan import LogFormat, OnFailure, Timing
from sidecar.core.quantities import Duration


class Defaults(Timing, frozen=True, kw_only=True):
    """What every probe inherits that does not say otherwise."""

    stale_after: Annotated[Duration, Meta(le=604800)] | None = None
    """How long the last known state is believed while verdicts are unknown or missing.

    When not given: the larger of 30 s and 3 x interval + timeout."""


class ProbeKeys(Defaults, frozen=True, kw_only=True):
    """The keys that probes of every kind have."""

    kind: Annotated[str, Meta(min_length=1)] | None = None
    """What sort of probe it is. Left out, the table adjusts the derived probe of its name."""
    enabled: bool = True
    """``false``: the probe is checked for mistakes, but never run."""
    on_failure: OnFailure | None = None
    """What a failing check means. When not given: ``drain`` if the probe looks at the gateway, else the kind's own."""
    startup: bool | None = None
    """Must have passed once before the deployment counts as started. When not given: true, unless it only observes."""


class LogTable(Struct, frozen=True, kw_only=True):
    """How events are written."""

    format: LogFormat = LogFormat.AUTO
    """``auto`` is for people on a terminal and JSON elsewhere."""


class TopLevel(Struct, frozen=True, kw_only=True):
    """The keys before the first table."""

    derive: bool = True
    """Probe what the environment calls for. ``false``: only what the tables ``[probes.NAME]`` name."""
