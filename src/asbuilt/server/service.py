"""What the routes share: the system's open parts, worker threads, and the end of the service."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from asbuilt import registry
from asbuilt.agents.orchestrator import SwarmOrchestrator
from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.generation.deployed import RegistryGenerator
from asbuilt.knowledge import SearchState
from asbuilt.roles import Assistant, Chunker, Embedder, Generator, Retriever
from asbuilt.server.limits import Gate
from asbuilt.server.run_keeper import RunKeeper
from asbuilt.system import System

__all__ = ["Service", "ServiceDep"]

_T = TypeVar("_T")

_STATE_EVERY_S = 1.0
_MAX_CHUNKERS = 8  # each one holds a tokenizer
_MODELS_REMEMBERED = 10_000  # answers
_UPLOADS = 2  # one is ingested while the next one arrives


class Service:
    """A system as it is served. `grace_s`: how long answers go on after `stop`."""

    def __init__(self, system: System, *, grace_s: float) -> None:
        self.system = system
        self.api = system.blueprint.api
        self.started_at = time.time()
        self.search_state: SearchState | None = None
        self.watch_error: StorageError | None = None
        wait_s = self.api.queue_seconds
        self.generation = Gate(slots=self.api.max_concurrency, wait_s=wait_s)
        self.lookup = Gate(slots=self.api.max_concurrency, wait_s=wait_s)
        self.ingestion = Gate(slots=_UPLOADS, wait_s=wait_s)
        self.extraction = Gate(slots=_UPLOADS, wait_s=wait_s)
        self._chunkers: dict[tuple[tuple[str, int], ...], Chunker] = {}
        # More searches at once than cores only make each of them slower.
        self._searching = CapacityLimiter(max(2, os.cpu_count() or 1))
        self._ingesting = CapacityLimiter(1)
        self._extracting = CapacityLimiter(_UPLOADS)
        self._grace_s = grace_s
        self._stopping = asyncio.Event()
        self._wrote: OrderedDict[str, str] = OrderedDict()
        self.stop_ingestion = threading.Event()

    # ------------------------------------------------------------ parts

    def open(self) -> None:
        """Load everything, so that the first request is as fast as the others."""
        self.system.open()
        for part in ("assistant", "generator", "embedder", "retriever", "orchestrator"):
            with suppress(NotFoundError):  # a system may do without; its routes say so
                getattr(self, part)
        if self.has_knowledge:
            self.system.knowledge.follow()

    @cached_property
    def assistant(self) -> Assistant:
        return self.system.assistant

    @cached_property
    def generator(self) -> Generator:
        return self.system.generator

    @property
    def deployed(self) -> RegistryGenerator | None:
        """The generator, where it serves from a registry of models."""
        generator = self.generator if self.system.names_of("generator") else None
        return generator if isinstance(generator, RegistryGenerator) else None

    def wrote(self, answer_id: str, model: str) -> None:
        """Remember which model gave an answer, for as long as people usually take to rate it."""
        self._wrote[answer_id] = model
        if len(self._wrote) > _MODELS_REMEMBERED:
            self._wrote.popitem(last=False)

    def rate(self, answer_id: str, stars: int) -> None:
        """Pass the first rating of an answer on to the model that gave it, if that still serves."""
        if (model := self._wrote.pop(answer_id, None)) is not None and (
            deployed := self.deployed
        ) is not None:
            deployed.rate(model, stars)

    @cached_property
    def embedder(self) -> Embedder:
        return self.system.embedder

    @cached_property
    def retriever(self) -> Retriever:
        # Asking the system each time would bring the index up to date first; `follow` sees to that.
        return self.system.retriever

    @cached_property
    def orchestrator(self) -> SwarmOrchestrator:
        return self.system.orchestrator

    @cached_property
    def runs(self) -> RunKeeper:
        """The runs that this service works on."""
        return RunKeeper(self.orchestrator, self.system.catalog.runs)

    @cached_property
    def models(self) -> dict[str, str]:
        """Names that requests may give as `model`, with their roles."""
        named = {name: role for role in ("embedder", "generator") for name in self.system.names_of(role)[-1:]}
        if self.system.names_of("assistant"):
            named[self.system.blueprint.system.name] = "assistant"
        return dict(reversed(named.items()))

    def models_of(self, *roles: str) -> list[str]:
        """The models that play one of `roles`."""
        return [name for name, role in self.models.items() if role in roles]

    @property
    def has_knowledge(self) -> bool:
        """Whether the blueprint has what a knowledge base needs."""
        return all(self.system.names_of(role) for role in ("chunker", "embedder", "index"))

    def chunker(self, sizes: Mapping[str, int]) -> Chunker | None:
        """The blueprint's chunker with other sizes; None without any. For ingestions, one at a time.

        Raises UserError for sizes that the chunker does not take.
        """
        if not sizes:
            return None
        key = tuple(sorted(sizes.items()))
        if key not in self._chunkers:
            name = self.system.names_of("chunker")[-1]
            use = self.system.blueprint.component(name).use or ""
            known = {config.name for config in registry.signature(use).config}
            if not sizes.keys() <= known:
                raise UserError(f"{use} takes no {', '.join(sorted(sizes.keys() - known))}.")
            while len(self._chunkers) >= _MAX_CHUNKERS:
                oldest = self._chunkers.pop(next(iter(self._chunkers)))
                if hasattr(oldest, "close"):
                    oldest.close()
            self._chunkers[key] = self.system.chunker_like(**sizes)
        return self._chunkers[key]

    # ------------------------------------------------------------ work

    async def search(self, work: Callable[[], _T]) -> _T:
        """Run a search or an embedding on a worker thread."""
        return await run_sync(work, limiter=self._searching)

    async def ingest(self, work: Callable[[], _T]) -> _T:
        """Run an ingestion on a worker thread; one at a time, and to its end even if nobody waits."""
        return await run_sync(work, limiter=self._ingesting)

    async def extract(self, work: Callable[[], _T]) -> _T:
        """Run an extraction on a worker thread."""
        return await run_sync(work, limiter=self._extracting)

    async def while_wanted(self, receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of `work`, which is cancelled when nobody wants it any more.

        Raises ClientDisconnect when the client has gone, and HTTPException 503 when the service
        stops and its grace time is over.
        """
        # Plain tasks, cancelled once: what a generator awaits while it cleans up still runs.
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(_until_gone(receive))
        over = asyncio.ensure_future(self._until_over())
        try:
            await asyncio.wait((task, gone, over), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if gone.done():
                raise ClientDisconnect
            raise HTTPException(503, "The service is shutting down.", {"Retry-After": "5"})
        finally:
            for each in (task, gone, over):
                each.cancel()
            await asyncio.gather(task, gone, over, return_exceptions=True)

    def stop(self) -> None:
        """Begin the end: ingestion stops at its next batch, answers when their grace time is over."""
        self.stop_ingestion.set()
        self._stopping.set()

    async def _until_over(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._grace_s)

    # ------------------------------------------------------------ state

    async def watch(self) -> None:
        """Keep `search_state` at most about a second old, until cancelled. Counting takes time in a
        large catalogue, so it happens here and not in a request."""
        position = -1
        while True:
            started = time.perf_counter()
            try:
                newest = await run_sync(lambda: self.system.catalog.position)
                if newest != position:
                    self.search_state = await run_sync(self.system.knowledge.state)
                    position = newest
                self.watch_error = None
            except StorageError as error:  # shown by health, tried again
                self.watch_error = error
            took = time.perf_counter() - started
            await asyncio.sleep(max(_STATE_EVERY_S, 10 * took))

    @property
    def stopping(self) -> bool:
        """Whether the end has begun."""
        return self._stopping.is_set()

    def index_behind(self) -> int:
        """Changes of the catalogue that this process's index has yet to apply."""
        if not self.has_knowledge:
            return 0
        return max(0, self.system.catalog.position - self.system.index.position)

    def gates(self) -> dict[str, Gate]:
        """What requests pass, by kind."""
        gates = {"generation": self.generation, "lookup": self.lookup, "ingestion": self.ingestion}
        return {**gates, "extraction": self.extraction} if self.system.names_of("extractor") else gates

    def running(self) -> dict[str, int]:
        """Requests being served, by kind."""
        return {kind: gate.running for kind, gate in self.gates().items()}

    def problems(self) -> list[str]:
        """What does not work although the service answers."""
        errors = [self.watch_error]
        if self.has_knowledge:
            errors.append(self.system.knowledge.follow_error)
        found = [str(error) for error in errors if error is not None]
        return found + list(self.deployed.problems if self.deployed is not None else ())


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]
