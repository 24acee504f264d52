"""Whatever Apprise reaches: chats, pagers, e-mail. It blocks, and of a failure it tells only that it failed."""

from threading import Lock

import anyio.to_thread
from apprise import Apprise, AppriseAsset, NotifyType

from sidecar.core.notices.notice import Notice
from sidecar.core.notices.plan import SinkPlan
from sidecar.core.severity import Severity
from sidecar.sinks.cloudevent import NAME
from sidecar.sinks.contract import Sink, SinkError
from sidecar.sinks.words import text, title

_TYPES = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.ERROR: NotifyType.FAILURE,
}


class AppriseSink(Sink):
    """One service, used by one thread at a time: one that hangs is left behind, and no second one joins it."""

    def __init__(self, plan: SinkPlan) -> None:
        self._busy = Lock()
        self._service = Apprise(asset=AppriseAsset(app_id=NAME, app_desc=NAME, app_url="", async_mode=False))
        if not self._service.add(plan.url):
            raise SinkError("Apprise knows no such service, or a part of its URL is missing", temporary=True)

    async def send(self, notice: Notice) -> None:
        """Have it delivered in a thread, which is left to itself when the deadline is over."""
        if not await anyio.to_thread.run_sync(self._notify, notice, abandon_on_cancel=True):
            raise SinkError("the service has not taken it, and Apprise does not tell why", temporary=True)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _notify(self, notice: Notice) -> bool:
        if not self._busy.acquire(blocking=False):
            raise SinkError("the attempt before still hangs", temporary=True)
        try:
            return bool(
                self._service.notify(title=title(notice), body=text(notice), notify_type=_TYPES[notice.severity])
            )
        finally:
            self._busy.release()
