"""Documents as JSON: what is written into a store is read again as what it was."""

from typing import TypeVar

import msgspec

from sidecar.store.contract import Store, StoreError
from sidecar.store.naming import name_of

T = TypeVar("T")


def encode(document: object) -> bytes:
    """Write a document as JSON."""
    return msgspec.json.encode(document)


def decode(name: str, value: bytes, kind: type[T]) -> T:
    """Read a document; fields that this version does not know are passed over. Raises ``StoreError``."""
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {name} in the store: {error}") from None


async def load(store: Store, name: str, kind: type[T]) -> T | None:
    """Read a document; None if there is none. Raises ``StoreError``."""
    value = await store.get(name)
    return None if value is None else decode(name, value, kind)


async def load_all(store: Store, kind: type[T], *words: str) -> list[T]:
    """Read all documents whose names go on after these words. Raises ``StoreError``."""
    found = await store.documents(f"{name_of(*words)}/")
    return [decode(name, value, kind) for name, value in found.items()]
