"""A thread of its own for calls that may hang: whoever waits for one waits within a deadline."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

WAITING_AT_MOST = 100
"""Calls that wait for the one before them. When it hangs, further ones are refused at once."""


class Worker:
    """Makes calls one after the other, in a thread that nobody has to wait for: not even the end of the program."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.Queue[_Call | None] = queue.Queue(WAITING_AT_MOST)
        self._thread: threading.Thread | None = None

    async def run(self, function: Callable[[], T], within: float) -> T:
        """Call a function and give its result; it raises what the function raises.

        Raises ``TimeoutError`` after ``within`` seconds. What has begun by then goes on, what has not is dropped.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        try:
            self._calls.put_nowait(_Call(function, loop, result))
        except queue.Full:
            raise TimeoutError from None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        async with asyncio.timeout(within):
            return await result

    def end(self) -> None:
        """Let the thread end after the calls that wait. No call can be made afterwards."""
        with suppress(queue.Full):  # then it hangs, and ends with the program
            self._calls.put_nowait(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.result.done():  # its deadline has passed
                continue
            try:
                outcome, value = call.result.set_result, call.function()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
                outcome, value = call.result.set_exception, error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                call.loop.call_soon_threadsafe(_settle, call.result, outcome, value)


class _Call(NamedTuple):
    function: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    result: "asyncio.Future[Any]"


def _settle(result: "asyncio.Future[Any]", outcome: Callable[[Any], None], value: Any) -> None:
    if not result.done():
        outcome(value)
