"""``heartbeat``: somebody reports in, again and again, and is missed when it does not: a scheduled job, a worker.

It reports by touching a file (``touch``, or writing to it), or by ``POST /heartbeat/NAME`` to the health port.
"""

import hmac
import os
import time
from asyncio import timeout
from functools import partial
from typing import Annotated

from anyio import to_thread
from msgspec import Meta, Struct

from sidecar.contract import Duration, Evidence, Kind, Outcome, Probe, ProbeFailure, Run, Secret, Setting
from sidecar.underway import OneAtATime


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "heartbeat"``: ``file``, ``token`` or both are needed.

    For what reports seldom set ``startup = false``, or the deployment counts as starting until its first report.
    """

    every: Annotated[Duration, Meta(ge=0.1)]
    """How often a report is due."""
    grace: Duration = 30.0
    """How much later it may come."""
    file: Annotated[str, Meta(min_length=1)] | None = None
    """The file whose time of modification is the report."""
    token: Annotated[Secret, Meta(min_length=8)] | None = None
    """The bearer token that a report by POST has to show."""

    def __post_init__(self) -> None:
        if self.file is None and self.token is None:
            raise ValueError("neither file nor token is given: say how it reports in")
        if "\0" in (self.file or ""):
            raise ValueError("file has a NUL character in it")


class HeartbeatProbe(Probe[Spec]):
    """Remembers when the last report came, by a clock that nobody sets."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._allowed = spec.every + spec.grace
        self._started = _now()
        self._reported: float | None = None
        self._modified: int | None = None
        """The file's time as last seen, in nanoseconds."""
        self._stat: OneAtATime[int] = OneAtATime()

    def beat(self, credential: bytes) -> bool:
        """Take a report, if it shows the token."""
        token = self.spec.token
        if token is None or not hmac.compare_digest(credential, token.encode("utf-8", "surrogateescape")):
            return False
        self._reported = _now()
        return True

    async def observe(self, run: Run) -> None:
        """Look how long ago the last report came."""
        if self.spec.file is not None:
            await self._look_at(self.spec.file)
        now, rule = _now(), f"a report comes every {self.spec.every:g} s, or {self.spec.grace:g} s later"
        age = None if self._reported is None else now - self._reported
        if age is not None:
            run.note("age_seconds", round(age, 3))
        if age is not None and age <= self._allowed:
            run.expect(rule, f"one {age:.1f} s ago", holds=True)
            return
        waited = now - self._started
        if waited <= self._allowed:  # whoever reports in may have been started together with us
            before = "" if age is None else f", and the last one {age:.0f} s ago, before the sidecar was there"
            observed = f"none yet in {waited:.1f} s{before}"
            raise ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
        observed = f"none in {waited:.0f} s" if age is None else f"the last one {age:.0f} s ago"
        raise ProbeFailure(rule, observed, evidence=Evidence.SILENT)

    async def aclose(self) -> None:
        """Wait no longer for a file system that hangs."""
        self._stat.abandon()

    async def _look_at(self, path: str) -> None:
        """Take a new time of the file for a report; from then on its age is measured by our own clock.

        So neither a wall clock that jumps nor a time in the future, which would look fresh for ever, deceives us.
        """
        try:
            async with timeout(self.setting.timeout / 2):
                modified = await self._stat.result(partial(_modified, path))
        except FileNotFoundError:
            return
        except OSError as error:  # TimeoutError is one
            observed = f"{(error.strerror or 'no answer from the file system').lower()} ({path})"
            rule = "the file can be looked at"
            raise ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER) from None
        if modified != self._modified:
            self._modified = modified
            reported = _now() - max(0.0, (time.time_ns() - modified) / 1e9)
            self._reported = max(reported, self._reported or reported)


async def _modified(path: str) -> int:
    """Ask in a thread: the file may lie in a dead mount."""
    return (await to_thread.run_sync(os.stat, path, abandon_on_cancel=True)).st_mtime_ns


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


KIND = Kind("heartbeat", Spec, HeartbeatProbe, harmless=lambda spec: None)  # noqa: ARG005 - nobody reports yet
