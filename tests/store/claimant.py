"""A process that claims one name after the other, and tells at the end who has won each."""

import asyncio
import json
import sys

import msgspec

from sidecar.core.plan import StatePlan
from sidecar.store import open_store


async def claim_all(plan: StatePlan, who: str) -> list[str]:
    """Claim against all the others."""
    store = open_store(plan, 9000)
    await store.documents("")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    try:
        return [(await store.claim(f"claim/{n}", who.encode())).decode() for n in range(25)]
    finally:
        await store.aclose()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(claim_all(msgspec.json.decode(sys.argv[1], type=StatePlan), sys.argv[2]))))  # noqa: T201
