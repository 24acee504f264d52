"""The file for Railway that is there to be copied, read by Railway's own kit."""

import runpy
from pathlib import Path

from railway_sdk import create_railway_context

SHIPPED = Path(__file__).parents[2] / "conf/railway.py"


def test_the_shipped_service_is_ready_for_the_sidecar():
    """It is the gateway's parent, looks before a deployment, gates traffic by readiness, and cuts no requests."""
    described = runpy.run_path(str(SHIPPED))["main"](create_railway_context(environment="production"))
    [node] = described.to_graph()["resources"]
    deploy = node["deploy"]
    variables = {name: variable["value"] for name, variable in node["variables"].items()}
    assert deploy["startCommand"].startswith("sidecar run -- ")
    assert deploy["preDeployCommand"] == ["sidecar preflight"]
    assert deploy["healthcheckPath"] == "/health/ready"
    assert variables["PORT"] != variables["GATEWAY_PORT"]
    assert node["networking"]["customDomains"]["gateway.example.com"]["port"] == int(variables["GATEWAY_PORT"])
    assert int(variables["RAILWAY_DEPLOYMENT_OVERLAP_SECONDS"]) > 0
    assert int(variables["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]) > 0
