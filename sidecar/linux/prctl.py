"""What a process can arrange with the kernel about its children and its parent (prctl(2)).

The standard library has no prctl. ctypes costs 0.4 MB, so only those import this who need it.
"""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends, as the first process of a container is.

    Raises ``OSError`` when the kernel refuses, as a sandbox may.
    """
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def die_with(parent: int) -> None:
    """Let the kernel kill the calling process when this parent ends, however it ends.

    To be called between fork and exec, so it takes no lock and imports nothing. The kernel means the thread that has
    forked: it must be one that lives as long as the process.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it has ended before the kernel knew
