"""Orphans are collected; what the runtime waits for is left to it."""

import subprocess
import sys

ORPHANS_AND_CHILDREN = """
import asyncio, os, subprocess, sys, time
from sidecar.gateway.orphans import reap_orphans
from sidecar.linux import procfs
from sidecar.linux.prctl import become_subreaper

async def own_child():
    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 7")
    return await process.wait()

async def orphans_are_gone(pids):
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        await asyncio.sleep(0.01)

async def main():
    become_subreaper()
    kept = subprocess.Popen(["true"])
    os.waitid(os.P_PID, kept.pid, os.WEXITED | os.WNOWAIT)
    reaping = asyncio.create_task(reap_orphans(lambda: kept.pid, settle=1.0))
    script = "for i in 1 2 3; do (sh -c 'echo $$; sleep 0.05' &); done; wait"
    pids = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    statuses = await asyncio.gather(*(own_child() for _ in range(20)))
    await asyncio.wait_for(orphans_are_gone(pids), 30)
    statuses += await asyncio.gather(*(own_child() for _ in range(20)))
    reaping.cancel()
    await asyncio.gather(reaping, return_exceptions=True)
    print(len(pids), set(statuses), procfs.stat(kept.pid).state, kept.wait())

asyncio.run(main())
"""


def test_orphans_are_collected_and_nobodys_child_is_stolen() -> None:
    """Three orphans vanish; forty awaited children keep their status, and so does the one that is kept."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHANS_AND_CHILDREN], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("3 {7} Z 0\n", "")
