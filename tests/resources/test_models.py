from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import NotFoundError
from asbuilt.resources import models
from asbuilt.resources.models import ALIASES, MISTAKES, MODELS, find_model


def test_the_examples_run() -> None:
    assert doctest.testmod(models).failed == 0


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("llama 3.1 8b", "Llama 3.1 8B"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama 3.1 8B"),
        ("llama3.3:70b", "Llama 3.3 70B"),
        ("llama-3-8b", "Llama 3 8B"),
        ("openai/gpt-oss-120b", "gpt-oss 120B"),
        ("GPT OSS 20B", "gpt-oss 20B"),
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen2.5 72B"),
        ("qwen2.5-coder-7b", "Qwen2.5 7B"),
        ("Qwen3-30B-A3B", "Qwen3 30B A3B"),
        ("google/gemma-3-27b-it", "Gemma 3 27B"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2 135M"),
        ("BAAI/bge-m3", "BGE-M3"),
        ("bge m3", "BGE-M3"),
        ("sentence-transformers/all-MiniLM-L6-v2", "MiniLM L6 v2"),
        ("llava-v1.6-34b-hf", "LLaVA 1.6 34B"),
        ("openai/whisper-large-v3", "Whisper large v3"),
        ("deepseek-ai/DeepSeek-R1", "DeepSeek V3"),
    ],
)
def test_names_as_people_write_them(asked: str, name: str) -> None:
    found = find_model(asked)
    assert (found.model.name, found.correction) == (name, None)


@pytest.mark.parametrize("wrong", MISTAKES)
def test_wrong_names_are_corrected_aloud(wrong: str) -> None:
    found = find_model(wrong.lower().replace(" ", "-"))
    assert found.correction is not None
    assert found.correction.startswith(f"there is no {wrong}")
    assert found.correction.endswith(f"using {found.model.name}")


def test_no_wrong_name_hides_a_model() -> None:
    assert not MISTAKES.keys() & (MODELS.keys() | ALIASES.keys())
    assert all(right in MODELS for right, _ in MISTAKES.values())
    assert all(right in MODELS for right in ALIASES.values())


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"'lama 3\.1 9b'.*Llama 3\.1 8B"):
        find_model("lama 3.1 9b")


@given(name=st.text(max_size=40))
def test_any_text_is_found_or_refused(name: str) -> None:
    try:
        found = find_model(name)
    except NotFoundError:
        return
    assert found.model.name in MODELS
