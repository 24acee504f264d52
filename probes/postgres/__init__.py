"""A PostgreSQL server answers a query, over one connection that is kept between looks, and is what it should be.

The query runs in a transaction of its own, read-only, which the server itself ends at the probe's timeout. Nothing
stays behind in the session, so that a pooler such as PgBouncer may stand in between. Any user who may connect will do;
only ``lag`` at a primary needs more: ``GRANT pg_monitor TO health``.
"""

from probes.postgres.probe import KIND, PostgresProbe
from probes.postgres.spec import Spec

__all__ = ["KIND", "PostgresProbe", "Spec"]
