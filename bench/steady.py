"""What sidecars use in their steady state: memory, processor, wake-ups."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.client import ask
from bench.figures import Samples
from bench.processes import CannotMeasureError, Sidecar, free_port, running_gateway, running_sidecar, running_target
from bench.servers import running_postgres, running_redis
from bench.usage import memory, processor_seconds, wake_ups

_CHECKS = 6
_WARM_UP = 5.0
_OUTCOMES = re.compile(r'sidecar_probe_outcomes_total\{probe="[^"]*",outcome="([a-z]+)"\} (\d+)')

_PROBE = """
[probes.http-{number}]
kind = "http"
url = "http://127.0.0.1:{port}/"
interval = "1s"
initial_delay = "{delay}ms"
"""

_BRIGHTDATA = """
[probes.brightdata]
kind = "brightdata"
url = "http://127.0.0.1:{port}"
token = "benchmark-token"
zone = "unlocker1"
"""

_IDLE = """
[defaults]
interval = "1h"
"""


class _Reading(NamedTuple):
    at: float
    processor: float
    wake_ups: int


def measure(directory: Path, seconds: float) -> Samples:
    """Let six sidecars run side by side, so that all have the same neighbours, and see what each uses meanwhile."""
    gateway, server = free_port(), free_port()
    with ExitStack() as stack:
        stack.enter_context(running_gateway(directory, gateway))
        stack.enter_context(running_target(directory, server))
        redis = stack.enter_context(running_redis(directory))
        postgres = stack.enter_context(running_postgres())
        configs = {
            "default": "",
            "full": _BRIGHTDATA.format(port=server),
            "state": "",
            "idle": _IDLE,
            "one_tick": "".join(_six_checks(server, apart=0)),
            "spread": "".join(_six_checks(server, apart=1000 // _CHECKS)),
        }
        state = {"STATE_DIRECTORY": str(directory)}
        further = {"full": {"REDIS_URL": redis.url, "DATABASE_URL": postgres.url}, "state": state, "idle": state}
        sidecars = {
            name: stack.enter_context(running_sidecar(directory, gateway, config, further.get(name, {})))
            for name, config in configs.items()
        }
        for sidecar in sidecars.values():
            sidecar.wait_ready()
        time.sleep(min(_WARM_UP, seconds))
        counted = {name: _outcomes(sidecar) for name, sidecar in sidecars.items()}
        before = {name: _read(sidecar) for name, sidecar in sidecars.items()}
        time.sleep(seconds)  # the time that is measured
        after = {name: _read(sidecar) for name, sidecar in sidecars.items()}
        held = memory(sidecars["default"].pid)
        held_state = memory(sidecars["state"].pid)
        held_full = memory(sidecars["full"].pid)
        executed = {name: _outcomes(sidecar) - counted[name] for name, sidecar in sidecars.items()}
    for name, outcomes in executed.items():
        _hold_to_plan(name, outcomes, seconds)
    measured = [name for name in sidecars if name not in further or name == "idle"]
    return {
        "memory_state": [held_state.resident / 1e6],
        "memory_full": [held_full.resident / 1e6],
        "memory_resident": [held.resident / 1e6],
        "memory_proportional": [held.proportional / 1e6],
        "memory_private": [held.private / 1e6],
        **{f"cpu_{name}": [_percent(before[name], after[name])] for name in measured},
        **{f"wake_ups_{name}": [_rate(before[name], after[name])] for name in ("default", "idle")},
    }


def _six_checks(port: int, apart: int) -> Iterator[str]:
    """Write a configuration with six checks a second, ``apart`` milliseconds one from the other."""
    yield "derive = false\n"
    for number in range(_CHECKS):
        yield _PROBE.format(number=number, port=port, delay=number * apart)


def _outcomes(sidecar: Sidecar) -> Counter[str]:
    """Count the checks by outcome. The sidecar works a millisecond for it: never within what is measured."""
    counted: Counter[str] = Counter()
    for outcome, number in _OUTCOMES.findall(ask(sidecar.port, "/metrics").body.decode()):
        counted[outcome] += int(number)
    return counted


def _hold_to_plan(name: str, outcomes: Counter[str], seconds: float) -> None:
    """Refuse a measurement in which the sidecar did something else than was to be measured."""
    if set(outcomes) - {"pass"}:
        raise CannotMeasureError(f"{name}: expected checks that pass, found {dict(outcomes)}")
    expected = _CHECKS * seconds
    if name in ("one_tick", "spread") and abs(outcomes["pass"] - expected) > 2 * _CHECKS:
        raise CannotMeasureError(f"{name}: expected {expected:.0f} checks in {seconds:g} s, found {outcomes['pass']}")


def _read(sidecar: Sidecar) -> _Reading:
    return _Reading(time.monotonic(), processor_seconds(sidecar.pid), wake_ups(sidecar.pid))


def _percent(before: _Reading, after: _Reading) -> float:
    return 100 * (after.processor - before.processor) / (after.at - before.at)


def _rate(before: _Reading, after: _Reading) -> float:
    return (after.wake_ups - before.wake_ups) / (after.at - before.at)
