"""Real traffic, as the gateway counts it: its Prometheus metrics, scraped, and what has come since the last time."""

import asyncio
import re
from collections.abc import Mapping
from itertools import pairwise
from math import inf, isnan

from msgspec import Struct

from sidecar.clock import boottime
from sidecar.contract import GatewayPlan, ProbeFailure, Run
from sidecar.core.redact import redact
from sidecar.core.releases.sample import BOUNDS, Sample
from sidecar.core.rules import ReleasePlan
from sidecar.exchange import Tls, address_of, exchange
from sidecar.traffic.exposition import read_series

PAGE_LIMIT = 4 * 1024 * 1024
"""Bytes of a page of metrics. Half a page would be worse than none: its sums would be too small."""
BUCKETS_AT_MOST = 200

_BORN = "process_start_time_seconds"
"""Told by the client libraries of most languages; a change says for certain that another process counts now."""


class Counts(Struct, frozen=True, kw_only=True):
    """What one page says, summed over all labels. Counts only grow, until their process ends."""

    at: float
    """When it was asked for, in seconds of CLOCK_BOOTTIME."""
    buckets: Mapping[float, int] = {}
    """How many requests took no longer than so many seconds, rising to infinity; empty without such a histogram."""
    requests: int | None = None
    """None without such a counter."""
    errors: int = 0
    born: float | None = None
    """When the process that counts began, if it tells."""

    @property
    def total(self) -> int | None:
        """How many requests there were; None if nobody has counted them."""
        return self.buckets.get(inf) if self.requests is None else self.requests


class Scraper:
    """Reads the gateway's metrics again and again, and tells what the traffic was like between two looks."""

    def __init__(
        self,
        url: str,
        rules: ReleasePlan,
        gateway: GatewayPlan,
        *,
        user_agent: str,
        secrets: frozenset[str] = frozenset(),
        timeout: float = 5.0,
    ) -> None:
        """Take a ``url`` that begins with ``/`` for a path on the gateway; one look takes ``timeout`` seconds at most.

        Raises ``ValueError`` for a URL that cannot be used.
        """
        self.rate: float | None = None
        """Requests per second between the last two looks; None while that is not known."""
        self.trouble: str | None = None
        """What the last look did not find, and why; None if nothing was missing."""
        self._address = address_of(url, gateway)
        self._rules = rules
        self._headers = {"User-Agent": user_agent, "Accept": "text/plain;version=0.0.4, */*;q=0.1"}
        self._secrets = secrets
        self._timeout = timeout
        self._tls = Tls()
        self._last: Counts | None = None

    async def look(self) -> Sample | None:
        """Scrape once, and give what has come since the last time; None while there is nothing to tell.

        That is so at the first look, after a restart of the gateway, and whenever the page cannot be had or shows
        nothing of what is looked for. No data proves nothing, so it is no error; ``trouble`` says what is wrong.
        """
        self.rate = None
        try:
            counts = await self._scrape()
        except ProbeFailure as failure:
            self.trouble = redact(str(failure), self._secrets)
            return None
        self.trouble = _missing(counts, self._rules)
        before, self._last = self._last, counts
        sample = None if before is None else difference(before, counts)
        if before is not None and sample is not None and counts.at > before.at:
            self.rate = ((counts.total or 0) - (before.total or 0)) / (counts.at - before.at)
        return sample

    async def _scrape(self) -> Counts:
        where, run, asked = self._address.where, Run(self._secrets), boottime()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await exchange(
                    "GET", self._address, run, headers=self._headers, tls=self._tls, body_limit=PAGE_LIMIT
                )
        except TimeoutError:
            raise ProbeFailure(f"{where} sends its metrics within {self._timeout:g} s", "no end of them") from None
        if reply.status != 200:
            raise ProbeFailure(f"{where} sends its metrics with status 200", reply.status)
        if reply.truncated:
            raise ProbeFailure(f"the metrics of {where} are at most {PAGE_LIMIT >> 20} MiB", "more")
        try:
            # In the loop, the tens of milliseconds that a large page takes would be measured as a probe's latency.
            return await asyncio.to_thread(count, reply.body, self._rules, asked)
        except ValueError as error:
            raise ProbeFailure(f"the metrics of {where} can be counted", error) from None


def count(page: bytes, rules: ReleasePlan, at: float) -> Counts:
    """Sum up a page. Raises ``ValueError`` for more series or buckets than are bearable.

    Errors that the histogram tells apart by the same labels are left out of it: how soon a request fails says nothing
    about speed.
    """
    bucket_name, errors_are = f"{rules.metrics_latency}_bucket", rules.metrics_errors
    buckets: dict[float, int] = {}
    requests, errors, born = None, 0, None
    for series in read_series(page, {bucket_name, rules.metrics_requests, _BORN}):
        is_error = bool(errors_are) and all(
            re.fullmatch(pattern, series.labels.get(label, "")) for label, pattern in errors_are.items()
        )
        if series.name == bucket_name and not is_error:
            bound = _read_bound(series.labels.get("le", ""))
            if bound is not None:
                buckets[bound] = buckets.get(bound, 0) + int(series.value)
        elif series.name == rules.metrics_requests:
            requests = (requests or 0) + int(series.value)
            errors += int(series.value) if is_error else 0
        elif series.name == _BORN:
            born = series.value
    if len(buckets) > BUCKETS_AT_MOST:
        raise ValueError(f"{bucket_name} has more than {BUCKETS_AT_MOST} buckets")
    rising = {bound: buckets[bound] for bound in sorted(buckets)} if inf in buckets else {}
    return Counts(at=at, buckets=rising, requests=requests, errors=errors, born=born)


def difference(before: Counts, now: Counts) -> Sample | None:
    """Give what has come between two pages; None where they are not the earlier and the later word of one process.

    The sample keeps the histogram's own bounds: of an answer nothing is known but the bucket it fell into.
    """
    if before.born != now.born or now.total is None:
        return None
    grown = {bound: reached - before.buckets.get(bound, 0) for bound, reached in now.buckets.items()}
    reached = [0, *grown.values()]
    counts = [after - until for until, after in pairwise(reached)]
    errors, requests = now.errors - before.errors, (now.requests or 0) - (before.requests or 0)
    has_new_bounds = before.buckets and before.buckets.keys() != now.buckets.keys()
    if has_new_bounds or min(errors, requests, *counts) < 0:
        return None
    answered = {place: number for place, number in enumerate(counts) if number}
    untimed = max(0, requests - errors - sum(counts))
    bounds = tuple(now.buckets)[:-1] if answered else BOUNDS
    return Sample(answered=answered, errors=errors, untimed=untimed, bounds=bounds)


def _missing(counts: Counts, rules: ReleasePlan) -> str | None:
    """Tell what is looked for and not there: either is enough to go on, and a quiet gateway may show them later."""
    lacking = [] if counts.buckets else [f"no histogram {rules.metrics_latency}"]
    lacking += [f"no counter {rules.metrics_requests}"] if counts.requests is None else []
    return f"the metrics are complete: found {' and '.join(lacking)}" if lacking else None


def _read_bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if isnan(bound) or bound < 0 else bound
