"""The control socket's file: where it lies, how it is had, and how it is let go of."""

# ruff: noqa: PTH101, PTH102, PTH108, PTH117, PTH118, PTH120 - a handful of calls of os, which the agent has loaded anyway

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from sidecar.core.errors import SidecarError
from sidecar.core.plan import ServerPlan

_PATH_AT_MOST = 107
"""Bytes: the room in ``struct sockaddr_un`` (unix(7)), without the final zero."""

_ANSWER_WITHIN = 1.0
_LOCK_WITHIN = 1.0
_LOCK_AGAIN = 0.02

_NAME = "mcp-gateway-sidecar"


def socket_places(server: ServerPlan, environ: Mapping[str, str]) -> list[str]:
    """Name the paths at which the socket may lie, the likeliest first; it is one, where the configuration names it.

    The health port in the name tells the sidecars of one machine apart.
    """
    if server.socket is not None:
        return [server.socket]
    name = f"{_NAME}-{server.port}.sock"
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    directories = [runtime] if os.path.isabs(runtime) else []
    directories += ["/run", _own_directory(environ)]
    return [os.path.join(directory, name) for directory in directories]


def choose_place(server: ServerPlan, environ: Mapping[str, str]) -> str:
    """Choose the first place that is safe and can be written to. Raises ``SidecarError`` when there is none."""
    places = socket_places(server, environ)
    if server.socket is not None:
        return places[0]
    own = _own_directory(environ)
    faults = []
    for path in places:
        directory = os.path.dirname(path)
        if directory == own:
            _make_directory(own)
        fault = too_long(path) or _unsafe(directory)
        if fault is None:
            return path
        faults.append(f"{path}: {fault}")
    raise SidecarError(
        f"cannot open a control socket, at none of these paths: {'; '.join(faults)}. "
        "Name a short path in a directory of the sidecar's own with server.socket or SIDECAR_SOCKET"
    )


def claim(path: str, backlog: int) -> tuple[socket.socket, int]:
    """Listen at this path, with mode 0600; returns the socket and the file's inode.

    A file that a crashed sidecar has left is replaced. Raises ``SidecarError`` where somebody answers, or where a file
    lies that is no socket.
    """
    if fault := too_long(path):
        raise SidecarError(f"cannot open the control socket {path}: {fault}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _lock(os.path.dirname(path) or "."):
            _clear(path)
            listener.bind(path)
            os.chmod(path, 0o600)  # nobody can connect before listen(2)
            inode = os.lstat(path).st_ino
            listener.listen(backlog)
    except (OSError, ValueError) as error:
        listener.close()
        raise _cannot(path, error) from None
    except SidecarError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener, inode


def release(path: str, inode: int) -> None:
    """Remove the file, unless it is somebody else's by now."""
    with suppress(OSError):
        if os.lstat(path).st_ino == inode:
            os.unlink(path)


def too_long(path: str) -> str | None:
    """Say by how much a path is too long for a socket, if it is."""
    length = len(os.fsencode(path))
    return f"the path is {length} bytes long, expected at most {_PATH_AT_MOST}" if length > _PATH_AT_MOST else None


@contextmanager
def _lock(directory: str) -> Iterator[None]:
    """Keep a second sidecar that starts at the same time from taking the first one's new file for a stale one."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + _LOCK_WITHIN
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOCK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def _clear(path: str) -> None:
    """Remove a socket at which nobody answers."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SidecarError(f"cannot open the control socket {path}: a file that is no socket lies there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_WITHIN)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except TimeoutError:
            raise _in_use(path) from None
        except OSError as error:
            if error.errno == errno.EAGAIN:  # its backlog is full, so somebody listens
                raise _in_use(path) from None
            raise
        else:
            raise _in_use(path)


def _in_use(path: str) -> SidecarError:
    return SidecarError(
        f"cannot open the control socket {path}: another sidecar answers there; "
        "stop it, or choose another path with server.socket or SIDECAR_SOCKET"
    )


def _cannot(path: str, error: Exception) -> SidecarError:
    why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
    return SidecarError(f"cannot open the control socket {path}: {why}")


def _own_directory(environ: Mapping[str, str]) -> str:
    return os.path.join(environ.get("TMPDIR") or "/tmp", f"{_NAME}-{os.geteuid()}")  # noqa: S108 - checked before use


def _make_directory(path: str) -> None:
    with suppress(OSError):
        os.mkdir(path, 0o700)


def _unsafe(directory: str) -> str | None:
    """Say why not to use a directory: we must be able to write there, and but for root nobody else.

    Else the socket might be somebody else's.
    """
    try:
        found = os.lstat(directory)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not stat.S_ISDIR(found.st_mode):
        return f"{directory} is no directory"
    if found.st_uid not in (0, os.geteuid()):
        return f"{directory} belongs to user {found.st_uid}"
    if found.st_mode & 0o022:
        return f"others may write to {directory}"
    return None if os.access(directory, os.W_OK | os.X_OK) else f"no permission to write to {directory}"
