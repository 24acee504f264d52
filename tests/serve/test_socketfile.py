"""The control socket's file: safe to make, safe to replace, gone afterwards."""

import fcntl
import os
import socket
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sidecar.core.errors import SidecarError
from sidecar.core.plan import ServerPlan
from sidecar.serve.socketfile import choose_place, claim, release, socket_places

SOCKET = Path("x.sock")


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """A working directory: a path in it is short however deep it lies."""
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def take():
    """Claim sockets, and let go of them at the end."""
    taken = []

    def take(path="x.sock"):
        listener, inode = claim(path, 1)
        taken.append(listener)
        return listener, inode

    yield take
    for listener in taken:
        listener.close()


def test_it_is_for_its_owner_alone_and_goes_with_him(take):
    """Mode 0600, and no file afterwards."""
    _, inode = take()
    found = SOCKET.stat()
    assert (stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
    release("x.sock", inode)
    assert not SOCKET.exists()
    release("x.sock", inode)


def test_a_stale_file_is_replaced(take):
    """A sidecar that was killed has left it; nobody answers there."""
    first, _ = take()
    first.close()
    assert SOCKET.exists()
    take()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("x.sock")


def test_a_second_one_is_told_and_the_first_is_left_alone(take):
    """Also when the first is too busy to take the connection at once."""
    take()
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    try:
        for client in waiting:
            with pytest.raises(SidecarError, match="another sidecar answers there; stop it, or choose another path"):
                claim("x.sock", 1)
            client.setblocking(False)
            client.connect_ex("x.sock")
    finally:
        for client in waiting:
            client.close()
    assert SOCKET.exists()


def test_the_file_of_a_later_one_is_left_alone(take):
    """Whoever ends removes his own file, and no other's."""
    first, inode = take()
    first.close()
    _, later = take()
    assert (later != inode) is (os.lstat("x.sock").st_ino != inode)
    release("x.sock", later + 1)
    assert SOCKET.exists()


def test_what_is_no_socket_is_not_replaced(directory):
    """A typing error in the configuration costs nobody his file."""
    (directory / "x.sock").write_text("precious")
    with pytest.raises(SidecarError, match="a file that is no socket lies there"):
        claim("x.sock", 1)
    assert (directory / "x.sock").read_text() == "precious"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere/x.sock", "no such file or directory"),
        ("x" * 108, "the path is 108 bytes long, expected at most 107"),
        ("\0", "null"),
    ],
)
def test_a_path_that_will_not_do_is_told(path, why):
    """With the cause."""
    with pytest.raises(SidecarError, match=f"cannot open the control socket .*{why}"):
        claim(path, 1)


def test_two_that_start_together_do_not_take_each_other_for_stale():
    """While one has the directory's lock, the other waits for it, and not for ever."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(
            SidecarError, match=r"cannot open the control socket x\.sock: resource temporarily unavailable"
        ):
            claim("x.sock", 1)
    finally:
        os.close(descriptor)


def test_the_places_are_named_after_the_port():
    """The user's own directory, the system's, one of its own; or the one that is configured."""
    places = socket_places(ServerPlan(port=9100), {"XDG_RUNTIME_DIR": "/run/user/7", "TMPDIR": "/scratch"})
    name = "mcp-gateway-sidecar-9100.sock"
    assert places == [f"/run/user/7/{name}", f"/run/{name}", f"/scratch/mcp-gateway-sidecar-{os.geteuid()}/{name}"]
    assert socket_places(ServerPlan(), {"XDG_RUNTIME_DIR": "relative"})[0].startswith("/run/")
    assert socket_places(ServerPlan(socket="/x.sock"), {}) == ["/x.sock"]


def test_a_directory_that_others_can_write_to_is_not_chosen(directory):
    """Somebody else could put his own socket there."""
    with TemporaryDirectory() as short:  # below the tests' own directory a socket's path may become too long
        environ = {"XDG_RUNTIME_DIR": str(directory), "TMPDIR": short}
        assert Path(choose_place(ServerPlan(), environ)).parent == directory
        directory.chmod(0o777)
        assert Path(choose_place(ServerPlan(), environ)).parent != directory


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda _: None, "no permission to write to {}"),
        (lambda place: place.chmod(0o777), "others may write to {}"),
        (lambda place: place.rmdir(), "no such file or directory"),
        (lambda place: (place.rmdir(), place.write_text("")), "{} is no directory"),
    ],
)
def test_where_no_place_will_do_each_is_told_with_its_fault(spoil, fault, monkeypatch):
    """A path that is too long is told by its length, not as if it were unsafe."""
    monkeypatch.setattr("sidecar.serve.socketfile.os.access", lambda *_: False)  # root may write everywhere
    with TemporaryDirectory() as short:
        place, deep = Path(short, "place"), Path(short, "d" * 100)
        place.mkdir()
        deep.mkdir()
        spoil(place)
        with pytest.raises(SidecarError) as error:
            choose_place(ServerPlan(), {"XDG_RUNTIME_DIR": str(place), "TMPDIR": str(deep)})
        told, long = (
            str(error.value),
            str(deep / f"mcp-gateway-sidecar-{os.geteuid()}" / "mcp-gateway-sidecar-9000.sock"),
        )
    assert f"{place}/mcp-gateway-sidecar-9000.sock: {fault.format(place)}" in told
    assert f"{long}: the path is {len(long)} bytes long, expected at most 107. Name a short path" in told
