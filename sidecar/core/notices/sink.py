"""How it goes with those who are to be told: for the endpoints."""

from msgspec import Struct

from sidecar.core.notices.plan import SinkKind


class SinkState(Struct, frozen=True, kw_only=True):
    """One sink. Times are Unix time; counts begin with the sidecar's start."""

    name: str
    kind: SinkKind
    pending: int = 0
    """Messages that wait to be delivered."""
    delivered: int = 0
    failures: int = 0
    """Attempts that failed."""
    lost: int = 0
    """Messages that were given up."""
    last_success: float | None = None
    last_error: str | None = None
    """Why the latest attempt that failed did. It holds neither an address nor a credential."""
    failing_since: float | None = None
    """Since when every attempt has failed; None while the latest was a success."""
