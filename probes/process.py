"""``process``: the gateway's process lives, and what it consumes stays within its limits.

Only the process that was proven to be the gateway is measured, not its children: the workers of a cluster answer
for themselves on the port.
"""

import os
import time
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.contract import (
    Evidence,
    GatewayPlan,
    GatewayProcess,
    Kind,
    Outcome,
    Probe,
    ProbeFailure,
    Run,
    Setting,
    Size,
    Target,
)
from sidecar.linux import procfs, sockdiag


class Spec(Struct, frozen=True, kw_only=True):
    """Limits; one that is exceeded is a warning, unless ``fail`` names it. What has no limit is only shown."""

    memory: Annotated[Size, Meta(ge=1)] | None = None
    """Resident memory."""
    cpu: Annotated[float, Meta(gt=0)] | None = None
    """Processor time since the previous look, in percent of one core: two busy cores are 200."""
    open_files: Annotated[int, Meta(ge=1)] | None = None
    """File descriptors, sockets included."""
    threads: Annotated[int, Meta(ge=1)] | None = None
    """Threads of the process."""
    listen_queue: Annotated[int, Meta(ge=1)] | None = None
    """Connections to the gateway's port that wait to be accepted."""
    fail: tuple[str, ...] = ()
    """The limits that fail instead of warning, by their names here."""

    def __post_init__(self) -> None:
        for name in self.fail:
            if name not in _LIMITS:
                raise ValueError(f"fail names {name!r}: expected some of {', '.join(_LIMITS)}")
            if getattr(self, name) is None:
                raise ValueError(f"fail names {name!r}, but there is no limit {name}: set it, or take it out of fail")


_LIMITS = {
    "memory": ("memory", "memory_bytes"),
    "cpu": ("cpu", "cpu_percent"),
    "open_files": ("open files", "open_files"),
    "threads": ("threads", "threads"),
    "listen_queue": ("listen queue", "listen_queue"),
}
"""How each limit is called in a rule, and how its figure is called in the notes."""


class ProcessProbe(Probe[Spec]):
    """Remembers the process between looks, to measure its processor time and to notice its end."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._known: GatewayProcess | None = None
        self._in_doubt = False
        """Somebody was seen to listen who was not proven; it takes a moment to look at every process."""
        self._worked: tuple[float, float] | None = None
        """When the process was measured last, and the processor time that it had taken by then."""

    async def observe(self, run: Run) -> None:
        """Look whether the process lives, then what it consumes."""
        current = self.setting.gateway_process()
        suspect = current or self._known  # lost from sight is not yet dead, nor is it alive
        found = _prove_alive(suspect) if suspect else None
        if current is None or found is None:
            raise self._not_found()
        self._in_doubt = False
        if current != self._known:
            self._known, self._worked = current, None
        try:
            usage = self._measure(found)
        except ProcessLookupError:
            raise _gone(current, "gone") from None
        run.note("pid", current.pid)
        run.note("uptime_seconds", int(time.clock_gettime(time.CLOCK_BOOTTIME) - current.started))
        for name, figure in usage.items():
            run.note(_LIMITS[name][1], figure)
        self._hold_to_limits(run, usage)
        run.expect("the gateway's process is alive", f"pid {current.pid}", holds=True)

    def _not_found(self) -> ProbeFailure:
        """Say what there is instead of a proven process, and what to do.

        While somebody listens who stays unproven, the gateway's other checks tell how it is: this one only warns that
        there will be no drain. While nobody listens, nothing is known.
        """
        gateway = self.setting.gateway
        rule = f"the gateway's process is found{_where_sought(gateway)}"
        users = {each.uid for each in sockdiag.listeners(gateway.port)}
        if not users:
            observed = f"nobody listening on port {gateway.port}: has the gateway started, and is this its port?"
            return ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
        held = f"port {gateway.port} held by user {', '.join(map(str, sorted(users)))}"
        known_for_long, self._in_doubt = self._in_doubt, True
        if not known_for_long:
            observed = f"{held}, by a process that is not proven yet"
            return ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
        observed = f"{held}, but nobody proven: is the sidecar's user ({os.geteuid()}) the same?"
        return ProbeFailure(rule, observed, otherwise=Outcome.WARN, evidence=Evidence.OBSERVER)

    def _measure(self, found: procfs.ProcStat) -> dict[str, int | float]:
        """Read what can be read; a figure that the kernel keeps from us is missing."""
        usage: dict[str, int | float] = {"memory": procfs.resident(found.pid), "threads": found.threads}
        now = time.monotonic()
        if self._worked is not None:  # else there is nothing to compare with
            then, processor = self._worked
            usage["cpu"] = round(100 * (found.processor - processor) / (now - then), 1)
        self._worked = now, found.processor
        with suppress(PermissionError):  # before Linux 6.2 only the owner may count them
            usage["open_files"] = procfs.open_files(found.pid)
        with suppress(OSError):
            usage["listen_queue"] = sum(each.backlog for each in sockdiag.listeners(self.setting.gateway.port))
        return usage

    def _hold_to_limits(self, run: Run, usage: dict[str, int | float]) -> None:
        for name, (words, _) in _LIMITS.items():
            limit = getattr(self.spec, name)
            if limit is None or (name == "cpu" and name not in usage):
                continue
            rule = f"{words} is at most {_readable(name, limit)}"
            if name not in usage:
                run.expect(rule, "no permission to read it", holds=False, otherwise=Outcome.WARN)
                continue
            run.expect(
                rule,
                _readable(name, usage[name]),
                usage[name] <= limit,
                otherwise=Outcome.FAIL if name in self.spec.fail else Outcome.WARN,
                evidence=Evidence.LIMIT,
            )


def _prove_alive(suspect: GatewayProcess) -> procfs.ProcStat:
    """Look at the very process. Raise unless it lives and runs: a zombie has ended, a reused pid is somebody else."""
    try:
        found = procfs.stat(suspect.pid)
    except ProcessLookupError:
        raise _gone(suspect, "gone") from None
    if found.start_ticks != suspect.start_ticks:
        raise _gone(suspect, f"gone, and its pid now belongs to {found.comm!r}")
    if found.exited:
        raise _gone(suspect, "exited, and its parent has not yet collected it")
    if found.state == "T":
        raise ProbeFailure(
            "the gateway's process runs",
            f"pid {suspect.pid} stopped by a signal: kill -CONT {suspect.pid} lets it go on",
            evidence=Evidence.SILENT,
        )
    return found


def _gone(suspect: GatewayProcess, how: str) -> ProbeFailure:
    return ProbeFailure("the gateway's process is alive", f"pid {suspect.pid} {how}", evidence=Evidence.GONE)


def _where_sought(gateway: GatewayPlan) -> str:
    if gateway.pid_file is not None:
        return f" by the pid file {gateway.pid_file}"
    return f" by the name {gateway.process_name!r}" if gateway.process_name is not None else ""


def _readable(name: str, figure: float) -> str:
    if name == "memory":
        return f"{figure / (1 << 20):.1f} MiB"
    return f"{figure:.0f} %" if name == "cpu" else str(figure)


KIND = Kind("process", Spec, ProcessProbe, target=lambda spec, gateway: Target.GATEWAY)  # noqa: ARG005
