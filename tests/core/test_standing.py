"""A restarted sidecar takes up what it knew: of this deployment, and of the process that is the gateway still."""

from builders import plan, probe, process, verdict

from sidecar.core.actions import SaveStanding
from sidecar.core.drain import in_last_hour
from sidecar.core.facts import GatewayAppeared, GatewayExited, ProbeReported, StandingRecalled
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import Target
from sidecar.core.standing import standing_of
from sidecar.core.state import Standing
from sidecar.core.verdict import Outcome

WEB, DB = probe("web", failure_threshold=1), probe("db", target=Target.UPSTREAM, failure_threshold=1)
PLAN = plan(WEB, DB)
LEFT = Standing(upstream=("db",), process=process(7), gateway=("web",), drains=(900.0,))


class Sidecar:
    """A sidecar that has just been started, with a clock that only the test moves."""

    def __init__(self, *facts):
        self.now = 1000.0
        self.state = begin_state(PLAN, self.now)
        self.actions = []
        for fact in facts:
            self.take(fact)

    def take(self, fact):
        """Take in a fact."""
        self.state, _, actions = step(self.state, fact, self.now)
        self.actions += actions
        return self

    def see(self, name, outcome):
        """Let a probe report a second later."""
        self.now += 1.0
        return self.take(ProbeReported(name, verdict(outcome, self.now)))


def test_the_same_process_has_started_already():
    """In whichever order the process is found and the store is read; an outage of an upstream holds nothing up."""
    for facts in (
        (GatewayAppeared(process(7)), StandingRecalled(LEFT)),
        (StandingRecalled(LEFT), GatewayAppeared(process(7))),
    ):
        sidecar = Sidecar(*facts).see("db", Outcome.FAIL).see("web", Outcome.PASS)
        assert sidecar.state.health.started


def test_another_process_has_to_pass_once_itself():
    """The upstreams of the deployment have passed; who the gateway is now, has not."""
    sidecar = Sidecar(StandingRecalled(LEFT), GatewayAppeared(process(8)))
    assert sidecar.state.checks["db"].latched
    assert not sidecar.state.checks["web"].latched
    assert not sidecar.state.health.started


def test_a_process_that_comes_later_takes_nothing_up():
    """What was left is about one process, and that has gone."""
    sidecar = Sidecar(StandingRecalled(LEFT), GatewayAppeared(process(7)))
    sidecar.take(GatewayExited(process(7))).take(GatewayAppeared(process(8)))
    assert not sidecar.state.checks["web"].latched


def test_the_drains_before_the_restart_still_count():
    """A sidecar that is restarted forgets no pause."""
    sidecar = Sidecar(StandingRecalled(LEFT))
    assert in_last_hour(sidecar.state.drain, sidecar.now) == 1


def test_a_probe_that_looks_at_somebody_else_by_now_takes_nothing_up():
    """The name of an upstream's check may be the gateway's after a change of the configuration."""
    changed = Standing(upstream=("web",), process=process(7), gateway=("db",))
    sidecar = Sidecar(StandingRecalled(changed), GatewayAppeared(process(7)))
    assert not any(check.latched for check in sidecar.state.checks.values())


def test_it_is_written_down_at_every_change_and_at_no_other_time():
    """So that a crash loses nothing, and a calm day writes nothing."""
    sidecar = Sidecar(GatewayAppeared(process(7))).see("web", Outcome.PASS).see("db", Outcome.PASS)
    saved = [action.standing for action in sidecar.actions if isinstance(action, SaveStanding)]
    assert saved[-1] == standing_of(sidecar.state) == Standing(upstream=("db",), process=process(7), gateway=("web",))
    count = len(saved)
    for _ in range(5):
        sidecar.see("web", Outcome.PASS).see("db", Outcome.FAIL)
    assert len([action for action in sidecar.actions if isinstance(action, SaveStanding)]) == count
