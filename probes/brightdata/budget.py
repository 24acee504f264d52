"""What a day may cost."""

import re

from sidecar.contract import Evidence, Memo, Outcome, ProbeFailure

_RECORD = re.compile(r"(\d{4}-\d\d-\d\d) (\d{1,9})\n")


class Budget:
    """So many paid looks a day.

    A look is counted before it is made: a crash in between may lose one, but never gives one away. A record that
    cannot be read counts as a day on which all was spent.
    """

    def __init__(self, limit: int, memo: Memo) -> None:
        self._limit = limit
        self._memo = memo

    async def spend(self, today: str) -> int:
        """Count a look on this day, as 2026-11-23, and tell how many are left.

        Raises ``ProbeFailure``, whose verdict is unknown, when there was none left or the count cannot be kept.
        """
        try:
            text = await self._memo.read()
            spent = self._spent(text, today)
            counted = f"{today} {min(spent + 1, self._limit)}\n"
            if counted != text:
                await self._memo.write(counted)
        except OSError as error:
            raise _unknown("the count of paid looks can be kept", f"{error}: see [state]") from None
        if spent >= self._limit:
            raise self._exhausted()
        return self._limit - spent - 1

    def _spent(self, text: str, today: str) -> int:
        record = _RECORD.fullmatch(text)
        if record is None:
            return self._limit if text else 0
        # A day to come stands there after the clock was set back: its count is today's.
        return int(record[2]) if record[1] >= today else 0

    def _exhausted(self) -> ProbeFailure:
        minutes = -(-24 * 60 // self._limit)
        advice = f"more from 00:00 UTC; an 'interval' of {minutes}m makes it last"
        return _unknown("the look is within the day's budget", f"all {self._limit} spent: {advice}")


def _unknown(rule: str, observed: str) -> ProbeFailure:
    return ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
