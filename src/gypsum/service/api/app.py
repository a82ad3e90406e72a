"""The application: one for each process that answers requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute

from gypsum import __version__
from gypsum.errors import GypsumError, InputError
from gypsum.service.accounts import sweep as accounts_sweep
from gypsum.service.api import arrivals, pages, problems
from gypsum.service.api.events import Events
from gypsum.service.api.middleware import Doorkeeper
from gypsum.service.api.routes import (
    accounts,
    events,
    health,
    keys,
    kiri,
    options,
    results,
    scans,
    shared,
    uploads,
    webhooks,
)
from gypsum.service.api.state import Service
from gypsum.service.database import open_pool
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store
from gypsum.service.uploads import Uploads

log = logging.getLogger(__name__)

#: Threads for files: writing uploads, hashing, checking.
_THREADS = 16
#: Connections of one process to the database, for each of two pools.
_CONNECTIONS = 10
#: Seconds between two rounds of forgetting what has served.
_SWEEP = 3600.0

_ROUTERS = (
    accounts,
    keys,
    options,
    scans,
    uploads,
    events,
    results,
    shared,
    webhooks,
    kiri,
    health,
)

_DESCRIPTION = """Photos in, textured 3D models out.

Programs send an API key as `Authorization: Bearer gyp_…`. Errors are problem details (RFC 9457).
Make a scan, upload its files (tus 1.0.0), start it, wait for its events, download its results.
"""


def create_app(settings: ServiceSettings) -> FastAPI:
    """The application of a service whose database runs and has its tables."""
    if not settings.database_url:
        raise InputError("The service's requests need a database: set database_url.")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _service(settings) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="Gypsum",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    for module in _ROUTERS:
        app.include_router(module.router)
    pages.install(app)
    problems.install(app)
    app.add_middleware(Doorkeeper, settings=settings)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of problems, which no route returns by itself, into the description."""
    described = app.openapi()
    template = "#/components/schemas/{model}"
    schema = problems.ProblemDetails.model_json_schema(ref_template=template)
    inner = schema.pop("$defs", {})
    described["components"]["schemas"] |= {"ProblemDetails": schema, **inner}


@asynccontextmanager
async def _service(settings: ServiceSettings) -> AsyncIterator[Service]:
    """Everything that requests share, from the first to the last."""
    assert settings.database_url
    threads = ThreadPoolExecutor(_THREADS, "files")
    asyncio.get_running_loop().set_default_executor(threads)
    url = settings.database_url
    pool = await open_pool(url, size=_CONNECTIONS, name="gypsum api")
    reader = await open_pool(url, size=_CONNECTIONS, name="gypsum api reader", autocommit=True)
    listener = Events(url)
    try:
        service = Service(
            settings,
            pool,
            reader,
            Store.open(settings),
            Uploads(settings.uploads, settings.spare_bytes),
            listener,
            settings.signing_key,
        )
        await listener.start()
        tasks = [
            asyncio.create_task(_sweep_always(service), name="sweep"),
            asyncio.create_task(service.uploads.watch_pace(), name="pace"),
        ]
        try:
            yield service
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await listener.stop()
    finally:
        await pool.close()
        await reader.close()


async def _sweep_always(service: Service) -> None:
    while True:
        try:
            async with service.pool.connection() as connection:
                await accounts_sweep.sweep(connection)
            await arrivals.sweep(service)
        except (GypsumError, OSError, TimeoutError) as error:
            log.warning("clean-up: %s", error)
        except Exception:
            log.exception("clean-up failed")
        await asyncio.sleep(_SWEEP)


def _operation_id(route: APIRoute) -> str:
    """Names of functions are the names of operations, as a generated client has them."""
    return route.name
