"""Who is the master now? Sentinel says (Redis documentation, "Guidelines for Redis clients with Sentinel support")."""

from collections.abc import Sequence

from redis.exceptions import ResponseError

from probes.redis.link import Link
from probes.redis.places import first_to_answer
from probes.redis.question import show
from probes.redis.refusals import TROUBLES, explain
from probes.redis.url import Place
from sidecar.contract import Evidence, ProbeFailure, Run

_NEEDS = "+sentinel|get-master-addr-by-name"
_CREDENTIALS = "sentinel_user and sentinel_password"


class Sentinels:
    """The sentinels of one service, asked anew whenever the connection to the master is lost."""

    def __init__(self, link: Link, places: Sequence[Place], service: str, timeout: float) -> None:
        self._link = link
        self._places = list(places)
        self._service = service
        self._timeout = timeout

    async def master(self, run: Run) -> Place:
        """Ask for the master's place. Raises ``ProbeFailure`` when no sentinel knows it."""
        place = await first_to_answer("sentinels", self._places, self._timeout, self._ask)
        run.phase("sentinel")
        return place

    async def _ask(self, place: Place) -> Place:
        link, rule = self._link, f"the sentinel at {place[0]}:{place[1]} knows the service '{self._service}'"
        try:
            await link.open(place)
            (reply,) = await link.ask([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)])
            if isinstance(reply, ResponseError):
                raise reply
        except TROUBLES as error:
            raise explain(error, link, rule, _NEEDS, _CREDENTIALS) or error from None
        finally:
            await link.cut()
        if reply is None:
            observed = "no service of that name: correct it in url"
            raise ProbeFailure(rule, observed, evidence=Evidence.MISCONFIGURED)
        try:
            host, port = (part.decode() for part in reply)
            return host, int(port)
        except (TypeError, AttributeError, ValueError):
            raise ProbeFailure(f"{link.where} answers as a sentinel does", show(reply)) from None
