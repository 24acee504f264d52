"""Whose fault it is."""

from sidecar.core.health import CheckState
from sidecar.core.plan import OnFailure, Target
from sidecar.core.state import GatewayPhase, State
from sidecar.core.verdict import Outcome


def upstreams_pass(state: State) -> bool:
    """Tell whether every check of an upstream passes, so that nothing which goes wrong can be an upstream's fault.

    One that is merely observed proves nothing, either way: it may be wrong itself.
    """
    upstream = [
        state.checks[probe.name]
        for probe in state.plan.probes
        if probe.target is Target.UPSTREAM and probe.on_failure is not OnFailure.OBSERVE
    ]
    return all(
        check.state is CheckState.PASSING and check.outcome in (Outcome.PASS, Outcome.WARN) for check in upstream
    )


def is_unhealthy_by_itself(state: State) -> bool:
    """Tell whether the gateway is gone unasked, or fails in a way that is proven to be its own fault."""
    if state.gateway.phase is GatewayPhase.GONE:
        return True
    return any(
        check.state is CheckState.FAILING and check.local_since is not None
        for probe in state.plan.probes
        if probe.target is Target.GATEWAY
        and probe.on_failure is OnFailure.DRAIN
        and (check := state.checks[probe.name])
    )
