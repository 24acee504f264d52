"""From the plan of a sink to the sink."""

from sidecar.core.notices.plan import SinkKind, SinkPlan
from sidecar.sinks.contract import Sink, SinkError


def open_sink(plan: SinkPlan) -> Sink:
    """Make a sink; nothing is sent yet. To be called in a worker thread: it imports the client library.

    Raises ``SinkError``, whatever has gone wrong; it may go well after a change of the configuration or environment.
    """
    try:
        return _make(plan)
    except SinkError:
        raise
    except Exception as error:  # noqa: BLE001 - client libraries raise what they like, and its words may hold the address
        raise SinkError(f"it cannot be opened: {type(error).__name__}", temporary=True) from None


def _make(plan: SinkPlan) -> Sink:
    match plan.kind:
        case SinkKind.WEBHOOK:
            from sidecar.sinks.webhook import Webhook  # noqa: PLC0415 - httpx is 10 MB

            return Webhook(plan)
        case SinkKind.APPRISE:
            from sidecar.sinks.apprise import AppriseSink  # noqa: PLC0415 - an extra

            return AppriseSink(plan)
