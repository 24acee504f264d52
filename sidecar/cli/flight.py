"""A flight record for people."""

from collections.abc import Iterator

from sidecar.cli.terminal import align
from sidecar.cli.when import write_moment
from sidecar.config.words import printable
from sidecar.core.journal.flight import Flight, Look, ProbeRecord


def render_flight(flight: Flight) -> str:
    """Write what was known, the most important first."""
    head = [(name, printable(value)) for name, value in _facts(flight)]
    return "\n".join([*align(head), *(line for name, probe in flight.probes.items() for line in _probe(name, probe))])


def _facts(flight: Flight) -> Iterator[tuple[str, str]]:
    yield "when", write_moment(flight.at)
    for why in flight.why:
        yield "why", why
    yield "replica", f"{flight.replica}, sidecar {flight.version}"
    if flight.release is not None:
        yield "release", f"{flight.release}, {flight.release_phase or 'not judged'}"
    yield "status", f"{flight.status}: " + ("; ".join(flight.reasons) or "no reason against it")
    gateway = flight.gateway
    who = f", process {gateway.pid}, {gateway.age or 0:.0f} s old" if gateway.pid is not None else ""
    yield "gateway", gateway.phase + who + (f"; not proven: {gateway.unproven}" if gateway.unproven else "")
    for name, figure in gateway.figures.items():
        yield f"  {name}", str(figure)
    yield "drain", flight.drain + (f"; withheld: {flight.withheld}" if flight.withheld else "")
    if flight.maintenance:
        yield "maintenance", flight.maintenance
    yield "loop lag", f"{flight.lag * 1000:.1f} ms"


def _probe(name: str, probe: ProbeRecord) -> Iterator[str]:
    yield ""
    counts = f"{probe.failures} failures" if probe.failures else f"{probe.successes} successes"
    yield printable(f"{name} ({probe.kind}, on_failure {probe.on_failure}) is {probe.state}, {counts} in a row")
    for look in probe.looks:
        yield from _look(look)


def _look(look: Look) -> Iterator[str]:
    phases = ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in look.phases)
    took = f"{look.seconds * 1000:.1f} ms" + (f": {phases}" if phases else "")
    yield printable(f"  {write_moment(look.at)}  {look.outcome}  {look.reason}  ({took})")
    for finding in look.findings:
        yield printable(f"      {finding}")
    if look.notes:
        yield printable("      " + ", ".join(f"{name}={value}" for name, value in look.notes.items()))
