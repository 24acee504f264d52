"""What is asked of servers that belong together: roles, how far they are behind, whether all keys are served."""

import re
from collections.abc import Sequence

from probes.redis.question import Question, number, read_listing
from sidecar.contract import Outcome, Run
from sidecar.resp import Command, Reply

_SLOTS = 16384
"""Of every cluster (Redis cluster specification, "Key distribution model")."""

_REPLICA = re.compile(r"slave\d+")


class Replication(Question):
    """The server's part in replication, and how far it is behind, or whoever follows it."""

    rule = "INFO is answered"
    needs = "+info"

    def __init__(self, role: str | None, lag: float | None, lag_bytes: int | None) -> None:
        self._role = role
        self._lag = lag
        self._lag_bytes = lag_bytes

    def commands(self) -> Sequence[Command]:
        """Ask for the figures of the replication."""
        return (("INFO", "replication"),)

    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Hold them against what is expected; the wrong role is that of another server."""
        listing = read_listing(replies[0])
        role = {"master": "master", "slave": "replica"}.get(listing.get("role", ""), "nothing")
        run.note("role", role)
        if role == "replica":
            self._judge_replica(run, listing)
        elif self._lag is not None or self._lag_bytes is not None:
            self._judge_master(run, listing)
        return self._role is None or run.expect(f"the role is {self._role}", role, role == self._role)

    def _judge_replica(self, run: Run, listing: dict[str, str]) -> None:
        is_up = listing.get("master_link_status") == "up"
        observed = "up" if is_up else _why_down(listing)
        if not run.expect("the replica's link to its master is up", observed, is_up):
            return
        if self._lag is not None:
            silent = number(listing, "master_last_io_seconds_ago")
            rule = f"the replica heard from its master within {self._lag:g} s"
            run.expect(rule, f"{silent} s ago", silent <= self._lag, otherwise=Outcome.WARN)
        if self._lag_bytes is not None:
            applied = number(listing, "slave_repl_offset")
            # Redis before 7.0 applies what it reads at once, and tells no second offset.
            behind = int(listing.get("slave_read_repl_offset", applied)) - applied
            self._expect_bytes(run, "the replica has at most {} bytes left to apply", behind)

    def _judge_master(self, run: Run, listing: dict[str, str]) -> None:
        replicas = [_fields(value) for name, value in listing.items() if _REPLICA.fullmatch(name)]
        online = [replica for replica in replicas if replica.get("state") == "online"]
        run.note("replicas", len(online))
        observed = f"{len(online)} of {len(replicas)}"
        rule = "every replica is online, and there is one"
        run.expect(rule, observed, bool(replicas) and len(online) == len(replicas), otherwise=Outcome.WARN)
        if online and self._lag is not None:
            silent = max(number(replica, "lag") for replica in online)
            rule = f"the slowest replica acknowledged within {self._lag:g} s"
            run.expect(rule, f"{silent} s ago", silent <= self._lag, otherwise=Outcome.WARN)
        if online and self._lag_bytes is not None:
            behind = number(listing, "master_repl_offset") - min(number(replica, "offset") for replica in online)
            self._expect_bytes(run, "the slowest replica is at most {} bytes behind", behind)

    def _expect_bytes(self, run: Run, rule: str, behind: int) -> None:
        run.note("lag_bytes", behind)
        limit = self._lag_bytes or 0
        run.expect(rule.format(limit), behind, behind <= limit, otherwise=Outcome.WARN)


class Cluster(Question):
    """Whether the cluster, as this node sees it, serves every key."""

    rule = "CLUSTER INFO is answered"
    needs = "+cluster|info"

    def commands(self) -> Sequence[Command]:
        """Ask for the state of the cluster."""
        return (("CLUSTER", "INFO"),)

    def judge(self, run: Run, replies: Sequence[Reply]) -> bool:
        """Expect that every slot is served; if not, another node may know better."""
        listing = read_listing(replies[0])
        state = listing.get("cluster_state", "nothing")
        assigned, served, suspected, failed = (
            number(listing, f"cluster_slots_{name}") for name in ("assigned", "ok", "pfail", "fail")
        )
        run.note("cluster_nodes", number(listing, "cluster_known_nodes"))
        troubles = (
            (failed, f"{failed} of failed nodes"),
            (suspected, f"{suspected} of nodes that do not answer"),
            (_SLOTS - assigned, f"{_SLOTS - assigned} of no node"),
        )
        observed = ", ".join([f"state {state} with {served} served", *(words for count, words in troubles if count)])
        # A node that does not answer one other may yet be well: it has failed when most masters say so.
        is_whole = state == "ok" and served + suspected == _SLOTS
        if is_whole and suspected:
            run.expect("every node answers the one that is asked", observed, False, otherwise=Outcome.WARN)
        return run.expect(f"the cluster serves all {_SLOTS} slots", observed, is_whole)


def _why_down(listing: dict[str, str]) -> str:
    master = f"{listing.get('master_host')}:{listing.get('master_port')}"
    if listing.get("master_sync_in_progress") == "1":
        return f"down while it copies the data of {master}"
    return f"down for {listing.get('master_link_down_since_seconds', '?')} s, to {master}"


def _fields(value: str) -> dict[str, str]:
    """Take ``ip=10.0.0.7,port=6379,state=online,offset=42,lag=0`` apart."""
    return {name: text for name, _, text in (part.partition("=") for part in value.split(","))}
