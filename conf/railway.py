"""Railway's infrastructure as code, for `.railway/railway.py`: an MCP gateway with the sidecar as its parent.

The file has no names for these, so set them in the dashboard or with the `railway` command:

    PORT=9000                                   the health check asks here: the sidecar
    GATEWAY_PORT=8000                           the gateway; also the target port of the public domain
    RAILWAY_DEPLOYMENT_OVERLAP_SECONDS=30       both are 0 by default, and would cut requests in flight
    RAILWAY_DEPLOYMENT_DRAINING_SECONDS=30
"""

from railway import service

service(
    "web",
    start="sidecar run -- node dist/index.js",
    healthcheck="/health/ready",
    healthcheckTimeout=300,
    replicas=2,
)
