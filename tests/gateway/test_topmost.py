"""Which process is the gateway, told from facts alone."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.gateway.topmost import Facts, Scene, Unproven, ancestors, name_pids, servers, topmost
from sidecar.linux.procfs import ProcStat
from sidecar.linux.sockdiag import Listener

OURS = 50
HIDDEN = None


def listener(inode: int, uid: int = 1000) -> Listener:
    """Make a listener of the gateway's port."""
    return Listener(
        family=socket.AF_INET, address="127.0.0.1", port=8000, inode=inode, uid=uid, backlog=0, backlog_limit=100
    )


def facts(pid: int, ppid: int, sockets: set[int] | None, owner: int = 1000, comm: str = "python") -> Facts:
    """Make the facts of one process."""
    told = {"pid": pid, "comm": comm, "ppid": ppid, "start_ticks": pid, "started": pid / 100}
    stat = ProcStat(**told, state="S", processor=0.0, threads=1)
    return Facts(stat, owner, None if sockets is None else frozenset(sockets))


def scene(*processes: Facts, listeners: tuple[Listener, ...] = (listener(7),)) -> Scene:
    """Set processes beside the sidecar, under a process manager."""
    supervisors = [facts(1, 0, set(), 0, "init"), facts(40, 1, set(), comm="honcho"), facts(OURS, 40, {99})]
    return Scene("127.0.0.1:8000", listeners, {each.stat.pid: each for each in (*supervisors, *processes)}, OURS)


def choose(seen: Scene) -> int | Unproven:
    """Choose as discovery does that knows no name and no pid file."""
    serving = servers(seen)
    return serving if isinstance(serving, Unproven) else topmost(seen, serving)


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        pytest.param(60, scene(facts(60, 40, {7})), id="a sibling under the process manager"),
        pytest.param(60, scene(facts(60, 40, {7}), facts(61, 60, {7}), facts(62, 60, {7})), id="forked workers"),
        pytest.param(61, scene(facts(60, 40, set(), comm="sh"), facts(61, 60, {7})), id="a wrapper without listener"),
        pytest.param(
            60, scene(facts(60, 40, {7}), facts(61, 60, set(), comm="sh"), facts(62, 61, {7})), id="a gap in the line"
        ),
        pytest.param(
            60, scene(facts(60, 40, {7}), facts(61, 60, {8}), listeners=(listener(7), listener(8))), id="own listeners"
        ),
        pytest.param(60, scene(facts(60, 40, {7, 8}), listeners=(listener(7), listener(8))), id="both families"),
        pytest.param(60, scene(facts(1, 0, {7}, 0, "systemd"), facts(60, 1, {7})), id="systemd passes its listener on"),
        pytest.param(1, scene(facts(1, 0, {7}, comm="node")), id="the first process of a container"),
        pytest.param(40, scene(facts(40, 1, {7}), facts(OURS, 40, {7})), id="our parent, who left us its listener"),
        pytest.param(60, scene(facts(60, OURS, {7})), id="our child"),
        pytest.param(60, scene(facts(60, 40, {7}), facts(70, 1, HIDDEN, 0)), id="somebody hidden, elsewhere"),
        pytest.param(
            60, scene(facts(59, 40, HIDDEN, 0, "sudo"), facts(60, 59, {7})), id="a hidden parent of another user"
        ),
        pytest.param(
            60, scene(facts(40, 1, HIDDEN), facts(60, 40, {7})), id="a process manager that hides from its children"
        ),
        pytest.param(60, scene(facts(60, 12345, {7})), id="a parent outside the pid namespace"),
    ],
)
def test_the_gateway_is_the_topmost_process_that_holds_the_listener(expected: int, seen: Scene) -> None:
    """Workers, wrappers and whoever merely hands listeners on are not taken for the gateway."""
    assert choose(seen) == expected


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        pytest.param(
            ["several processes", "pids 60, 61"],
            scene(facts(60, 40, {7}), facts(61, 40, {8}), listeners=(listener(7), listener(8))),
            id="two share the port",
        ),
        pytest.param(
            ["several processes", "pids 61, 62"], scene(facts(61, 1, {7}), facts(62, 1, {7})), id="orphaned workers"
        ),
        pytest.param(
            ["may not be inspected", "uid 1000", "gateway's user"], scene(facts(60, 40, HIDDEN, 0)), id="another user's"
        ),
        pytest.param(["not visible here", "pid namespace", "uid 1000"], scene(), id="another container's"),
        pytest.param(
            ["may not be inspected"],
            scene(facts(60, 40, {7}), facts(61, 40, HIDDEN), listeners=(listener(7), listener(8))),
            id="one of two listeners is hidden",
        ),
        pytest.param(
            ["a parent that may not be inspected", "pid 61, parent 60 of uid 0"],
            scene(facts(60, 40, HIDDEN, 0), facts(61, 60, {7}), listeners=(listener(7, uid=0),)),
            id="the worker of a server that root started",
        ),
        pytest.param(
            ["a parent that may not be inspected", "pid 61, parent 40 of uid 0"],
            scene(facts(40, 1, HIDDEN, 0), facts(61, 40, {7}), listeners=(listener(7, uid=0),)),
            id="the worker of a server that started us, both as ordinary users",
        ),
        pytest.param(["systemd", "not started"], scene(facts(1, 0, {7}, 0, "systemd")), id="systemd alone"),
        pytest.param(["the sidecar itself", "pid 50"], scene(facts(OURS, 40, {7})), id="we alone"),
    ],
)
def test_what_leaves_room_for_another_process_is_not_proven(words: list[str], seen: Scene) -> None:
    """The reason says in words what is the matter, and names whom it is about."""
    found = choose(seen)
    assert isinstance(found, Unproven)
    for word in (*words, "127.0.0.1:8000"):
        assert word in found.reason


