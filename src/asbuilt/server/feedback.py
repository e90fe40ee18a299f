"""POST /feedback: what a user thinks of an answer."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.responses import Response

from asbuilt.server.json_body import JsonRoute
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import FeedbackRequest, FeedbackResponse, FeedbackSummaryModel
from asbuilt.server.service import ServiceDep

__all__ = ["router"]

router = APIRouter(route_class=JsonRoute, tags=["asbuilt"])


@router.post(
    "/feedback",
    response_model=None,
    responses={200: {"model": FeedbackResponse}, **problems(400, 404, 408, 413, 415, 422, 503)},
)
async def give_feedback(body: FeedbackRequest, service: ServiceDep) -> Response:
    """Rate an answer that /chat gave, from 1 to 5 or with a thumb. A second rating replaces the first."""
    rate = partial(service.system.catalog.answers.rate, body.answer_id, body.stars, body.comment)
    await run_sync(rate)
    service.rate(body.answer_id, body.stars)
    return json_response(FeedbackResponse(answer_id=body.answer_id, rating=body.stars))


@router.get(
    "/feedback/summary",
    response_model=None,
    responses={200: {"model": FeedbackSummaryModel}, **problems(503)},
)
async def summary(service: ServiceDep) -> Response:
    """How many answers were given and rated, and how good the ratings are."""
    return json_response(await run_sync(service.system.catalog.answers.summary))
