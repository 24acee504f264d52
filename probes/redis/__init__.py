"""A Redis or Valkey server answers PING, over one connection that is kept between looks, and whatever else is asked.

The server is one that is named, the master that Sentinel names, or a node of a cluster. The user that the probe logs
in as needs no right but PING: ``ACL SETUSER health on >password +ping``. What is asked besides needs more: ``+info``
for ``memory``, ``evictions``, ``role``, ``lag`` and Sentinel, ``+cluster|info`` for a cluster, ``~sidecar:* +set +get``
for ``roundtrip``.
"""

from probes.redis.probe import KIND, RedisProbe
from probes.redis.spec import Spec

__all__ = ["KIND", "RedisProbe", "Spec"]
