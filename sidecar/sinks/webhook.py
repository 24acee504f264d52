"""A webhook: one POST of CloudEvents JSON for each message, signed where there is a key."""

import os
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time

import httpx

from sidecar import __version__
from sidecar.core.notices.notice import Notice
from sidecar.core.notices.plan import SinkPlan
from sidecar.sinks.cloudevent import CONTENT_TYPE, NAME, cloud_event
from sidecar.sinks.contract import Sink, SinkError
from sidecar.sinks.signature import sign, signing_key

_WORTH_TRYING_AGAIN = frozenset({408, 425, 429})
"""Of the statuses 4xx; every other of them says that the message itself, or the address, is not right."""

_WORDS = (
    (httpx.ConnectError, "no connection"),
    (httpx.NetworkError, "the connection was lost"),
    (httpx.RemoteProtocolError, "the answer is no HTTP, or ends too soon"),
)


class Webhook(Sink):
    """Posts to one address. A redirection is not followed: the message would go where nobody has said it should."""

    def __init__(self, plan: SinkPlan) -> None:
        self._url = plan.url
        self._key = None if plan.secret is None else signing_key(plan.secret)
        agent = {"User-Agent": f"{NAME}/{__version__}"}
        self._client = httpx.AsyncClient(timeout=None, headers=agent)  # noqa: S113 - the caller keeps the deadline

    async def send(self, notice: Notice) -> None:
        """Post it. Any status 2xx is a delivery; of the answer's body nothing is read."""
        body = cloud_event(notice)
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers=self._headers(notice, body)
            ) as reply:
                status, retry_after = reply.status_code, reply.headers.get("retry-after")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise SinkError("the address is none that can be posted to", temporary=True) from None
        except httpx.HTTPError as error:
            raise SinkError(_word(error), temporary=True) from None
        if 200 <= status < 300:
            return
        redirected = ", a redirection, which is not followed" if 300 <= status < 400 else ""
        raise SinkError(
            f"HTTP status {status}{redirected}",
            temporary=status in _WORTH_TRYING_AGAIN or not 400 <= status < 500,
            retry_after=_seconds(retry_after),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        now = int(time())
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Idempotency-Key": notice.id,
            "webhook-id": notice.id,
            "webhook-timestamp": str(now),
        }
        if self._key is not None:
            headers["webhook-signature"] = sign(self._key, notice.id, now, body)
        return headers


def _seconds(retry_after: str | None) -> float | None:
    """Read ``Retry-After`` (RFC 9110, section 10.2.3): seconds, or a date; None if it is neither."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _word(error: BaseException) -> str:
    """Word what has gone wrong, without the address: that is a secret as a whole."""
    for each in _chain(error):
        if isinstance(each, ssl.SSLError):
            return f"TLS: {(each.reason or 'failed').replace('_', ' ').lower()}"
        if isinstance(each, socket.gaierror):
            return f"no connection: {str(each.strerror).lower()}"
        if isinstance(each, OSError) and each.errno:
            return f"no connection: {os.strerror(each.errno).lower()}"  # the error's own words hold the address
    return next((words for cls, words in _WORDS if isinstance(error, cls)), type(error).__name__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
