"""The Prometheus dialect: text exposition format 0.0.4.

Everything here is a name or a number, so it is shown to everybody, but for the version. It is rendered once per change,
so ages are not given but moments: ``time() - sidecar_probe_known_timestamp_seconds`` is the age of the evidence.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from sidecar.core.drain import DrainPhase
from sidecar.core.health import CheckState
from sidecar.core.notices.sink import SinkState
from sidecar.core.releases.release import ReleasePhase
from sidecar.core.snapshot import CheckView, Snapshot
from sidecar.core.state import DeploymentStatus, GatewayPhase, Guard, Health, State
from sidecar.core.tally import BUCKETS
from sidecar.serve.health_json import About
from sidecar.serve.response import Page

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_OF_SINKS: tuple[tuple[str, str, str, Callable[[SinkState], float]], ...] = (
    ("sidecar_sink_pending", "gauge", "Messages that wait for the sink.", lambda sink: sink.pending),
    ("sidecar_sink_failing", "gauge", "1 while every attempt fails.", lambda sink: sink.failing_since is not None),
    ("sidecar_sink_delivered_total", "counter", "Messages delivered.", lambda sink: sink.delivered),
    ("sidecar_sink_failures_total", "counter", "Attempts that failed.", lambda sink: sink.failures),
    ("sidecar_sink_lost_total", "counter", "Messages given up.", lambda sink: sink.lost),
)

_BOUNDS = (*map(str, BUCKETS), "+Inf")


def render(
    snapshot: Snapshot,
    health: Health,
    about: About,
    *,
    details: bool,
    sinks: Sequence[SinkState] = (),
) -> Page:
    """Render all metrics; ``health`` is what may be said of the snapshot now."""
    lines = [*_deployment(snapshot, health), *_drain(snapshot), *_probes(snapshot), *_sinks(sinks)]
    if details:
        lines += _family("sidecar_build_info", "gauge", "The sidecar's version.", [(_label(version=about.version), 1)])
    return Page(200, CONTENT_TYPE, ("\n".join(lines) + "\n").encode("utf-8", "replace"))


def _deployment(snapshot: Snapshot, health: Health) -> Iterator[str]:
    state = snapshot.state
    gateway_up = state.gateway.phase is GatewayPhase.UP
    yield from _family(
        "sidecar_status", "gauge", "Deployment status; 1 for the one it has.", _one_of(DeploymentStatus, health.status)
    )
    yield from _single("sidecar_ready", "gauge", "1 while readiness is 200.", health.ready)
    yield from _single("sidecar_live", "gauge", "1 while liveness is 200.", health.live)
    yield from _single("sidecar_started", "gauge", "1 while startup is 200.", health.started)
    yield from _single(
        "sidecar_status_transitions_total", "counter", "Changes of the deployment status.", snapshot.transitions
    )
    yield from _release(state)
    yield from _single(
        "sidecar_maintenance", "gauge", "1 while an operator has taken this replica out.", state.maintenance is not None
    )
    yield from _single("sidecar_gateway_up", "gauge", "1 while the gateway's process is known to run.", gateway_up)
    yield from _single(
        "sidecar_gateway_restarts_total", "counter", "Restarts of the gateway in parent mode.", state.child.restarts
    )
    yield from _single("sidecar_loop_lag_seconds", "gauge", "Longest recent delay of the event loop.", snapshot.lag)


def _release(state: State) -> Iterator[str]:
    """Tell what becomes of the release; nothing where none is judged."""
    yield from _single(
        "sidecar_hold", "gauge", "1 while an operator has stopped all automation.", state.memory.hold is not None
    )
    if state.release is not None:
        yield from _family(
            "sidecar_release_phase", "gauge", "What the release is; 1 for the one it is.",
            _one_of(ReleasePhase, state.release.phase, label="phase"),
        )  # fmt: skip
        yield from _single(
            "sidecar_rollback_under_way", "gauge", "1 while a rollback is carried out.", state.rollback.is_under_way
        )


def _drain(snapshot: Snapshot) -> Iterator[str]:
    state = snapshot.state
    withheld = [(_label(guard=guard), state.withheld_counts.get(guard, 0)) for guard in Guard]
    yield from _single("sidecar_drains_total", "counter", "Drains begun.", state.drain.total)
    yield from _family(
        "sidecar_drain_phase", "gauge", "Phase of the drain; 1 for the one it is in.",
        _one_of(DrainPhase, state.drain.phase, label="phase"),
    )  # fmt: skip
    yield from _family("sidecar_drains_withheld_total", "counter", "Drains that a guard has forbidden.", withheld)


def _probes(snapshot: Snapshot) -> Iterator[str]:
    views = [(view, f'probe="{_escape(view.plan.name)}"') for view in snapshot.checks]
    if not views:
        return
    yield from _family(
        "sidecar_probe_state", "gauge", "State of the check; 1 for the one it has.",
        ((f'{{{probe},state="{state}"}}', view.check.state is state) for view, probe in views for state in CheckState),
    )  # fmt: skip
    yield from _family(
        "sidecar_probe_outcomes_total", "counter", "Executions by outcome.",
        (
            (f'{{{probe},outcome="{outcome}"}}', number)
            for view, probe in views
            for outcome, number in view.tally.outcomes.items()
        ),
    )  # fmt: skip
    yield from _family(
        "sidecar_probe_known_timestamp_seconds", "gauge",
        "Unix time of the latest evidence, or of when the first was due.",
        ((f"{{{probe}}}", snapshot.wall + (view.check.known_at - snapshot.at)) for view, probe in views),
    )  # fmt: skip
    name = "sidecar_probe_duration_seconds"
    yield from _about(name, "histogram", "Duration of executions.")
    for view, probe in views:
        yield from _histogram(name, view, probe)


def _histogram(name: str, view: CheckView, probe: str) -> Iterator[str]:
    number = 0
    for bound, number in zip(_BOUNDS, accumulate(view.tally.buckets), strict=True):
        yield f'{name}_bucket{{{probe},le="{bound}"}} {number}'
    yield f"{name}_sum{{{probe}}} {view.tally.seconds!r}"
    yield f"{name}_count{{{probe}}} {number}"


def _sinks(sinks: Sequence[SinkState]) -> Iterator[str]:
    if not sinks:
        return
    labels = [(_label(sink=sink.name), sink) for sink in sinks]
    for name, kind, text, value in _OF_SINKS:
        yield from _family(name, kind, text, ((label, value(sink)) for label, sink in labels))


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield from _about(name, kind, text)
    for labels, value in samples:
        yield f"{name}{labels} {_number(value)}"


def _single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    yield from _family(name, kind, text, [("", value)])


def _about(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _one_of(words: Iterable[str], word: str, *, label: str = "status") -> Iterator[tuple[str, bool]]:
    return ((_label(**{label: each}), each == word) for each in words)


def _label(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, int) else repr(float(value))
