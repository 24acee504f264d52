"""The probe: when BrightData may be asked, and in which way."""

import time

from msgspec.structs import replace

from probes.brightdata.account import Account
from probes.brightdata.budget import Budget
from probes.brightdata.fetch import Fetch
from probes.brightdata.refusal import Refused
from probes.brightdata.spec import Spec
from probes.brightdata.tunnel import Tunnel
from sidecar.contract import Kind, OnFailure, Probe, ProbeFailure, Run, Setting

_MODES: dict[str, type[Account | Fetch | Tunnel]] = {"free": Account, "request": Fetch, "proxy": Tunnel}


class BrightDataProbe(Probe[Spec]):
    """Remembers until when BrightData wants to be left alone, and what the day has cost."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._way = _MODES[spec.mode](spec, setting)
        self._budget = Budget(spec.budget, setting.memo)
        self._refusal: Refused | None = None
        self._pause_until = 0.0

    async def observe(self, run: Run) -> None:
        """Look, unless BrightData wants to be left alone, or the day's budget is spent."""
        pause = self._pause_until - time.monotonic()
        if self._refusal is not None and pause > 0:
            raise _held(self._refusal, pause)
        if self.spec.mode != "free":
            run.note("budget_left", await self._budget.spend(time.strftime("%Y-%m-%d", time.gmtime())))
            if not self.setting.memo.lasting:
                run.note("budget", "forgotten at a restart: set [state] dir")
        try:
            await self._way.look(run)
        except Refused as refusal:
            self._refusal, self._pause_until = refusal, time.monotonic() + refusal.pause
            raise


def _held(refusal: Refused, pause: float) -> ProbeFailure:
    """Say the same again, without asking: nothing was heard that would speak against it."""
    observed = f"{refusal.observed}; asking again in {pause:.0f} s"
    return ProbeFailure(refusal.rule, observed, otherwise=refusal.otherwise, evidence=refusal.evidence)


def _for_free(spec: Spec) -> Spec | None:
    """Ask the account alone; without a key, which the mode ``proxy`` does not need, there is no free question."""
    return replace(spec, mode="free") if spec.token is not None else None


KIND = Kind("brightdata", Spec, BrightDataProbe, on_failure=OnFailure.DEGRADE, harmless=_for_free)
