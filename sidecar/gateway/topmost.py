"""Which process is the gateway, told from facts collected beforehand: the topmost of those that hold its listener.

Workers that a server forks share the listener of their parent, so many processes may hold it. The gateway is the one
that started the others, and whose signal stops them all. Where the facts leave room for another, nothing is proven.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from sidecar.linux.procfs import ProcStat
from sidecar.linux.sockdiag import Listener

_SHOWN_AT_MOST = 5
_AS_ITS_USER = "run the sidecar as the gateway's user"


class Facts(Struct, frozen=True):
    """What was seen of one process."""

    stat: ProcStat
    owner: int
    """The user who owns ``/proc/PID``."""
    sockets: frozenset[int] | None
    """The inodes of the sockets that it holds; None when they may not be inspected."""


class Scene(Struct, frozen=True):
    """What was seen of the gateway's surroundings at one moment."""

    place: str
    """The gateway's address, for people."""
    listeners: Sequence[Listener]
    """Those that answer there, at least one."""
    processes: Mapping[int, Facts]
    """Every visible process, by pid."""
    own_pid: int
    """The sidecar."""


class Unproven(Struct, frozen=True):
    """There is a gateway, but which process it is cannot be proven."""

    doubt: str
    """Why, in words that stay the same while the situation does."""
    detail: str = ""
    """What was seen this time, such as pids."""

    @property
    def reason(self) -> str:
        """Say both, for people."""
        return f"{self.doubt} ({self.detail})" if self.detail else self.doubt


def servers(scene: Scene) -> frozenset[int] | Unproven:
    """Collect the processes that hold the listeners, at least one.

    The sidecar itself does not count, and neither does systemd, which keeps the listeners of the services that it
    activates (systemd.socket(5)).
    """
    holders: set[int] = set()
    for listener in scene.listeners:
        holding = {pid for pid, facts in scene.processes.items() if facts.sockets and listener.inode in facts.sockets}
        if not holding:
            return _hidden(scene, listener)
        holders |= holding
    serving = frozenset(pid for pid in holders if pid != scene.own_pid and scene.processes[pid].stat.comm != "systemd")
    if serving:
        return serving
    who = "the sidecar itself" if scene.own_pid in holders else "systemd, which has not started the gateway yet,"
    return Unproven(f"{who} listens at {scene.place}", name_pids(holders))


def topmost(scene: Scene, candidates: Collection[int]) -> int | Unproven:
    """Choose the one candidate (of at least one) from which all others descend."""
    heads = [pid for pid in candidates if not any(above in candidates for above in ancestors(scene, pid))]
    if len(heads) != 1 or not all(pid == heads[0] or heads[0] in ancestors(scene, pid) for pid in candidates):
        doubt = f"several processes listen at {scene.place}, and none of them is the parent of all"
        return Unproven(doubt, name_pids(heads or candidates))
    parent = _parent_in_doubt(scene, heads[0])
    if parent is None:
        return heads[0]
    doubt = f"a parent that may not be inspected may be the one that listens at {scene.place}; {_AS_ITS_USER}"
    return Unproven(doubt, f"pid {heads[0]}, parent {parent} of uid {scene.processes[parent].owner}")


def ancestors(scene: Scene, pid: int) -> Iterator[int]:
    """Walk from the parent upwards, as far as is known. Facts from different moments may form a ring: there it ends."""
    met = {pid}
    while (facts := scene.processes.get(pid)) is not None:
        pid = facts.stat.ppid
        if pid in met or pid not in scene.processes:
            return
        met.add(pid)
        yield pid


def name_pids(pids: Collection[int]) -> str:
    """Name some processes in a reason, but never thousands."""
    shown = ", ".join(str(pid) for pid in sorted(pids)[:_SHOWN_AT_MOST])
    more = f" and {len(pids) - _SHOWN_AT_MOST} more" if len(pids) > _SHOWN_AT_MOST else ""
    return f"{'pid' if len(pids) == 1 else 'pids'} {shown}{more}"


def _hidden(scene: Scene, listener: Listener) -> Unproven:
    doubt = f"cannot tell which process listens at {scene.place}: "
    if any(facts.sockets is None for facts in scene.processes.values()):
        doubt += f"it may not be inspected, or runs in another container; {_AS_ITS_USER}, in the same pid namespace"
    else:
        doubt += "it is not visible here, as in another container; run the sidecar in the gateway's pid namespace"
    return Unproven(doubt, f"the listener belongs to uid {listener.uid}")


def _parent_in_doubt(scene: Scene, pid: int) -> int | None:
    """Find a parent that hides its sockets and may have opened the listener, as a server does that root started.

    A socket belongs to the user who opened it, so the ``sudo`` or ``sshd`` above somebody's server raises no doubt.
    Nor does a parent of the sidecar too, which is a process manager, unless somebody above must have opened it.
    """
    openers = {listener.uid for listener in scene.listeners}
    managers = set(ancestors(scene, scene.own_pid)) if scene.processes[pid].owner in openers else set()
    for parent in ancestors(scene, pid):
        facts = scene.processes[parent]
        if facts.sockets is None and facts.owner in openers and parent not in managers:
            return parent
    return None
