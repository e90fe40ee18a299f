"""The application: middleware around routes around one system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import Route

from asbuilt import __version__
from asbuilt.server import chat, documents, extract, feedback, health, metrics, openai, runs, search
from asbuilt.server.errors import OPENAI_PREFIX, install_handlers
from asbuilt.server.limits import LimitMiddleware, RouteLimits
from asbuilt.server.metrics import Metrics, MetricsMiddleware
from asbuilt.server.schemas import Problem
from asbuilt.server.security import Access, Guard, access_for
from asbuilt.server.service import Service
from asbuilt.server.trace import TraceMiddleware
from asbuilt.system import System

__all__ = ["create_app", "openapi_document"]

_MIB = 2**20
_MAX_JSON_BYTES = 16 * _MIB  # they are parsed on the event loop, where all others wait
_MAX_OTHER_BYTES = 64 * 1024

GRACE_S = 10.0


def create_app(
    system: System, *, host: str | None = None, insecure: bool = False, grace_s: float = GRACE_S
) -> FastAPI:
    """The service of `system` as an ASGI application; ``app.state.service`` is what its routes share.

    `host` is the address that the server binds (default: the blueprint's): it decides whether
    keys are asked for and whether the Host header must name this machine. The system is opened
    when the application starts; closing it is left to whoever made it.

    Raises UserError where keys are asked for and there is none.
    """
    api = system.blueprint.api
    access = access_for(
        host or api.host,
        require_keys=api.require_keys,
        insecure=insecure,
        has_keys=lambda: bool(system.catalog.api_key_names()),
    )
    return _application(system, access, grace_s=grace_s)


def openapi_document(system: System) -> dict[str, Any]:
    """The OpenAPI document that `create_app` serves. Nothing of the system is opened for it."""
    api = system.blueprint.api
    access = access_for(api.host, require_keys=api.require_keys, insecure=False, has_keys=lambda: True)
    return _application(system, access, grace_s=GRACE_S).openapi()


def _application(system: System, access: Access, *, grace_s: float) -> FastAPI:
    api = system.blueprint.api
    service = Service(system, grace_s=grace_s)
    groups = [chat, documents, search, feedback, health]
    if system.names_of("extractor"):
        groups.insert(2, extract)
    if system.names_of("orchestrator"):
        groups.insert(2, runs)
    parts = [(api.prefix, group.router) for group in groups]
    parts += [(OPENAI_PREFIX, openai.router), ("", metrics.router)]
    paths = (
        f"{prefix}{route.path}"
        for prefix, router in parts
        for route in router.routes
        if isinstance(route, Route)
    )
    series = Metrics(service, routes=paths)
    app = FastAPI(
        title=system.blueprint.system.name,
        description=system.blueprint.system.purpose,
        version=__version__,
        openapi_url=f"{api.prefix}/openapi.json",
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=[
            Middleware(MetricsMiddleware, metrics=series),
            Middleware(Guard, access=access, key_name=lambda key: system.catalog.api_key_name(key)),
            Middleware(TraceMiddleware, recorder=system.recorder),
            Middleware(LimitMiddleware, routes=_limits(service), default=RouteLimits(_MAX_OTHER_BYTES)),
        ],
    )
    app.state.service = service
    app.state.metrics = series
    install_handlers(app)
    for prefix, router in parts:
        app.include_router(router, prefix=prefix)
    _describe(app, service, access)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await run_sync(service.open)
    watch = asyncio.ensure_future(service.watch()) if service.has_knowledge else None
    has_runs = bool(service.system.names_of("orchestrator"))
    if has_runs:
        await service.runs.go_on()
    try:
        yield
    finally:
        service.stop()
        if has_runs:
            await service.runs.close()
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


def _limits(service: Service) -> dict[str, RouteLimits]:
    prefix = service.api.prefix
    largest = int(service.api.max_body_mib * _MIB)
    json = min(largest, _MAX_JSON_BYTES)
    return {
        f"{prefix}/chat": RouteLimits(json, service.generation),
        f"{OPENAI_PREFIX}/chat/completions": RouteLimits(json, service.generation),
        f"{prefix}/plans": RouteLimits(json, service.generation),
        f"{prefix}/runs": RouteLimits(json, service.generation),
        f"{prefix}/search": RouteLimits(json, service.lookup),
        f"{OPENAI_PREFIX}/embeddings": RouteLimits(json, service.lookup),
        f"{prefix}/documents": RouteLimits(largest, service.ingestion),
        f"{prefix}/extract": RouteLimits(largest, service.extraction),
    }


def _describe(app: FastAPI, service: Service, access: Access) -> None:
    """Let `app` complete its OpenAPI document, when it is first asked for it."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate(), service, access)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], service: Service, access: Access) -> dict[str, Any]:
    """`document` with problems instead of FastAPI's own errors, the names of models, and the key."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"), Problem=problem)
    for request, roles in openai.MODELS_OF_REQUESTS.items():
        if names := service.models_of(*roles):
            schema = schemas[request]
            schema["properties"]["model"]["enum"] = names
            schema["examples"] = [{**example, "model": names[0]} for example in schema["examples"]]
    if access.key:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document
