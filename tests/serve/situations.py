"""Situations that a deployment gets into, made by stepping the real core on a clock that the test moves."""

from builders import plan, probe, process, verdict

from sidecar.core.facts import GatewayAppeared, GatewayExited, MaintenanceBegun, ProbeReported, StopRequested
from sidecar.core.plan import OnFailure, Target
from sidecar.core.state import Maintenance
from sidecar.core.verdict import Evidence, Outcome
from sidecar.serve.board import Board
from sidecar.serve.health_json import About
from sidecar.tracker import Tracker

ABOUT = About(version="1.2.3", service_id="service-7")
GATEWAY = process(pid=4711, started=0.0)
PROBES = (
    probe("gateway"),
    probe("database", target=Target.UPSTREAM, on_failure=OnFailure.UNREADY),
    probe("cache", target=Target.UPSTREAM, on_failure=OnFailure.DEGRADE),
    probe("trial", target=Target.UPSTREAM, on_failure=OnFailure.OBSERVE, startup=False),
)
OUT = Maintenance(reason="an upgrade", by="root", since=1000.0, until=4600.0)
PLAN = plan(*PROBES, drain_after=5.0, min_uptime=0.0)


class Scene:
    """A tracker and its board."""

    def __init__(self, plan=PLAN, about=ABOUT):
        self.now = 1000.0
        self.board = Board(about, lambda: self.now)
        self.tracker = Tracker(
            plan, lambda: self.now, publish=self.board.publish, tell=lambda _: None, act=lambda _: None
        )

    @property
    def snapshot(self):
        """What was published last."""
        return self.tracker.snapshot

    def report(self, name, outcome, times=1, **more):
        """Let a probe report, once a second."""
        for _ in range(times):
            self.now += 1.0
            self.tracker.record(ProbeReported(name, verdict(outcome, self.now, **more)))

    def pass_all(self):
        """Let every probe pass."""
        for view in self.snapshot.checks:
            self.report(view.plan.name, Outcome.PASS)

    def get(self, route, *, details=False, head_only=False, keep_alive=True):
        """Ask the board: status code, header fields (names in lower case), body."""
        reply = self.board.reply(route, details=details, head_only=head_only, keep_alive=keep_alive)
        head, _, body = reply.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        named = (field.partition(": ") for field in fields)
        return int(line.split()[1]), {name.lower(): value for name, _, value in named}, body


def starting():
    """Nothing is known yet."""
    return Scene()


def ready():
    """Everything passes."""
    scene = Scene()
    scene.tracker.record(GatewayAppeared(GATEWAY))
    scene.pass_all()
    return scene


def degraded():
    """An upstream that only degrades has failed."""
    scene = ready()
    scene.report("cache", Outcome.FAIL, times=3)
    return scene


def uncertain():
    """A probe cannot tell."""
    scene = ready()
    scene.report("database", Outcome.UNKNOWN)
    return scene


def unhealthy():
    """An upstream that gates readiness has failed."""
    scene = ready()
    scene.report("database", Outcome.FAIL, times=3)
    return scene


def hung():
    """The gateway does not answer any more, and is too young to be drained."""
    scene = Scene(plan(*PROBES, min_uptime=86400.0))
    scene.tracker.record(GatewayAppeared(GATEWAY))
    scene.pass_all()
    scene.report("gateway", Outcome.FAIL, times=3, evidence=Evidence.SILENT)
    return scene


def draining():
    """The gateway is being drained."""
    scene = ready()
    scene.report("gateway", Outcome.FAIL, times=8)
    return scene


def withheld():
    """A drain is due, but the gateway is too young."""
    scene = Scene(plan(*PROBES, drain_after=5.0, min_uptime=86400.0))
    scene.tracker.record(GatewayAppeared(GATEWAY))
    scene.pass_all()
    scene.report("gateway", Outcome.FAIL, times=8)
    return scene


def stopping():
    """Somebody asked the sidecar to stop."""
    scene = ready()
    scene.tracker.record(StopRequested())
    return scene


def maintained():
    """An operator has taken the replica out, and its gateway is dead meanwhile."""
    scene = ready()
    scene.tracker.record(GatewayExited(GATEWAY))
    scene.tracker.record(MaintenanceBegun(OUT))
    return scene


def gone():
    """The gateway's process has exited."""
    scene = ready()
    scene.tracker.record(GatewayExited(GATEWAY))
    return scene


def expired():
    """Everything passed, but that is long ago."""
    scene = ready()
    scene.now += 3600.0
    return scene


def expired_starting():
    """Nothing has ever been heard, for too long."""
    scene = starting()
    scene.now += 3600.0
    return scene


SITUATIONS = {
    # situation: liveness, readiness, startup, deployment status
    starting: (200, 503, 503, "starting"),
    ready: (200, 200, 200, "ready"),
    degraded: (200, 200, 200, "degraded"),
    uncertain: (200, 200, 200, "degraded"),
    unhealthy: (200, 503, 200, "unhealthy"),
    hung: (503, 503, 200, "unhealthy"),
    draining: (200, 503, 200, "unhealthy"),
    withheld: (503, 503, 200, "unhealthy"),
    stopping: (200, 503, 200, "unhealthy"),
    maintained: (200, 503, 200, "unhealthy"),
    gone: (503, 503, 200, "unhealthy"),
    expired: (200, 503, 200, "unhealthy"),
    expired_starting: (200, 503, 503, "starting"),
}
