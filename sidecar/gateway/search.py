"""When to ask who listens, and when to look at every process again. Pure: time comes in as an argument."""

import math

from msgspec import Struct


class Pace(Struct, frozen=True):
    """How often the kernel is asked who listens. It has to be asked: no event tells that somebody begins to.

    Seconds. One question costs about 0.1 ms of processor time.
    """

    eager: float = 0.1
    """While nobody listens, at first: a start or restart is under way."""
    eager_for: float = 60.0
    patient: float = 0.5
    """While nobody listens, later."""
    doubtful: float = 1.0
    """While somebody listens who is not proven."""
    settled: float = 5.0
    """While the gateway runs: another may take its port over."""
    rescan_max: float = 30.0
    """The longest pause before every process is looked at again although the listeners have not changed."""
    share: float = 0.02
    """The most of a core that asking may take, where a kernel answers slowly."""


class Search:
    """What is known of the listeners: by it the rare and dear look at every process is kept rare."""

    def __init__(self, pace: Pace, now: float) -> None:
        self._pace = pace
        self._began = now
        self._seen: frozenset[int] = frozenset()
        self._rescan_in = 0.0
        self._rescan_at = math.inf
        self._doubt: str | None = None

    def is_due(self, inodes: frozenset[int], now: float) -> bool:
        """Tell whether every process has to be looked at, now that these are the listeners."""
        return bool(inodes) and (inodes != self._seen or now >= self._rescan_at)

    def nothing(self) -> None:
        """Note that nobody was found."""
        self._seen, self._rescan_at, self._doubt = frozenset(), math.inf, None

    def proven(self, inodes: frozenset[int]) -> None:
        """Note that the gateway was found behind these listeners."""
        self._seen, self._rescan_at, self._doubt = inodes, math.inf, None

    def unproven(self, inodes: frozenset[int], doubt: str, now: float) -> bool:
        """Note that somebody was found who is not proven; returns whether that is news.

        What hides behind the same listeners can change, but rarely does: each further look waits twice as long.
        """
        self._rescan_in = (
            min(2 * self._rescan_in, self._pace.rescan_max) if inodes == self._seen else self._pace.doubtful
        )
        self._rescan_at = now + self._rescan_in
        self._seen = inodes
        news = doubt != self._doubt
        self._doubt = doubt
        return news

    def pause(self, now: float, asking_took: float) -> float:
        """Tell how long to wait before asking again, while the gateway is not found."""
        if self._doubt is not None:
            pause = self._pace.doubtful
        else:
            pause = self._pace.eager if now - self._began < self._pace.eager_for else self._pace.patient
        return max(pause, asking_took / self._pace.share)
