"""``sidecar init``: a configuration for what is found here."""

import os

import click

from sidecar.cli.findings import Findings, find
from sidecar.cli.terminal import write
from sidecar.config import load
from sidecar.config.toml import write_value
from sidecar.config.units import write_duration, write_size
from sidecar.core.errors import SidecarError
from sidecar.core.plan import Plan, ProbePlan
from sidecar.registry import known_kinds, load_kind

_DEFAULT = "conf/sidecar.toml"
_STANDARD_OUTPUT = "-"


@click.command()
@click.option(
    "--output", metavar="FILE", default=_DEFAULT, show_default=True, help="Where to write it; - for the output."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def command(output: str, force: bool) -> None:  # noqa: FBT001 - click's way
    """Write a configuration for what is found here: the variables, the platform, the gateway, the container's memory.

    No value of a variable is written, only its name. The exit status is 0, or 2 when the file is there already.
    """
    plan = load("", os.environ, load_kind=load_kind, known_kinds=known_kinds)
    found = find(plan, os.environ)
    text = compose(plan, found)
    load(text, os.environ, load_kind=load_kind, known_kinds=known_kinds, source=output)  # what is written is valid
    if output == _STANDARD_OUTPUT:
        write(text.rstrip("\n"))
        return
    _save(output, text, force=force)
    write(f"{output} is written: read it, then try `sidecar check --config {output}`")


def compose(plan: Plan, found: Findings) -> str:
    """Write the configuration's text."""
    blocks = [
        _HEAD,
        _section("defaults", [], ['# interval = "5s"', '# timeout = "2s"'], "What every probe inherits."),
        *(_probe(probe, found) for probe in plan.probes),
        *(f"# {remark}." for remark in plan.remarks),
        _gateway(plan, found),
        _drain(plan, found),
        _server(plan, found),
        _state(plan),
    ]
    return "\n\n".join(blocks) + "\n"


_HEAD = """\
# Written by `sidecar init` for what it found. What is a comment holds anyway, or is yours to decide; all keys are
# explained in conf/sidecar.toml and docs/configuration.md of the project.
#
# `sidecar config check` tells mistakes, `sidecar reload` puts a change in force. An editor completes and checks this
# file with `#:schema ./sidecar.schema.json` as its first line, and `sidecar config schema > sidecar.schema.json`."""


def _section(name: str, keys: list[tuple[str, object, str]], more: list[str], why: str) -> str:
    """Write a table: why it is so, its keys each below its own reason, and what else may be set."""
    lines = [f"# {why}", f"[{name}]"]
    for key, value, reason in keys:
        lines += [f"# {reason}", f"{key} = {write_value(value)}"]
    return "\n".join([*lines, *more])


def _probe(probe: ProbePlan, found: Findings) -> str:
    why = found.sources.get(probe.name, "always probed")
    keys: list[tuple[str, object, str]] = [
        ("on_failure", probe.on_failure.value, _MEANINGS[probe.on_failure.value]),
    ]
    more = []
    if probe.kind == "process" and found.memory is not None:
        limit = write_size(found.memory * 8 // 10 >> 20 << 20)
        keys.append(("memory", limit, f"A warning at 80 % of the {write_size(found.memory)} that the container has."))
    elif probe.kind == "process":
        more = ['# memory = "1GiB"']
    elif probe.name == "mcp":
        more = ["# Prove that what stands behind the gateway works, by calling a tool that costs nothing:",
                '# call = { tool = "NAME", arguments = {} }']  # fmt: skip
    return _section(f"probes.{probe.name}", keys, more, f"{probe.kind}: {why}.")


_MEANINGS = {
    "drain": "503 when it fails; and the gateway is drained, where the failure is proven to be its own.",
    "unready": '503 when it fails. If the gateway can serve without it: "degrade".',
    "degrade": '200 when it fails, shown as degraded. If the gateway cannot serve without it: "unready".',
    "observe": "Shown and counted, nothing else.",
}


def _gateway(plan: Plan, found: Findings) -> str:
    where = f"{plan.gateway.host}, port {plan.gateway.port}"
    return _section("gateway", [], [f"# port = {plan.gateway.port}"], f"At {where} {found.gateway}.")


def _drain(plan: Plan, found: Findings) -> str:
    keys: list[tuple[str, object, str]] = []
    if found.lame_duck is not None:
        keys.append(("lame_duck", write_duration(found.lame_duck[0]), found.lame_duck[1]))
    more = ["# A week of this shows what would have been drained:", "# shadow = true"]
    return _section("drain", keys, more, f"After {write_duration(plan.drain.drain_after)} of failure that is its own.")


def _server(plan: Plan, found: Findings) -> str:
    keys: list[tuple[str, object, str]] = []
    if found.linger is not None:
        keys.append(("linger", write_duration(found.linger[0]), found.linger[1]))
    more = [f"# port = {plan.server.port}"]
    if plan.server.token is None:
        more += ["# Who may see details from outside; SIDECAR_TOKEN is not set:", '# token = "${SIDECAR_TOKEN}"']
    return _section("server", keys, more, "The health port.")


def _state(plan: Plan) -> str:
    if plan.state.dir is not None:
        return _section(
            "state", [], [], "Maintenance survives a restart of the sidecar: the environment names a directory."
        )
    return _section(
        "state", [], ['# dir = "/var/lib/mcp-gateway-sidecar"'], "Maintenance survives a restart only with a directory."
    )


def _save(path: str, text: str, *, force: bool) -> None:
    """Write the file whole or not at all, and replace none that nobody spoke of."""
    draft = f"{path}.{os.getpid()}"
    try:
        if directory := os.path.dirname(path):  # noqa: PTH120
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103
        try:
            with open(draft, "x", encoding="utf-8") as file:  # noqa: PTH123
                file.write(text)
            if force:
                os.replace(draft, path)  # noqa: PTH105
            else:
                os.link(draft, path)
        finally:
            if os.path.lexists(draft):
                os.unlink(draft)  # noqa: PTH108
    except FileExistsError:
        raise SidecarError(f"cannot write {path}: it is there already; replace it with --force") from None
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise SidecarError(f"cannot write {path}: {why}") from None
