"""Find the gateway's process: by its listener alone, or among those who listen by pid file or by process name."""

import os
from contextlib import suppress

from sidecar.contract import GatewayPlan, GatewayProcess
from sidecar.gateway.listening import answering
from sidecar.gateway.pidfile import PidFileError, process_in_file
from sidecar.gateway.topmost import Facts, Scene, Unproven, ancestors, name_pids, servers, topmost
from sidecar.linux import procfs, sockdiag
from sidecar.linux.procfs import ProcStat

_NAME_VARIABLES = ("HONCHO_PROCESS_NAME", "PS")
"""Where honcho, and where foreman and overmind tell a process its name."""

_SECOND_LOOKS = 2


def listening(plan: GatewayPlan) -> frozenset[int]:
    """Name the inodes of the listeners that answer at the gateway's address; empty while there are none.

    Cheap enough to ask again and again: only when the answer changes can another process be the gateway. Raises
    ``OSError`` when the kernel will not tell.
    """
    return frozenset(listener.inode for listener in answering(sockdiag.listeners(plan.port), plan.host))


def discover(plan: GatewayPlan, child: int | None = None) -> GatewayProcess | Unproven | None:
    """Find the process that listens at the gateway's address, or tell why it is not proven; None while nobody does.

    ``child`` is the command that the sidecar has started as the gateway. Then whoever listens must be it or descend
    from it: of a wrapper such as ``npm start`` the process behind it is found, of several without a head the command.

    A pid file or process name in the plan narrows the choice; it does not replace the listener, because a stale file
    or an inherited name proves nothing. Looks at every process, which takes milliseconds: not for the event loop.
    Raises ``OSError`` when the kernel will not tell.
    """
    found = _look(plan, child)
    for _ in range(_SECOND_LOOKS):
        if not isinstance(found, Unproven):
            break
        # Processes come and go while they are looked at: a doubt counts when it is found again.
        earlier, found = found, _look(plan, child)
        if isinstance(found, Unproven) and found.doubt == earlier.doubt:
            break
    return found


def _look(plan: GatewayPlan, child: int | None) -> GatewayProcess | Unproven | None:
    listeners = answering(sockdiag.listeners(plan.port), plan.host)
    if not listeners:
        return None
    scene = Scene(_place(plan), listeners, _collect_facts(), os.getpid())
    serving = servers(scene)
    if isinstance(serving, Unproven):
        return serving
    if child is not None:
        return _below(scene, serving, child)
    if plan.pid_file is not None:
        return _by_pid_file(scene, serving, plan.pid_file)
    if plan.process_name is not None:
        return _by_name(scene, serving, plan.process_name)
    return _identify(scene, topmost(scene, serving))


def _below(scene: Scene, serving: frozenset[int], child: int) -> GatewayProcess | Unproven:
    """Take the topmost process below the child, or the child itself."""
    strangers = {pid for pid in serving if child not in (pid, *ancestors(scene, pid))}
    if strangers:
        doubt = f"a process that the gateway's command has not started, or not kept, listens at {scene.place}"
        return Unproven(doubt, name_pids(strangers))
    chosen = topmost(scene, serving)
    return _identify(scene, child if isinstance(chosen, Unproven) else chosen)


def _by_pid_file(scene: Scene, serving: frozenset[int], path: str) -> GatewayProcess | Unproven:
    """Take the process in the file, if it holds the listener or has started somebody who does."""
    try:
        process = process_in_file(path)
    except PidFileError as error:
        return Unproven(str(error), f"{name_pids(serving)} listens at {scene.place}")
    if any(process.pid in (pid, *ancestors(scene, pid)) for pid in serving):
        return _identity(process)
    doubt = f"the process named in the pid file {path} neither listens at {scene.place} nor started who does"
    return Unproven(doubt, f"pid {process.pid} is named, {name_pids(serving)} listens")


def _by_name(scene: Scene, serving: frozenset[int], name: str) -> GatewayProcess | Unproven:
    """Take the topmost listening process of that name; a wrapper such as ``sh -c`` has the name, but no listener."""
    named = {pid for pid in serving if _is_named(pid, name)}
    if named:
        return _identify(scene, topmost(scene, named))
    doubt = f"no process that listens at {scene.place} has {' or '.join(_NAME_VARIABLES)} = {name!r}"
    return Unproven(doubt, f"{name_pids(serving)} listens")


def _is_named(pid: int, name: str) -> bool:
    try:
        environment = procfs.environment(pid)
    except (ProcessLookupError, PermissionError):
        return False
    return any(environment.get(variable) == name for variable in _NAME_VARIABLES)


def _identify(scene: Scene, chosen: int | Unproven) -> GatewayProcess | Unproven:
    return chosen if isinstance(chosen, Unproven) else _identity(scene.processes[chosen].stat)


def _identity(stat: ProcStat) -> GatewayProcess:
    return GatewayProcess(procfs.boot_id(), stat.pid, stat.start_ticks, stat.started)


def _collect_facts() -> dict[int, Facts]:
    processes = {}
    for pid in procfs.pids():
        with suppress(ProcessLookupError):  # it has ended since the listing
            processes[pid] = _facts(pid)
    return processes


def _facts(pid: int) -> Facts:
    # Who it is comes first: were the pid reused in between, the identity would be refused when the watch begins.
    stat = procfs.stat(pid)
    owner = procfs.owner(pid)
    try:
        return Facts(stat, owner, frozenset(procfs.socket_inodes(pid)))
    except PermissionError:
        return Facts(stat, owner, None)


def _place(plan: GatewayPlan) -> str:
    return f"[{plan.host}]:{plan.port}" if ":" in plan.host else f"{plan.host}:{plan.port}"
