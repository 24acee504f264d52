"""Side by side with others that watch by HTTP: the same target, the same minute, one core each for answers."""

import http.client
import random
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.answering import load
from bench.contenders import CONTENDERS, Checks, Contender, is_dead
from bench.processes import CannotMeasureError, free_port, running, running_target
from bench.usage import memory, processor_seconds

_WITHIN = 30.0
_CHECKS = 6
_PAUSE = 0.001

FIGURES = {
    "start": "start to 200, ms",
    "resident": "resident with six checks, MB",
    "cpu": "processor for six checks a second, %",
    "checks_per_cpu_second": "checks per processor second, 250 a second",
    "answers": "status answers a second on one core",
    "answers_p99": "  99th percentile of their latency, ms",
    "answers_per_cpu_second": "  answers per processor second",
    "dead_1": "dead backend seen, threshold 1, s",
    "dead_3": "dead backend seen, threshold 3, s",
}

Samples = dict[str, dict[str, list[float]]]
"""By the contender's name and the figure's."""


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int
    starts: int
    steady_seconds: float
    many: int
    """Checks a second, where it is to be told what one costs among many."""
    many_seconds: float
    load_seconds: float
    kills: int


FULL = Effort(rounds=3, starts=4, steady_seconds=12.0, many=250, many_seconds=8.0, load_seconds=1.5, kills=3)
QUICK = Effort(rounds=1, starts=1, steady_seconds=2.0, many=25, many_seconds=2.0, load_seconds=0.2, kills=1)


def find() -> tuple[dict[str, str], list[str]]:
    """Find who is here, each with its program; and tell how to install who is not."""
    here, missing = {}, []
    for contender in CONTENDERS:
        program = contender.find()
        if program is None:
            missing.append(f"{contender.name} is left out: it is not installed ({contender.install})")
        else:
            here[contender.name] = program
    return here, missing


