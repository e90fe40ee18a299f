"""A LoRA adapter on the starter model, in the real engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.generation.lora_file import lora_file, starter_adapter

from asbuilt.errors import NotFoundError, UserError
from asbuilt.generation.llama_cpp import LlamaCppGenerator
from asbuilt.generation.llama_demand import llama_demand
from asbuilt.generation.models import STARTER
from asbuilt.resources.demand import Assumptions
from asbuilt.testing.generator_contract import finished
from asbuilt.types import GenerationOptions, Message

pytestmark = pytest.mark.slow

QUESTION = [Message("user", "Name three colours.")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@contextmanager
def opened(cache: Path, adapter: Path | None, requantize: Any = "auto") -> Iterator[LlamaCppGenerator]:
    generator = LlamaCppGenerator(
        context_tokens=256, slots=1, threads=1, cache=cache, adapter=adapter, requantize=requantize
    )
    generator.open()
    try:
        yield generator
    finally:
        generator.close()


def logits(generator: LlamaCppGenerator) -> list[float]:
    """Log probabilities of the first greedy tokens."""
    request = generator._request(QUESTION, GenerationOptions(temperature=0, max_tokens=6))
    found: list[float] = []

    async def read() -> None:
        async for chunk in generator._chunks({**request, "logprobs": True}):
            for choice in chunk.get("choices", ()):
                found.extend(each["logprob"] for each in (choice.get("logprobs") or {}).get("content", ()))

    asyncio.run(read())
    return found


@pytest.mark.parametrize("requantize", ["auto", "never"])
def test_an_adapter_changes_what_the_model_says_and_one_of_zeros_does_not(
    tmp_path: Path, cache: Path, requantize: str
) -> None:
    zero = starter_adapter(tmp_path / "zero.gguf", scale=0.0)
    some = starter_adapter(tmp_path / "some.gguf", scale=0.3)
    found = {}
    for name, adapter in {"bare": None, "zero": zero, "some": some}.items():
        with opened(cache, adapter, requantize) as generator:
            found[name] = logits(generator)
    assert len(found["bare"]) == 6
    assert found["zero"] == found["bare"]
    assert abs(found["some"][0] - found["bare"][0]) > 0.01


def test_answers_name_model_and_adapter(tmp_path: Path, cache: Path) -> None:
    adapter = starter_adapter(tmp_path / "ours.gguf", scale=0.0)
    for each, name in ((None, STARTER), (adapter, f"{STARTER} + ours.gguf")):
        with opened(cache, each) as generator:
            assert finished(generator, max_tokens=2).model == generator.name == name


def test_what_is_no_adapter_of_the_model_is_refused(tmp_path: Path, cache: Path) -> None:
    narrow = {
        "blk.0.attn_q.weight.lora_a": np.ones((2, 64), np.float32),
        "blk.0.attn_q.weight.lora_b": np.ones((64, 2), np.float32),
    }
    refused = {
        "missing.gguf": (NotFoundError, "there is no adapter"),
        "text.gguf": (UserError, "GGUF"),
        "whole.gguf": (UserError, "is no LoRA adapter"),
        "qwen.gguf": (UserError, "is for 'qwen2', the model is 'llama'"),
        "narrow.gguf": (UserError, "made for another model"),
    }
    (tmp_path / "text.gguf").write_text("not one")
    lora_file(tmp_path / "whole.gguf", narrow, kind="model")
    lora_file(tmp_path / "qwen.gguf", narrow, architecture="qwen2")
    lora_file(tmp_path / "narrow.gguf", narrow)
    for name, (kind, said) in refused.items():
        with pytest.raises(kind, match=re.escape(said)), opened(cache, tmp_path / name):
            pass


def test_a_plan_counts_the_adapter(tmp_path: Path) -> None:
    adapter = starter_adapter(tmp_path / "a.gguf", scale=0.0)
    config = {
        "model": STARTER,
        "precision": None,
        "context_tokens": 512,
        "slots": 1,
        "gpu_layers": 0,
        "requantize": "auto",
    }
    demand = llama_demand({**config, "adapter": adapter}, Assumptions(chunks=0))
    parts = {part.name: part.bytes for part in demand.all_parts()}
    assert parts["adapter"] == 30 * 2 * 4 * (576 + 576)
    assert "adapter" not in {part.name for part in llama_demand(config, Assumptions(chunks=0)).all_parts()}
