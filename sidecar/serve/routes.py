"""Which requests have an answer. Pure: from the bytes of a request's head to what is asked."""

from enum import StrEnum
from typing import NamedTuple

from sidecar.serve.access import bearer_token, names_loopback, shows_token
from sidecar.serve.request import BadRequestError, read_request


class Route(StrEnum):
    """What can be asked."""

    LIVE = "live"
    READY = "ready"
    STARTUP = "startup"
    METRICS = "metrics"


PATHS = {
    b"/health": Route.LIVE,
    b"/health/live": Route.LIVE,
    b"/livez": Route.LIVE,
    b"/health/ready": Route.READY,
    b"/readyz": Route.READY,
    b"/health/startup": Route.STARTUP,
    b"/startupz": Route.STARTUP,
    b"/metrics": Route.METRICS,
}
"""Compared as they are sent, without decoding or tidying: a path that needs it is none of these."""

METHODS = (b"GET", b"HEAD")

BEATS = b"/heartbeat/"
"""What stands before a probe's name in the path of a report to it."""

NOT_TAKEN = (
    "no such report is taken here: expected POST, the name of a heartbeat probe, and its token as Authorization: Bearer"
)
"""The same words for every reason, so that nobody can find out by asking what there is."""


class Ask(NamedTuple):
    """A question that the health port answers."""

    route: Route
    head_only: bool
    keep_alive: bool
    token: bool
    """It shows the right token: details may be seen."""
    local: bool
    """It names loopback and was not passed on by a proxy: details may be seen, if the peer is loopback as well."""
    host: bytes
    """To whom it is addressed (RFC 9110, section 7.2)."""
    explain: bool = False
    """It also wants to know what holds the status and what happens next, which is a detail."""


class Beat(NamedTuple):
    """A report to a probe; whether it is taken is the probe's to say."""

    probe: str
    credential: bytes
    keep_alive: bool


class Refusal(NamedTuple):
    """A request that the health port does not answer, and why."""

    status: int
    reason: str
    head_only: bool = False
    keep_alive: bool = False
    host: bytes = b""


def decide(head: bytes, token: str | None) -> Ask | Beat | Refusal:
    """Decide what the request with this head is told."""
    try:
        request = read_request(head)
    except BadRequestError as error:
        return Refusal(error.status, error.reason)
    head_only = request.method == b"HEAD"
    path, _, query = request.target.partition(b"?")
    if path.startswith(BEATS):
        if request.method != b"POST":
            return Refusal(404, NOT_TAKEN, head_only, request.keep_alive)
        name = path.removeprefix(BEATS).decode("latin-1")
        return Beat(name, bearer_token(request.authorization), request.keep_alive)
    route = PATHS.get(path)
    if route is None:
        known = ", ".join(path.decode() for path in PATHS)
        return Refusal(404, f"the paths here are {known}", head_only, request.keep_alive, request.host)
    if request.method not in METHODS:
        return Refusal(405, "only GET and HEAD are answered", head_only, request.keep_alive, request.host)
    return Ask(
        route,
        head_only=head_only,
        keep_alive=request.keep_alive,
        token=shows_token(request.authorization, token),
        local=not request.forwarded and names_loopback(request.host),
        host=request.host,
        explain=route is not Route.METRICS and b"explain" in query.split(b"&"),
    )