def test_a_reason_names_few_processes() -> None:
    """Thousands of processes do not make a reason of thousands of numbers."""
    assert name_pids(range(100, 2100)) == "pids 100, 101, 102, 103, 104 and 1995 more"


PIDS = st.integers(min_value=1, max_value=12)
INODES = st.integers(min_value=1, max_value=4)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Any facts at all, rings of parents included: they may come from different moments."""
    processes = {
        pid: facts(
            pid,
            draw(st.integers(min_value=0, max_value=14)),
            draw(st.none() | st.sets(INODES)),
            draw(st.sampled_from([0, 1000])),
            draw(st.sampled_from(["python", "systemd"])),
        )
        for pid in draw(st.sets(PIDS))
    }
    inodes = draw(st.sets(INODES, min_size=1))
    uid = draw(st.sampled_from([0, 1000]))
    return Scene("[::1]:8000", [listener(inode, uid) for inode in inodes], processes, draw(PIDS))


@given(scenes())
def test_whatever_the_facts_the_choice_holds_a_listener_and_stands_above_all_others(seen: Scene) -> None:
    """A choice is never the sidecar, never systemd, never below or beside another that listens."""
    found = choose(seen)
    inodes = {each.inode for each in seen.listeners}
    serving = {
        pid
        for pid, each in seen.processes.items()
        if each.sockets and inodes & each.sockets and pid != seen.own_pid and each.stat.comm != "systemd"
    }
    if isinstance(found, Unproven):
        assert found.reason
        return
    assert found in serving
    assert all(pid == found or found in ancestors(seen, pid) for pid in serving)
    assert not serving.intersection(ancestors(seen, found))


@given(scenes())
def test_a_listener_that_nobody_visible_holds_proves_nobody(seen: Scene) -> None:
    """One of several listeners may be another's: then no process is the gateway."""
    held = {inode for each in seen.processes.values() for inode in each.sockets or ()}
    if any(each.inode not in held for each in seen.listeners):
        assert isinstance(choose(seen), Unproven)