def version(contender: Contender, program: str) -> str:
    """Ask a contender for its version."""
    said = subprocess.run([program, contender.version], capture_output=True, text=True, timeout=_WITHIN, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return f"{contender.name} {found[0] if found else 'of unknown version'}"


def measure(directory: Path, programs: dict[str, str], effort: Effort, tell: Callable[[str], None]) -> Samples:
    """Take all samples; the contenders take turns, or run side by side, in each round."""
    contenders = [contender for contender in CONTENDERS if contender.name in programs]
    samples: Samples = {contender.name: {} for contender in contenders}

    def take(figure: str, taken: dict[str, list[float]]) -> None:
        for name, values in taken.items():
            samples[name].setdefault(figure, []).extend(values)

    for number in range(1, effort.rounds + 1):
        tell(f"round {number} of {effort.rounds}")
        bench = _Bench(
            directory, programs, contenders[number % len(contenders) :] + contenders[: number % len(contenders)]
        )
        take("start", bench.starts(effort.starts))
        few = bench.steady(_CHECKS, effort.steady_seconds)
        take("resident", few["resident"])
        take("cpu", few["cpu"])
        take("checks_per_cpu_second", bench.steady(effort.many, effort.many_seconds)["checks_per_cpu_second"])
        for figure, taken in bench.answers(effort.load_seconds).items():
            take(figure, taken)
        for threshold in (1, 3):
            take(f"dead_{threshold}", bench.deaths(threshold, effort.kills))
    return samples


class _Running(NamedTuple):
    contender: Contender
    pid: int
    port: int
    checks: Checks


class _Bench:
    """One round: the contenders in its order."""

    def __init__(self, directory: Path, programs: dict[str, str], contenders: list[Contender]) -> None:
        self._directory = directory
        self._programs = programs
        self._contenders = contenders

    def starts(self, number: int) -> dict[str, list[float]]:
        """Milliseconds from exec to the first 200, one after the other, in turns."""
        taken: dict[str, list[float]] = {contender.name: [] for contender in self._contenders}
        target = free_port()
        with running_target(self._directory, target):
            for _ in range(number):
                for contender in self._contenders:
                    began = time.monotonic()
                    with self._running(contender, Checks(target, _CHECKS)):
                        taken[contender.name].append(1000 * (time.monotonic() - began))
        return taken

    def steady(self, number: int, seconds: float) -> dict[str, dict[str, list[float]]]:
        """Let all check side by side: memory, processor, and how many checks a processor second makes."""
        target = free_port()
        with ExitStack() as stack:
            stack.enter_context(running_target(self._directory, target))
            all_running = [
                stack.enter_context(self._running(contender, Checks(target, number, name=contender.name)))
                for contender in self._contenders
            ]
            for running_one in all_running:
                if running_one.contender.scraped:
                    stack.enter_context(_scraping(running_one))
            time.sleep(min(5.0, seconds))  # to warm up
            _arrivals(target)
            before = {one.contender.name: (processor_seconds(one.pid), time.monotonic()) for one in all_running}
            time.sleep(seconds)  # the time that is measured
            taken: dict[str, dict[str, list[float]]] = {"resident": {}, "cpu": {}, "checks_per_cpu_second": {}}
            counted = None
            for one in all_running:
                used = processor_seconds(one.pid) - before[one.contender.name][0]
                took = time.monotonic() - before[one.contender.name][1]
                counted = counted or _arrivals(target)
                checks = counted[one.contender.name]
                if checks < 0.5 * number * seconds:
                    raise CannotMeasureError(f"{one.contender.name} made {checks} checks in {seconds:g} s")
                taken["resident"][one.contender.name] = [memory(one.pid).resident / 1e6]
                # What is made is not always what was asked for: monit pauses for a second after each round of checks.
                taken["cpu"][one.contender.name] = [100 * used / took * number * took / checks]
                taken["checks_per_cpu_second"][one.contender.name] = [checks / used]
        return taken

    def answers(self, seconds: float) -> dict[str, dict[str, list[float]]]:
        """Load one after the other, pinned to one core, from another: answers a second, and the slowest of them."""
        taken: dict[str, dict[str, list[float]]] = {"answers": {}, "answers_p99": {}, "answers_per_cpu_second": {}}
        target = free_port()
        with running_target(self._directory, target):
            for contender in self._contenders:
                with self._running(contender, Checks(target, _CHECKS)) as one:
                    done = load(self._directory, one.pid, one.port, contender.status, seconds)
                taken["answers"][contender.name] = [done.per_second]
                taken["answers_p99"][contender.name] = [1000 * done.p99]
                taken["answers_per_cpu_second"][contender.name] = [done.per_cpu_second]
        return taken

    def deaths(self, threshold: int, kills: int) -> dict[str, list[float]]:
        """Kill the target that all watch, at moments of no plan; seconds until each one says so."""
        judges = [contender for contender in self._contenders if threshold in contender.thresholds]
        taken: dict[str, list[float]] = {contender.name: [] for contender in judges}
        target = free_port()
        with ExitStack() as stack:
            first = stack.enter_context(running_target(self._directory, target))
            all_running = [
                stack.enter_context(self._running(contender, Checks(target, 1, threshold))) for contender in judges
            ]
            for number in range(kills):
                with ExitStack() as life:
                    process = first if number == 0 else life.enter_context(running_target(self._directory, target))
                    _until({one.contender.name: one for one in all_running}, dead=False)
                    time.sleep(2 + random.random())  # noqa: S311 - beside the beat of all of them
                    process.kill()
                    process.wait()
                    for name, seconds in _until({one.contender.name: one for one in all_running}, dead=True).items():
                        taken[name].append(seconds)
        return taken

    @contextmanager
    def _running(self, contender: Contender, checks: Checks) -> Iterator[_Running]:
        """Start a contender and wait for its first 200; kill it in the end."""
        port = free_port()
        directory = self._directory / f"{contender.name}-{port}"
        directory.mkdir()
        command = contender.command(self._programs[contender.name], directory, port, checks)
        log = directory / "log"
        with log.open("wb") as output, running(command, directory, stdout=output, stderr=output) as process:
            deadline = time.monotonic() + _WITHIN
            while _ask(port, contender.status)[0] != 200:
                if time.monotonic() > deadline or process.poll() is not None:
                    said = log.read_text(errors="replace")[-2000:]
                    raise CannotMeasureError(f"{contender.name} has not come up; it said:\n{said}")
                time.sleep(_PAUSE)
            yield _Running(contender, process.pid, port, checks)


def _until(waiting: dict[str, _Running], *, dead: bool) -> dict[str, float]:
    """Ask all in turns until each one says that the target is dead, or is not; seconds until then, by name."""
    began = time.monotonic()
    taken: dict[str, float] = {}
    while set(taken) != set(waiting):
        if time.monotonic() - began > _WITHIN:
            raise CannotMeasureError(f"no verdict from {', '.join(sorted(set(waiting) - set(taken)))}")
        for name, one in waiting.items():
            if name not in taken:
                answer = _ask(one.port, one.contender.verdict)
                if answer[0] and is_dead(*answer) is dead:
                    taken[name] = time.monotonic() - began
        time.sleep(_PAUSE)
    return taken


@contextmanager
def _scraping(one: _Running) -> Iterator[None]:
    """Ask for all its checks each second, over one connection, as Prometheus does."""
    path = one.contender.scraped.format(target=one.checks.target, name=one.checks.name)
    ended = threading.Event()

    def scrape() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=_WITHIN)
        due = time.monotonic()
        while not ended.wait(max(0.0, due - time.monotonic())):
            due += 1.0
            for _ in range(one.checks.number):
                connection.request("GET", path)
                connection.getresponse().read()
        connection.close()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _arrivals(port: int) -> Counter[str]:
    """Count the checks since the last time, by the contender's name."""
    _, body = _ask(port, "/-/arrivals")
    arrivals = msgspec.json.decode(body, type=dict[str, list[float]])
    return Counter({path.removeprefix("/"): len(times) for path, times in arrivals.items()})


def _ask(port: int, path: str) -> tuple[int, bytes]:
    """Ask once, over a connection of its own; status 0 is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WITHIN)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
