"""The sidecar's event loop: lookups of names that hang."""

import asyncio
import socket
import threading

import pytest

from sidecar.loop import run

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class Resolver:
    """Stands for the system's: names that hang do so until they are released."""

    def __init__(self):
        self.released = threading.Event()
        self.asked = []

    def __call__(self, host, *_):
        """Answer, or hang and then know nothing."""
        self.asked.append(host)
        if host.startswith("hangs"):
            self.released.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return ANSWER


@pytest.fixture
def resolver(monkeypatch):
    """Put a resolver in the place of the system's; nothing hangs after the test."""
    resolver = Resolver()
    monkeypatch.setattr("socket.getaddrinfo", resolver)
    yield resolver
    resolver.released.set()


async def _look_up(host):
    return await asyncio.get_running_loop().getaddrinfo(host, 80, type=socket.SOCK_STREAM)


async def _give_up(host):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_look_up(host), 0.001)


def test_looks_that_give_up_on_a_name_leave_threads_for_other_names(resolver):
    """However many there are, one lookup of the name is under way; another name is answered meanwhile."""

    async def main():
        for _ in range(100):
            await _give_up("hangs")
        assert await _look_up("answers") == ANSWER
        assert resolver.asked == ["hangs", "answers"]
        resolver.released.set()

    run(main)


def test_who_joins_learns_what_comes_of_it_and_who_comes_later_asks_anew(resolver):
    """An answer is nobody's memory, nor is an error."""

    async def main():
        looks = [asyncio.create_task(_look_up("hangs")) for _ in range(3)]
        await asyncio.sleep(0)
        resolver.released.set()
        errors = await asyncio.gather(*looks, return_exceptions=True)
        assert [error.errno for error in errors] == [socket.EAI_AGAIN] * 3
        with pytest.raises(socket.gaierror):
            await _look_up("hangs")
        assert resolver.asked == ["hangs", "hangs"]

    run(main)
