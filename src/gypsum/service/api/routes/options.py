"""What can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

from gypsum.service.api.options import OptionsOut, described
from gypsum.service.api.problems import documented
from gypsum.service.api.state import Here

router = APIRouter(prefix="/api/v1", tags=["options"])


@router.get("/options", responses=documented())
async def get_options(service: Here) -> OptionsOut:
    """Modes, their options and formats, and the service's limits: all that a form needs."""
    return described(service.settings)
