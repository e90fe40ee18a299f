"""Generation by llama.cpp in this process."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asbuilt.errors import BugError, EndpointError, NotFoundError, UserError
from asbuilt.generation.chat_wire import ChunkReader, chat_request
from asbuilt.generation.llama_demand import llama_demand
from asbuilt.generation.llama_settings import EngineSettings, refuse_less_than_one
from asbuilt.generation.models import STARTER, find_model
from asbuilt.generation.requantize import default_cache, requantized, worthwhile
from asbuilt.generation.tool_schema import ReplyReader, with_tools_in_words
from asbuilt.registry import component
from asbuilt.resources.gguf import GgufHeader, read_header
from asbuilt.resources.precision import find_precision
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta

if TYPE_CHECKING:
    from asbuilt.generation.llama_engine import LlamaEngine

__all__ = ["LlamaCppGenerator", "default_threads"]


@component("generator/llama-cpp")
class LlamaCppGenerator:
    """Runs a GGUF model in this process.

    `model` is the starter's name or the path of a GGUF file. `slots` requests run at once, each with
    `context_tokens`; more wait their turn. A prompt that begins like an earlier one of its slot is
    not computed again from the start. `threads` is the number of CPU threads, `gpu_layers` how many
    layers go to a GPU (-1: all that fit). With `requantize` "auto", a model of at most 1 GiB with
    Q4_1 weights that runs on the CPU is converted to Q8_0 once and kept in `cache` (default:
    $ASBUILT_CACHE, else the user's cache folder).

    `adapter` is a LoRA adapter as a GGUF file, made for `model`, that is applied to its weights.

    `asbuilt plan` also takes the name of a published model ("llama-3.1-70b") that is still to be got, with
    its `precision` ("q4_k_m"); to open it, `model` must be a file.

    Tools are passed to the model's own chat template; for one without tools see `tool_schema`.
    Turn markers written out in a message are broken up, so that no text can end its turn.
    """

    def __init__(
        self,
        *,
        model: str = STARTER,
        precision: str | None = None,
        context_tokens: int = 4096,
        slots: int = 2,
        threads: int | None = None,
        gpu_layers: int = -1,
        requantize: Literal["auto", "never"] = "auto",
        cache: Path | None = None,
        adapter: Path | None = None,
    ) -> None:
        refuse_less_than_one(context_tokens=context_tokens, slots=slots, threads=threads)
        if precision is not None:
            find_precision(precision)
        self._model = model
        self._context_tokens = context_tokens
        self._slots = slots
        self._threads = threads or default_threads()
        self._gpu_layers = gpu_layers
        self._requantize = requantize
        self._cache = cache
        self._adapter = adapter
        self._engine: LlamaEngine | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._closing = threading.Event()
        self._turn_token: re.Pattern[str] | None = None

    demand = staticmethod(llama_demand)

    @property
    def slots(self) -> int:
        """Requests that run at once, each with the cache of its prompt."""
        return self._slots

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    @property
    def name(self) -> str:
        """What answers name as their model: the starter's name, or that of the file, and the adapter's."""
        model = self._model if self._model == STARTER else Path(self._model).name
        return model if self._adapter is None else f"{model} + {self._adapter.name}"

    @property
    def active_requests(self) -> int:
        """Requests that the engine is working on at this moment."""
        return self._opened().busy_slots()

    def open(self) -> None:
        """Convert the model if that is due, and load it."""
        from asbuilt.generation.llama_engine import LlamaEngine, has_gpu

        file = find_model(self._model)
        header = read_header(file)
        if 0 < header.context_length < self._context_tokens:
            raise UserError(
                f"context_tokens is {self._context_tokens}, but {self._model!r} was trained on "
                f"{header.context_length}."
            )
        on_cpu = self._gpu_layers == 0 or not has_gpu()
        if self._requantize == "auto" and on_cpu and worthwhile(file, header):
            file = requantized(file, cache=self._cache or default_cache())
        if self._adapter is not None:
            _refuse_other_adapters(self._adapter, header)
        self._turn_token = _any_of(header)
        self._closing.clear()
        settings = EngineSettings(self._context_tokens, self._slots, self._threads, self._gpu_layers)
        self._engine = LlamaEngine(file, settings, adapter=self._adapter)
        self._workers = ThreadPoolExecutor(self._slots, thread_name_prefix="generate")

    def close(self) -> None:
        """Stop what is running and free the model."""
        self._closing.set()
        engine, self._engine = self._engine, None
        if self._workers is not None:
            self._workers.shutdown()
            self._workers = None
        if engine is not None:
            engine.close()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._opened().count_tokens(self._request(messages, GenerationOptions()))

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        in_words = bool(options.tools) and not self._opened().supports_tools
        reader, reply = ChunkReader(model=self.name), ReplyReader()
        async with aclosing(self._chunks(self._request(messages, options))) as chunks:
            async for chunk in chunks:
                for delta in reader.feed(chunk):
                    if not in_words:
                        yield delta
                    elif text := reply.feed(delta.text):
                        yield TextDelta(text, self.name)
        for event in _from_words(reader.finish(), reply) if in_words else reader.finish():
            yield event

    def _opened(self) -> LlamaEngine:
        if self._engine is None:
            raise BugError("the generator is used before open() or after close().")
        return self._engine

    def _request(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        if not self._opened().supports_tools:
            messages, options = with_tools_in_words(messages, options)
        request = chat_request(messages, options)
        if self._turn_token is not None:
            request["messages"] = _broken_up(request["messages"], self._turn_token)
        return request

    async def _chunks(self, request: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """The engine's chunks, brought from its thread to this one. Closing it stops the engine."""
        engine, workers = self._opened(), self._workers
        assert workers is not None, "open() sets both"
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Any] = asyncio.Queue()
        dropped = threading.Event()
        end = object()

        def deliver(item: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits for this any more
                loop.call_soon_threadsafe(arrived.put_nowait, item)

        def on_chunk(chunk: Any) -> bool:
            deliver(chunk)
            return dropped.is_set() or self._closing.is_set()

        def work() -> None:
            try:
                if not self._closing.is_set():
                    engine.run(request, on_chunk)
            except Exception as error:
                deliver(error)
            else:
                deliver(EndpointError("the generator was closed.") if self._closing.is_set() else end)

        job = workers.submit(work)
        try:
            while (item := await arrived.get()) is not end:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            dropped.set()
            job.cancel()


def _from_words(events: Sequence[Event], reply: ReplyReader) -> list[Event]:
    """The last events of an answer that was written as `tool_schema` asks."""
    finished = events[-1]
    assert isinstance(finished, Finished), "a stream ends with Finished"
    call = reply.call()
    if call is None:
        return [replace(finished, message=Message("assistant", reply.text))]
    message = Message("assistant", reply.text, tool_calls=(call,))
    return [call, replace(finished, message=message, reason="tool_calls")]


def _refuse_other_adapters(file: Path, base: GgufHeader) -> None:
    """Raises NotFoundError without a file, UserError for one that is no LoRA adapter for such a model."""
    if not file.is_file():
        raise NotFoundError(f"there is no adapter {str(file)!r}.", hint="Name the path of a .gguf file.")
    header = read_header(file)
    kind = header.metadata.get("general.type"), header.metadata.get("adapter.type")
    if kind != ("adapter", "lora"):
        raise UserError(f"{str(file)!r} is no LoRA adapter.", hint="A whole model is served as `model`.")
    if header.architecture != base.architecture:
        raise UserError(
            f"the adapter {str(file)!r} is for {header.architecture!r}, the model is {base.architecture!r}.",
            hint="Name the model that it was trained on.",
        )


def _any_of(header: GgufHeader) -> re.Pattern[str] | None:
    """Matches the model's turn tokens where a text has them written out."""
    tokens = sorted(header.turn_tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tokens))) if tokens else None


def _broken_up(value: Any, marker: re.Pattern[str]) -> Any:
    """`value`, of JSON's types, with a space after the first character of each marker."""
    match value:
        case str():
            return marker.sub(lambda found: f"{found[0][0]} {found[0][1:]}", value)
        case list():
            return [_broken_up(each, marker) for each in value]
        case dict():
            return {key: _broken_up(each, marker) for key, each in value.items()}
    return value


def default_threads() -> int:
    """One core is left free: the engine's threads spin while they wait for each other, and one that
    has to wait for a core holds up all others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
