"""Who may read the package index, and how it is told: between an app and the index that the operator names."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from lakewarden.studio.index import PACKAGES
from lakewarden.studio.live import Live
from lakewarden.studio.model import PUBLIC, Domain
from lakewarden.studio.packages import Shelf, Source
from lakewarden.studio.ports import Trail
from lakewarden.studio.service import StudioService


class Shelves:
    """``source`` is None where the operator names no index."""

    PATH: Final = f"{PACKAGES}simple/"

    def __init__(self, source: Source | None, service: StudioService, trail: Trail) -> None:
        self._source = source
        self._service = service
        self._trail = trail

    async def reached(self, domain: str) -> bool:
        """Two must say yes: the operator, who names an index, and the domain, by AppNetworkAccessType as it is now."""
        if self._source is None:
            return False
        found = await asyncio.get_running_loop().run_in_executor(None, self._service.find, Domain, domain)
        return found is not None and found.network["AppNetworkAccessType"] == PUBLIC

    def shelf(self, live: Live) -> Shelf | None:
        """The index as one notebook gets it."""
        if self._source is None:
            return None
        about = {"domainId": live.app.domain, "userProfileName": live.profile, "spaceName": live.app.space}

        async def record(details: Mapping[str, Any], error: str) -> None:
            await self._trail.event(live.principal, "StudioPackageRead", {**about, **details}, error=error)

        return Shelf(self._source, lambda: self.reached(live.app.domain), record)
