"""GET /health: is it well, what does it hold, what does it cost."""

from __future__ import annotations

import platform
import time

import psutil
from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.responses import Response

from asbuilt import __version__
from asbuilt.knowledge import SearchState
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import HealthResponse
from asbuilt.server.service import Service, ServiceDep

__all__ = ["router"]

router = APIRouter(tags=["asbuilt"])

_MIB = 2**20
_EMPTY = SearchState(0, 0, 0, 0)
_VERSIONS = {"asbuilt": __version__, "python": platform.python_version()}


@router.get("/health", response_model=None, responses={200: {"model": HealthResponse}, **problems()})
async def health(service: ServiceDep) -> Response:
    """State of the service; cheap enough to be asked every second."""
    return json_response(await run_sync(_health, service))


def _health(service: Service) -> dict[str, object]:
    state = _EMPTY
    if service.has_knowledge:
        state = service.search_state or service.system.knowledge.state()  # not yet counted
    problems_found = service.problems()
    return {
        "status": "stopping" if service.stopping else "degraded" if problems_found else "ok",
        "model_loaded": "generator" in service.models.values(),
        "memory_usage": {
            "resident_mib": round(psutil.Process().memory_info().rss / _MIB, 1),
            "available_mib": round(psutil.virtual_memory().available / _MIB, 1),
        },
        "documents": state.documents,
        "chunks": state.chunks,
        "embedded": state.embedded,
        "index_behind": service.index_behind(),
        "running": service.running(),
        "problems": problems_found,
        "system": service.system.blueprint.system.name,
        "models": service.models,
        "serving": _serving(service),
        "versions": _VERSIONS,
        "uptime_s": round(time.time() - service.started_at, 1),
    }


def _serving(service: Service) -> list[dict[str, object]]:
    deployed = service.deployed
    return [
        {
            "model": each.version or "fallback",
            "role": each.role,
            "share": round(each.share, 4),
            "running": each.running,
            "requests": each.measures.requests,
            "errors": each.measures.errors,
            "empty": each.measures.empty,
            "cut": each.measures.cut,
            "first_token_p95_s": each.measures.first_token_p95_s,
            "tokens_per_s": each.measures.mean_tokens_per_s,
            "ratings": each.measures.ratings,
            "mean_rating": each.measures.stars / each.measures.ratings if each.measures.ratings else None,
        }
        for each in (deployed.models if deployed is not None else ())
    ]
