# ruff: noqa: INP001 - no package, but a file to copy
"""Railway's infrastructure as code, for `.railway/railway.py`: an MCP gateway with the sidecar as its parent.

Needs `pip install railway-sdk`; `railway config plan` shows what it would change, `railway config apply` does it. It
has no name for the restart policy (`ON_FAILURE`, the default, will do) nor for the port of a generated domain: set that
one's target port to the gateway's in the dashboard.
"""

from railway_sdk import define_railway, github, project, service

HEALTH = 9000
GATEWAY = 8000


@define_railway
def main(_context=None):
    """One gateway, two replicas."""
    web = service(
        "web",
        source=github("you/your-gateway"),
        start="sidecar run -- node dist/index.js",
        preDeploy="sidecar preflight",
        healthcheck="/health/ready",
        healthcheckTimeout=300,
        replicas=2,
        domains=[{"domain": "gateway.example.com", "port": GATEWAY}],
        env={
            "PORT": str(HEALTH),  # where Railway's health check asks
            "GATEWAY_PORT": str(GATEWAY),
            # Both are 0 by default, which would cut the requests in flight.
            "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": "30",
            "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "30",
        },
    )
    return project("mcp-gateway", resources=[web])
