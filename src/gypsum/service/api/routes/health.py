"""Whether the service is well, for those who watch it."""

from __future__ import annotations

import hmac
import ipaddress

from fastapi import APIRouter, Request, Response

from gypsum.service import jobs
from gypsum.service.api import metrics
from gypsum.service.api.models import HealthOut
from gypsum.service.api.problems import Problem, documented
from gypsum.service.api.state import Here, Service, address_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> HealthOut:
    """Whether the process answers."""
    return HealthOut(status="ok")


@router.get("/readyz", responses=documented())
async def get_readiness(service: Here) -> HealthOut:
    """Whether database and storage answer as well."""
    async with service.pool.connection() as connection:
        await connection.execute("select 1")
    await service.store.exists("health/ready")
    return HealthOut(status="ok")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Counts for Prometheus.", "content": {"text/plain": {}}},
        **documented(403),
    },
)
async def get_metrics(request: Request, service: Here) -> Response:
    """Counts for Prometheus; for this machine alone, or with the setting `metrics_token`."""
    if not _may_read(request, service):
        raise Problem(403, "metrics", "Metrics are for this machine, or for who has their token.")
    async with service.pool.connection() as connection:
        queue = await jobs.metrics_text(connection)
    return Response(metrics.text() + queue, media_type="text/plain; version=0.0.4; charset=utf-8")


def _may_read(request: Request, service: Service) -> bool:
    token = service.settings.metrics_token
    if token:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), token.encode())
    try:
        local = ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False
    # A proxy on this machine asks for others.
    return local and "x-forwarded-for" not in request.headers and "forwarded" not in request.headers
