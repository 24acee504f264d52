"""A process that may write no more than so many bytes into a file, as on a disk that is nearly full."""

import asyncio
import json
import resource
import sys

from sidecar.store.contract import StoreError
from sidecar.store.sqlite import SqliteStore


async def fill(path: str, limit: int) -> dict[str, object]:
    """Fill the file, and go on when there is room again."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    store, written, refusal = SqliteStore(path, None), [], ""
    for number in range(1000):
        try:
            await store.put(f"document/{number:03}", b"x" * 4000)
        except StoreError as error:
            refusal = str(error)
            break
        written.append(f"document/{number:03}")
    kept = await store.documents("document/")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.put("later", b"x" * 4000)
    return {"refusal": refusal, "lost": [name for name in written if name not in kept], "kept": len(kept)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(fill(sys.argv[1], int(sys.argv[2])))))  # noqa: T201
