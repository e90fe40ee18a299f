"""Promotion and rollback under load, with the real engine: adapters of the starter model."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any

import pytest
from tests.generation.lora_file import starter_adapter

from asbuilt.generation.deployed import RegistryGenerator
from asbuilt.generation.models import STARTER, find_model
from asbuilt.model_registry import ModelRegistry
from asbuilt.registry import signature
from asbuilt.resources.demand import Assumptions
from asbuilt.types import Finished, GenerationOptions, Message, TextDelta

pytestmark = pytest.mark.slow

REQUESTS = 100
OPTIONS = GenerationOptions(temperature=0, max_tokens=2)
QUESTION = "Name three colours."


@pytest.fixture(scope="module")
def digest() -> str:
    with find_model(STARTER).open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def generator(registry: ModelRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    generator = RegistryGenerator(
        registry=registry.folder, context_tokens=256, slots=2, threads=1, requantize="never"
    )
    yield generator
    generator.close()


def adapter(registry: ModelRegistry, folder: Path, *, scale: float, digest: str) -> str:
    file = starter_adapter(folder / f"{scale}.gguf", scale=scale)
    given = {"adapter.gguf": file}
    return registry.register(given, name="a", kind="adapter", base=STARTER, base_digest=digest).version


async def answer(generator: RegistryGenerator) -> tuple[str, str]:
    """Which model answered, and what."""
    text, writers = "", set()
    async for event in generator.stream([Message("user", QUESTION)], options=OPTIONS):
        if isinstance(event, TextDelta):
            text += event.text
            writers.add(event.model)
        elif isinstance(event, Finished):
            assert text == event.message.content
            assert writers == {event.model}  # known even where a stream is ended before it finishes
            return event.model, text
    raise AssertionError("no end")


def test_a_hundred_requests_in_flight_outlive_a_swap_and_a_rollback(
    registry: ModelRegistry, generator: RegistryGenerator, tmp_path: Path, digest: str
) -> None:
    zero = adapter(registry, tmp_path, scale=0.0, digest=digest)
    some = adapter(registry, tmp_path, scale=3.0, digest=digest)
    registry.promote(zero)
    generator.open()

    async def work() -> list[tuple[str, str]]:
        running = [asyncio.create_task(answer(generator)) for _ in range(REQUESTS // 2)]
        await asyncio.sleep(0)
        registry.promote(some)
        await asyncio.to_thread(generator._deployment.settle)
        running += [asyncio.create_task(answer(generator)) for _ in range(REQUESTS // 2)]
        await asyncio.sleep(0)
        registry.rollback()
        await asyncio.to_thread(generator._deployment.settle)
        running += [asyncio.create_task(answer(generator)) for _ in range(4)]
        return await asyncio.gather(*running)

    answers = asyncio.run(work())
    assert Counter(name for name, _ in answers) == {zero: REQUESTS // 2 + 4, some: REQUESTS // 2}
    words: dict[str, set[str]] = {zero: set(), some: set()}
    for name, text in answers:
        words[name].update(text.split())
    assert words[zero]
    assert words[some]
    assert not words[zero] & words[some]  # the two say nothing alike, so a mixed answer would show
    assert generator.problems == ()
    assert len(generator.models) == 1


def test_another_base_is_not_served(
    registry: ModelRegistry, generator: RegistryGenerator, tmp_path: Path
) -> None:
    registry.promote(adapter(registry, tmp_path, scale=0.0, digest="0" * 64))
    generator.open()
    assert asyncio.run(answer(generator))[0] == STARTER
    assert re.search("the base .* is not the one that it was trained on", generator.problems[0])


def test_a_merged_model_is_served_from_its_blob(
    registry: ModelRegistry, generator: RegistryGenerator
) -> None:
    files = {"model.gguf": find_model(STARTER)}
    version = registry.register(files, name="m", kind="merged", base=STARTER, base_digest="").version
    registry.promote(version)
    generator.open()
    assert asyncio.run(answer(generator))[0] == version
    blob = registry.path(version, "model.gguf")
    assert blob.stat().st_size == find_model(STARTER).stat().st_size


def test_a_plan_counts_what_is_in_production(registry: ModelRegistry, tmp_path: Path, digest: str) -> None:
    config = {each.name: each.default for each in signature("generator/registry").config if not each.required}
    config["registry"] = registry.folder
    bare = RegistryGenerator.demand(config, Assumptions(chunks=0))
    registry.promote(adapter(registry, tmp_path, scale=0.0, digest=digest))
    served = RegistryGenerator.demand(config, Assumptions(chunks=0))
    assert bare.model == served.model
    assert {part.name for part in served.all_parts()} - {part.name for part in bare.all_parts()} == {
        "adapter"
    }
    assert "leave memory for both" in served.notes[-1]
