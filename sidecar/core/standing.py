"""What a restarted sidecar takes up again: which checks had passed once, of whom, and when drains were."""

from msgspec.structs import replace

from sidecar.core.plan import Target
from sidecar.core.state import Standing, State


def has_changed(before: State, after: State) -> bool:
    """Tell whether what would have to be taken up is not the same any more."""
    if before.drain.history != after.drain.history or before.gateway.last_proven != after.gateway.last_proven:
        return True
    if before.checks is after.checks:
        return False
    old = before.checks
    return any(check.latched is not (name in old and old[name].latched) for name, check in after.checks.items())


def standing_of(state: State) -> Standing:
    """Find what would have to be taken up again."""
    latched = [probe for probe in state.plan.probes if state.checks[probe.name].latched]
    return Standing(
        upstream=tuple(probe.name for probe in latched if probe.target is Target.UPSTREAM),
        process=state.gateway.last_proven,
        gateway=tuple(probe.name for probe in latched if probe.target is Target.GATEWAY),
        drains=state.drain.history,
    )


def take_up(state: State) -> State:
    """Take up what was known of the deployment, and of the process that is the gateway still."""
    standing = state.standing
    names = set(standing.upstream)
    if standing.process is not None and standing.process == state.gateway.last_proven:
        names |= set(standing.gateway)
    checks = {
        name: replace(check, latched=True) if name in names and _is_of(state, name, standing) else check
        for name, check in state.checks.items()
    }
    drains = tuple(sorted({*standing.drains, *state.drain.history}))
    return replace(state, checks=checks, drain=replace(state.drain, history=drains))


def _is_of(state: State, name: str, standing: Standing) -> bool:
    """Tell whether the check still looks at whom it looked at: a reload may have given its name to another."""
    target = state.plan.by_name[name].target
    return name in (standing.upstream if target is Target.UPSTREAM else standing.gateway)
