"""The gateway's own part in a drain: it is asked to take no more work, and to take work again if that is called off."""

from collections.abc import Callable

import anyio

from sidecar.clock import boottime
from sidecar.contract import GatewayPlan, ProbeFailure, Run
from sidecar.core.events import Event, EventKind
from sidecar.core.plan import DrainPlan
from sidecar.core.severity import Severity
from sidecar.exchange import address_of, exchange

WITHIN = 2.0
"""Seconds for the answer."""


class Hook:
    """Asks, one request after the other, and tells what came of it. A drain does not wait for that."""

    def __init__(self, gateway: GatewayPlan, user_agent: str, tell: Callable[[Event], None]) -> None:
        self._gateway = gateway
        self._headers = {"User-Agent": user_agent}
        self._tell = tell
        self._told: str | None = None
        """The path at which the gateway was asked to take no more work."""
        self._in_order = anyio.Lock()

    async def begin(self, rules: DrainPlan) -> None:
        """Ask the gateway to take no more work. In shadow it notices nothing."""
        self._told = None if rules.shadow else rules.hook
        if self._told is not None:
            await self._ask("POST", self._told, "take no more work")

    async def call_off(self) -> None:
        """Ask the gateway to take work again, if it was asked not to."""
        told, self._told = self._told, None
        if told is not None:
            await self._ask("DELETE", told, "take work again")

    async def _ask(self, method: str, path: str, request: str) -> None:
        async with self._in_order:
            fault = await self._fault(method, path)
        message = f"the gateway is asked to {request} by {method} {path}"
        severity = Severity.WARNING if fault else Severity.INFO
        self._tell(
            Event(
                kind=EventKind.DRAIN_HOOK,
                at=boottime(),
                severity=severity,
                message=f"{message}, in vain: {fault}" if fault else message,
            )
        )

    async def _fault(self, method: str, path: str) -> str | None:
        """Send the request; returns what has gone wrong, if anything. The body of the answer is not read."""
        try:
            with anyio.fail_after(WITHIN):
                address = address_of(path, self._gateway)
                reply = await exchange(method, address, Run(), headers=self._headers, body_limit=0)
        except (ProbeFailure, ValueError) as failure:
            return str(failure)
        except TimeoutError:
            return f"no answer within {WITHIN:g} s"
        return None if 200 <= reply.status < 300 else f"the answer is {reply.status}"
