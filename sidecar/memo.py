"""Where the memos of probes are kept: in the store, each replica's apart."""

from sidecar.contract import Memo
from sidecar.store.contract import Store, StoreError
from sidecar.store.naming import name_of

_BYTES_AT_MOST = 4096


class StoreMemo(Memo):
    """One document of a store."""

    def __init__(self, store: Store, replica: str, probe: str) -> None:
        self.lasting = store.lasting
        self._store = store
        self._name = name_of("replica", replica, "memo", probe)

    async def read(self) -> str:
        """Read the document, as far as a memo may reach; empty if there is none."""
        try:
            value = await self._store.get(self._name)
        except StoreError as error:
            raise OSError(str(error)) from None
        return (value or b"")[:_BYTES_AT_MOST].decode(errors="replace")

    async def write(self, text: str) -> None:
        """Put another document in its place: after a crash there is one or the other."""
        try:
            await self._store.put(self._name, text.encode())
        except StoreError as error:
            raise OSError(str(error)) from None
