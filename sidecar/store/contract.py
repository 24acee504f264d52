"""What must survive the sidecar is kept in a store: documents, claims that one alone can win, bounded streams."""

from abc import ABC, abstractmethod

from sidecar.core.errors import SidecarError

AGAIN_AFTER = 5.0
"""Seconds after which a store that has failed may be tried again."""


class StoreError(SidecarError):
    """The store cannot be used now. Whether a write that failed has happened is not known."""


class Store(ABC):
    """A place for what must survive. Every call ends within its deadline, and raises ``StoreError`` where it cannot.

    Names are words separated by slashes, such as ``release/2.7.1``; values are bytes.
    """

    lasting: bool
    """What is kept survives a restart of the sidecar."""
    shared: bool
    """All replicas see the same, and it outlives a deployment: one claim binds them all."""
    unfit: str | None
    """Why a claim kept here binds nobody beyond this process or deployment; None where it does."""

    @abstractmethod
    async def get(self, name: str) -> bytes | None:
        """Give a document; None if there is none."""

    @abstractmethod
    async def put(self, name: str, value: bytes) -> None:
        """Put a document in the place of the one before, whole or not at all."""

    @abstractmethod
    async def remove(self, *names: str) -> None:
        """Remove documents, those that are there; all of them or none."""

    @abstractmethod
    async def claim(self, name: str, value: bytes) -> bytes:
        """Put a document where there is none; give the one that stands then, the caller's or another's. Atomic."""

    @abstractmethod
    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Give all documents whose names begin so, by name and in the order of their names; at most some thousands."""

    @abstractmethod
    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Put entries at a stream's end, and drop the oldest beyond the ``keep`` youngest."""

    @abstractmethod
    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Give a stream's oldest entries, each with its number: numbers grow, and are never used again."""

    @abstractmethod
    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Remove entries of a stream, where they are still there."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of it."""
