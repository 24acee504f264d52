"""Which listeners answer at an address."""

import os
import socket

import pytest
from servers.ports import take_port

from sidecar.contract import GatewayPlan
from sidecar.gateway.discovery import listening
from sidecar.gateway.listening import answering
from sidecar.linux.sockdiag import Listener

LOOPBACK, LOOPBACK_6, ANY, ANY_6, OUTSIDE = range(1, 6)
ADDRESSES = {LOOPBACK: "127.0.0.1", LOOPBACK_6: "::1", ANY: "0.0.0.0", ANY_6: "::", OUTSIDE: "192.0.2.1"}


@pytest.mark.parametrize(
    ("host", "bound", "expected"),
    [
        ("127.0.0.1", {LOOPBACK, ANY, ANY_6}, {LOOPBACK}),
        ("127.0.0.1", {LOOPBACK_6, ANY, ANY_6}, {ANY}),
        ("127.0.0.1", {LOOPBACK_6, ANY_6}, {ANY_6}),
        ("127.0.0.1", {LOOPBACK_6, OUTSIDE}, set()),
        ("::1", {LOOPBACK, LOOPBACK_6, ANY, ANY_6}, {LOOPBACK_6}),
        ("::1", {LOOPBACK, ANY, ANY_6}, {ANY_6}),
        ("::1", {LOOPBACK, ANY}, set()),
        ("[::1]", {LOOPBACK_6}, {LOOPBACK_6}),
        ("0:0:0:0:0:0:0:1", {LOOPBACK_6}, {LOOPBACK_6}),
        ("::ffff:127.0.0.1", {LOOPBACK, ANY_6}, {LOOPBACK}),
        ("0.0.0.0", {LOOPBACK, OUTSIDE}, {LOOPBACK}),
        ("::", {LOOPBACK, ANY_6}, {ANY_6}),
        ("192.0.2.1", {LOOPBACK, OUTSIDE}, {OUTSIDE}),
        ("localhost", {LOOPBACK, LOOPBACK_6, OUTSIDE}, {LOOPBACK, LOOPBACK_6}),
        ("localhost", {ANY_6, OUTSIDE}, {ANY_6}),
        ("gateway.internal", {LOOPBACK, OUTSIDE}, {LOOPBACK, OUTSIDE}),
    ],
)
def test_the_listeners_that_answer_are_those_the_kernel_prefers(host: str, bound: set[int], expected: set[int]) -> None:
    """The very address comes before the wildcard of its family, and that before the wildcard of both."""
    listeners = [
        Listener(
            family=socket.AF_INET6 if ":" in ADDRESSES[inode] else socket.AF_INET,
            address=ADDRESSES[inode], port=8000, inode=inode, uid=0, backlog=0, backlog_limit=100,
        )
        for inode in bound
    ]  # fmt: skip
    assert {each.inode for each in answering(listeners, host)} == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_real_listener_is_seen_while_it_is_there(host: str) -> None:
    """The kernel tells of a listener by its inode, and of none once it is closed."""
    port = take_port()
    plan = GatewayPlan(host=host, port=port)
    with socket.create_server(("127.0.0.1", port)) as listener:
        assert listening(plan) == {os.fstat(listener.fileno()).st_ino}
    assert listening(plan) == frozenset()
