"""What every sink does, and how it says that it cannot."""

from abc import ABC, abstractmethod

import anyio

from sidecar.core.errors import SidecarError
from sidecar.core.notices.notice import Notice


class SinkError(SidecarError):
    """A message was not delivered. Its words hold neither an address nor a credential."""

    def __init__(self, message: str, *, temporary: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.temporary = temporary
        """It is worth to try the same message again."""
        self.retry_after = retry_after
        """Not before so many seconds have passed, as the other side has asked for."""


class Sink(ABC):
    """Somebody who is told. Is used by one task at a time."""

    @abstractmethod
    async def send(self, notice: Notice) -> None:
        """Deliver one message, once. The caller keeps the deadline. Raises ``SinkError``."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of it."""


async def deliver(sink: Sink, notice: Notice, within: float) -> None:
    """Have a message delivered within so many seconds. Raises ``SinkError``, whatever has gone wrong."""
    try:
        with anyio.fail_after(within):
            await sink.send(notice)
    except SinkError:
        raise
    except TimeoutError:
        raise SinkError(f"no answer within {within:g} s", temporary=True) from None
    except Exception as error:  # noqa: BLE001 - client libraries raise what they like, and its words may hold the address
        raise SinkError(f"an accident of the client: {type(error).__name__}", temporary=True) from None
