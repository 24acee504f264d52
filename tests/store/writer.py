"""A process that writes to a file until it is killed, and tells of each write that has been acknowledged."""

import asyncio
import os
import sys

from sidecar.store.sqlite import SqliteStore


async def write_on(path: str, first: int) -> None:
    """Write numbers, each into a document and into a stream."""
    store, number = SqliteStore(path, None), first
    while True:
        number += 1
        value = str(number).encode()
        await store.put("last", value.ljust(5000))
        await store.claim(f"claim/{number % 50}", value)
        await store.append("numbers", [value], 20)
        os.write(1, value + b"\n")


if __name__ == "__main__":
    asyncio.run(write_on(sys.argv[1], int(sys.argv[2])))
