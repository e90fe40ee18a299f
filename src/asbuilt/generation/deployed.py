"""Generation by the model that a registry has in production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import Any, Literal, cast

from asbuilt.errors import BugError, LimitError, StorageError, UserError
from asbuilt.generation.deployment import Deployment, ServedModel
from asbuilt.generation.llama_cpp import LlamaCppGenerator
from asbuilt.generation.llama_demand import llama_demand
from asbuilt.generation.llama_settings import refuse_less_than_one
from asbuilt.generation.models import STARTER, find_model
from asbuilt.lineage import Manifest
from asbuilt.model_registry import MODEL_FILES, ModelRegistry
from asbuilt.registry import component
from asbuilt.resources.available import available_bytes
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.roles import Generator
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta

__all__ = ["RegistryGenerator"]

_GIB = 1 << 30
_SPARE = 0.9
"""Of the free memory, what a new model may take: others on the machine need some too."""


@component("generator/registry")
class RegistryGenerator:
    """Serves what the model registry in the folder `registry` has in production, by llama.cpp.

    While nothing is in production, `fallback` serves: the starter's name or a GGUF file. A promotion or
    a rollback is followed within a second of the next request: the new model is opened beside the old
    one (there must be memory for both), its digests are compared, and new requests go to it; those
    that run end where they began. A model that does not open is not switched to; the registry's log
    and `problems` say why. A canary gets its share of conversations, each as a whole. It ends by itself
    when it fails more often than the model in production, or when the 95th percentile of its time to
    the first token is above `max_first_token_s`, both beyond chance. Answers name their version.

    The other options are those of generator/llama-cpp.
    """

    def __init__(
        self,
        *,
        registry: Path,
        fallback: str = STARTER,
        max_first_token_s: float | None = None,
        context_tokens: int = 4096,
        slots: int = 2,
        threads: int | None = None,
        gpu_layers: int = -1,
        requantize: Literal["auto", "never"] = "auto",
        cache: Path | None = None,
    ) -> None:
        refuse_less_than_one(context_tokens=context_tokens, slots=slots, threads=threads)
        if max_first_token_s is not None and not max_first_token_s > 0:
            raise UserError(f"max_first_token_s is {max_first_token_s}; it must be more than 0.")
        self._models = ModelRegistry(registry)
        self._fallback = fallback
        self._context_tokens = context_tokens
        self._slots = slots
        self._gpu_layers = gpu_layers
        self._requantize = requantize
        self._engine = partial(
            LlamaCppGenerator,
            context_tokens=context_tokens,
            slots=slots,
            threads=threads,
            gpu_layers=gpu_layers,
            requantize=requantize,
            cache=cache,
        )
        self._deployment = Deployment(self._models, self._opened, max_first_token_s=max_first_token_s)

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
        """That of the model in production, or of the fallback; another as large while they are swapped."""
        models = ModelRegistry(config["registry"])
        model, adapter = str(config["fallback"]), None
        if (version := models.production) is not None:
            model, adapter = _files(models, models.get(version))
        found = llama_demand({**config, "model": model, "adapter": adapter, "precision": None}, assumed)
        note = "a model that takes over is opened beside this one: leave memory for both"
        return replace(found, notes=(*found.notes, note))

    @property
    def slots(self) -> int:
        """Requests that run at once, each with the cache of its prompt."""
        return self._slots

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not serve although the registry says that it should."""
        return self._deployment.problems

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """What serves, and what was seen of it."""
        return self._deployment.models

    def open(self) -> None:
        """Open what is in production."""
        self._deployment.open()

    def close(self) -> None:
        """Stop what is running and free all models."""
        self._deployment.close()

    def rate(self, model: str, stars: int) -> None:
        """Take a person's rating, 1 to 5, of an answer that a model gave."""
        self._deployment.rate(model, stars)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        with self._deployment.serving(messages) as served:
            if served is None:
                raise BugError("the generator is used before open() or after close().")
            return served.generator.count_tokens(messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        with self._deployment.serving(messages) as served:
            if served is None:
                raise BugError("the generator is used before open() or after close().")
            with served.measures.watching() as watched:
                events = cast(Any, served.generator.stream(messages, options=options))
                async with aclosing(events):
                    async for event in events:
                        if isinstance(event, Finished):
                            event = replace(event, model=served.version or event.model)
                            calls = [call.id for call in event.message.tool_calls]
                            self._deployment.await_results(served, calls)
                            self._deployment.results_read(messages)
                        elif isinstance(event, TextDelta) and served.version:
                            event = replace(event, model=served.version)
                        watched.see(event)
                        yield event

    # ------------------------------------------------------------ opening

    def _opened(self, manifest: Manifest | None) -> Generator:
        """An open model. Raises LimitError where there is no memory for it beside what is open."""
        model, adapter = self._fallback, None
        if manifest is not None:
            model, adapter = _files(self._models, manifest, verified=True)
        if self._deployment.models:
            self._refuse_without_room(model, adapter)
        generator = self._engine(model=model, adapter=adapter)
        generator.open()
        return generator

    def _refuse_without_room(self, model: str, adapter: Path | None) -> None:
        from asbuilt.generation.llama_engine import has_gpu

        config = {
            "model": model,
            "adapter": adapter,
            "precision": None,
            "context_tokens": self._context_tokens,
            "slots": self._slots,
            "gpu_layers": self._gpu_layers,
            "requantize": self._requantize,
        }
        gpu = self._gpu_layers != 0 and has_gpu()
        parts = llama_demand(config, Assumptions(chunks=0, gpu=gpu)).all_parts()
        needed = sum(part.bytes for part in parts if not part.on_device)
        free = available_bytes()
        if needed > _SPARE * free:
            raise LimitError(
                f"it needs {needed / _GIB:.2f} GiB beside the model that serves, and {free / _GIB:.2f} GiB "
                f"of memory are free, of which it may take {_SPARE:.0%}.",
                hint="Free memory, lower context_tokens or slots, or restart the service.",
            )


def _files(models: ModelRegistry, manifest: Manifest, *, verified: bool = False) -> tuple[str, Path | None]:
    """The model's file and its adapter's. Raises StorageError for one that is not what was registered,
    NotFoundError or MissingError where the base of an adapter is not there."""
    if manifest.kind == "embedder":
        raise UserError(
            f"model {manifest.version} of {models.folder} is an embedder, which writes no text.",
            hint="Keep embedders in a registry of their own, for embedder/registry.",
        )
    path = models.verified_path if verified else models.path
    if manifest.kind == "merged":
        return str(path(manifest.version, MODEL_FILES["merged"])), None
    adapter = path(manifest.version, MODEL_FILES["adapter"])
    base = find_model(manifest.base)
    if verified:
        with base.open("rb") as stream:
            if file_digest(stream, "sha256").hexdigest() != manifest.base_digest:
                raise StorageError(
                    f"the base {manifest.base!r} of model {manifest.version} is not the one that it was "
                    "trained on: its digest differs.",
                    hint="Bring the file back, or train on this one.",
                )
    return manifest.base, adapter
