"""Carries a drain out, step by step. Each step is asked for first, and refused if it is no longer right."""

import signal
from collections.abc import Callable
from contextlib import suppress

import anyio

from sidecar.core.drain import DrainStep
from sidecar.core.errors import IllegalTransitionError, SidecarError
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import DrainPlan
from sidecar.gateway import Gateway

LOOK_EVERY = 0.25
"""Seconds between two counts of in-flight work: the kernel tells of a connection's end to nobody but its owner."""

KILL_WITHIN = 5.0
"""Seconds that the kernel has to end a process after SIGKILL; one stuck in the kernel may take for ever."""


async def drain(
    rules: DrainPlan, process: GatewayProcess, gateway: Gateway, advance: Callable[[DrainStep, str], None]
) -> None:
    """Take the gateway out: lame duck, in-flight work, signal, and SIGKILL where allowed.

    ``advance`` asks for each step. The gateway's exit ends a drain by itself, so it needs no step here.
    """
    try:
        await anyio.sleep(rules.lame_duck)
        advance(DrainStep.QUIESCE, "")
        left = await _quiesce(gateway, rules.quiesce)
        work = f"{left} connections are still open" if left else "nothing is in flight"
        if rules.shadow:
            advance(DrainStep.FINISH, f"{work}; shadow: SIGTERM would have been sent now")
            return
        advance(DrainStep.SIGNAL, f"{work}; SIGTERM is sent to process {process.pid}")
        gateway.send(process, signal.SIGTERM)
        if await _exits(gateway, rules.grace):
            return
        if not rules.escalate:
            advance(DrainStep.FINISH, f"still running {rules.grace:g} s after SIGTERM; drain.escalate is false")
            return
        advance(DrainStep.ESCALATE, f"still running {rules.grace:g} s after SIGTERM; SIGKILL is sent")
        gateway.send(process, signal.SIGKILL)
        if not await _exits(gateway, KILL_WITHIN):
            advance(DrainStep.FINISH, f"still there {KILL_WITHIN:g} s after SIGKILL")
    except IllegalTransitionError as refusal:
        # Called off, or the process gone: then this step is refused as well. Or the evidence has grown too old.
        with suppress(IllegalTransitionError):
            advance(DrainStep.CANCEL, str(refusal))
    except SidecarError as refusal:
        advance(DrainStep.FINISH, str(refusal))


async def _quiesce(gateway: Gateway, within: float) -> int:
    """Wait until nothing is in flight; returns how many connections are left at the deadline."""
    with anyio.move_on_after(within):
        while gateway.in_flight():  # noqa: ASYNC110 - no event tells
            await anyio.sleep(LOOK_EVERY)
    return gateway.in_flight()


async def _exits(gateway: Gateway, within: float) -> bool:
    with anyio.move_on_after(within):
        await gateway.wait_gone()
        return True
    return False
