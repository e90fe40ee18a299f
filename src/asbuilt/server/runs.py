"""Runs of the swarm over HTTP: start, follow, resume, and the inbox of questions to a person."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.agents.plans import plan_from_plain, plan_to_plain
from asbuilt.server.chat import failure_event
from asbuilt.server.json_body import JsonRoute
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import (
    DecisionRequest,
    InboxItemModel,
    PlanRequest,
    RunEventModel,
    RunModel,
    RunRequest,
    RunStarted,
)
from asbuilt.server.service import ServiceDep
from asbuilt.server.sse import EventStream, sse_event

__all__ = ["router"]

router = APIRouter(route_class=JsonRoute, tags=["runs"])

_EVENTS = (
    "`event` is the event's kind, `data` the event. The stream ends when the run has; while it waits for a "
    "person it stays open. With `after`, only events with a larger `seq` come."
)


@router.post("/plans", response_model=None, responses=problems(400, 404, 415, 422, 429, 502, 503))
async def make_plan(body: PlanRequest, service: ServiceDep) -> Response:
    """Plan a task, and do nothing: what `POST /runs` takes as `plan`."""
    return json_response(plan_to_plain(await service.orchestrator.plan(body.task)))


@router.post(
    "/runs",
    status_code=202,
    response_model=None,
    responses={202: {"model": RunStarted}, **problems(400, 404, 415, 422, 429, 502, 503)},
)
async def start_run(body: RunRequest, service: ServiceDep) -> Response:
    """Start a run. It goes on whether or not anybody follows it."""
    plan = None if body.plan is None else plan_from_plain(body.plan)
    run = await service.runs.start(body.task, plan)
    return json_response({"run": run}, status=202)


@router.get("/runs", response_model=None, responses={200: {"model": list[RunModel]}, **problems(422)})
async def list_runs(service: ServiceDep, limit: Annotated[int, Query(ge=1, le=1_000)] = 20) -> Response:
    """The newest runs, newest first."""
    return json_response(await run_sync(lambda: service.system.catalog.runs.recent(limit=limit)))


@router.get("/runs/{run}", response_model=None, responses={200: {"model": RunModel}, **problems(404)})
async def show_run(run: str, service: ServiceDep) -> Response:
    """One run."""
    return json_response(await run_sync(lambda: service.system.catalog.runs.get(run)))


@router.get(
    "/runs/{run}/events",
    response_model=None,
    responses={
        200: {
            "description": _EVENTS,
            "content": {"text/event-stream": {"schema": RunEventModel.model_json_schema()}},
        },
        **problems(404, 422, 503),
    },
)
async def follow_run(
    run: str, request: Request, service: ServiceDep, after: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """What happens in a run, from its first event on, as server-sent events."""
    await run_sync(lambda: service.system.catalog.runs.get(run))

    async def encoded() -> AsyncGenerator[bytes, None]:
        async for event in service.runs.follow(run, after=after):
            yield sse_event(asdict(event), name=event.kind)

    return EventStream(
        encoded(), service=service, failed=lambda error: failure_event(request, error, name="error")
    )


@router.post(
    "/runs/{run}/resume",
    status_code=202,
    response_model=None,
    responses={202: {"model": RunStarted}, **problems(404, 422, 503)},
)
async def resume_run(run: str, service: ServiceDep) -> Response:
    """Go on with a run whose process died."""
    await run_sync(lambda: service.system.catalog.runs.get(run))
    service.runs.resume(run)
    return json_response({"run": run}, status=202)


@router.get("/inbox", response_model=None, responses={200: {"model": list[InboxItemModel]}, **problems()})
async def show_inbox(service: ServiceDep) -> Response:
    """What waits for a person: plans, calls to approve, and calls that are in doubt. `about` of a plan has
    the plan and the cards of its agents: their tools, and what each of them may change."""
    return json_response(await run_sync(service.system.catalog.runs.inbox))


@router.post(
    "/inbox/{number}",
    response_model=None,
    responses={200: {"model": InboxItemModel}, **problems(400, 404, 415, 422, 503)},
)
async def decide(number: int, body: DecisionRequest, service: ServiceDep) -> Response:
    """Answer a question; its run goes on. The answer is for exactly what was asked."""
    approve = body.decision == "approve"
    item = await run_sync(lambda: service.system.catalog.runs.decide(number, approve=approve, by=body.by))
    service.runs.resume(item.run)
    return json_response(item)
