"""What the journal keeps of a plan: who was watched and how, and a fingerprint of the rest. No secret can be in it."""

from typing import Any
from zlib import crc32

import msgspec
from msgspec.structs import fields

from sidecar.config.shown import show_plan
from sidecar.config.tables import ProbeKeys
from sidecar.core.journal.entries import Watched
from sidecar.core.plan import Plan

_COMMON = frozenset(field.encode_name for field in fields(ProbeKeys))
"""The keys that probes of every kind have."""


def fingerprint(plan: Plan) -> str:
    """Tell one configuration from another; secrets count for nothing in it."""
    return _digest(show_plan(plan))


def watched(plan: Plan) -> tuple[Watched, ...]:
    """Say of each probe what no replay can change."""
    tables = show_plan(plan)["probes"]
    return tuple(
        Watched(
            name=probe.name,
            kind=probe.kind,
            target=probe.target,
            interval=probe.interval,
            fast_interval=probe.fast_interval,
            timeout=probe.timeout,
            slow=probe.slow,
            settings=_digest({key: value for key, value in tables[probe.name].items() if key not in _COMMON}),
        )
        for probe in plan.probes
    )


def _digest(shown: Any) -> str:
    try:
        data = msgspec.json.encode(shown, order="sorted")
    except UnicodeEncodeError:  # a path with bytes that are no text
        data = repr(shown).encode(errors="replace")
    return f"{crc32(data):08x}"  # it tells a change, and nobody is kept from making another with the same
