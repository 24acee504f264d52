"""Short ways to events, and a narrator that plays the clock's part for the pure core of notifications."""

from sidecar.core.events import Event, EventKind
from sidecar.core.notices.notice import Teller
from sidecar.core.notices.plan import NotifyPlan
from sidecar.core.notices.telling import Telling, due, next_due, step
from sidecar.core.severity import Severity

START = 1_800_000_000.0
_SEVERITIES = {"unhealthy": Severity.ERROR, "degraded": Severity.WARNING}


def teller(*, probes=("gateway",), secrets=(), **rules):
    """Who tells, by these rules."""
    return Teller(
        replica="web-1",
        release="2.7.1",
        rules=NotifyPlan(**rules),
        probes=frozenset(probes),
        secrets=frozenset(secrets),
    )


def event(kind, severity=Severity.WARNING, message="", **more):
    """Write an event of this kind."""
    return Event(kind=kind, at=0.0, severity=severity, message=message or kind.value, **more)


def status(after, severity=None, **more):
    """Write a change of the status."""
    severity = severity or _SEVERITIES.get(after, Severity.INFO)
    return event(EventKind.STATUS_CHANGED, severity, f"? -> {after}", before="?", after=after, **more)


def check(after, probe="gateway"):
    """Write a change of a check."""
    severity = Severity.ERROR if after.startswith("failing") else Severity.INFO
    return event(EventKind.CHECK_CHANGED, severity, f"{probe} is {after}", probe=probe, after=after)


class Narrator:
    """Steps the core with events, and looks at the clock exactly when it asks for it."""

    def __init__(self, teller_=None, state=None):
        self.teller = teller_ or teller()
        self.state = state or Telling()
        self.now = START
        self.told = []

    def hear(self, *events):
        """Take in events that happen now; returns what is told of them at once."""
        notices = []
        for each in events:
            self.state, new = step(self.state, each, self.now, self.teller)
            notices += new
        self.told += notices
        return notices

    def wait(self, seconds):
        """Let time pass; returns what is told meanwhile."""
        until, notices = self.now + seconds, []
        while (moment := next_due(self.state, self.now, self.teller)) is not None and moment <= until:
            self.now = moment
            self.state, new = due(self.state, self.now, self.teller)
            notices += new
        self.now = until
        self.told += notices
        return notices
