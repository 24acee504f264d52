"""BrightData works for this account, as far as the operator wants to know, and to pay.

``free`` asks the account endpoints: the key is accepted, and the zone is active. ``request`` has BrightData fetch a
page through its API, ``proxy`` through its proxy: whole ways, which are billed, and therefore held to a daily budget.

Never calls ``/zone?zone=`` or ``/zone/passwords``, which answer with passwords in clear.
Sources: docs.brightdata.com, "Account management API", "Proxy error catalog", "SERP API error catalog".
"""

from probes.brightdata.probe import KIND, BrightDataProbe
from probes.brightdata.spec import Spec

__all__ = ["KIND", "BrightDataProbe", "Spec"]
