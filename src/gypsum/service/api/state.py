"""What all requests of one process share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, cast

from fastapi import Depends, Request

from gypsum.service.api.events import Events
from gypsum.service.database import Pool
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store
from gypsum.service.uploads import Uploads


@dataclass(frozen=True)
class Service:
    """Settings, connections, storage."""

    settings: ServiceSettings
    pool: Pool
    """For what belongs together: a block is a transaction."""
    reader: Pool
    """For questions: each statement by itself."""
    store: Store
    uploads: Uploads
    events: Events
    key: bytes
    """Of signatures."""

    @property
    def idle(self) -> timedelta:
        """How long a session lasts without a visit."""
        return timedelta(days=self.settings.session_days)


async def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return service_at(request)


def service_at(request: Request) -> Service:
    """The same; dependencies that do not wait would be called in threads."""
    return cast(Service, request.app.state.service)


Here = Annotated[Service, Depends(service_of)]


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""
