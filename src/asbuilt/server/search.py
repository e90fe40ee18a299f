"""POST /search: the passages that may answer a question."""

from __future__ import annotations

import time
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.errors import UserError
from asbuilt.retrieval.hybrid import metadata_of
from asbuilt.server.json_body import JsonRoute
from asbuilt.server.metrics import metrics_of
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import SearchHit, SearchRequest
from asbuilt.server.service import Service, ServiceDep

__all__ = ["router"]

router = APIRouter(route_class=JsonRoute, tags=["asbuilt"])

EMBEDDED_HEADER = "Asbuilt-Embedded"


@router.post(
    "/search",
    response_model=None,
    responses={
        200: {
            "model": list[SearchHit],
            "description": "Best first; empty when nothing relevant was found.",
            "headers": {
                EMBEDDED_HEADER: {
                    "description": "Chunks with an embedding, of all: `1200/12000`. Absent once all have "
                    "one; until then the rest is found by its terms only.",
                    "schema": {"type": "string", "pattern": "^[0-9]+/[0-9]+$"},
                }
            },
        },
        **problems(400, 404, 408, 413, 415, 422, 429, 502, 503),
    },
)
async def search(body: SearchRequest, request: Request, service: ServiceDep) -> Response:
    """Search the documents by terms and by meaning."""
    filters = dict(body.filters or {})
    if body.collection is not None and filters.setdefault("collection", body.collection) != body.collection:
        raise UserError("collection and filters.collection differ.", hint="Give one of them.")
    retrieve = partial(service.retriever.retrieve, body.query, top_k=body.top_k, filters=filters or None)
    started = time.perf_counter()
    hits = await service.search(retrieve)
    metrics_of(request).stage("retrieval", time.perf_counter() - started)
    found = [
        {"content": hit.chunk.text, "score": hit.score, "metadata": metadata_of(hit.chunk)} for hit in hits
    ]
    return json_response(found, headers=_progress(service))


def _progress(service: Service) -> dict[str, str]:
    state = service.search_state
    if state is None or state.embedded >= state.chunks:
        return {}
    return {EMBEDDED_HEADER: f"{state.embedded}/{state.chunks}"}
