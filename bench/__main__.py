"""Measure everything, round by round, and print what was found."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench import answering, hanging, killing, lasting, losing, many, peers, starting, steady
from bench.contenders import CONTENDERS
from bench.figures import FIGURES, Samples
from bench.processes import CannotMeasureError
from bench.report import describe_machine, document, peers_table, table


class Effort(NamedTuple):
    """How much is measured. The figures take turns, so that a busy minute of the machine spoils none of them alone."""

    rounds: int
    starts: int
    kills: int
    load_seconds: float
    questions: int
    steady_seconds: float
    losses: int
    many_seconds: float
    part_of_hour: float


FULL = Effort(
    rounds=2, starts=4, kills=8, load_seconds=2.0, questions=2000, steady_seconds=15.0,
    losses=4, many_seconds=4.0, part_of_hour=1.0,
)  # fmt: skip
QUICK = Effort(
    rounds=1, starts=1, kills=2, load_seconds=0.3, questions=200, steady_seconds=3.0,
    losses=1, many_seconds=1.0, part_of_hour=0.05,
)  # fmt: skip


def main() -> None:
    """Run the command line. The exit status tells whether it could be measured, not how good the figures are."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="seconds instead of minutes: shows that it works")
    options.add_argument("--json", action="store_true", help="write JSON, with every sample")
    options.add_argument("--peers", action="store_true", help="beside monit, HAProxy, blackbox_exporter and Envoy")
    chosen = options.parse_args()
    machine = describe_machine()
    try:
        if chosen.peers:
            print(_beside_peers(machine, quick=chosen.quick, as_json=chosen.json))
            return
        samples = measure(QUICK if chosen.quick else FULL)
    except (CannotMeasureError, OSError) as error:
        sys.exit(f"cannot measure: {error}")
    if chosen.json:
        print(msgspec.json.format(msgspec.json.encode(document(samples, machine))).decode())
    else:
        print(table(samples, machine))


def measure(effort: Effort) -> Samples:
    """Take all samples."""
    samples: Samples = {figure.name: [] for figure in FIGURES}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        starting.measure(directory, 1)  # compiles what is not compiled yet, and reads it from the disk
        for number in range(1, effort.rounds + 1):
            _tell(f"round {number} of {effort.rounds}")
            for taken in (
                starting.measure(directory, effort.starts),
                killing.measure(directory, effort.kills),
                answering.measure(directory, effort.load_seconds, effort.questions),
                steady.measure(directory, effort.steady_seconds),
                losing.measure(directory, effort.losses),
                many.measure(directory, effort.many_seconds),
                hanging.measure(directory, effort.load_seconds),
                lasting.measure(directory, effort.part_of_hour) if number == 1 else {},
            ):
                for figure, values in taken.items():
                    samples[figure] += values
    return samples


def _beside_peers(machine: str, *, quick: bool, as_json: bool) -> str:
    programs, missing = peers.find()
    if "sidecar" not in programs:
        raise CannotMeasureError("there is no sidecar beside this Python: install the project into it")
    versions = [peers.version(each, programs[each.name]) for each in CONTENDERS if each.name in programs]
    notes = [", ".join(versions), *missing]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        samples = peers.measure(Path(name), programs, peers.QUICK if quick else peers.FULL, _tell)
    if as_json:
        found = {"machine": machine, "notes": notes, "figures": samples}
        return msgspec.json.format(msgspec.json.encode(found)).decode()
    return peers_table(samples, machine, notes)


def _tell(progress: str) -> None:
    if sys.stderr.isatty():
        print(progress, file=sys.stderr)


if __name__ == "__main__":
    main()
