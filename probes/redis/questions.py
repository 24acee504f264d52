"""What is asked of one server by itself: that it answers, stores, and has room."""

import os
from collections.abc import Sequence

from redis.exceptions import AskError, MovedError, ResponseError

from probes.redis.question import Question, number, read_listing, show
from sidecar.contract import Outcome, Run
from sidecar.resp import Command, Reply


class Ping(Question):
    """Whether anybody is there."""

    rule = "PING is answered with PONG"
    needs = "+ping, and +select for a database other than 0"

    def commands(self) -> Sequence[Command]:
        """Ask PING."""
        return (("PING",),)

    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Expect PONG."""
        (reply,) = replies
        if isinstance(reply, ResponseError):
            raise reply
        return run.expect(self.rule, show(reply), reply == b"PONG")


class RoundTrip(Question):
    """Whether a value can be written, and read back."""

    rule = "a key can be written and read back"

    def __init__(self, prefix: str, timeout: float) -> None:
        self.needs = f"~{prefix}* +set +get"
        self._key = prefix + os.urandom(8).hex()  # this replica's alone
        self._value = b""
        self._milliseconds = max(10_000, round(2000 * timeout))

    def commands(self) -> Sequence[Command]:
        """Write a value that was never written before, for a short time, and read it."""
        self._value = os.urandom(8).hex().encode()
        return (("SET", self._key, self._value, "PX", self._milliseconds), ("GET", self._key))

    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Expect that value."""
        error = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
        if isinstance(error, AskError) and not isinstance(error, MovedError):
            observed = f"its slot on the way to {error.host}:{error.port}"
            return run.expect(self.rule, observed, False, otherwise=Outcome.WARN)
        if error is not None:
            raise error
        is_back = replies[1] == self._value
        return run.expect(self.rule, "what was written" if is_back else show(replies[1]), is_back)


class Memory(Question):
    """How much is used of the memory that the server allows itself."""

    rule = "INFO is answered"
    needs = "+info"

    def __init__(self, percent: float) -> None:
        self._percent = percent

    def commands(self) -> Sequence[Command]:
        """Ask for the figures of the memory."""
        return (("INFO", "memory"),)

    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Hold what is used against the limit."""
        listing = read_listing(replies[0])
        used, limit = number(listing, "used_memory"), number(listing, "maxmemory")
        run.note("used_memory", used)
        run.note("maxmemory", limit)
        rule = f"memory used is at most {self._percent:g} % of maxmemory"
        share = 100 * used / limit if limit else 100.0
        observed = f"{share:.1f} % of {limit / (1 << 20):.1f} MiB"
        if limit == 0:
            observed = "no maxmemory: set it on the server, or leave out 'memory'"
        run.expect(rule, observed, limit > 0 and share <= self._percent, otherwise=Outcome.WARN)
        return True


class Evictions(Question):
    """Whether the server throws keys away for want of memory."""

    rule = "INFO is answered"
    needs = "+info"

    def __init__(self) -> None:
        self._before: int | None = None

    def reset(self) -> None:
        """Forget the count."""
        self._before = None

    def commands(self) -> Sequence[Command]:
        """Ask for the counts."""
        return (("INFO", "stats"),)

    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Compare the count with that of the look before."""
        evicted = number(read_listing(replies[0]), "evicted_keys")
        # On a new connection there is nothing to compare with; and CONFIG RESETSTAT sets the count back to 0.
        since = 0 if self._before is None else max(0, evicted - self._before)
        self._before = evicted
        run.note("evicted_keys", evicted)
        run.expect("no key was evicted since the look before", since, since == 0, otherwise=Outcome.WARN)
        return True
