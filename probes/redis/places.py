"""Several places where the same can be learnt: they are asked one after the other, until one answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from probes.redis.url import Place
from sidecar.contract import Evidence, Outcome, ProbeFailure

T = TypeVar("T")


async def first_to_answer(what: str, places: list[Place], within: float, attempt: Callable[[Place], Awaitable[T]]) -> T:
    """Make the attempt at one place after the other. The one that succeeds comes first the next time.

    ``what`` names the places in the plural, ``within`` is the deadline of all together in seconds: a place that
    hangs, unless it is the last, gets no more than its share. Raises ``ProbeFailure`` when every attempt has.
    """
    failures: list[ProbeFailure] = []
    for number, place in enumerate(list(places), 1):
        try:
            async with asyncio.timeout(within / (len(places) + 1) if number < len(places) else None):
                result = await attempt(place)
        except TimeoutError:
            observed = f"{place[0]}:{place[1]} silent"
            failures.append(ProbeFailure("it answers in time", observed, evidence=Evidence.SILENT))
        except ProbeFailure as failure:
            failures.append(failure)
        else:
            places.remove(place)
            places.insert(0, place)
            return result
    raise _all_failed(what, failures)


def _all_failed(what: str, failures: list[ProbeFailure]) -> ProbeFailure:
    """Say how they failed; what one of them proves counts, whatever could not be found out of others."""
    if len(failures) == 1:
        return failures[0]
    telling = next((failure for failure in failures if failure.otherwise is Outcome.FAIL), failures[0])
    observed = "; ".join(str(failure) for failure in failures)
    return ProbeFailure(
        f"one of {len(failures)} {what} answers", observed, otherwise=telling.otherwise, evidence=telling.evidence
    )
