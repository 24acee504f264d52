"""What can be asked at a look: the form of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from redis.exceptions import ResponseError

from sidecar.contract import Evidence, Outcome, ProbeFailure, Run
from sidecar.resp import Command, Reply


class Question(ABC):
    """One thing to find out about a server."""

    rule: str
    """What holds when the commands are answered without an error."""
    needs: str
    """The right that the commands need, as ``ACL SETUSER`` takes it."""

    def reset(self) -> None:
        """Forget what was said on a connection that is lost: the next one may lead to another server."""
        return

    @abstractmethod
    def commands(self) -> Sequence[Command]:
        """Give the commands of one look."""

    @abstractmethod
    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Hold the replies against what is expected; false if another server should be asked the next time.

        Raises ``ResponseError`` for a reply that is one.
        """


def read_listing(reply: Reply) -> dict[str, str]:
    """Take the reply to INFO or CLUSTER INFO apart. Raises ``ResponseError`` if it is one."""
    if isinstance(reply, ResponseError):
        raise reply
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    return {name: value for name, separator, value in (line.partition(":") for line in text.split("\r\n")) if separator}


def number(listing: dict[str, str], name: str) -> int:
    """Give a figure. That there is none proves nothing about the server: a proxy may answer in its place."""
    value = listing.get(name, "nothing")
    try:
        return int(value)
    except ValueError:
        rule = f"the server tells its {name}"
        raise ProbeFailure(rule, value, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER) from None


def show(reply: Reply) -> str:
    """Write a reply for people."""
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
