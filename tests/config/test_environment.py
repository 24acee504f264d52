"""Ports, token and release: the file's word, else the environment's, else the default."""

from collections.abc import Callable

import pytest

from sidecar.config import load_server
from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "environ", "health", "gateway"),
    [
        ("", {}, 9000, 8000),
        ("", {"SIDECAR_PORT": "9100", "GATEWAY_PORT": "8100"}, 9100, 8100),
        ("", {"PORT": "3000"}, 3000, 8000),
        ("", {"PORT": "3000", "SIDECAR_PORT": "9100"}, 9100, 8000),
        ("", {"SIDECAR_PORT": "", "PORT": ""}, 9000, 8000),
        ("", {"PORT": "5100", "HONCHO_PROCESS_NAME": "health.1"}, 9000, 8000),
        ("", {"PORT": "5100", "OVERMIND_PROCESS_health_PORT": "5100"}, 9000, 8000),
        ("", {"PORT": "5100", "PS": "health.1"}, 9000, 8000),
        ("", {"PORT": "5100", "PS": "something else"}, 5100, 8000),
        ("", {"PORT": "5100", "PS": "health.1", "SIDECAR_PORT": "9100"}, 9100, 8000),
        ("[server]\nport = 9200", {"SIDECAR_PORT": "9100", "PORT": "3000"}, 9200, 8000),
        ('[server]\nport = "${SIDECAR_PORT:-9300}"', {}, 9300, 8000),
        ("[gateway]\nport = 8200", {"GATEWAY_PORT": "8100"}, 9000, 8200),
    ],
)
def test_ports_are_settled(plan_of: Load, text: str, environ: dict[str, str], health: int, gateway: int) -> None:
    """The file, then the variable of that name, then the platform's PORT unless a process manager made it up."""
    plan = plan_of(text, environ)
    assert (plan.server.port, plan.gateway.port) == (health, gateway)


def test_the_socket_is_settled(plan_of: Load) -> None:
    """The file, then the variable."""
    environ = {"SIDECAR_SOCKET": "/run/a.sock"}
    assert plan_of("", environ).server.socket == "/run/a.sock"
    assert plan_of('[server]\nsocket = "/run/b.sock"', environ).server.socket == "/run/b.sock"


@pytest.mark.parametrize("spoilt", ["", "[drian]\n", "[probes.x]\nkind = 1\n"])
def test_the_health_port_is_read_from_a_spoilt_file(spoilt: str) -> None:
    """A running sidecar is found although its file has mistakes by now."""
    server = load_server(spoilt + '[server]\nport = 9100\nsocket = "${DIR}/x"\n', {"DIR": "/run"})
    assert (server.port, server.socket) == (9100, "/run/x")


def test_without_any_toml_the_environment_finds_the_health_port() -> None:
    """As without a file."""
    assert load_server("not TOML", {"SIDECAR_PORT": "9100"}).port == 9100
