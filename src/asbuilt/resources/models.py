"""Finding a published model by the name that people use, right or wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from asbuilt.errors import NotFoundError
from asbuilt.resources.published import PUBLISHED, Model

__all__ = ["ALIASES", "MISTAKES", "MODELS", "FoundModel", "Model", "find_model"]


@dataclass(frozen=True, slots=True)
class FoundModel:
    """`correction` is what to tell the user when the name asked for does not exist; None when it does."""

    model: Model
    correction: str | None = None


MODELS: Mapping[str, Model] = {model.name: model for model in PUBLISHED}
"""Published models by name."""

ALIASES: Mapping[str, str] = {
    "Qwen2.5 Coder 7B": "Qwen2.5 7B",
    "Qwen2.5 Coder 14B": "Qwen2.5 14B",
    "Qwen2.5 Coder 32B": "Qwen2.5 32B",
    "Qwen3 30B": "Qwen3 30B A3B",
    "Qwen3 Coder 30B": "Qwen3 Coder 30B A3B",
    "Qwen3 235B": "Qwen3 235B A22B",
    "Qwen3 Next": "Qwen3 Next 80B A3B",
    "Qwen3 Next 80B": "Qwen3 Next 80B A3B",
    "Mistral 7B": "Mistral 7B v0.3",
    "Phi 3.5": "Phi 3.5 mini",
    "Phi 4 14B": "Phi 4",
    "DeepSeek R1": "DeepSeek V3",
    "DeepSeek V3 671B": "DeepSeek V3",
    "DeepSeek R1 671B": "DeepSeek V3",
    "DeepSeek R1 Distill Llama 8B": "Llama 3.1 8B",
    "DeepSeek R1 Distill Llama 70B": "Llama 3.3 70B",
    "DeepSeek R1 Distill Qwen 14B": "Qwen2.5 14B",
    "DeepSeek R1 Distill Qwen 32B": "Qwen2.5 32B",
    "all MiniLM L6 v2": "MiniLM L6 v2",
    "all MiniLM L6": "MiniLM L6 v2",
    "MiniLM L6": "MiniLM L6 v2",
    "MiniLM": "MiniLM L6 v2",
    "BGE small": "BGE small en v1.5",
    "BGE small en": "BGE small en v1.5",
    "LLaVA v1.6 34B": "LLaVA 1.6 34B",
    "LLaVA NeXT 34B": "LLaVA 1.6 34B",
    "LLaVA 34B": "LLaVA 1.6 34B",
    "Whisper large": "Whisper large v3",
    "Whisper v3": "Whisper large v3",
    "Whisper turbo": "Whisper large v3 turbo",
}
"""Other names of published models, and published models with the shape of another."""

MISTAKES: Mapping[str, tuple[str, str]] = {
    "Llama 3.3 8B": ("Llama 3.1 8B", "3.3 was published as 70B only"),
    "Llama 3.3 405B": ("Llama 3.1 405B", "3.3 was published as 70B only"),
    "Llama 3.3 3B": ("Llama 3.2 3B", "3.3 was published as 70B only"),
    "Llama 3.3 1B": ("Llama 3.2 1B", "3.3 was published as 70B only"),
    "Llama 3.2 8B": ("Llama 3.1 8B", "3.2 is 1B, 3B, and 11B and 90B with vision"),
    "Llama 3.2 7B": ("Llama 3.1 8B", "3.2 is 1B, 3B, and 11B and 90B with vision"),
    "Llama 3.2 70B": ("Llama 3.3 70B", "3.2 is 1B, 3B, and 11B and 90B with vision"),
    "Llama 3.1 3B": ("Llama 3.2 3B", "3.1 is 8B, 70B and 405B"),
    "Llama 3.1 1B": ("Llama 3.2 1B", "3.1 is 8B, 70B and 405B"),
    "Llama 3.1 7B": ("Llama 3.1 8B", "the 7B was Llama 2"),
    "Llama 3.1 13B": ("Llama 3.1 8B", "the 13B was Llama 2"),
    "Llama 3 7B": ("Llama 3 8B", "the 7B was Llama 2"),
    "Llama 3 13B": ("Llama 3 8B", "the 13B was Llama 2"),
    "Llama 3 405B": ("Llama 3.1 405B", "3 is 8B and 70B"),
    "Qwen2.5 8B": ("Qwen2.5 7B", "8B is Qwen3"),
    "Qwen2.5 70B": ("Qwen2.5 72B", ""),
    "Qwen3 7B": ("Qwen3 8B", "7B was Qwen2.5"),
    "Qwen3 3B": ("Qwen3 4B", "3B was Qwen2.5"),
    "Qwen3 70B": ("Qwen3 32B", "it is the largest dense Qwen3"),
    "Qwen3 72B": ("Qwen3 32B", "it is the largest dense Qwen3; 72B was Qwen2.5"),
    "Gemma 3 2B": ("Gemma 3 1B", "2B was Gemma 2"),
    "Gemma 3 7B": ("Gemma 3 4B", "7B was the first Gemma"),
    "Gemma 3 9B": ("Gemma 3 12B", "9B was Gemma 2"),
    "Gemma 3 8B": ("Gemma 3 12B", "the sizes are 270M, 1B, 4B, 12B and 27B"),
    "gpt-oss 21B": ("gpt-oss 20B", "its 20.9 billion parameters are called 20B"),
    "gpt-oss 117B": ("gpt-oss 120B", "its 116.8 billion parameters are called 120B"),
    "gpt-oss 7B": ("gpt-oss 20B", "the sizes are 20B and 120B"),
    "DeepSeek V3 70B": ("DeepSeek V3", "it has 671B parameters"),
    "DeepSeek V3 685B": ("DeepSeek V3", "685B counts a prediction head that is not used to generate"),
    "DeepSeek R1 70B": ("Llama 3.3 70B", "that is R1 distilled into Llama 3.3 70B, with its shape"),
    "DeepSeek R1 8B": ("Llama 3.1 8B", "that is R1 distilled into Llama 3.1 8B, with its shape"),
    "DeepSeek R1 32B": ("Qwen2.5 32B", "that is R1 distilled into Qwen2.5 32B, with its shape"),
    "DeepSeek R1 14B": ("Qwen2.5 14B", "that is R1 distilled into Qwen2.5 14B, with its shape"),
    "SmolLM2 130M": ("SmolLM2 135M", ""),
    "SmolLM2 1B": ("SmolLM2 1.7B", ""),
    "LLaVA 1.5 34B": ("LLaVA 1.6 34B", "1.5 is 7B and 13B"),
    "BGE-M3 large": ("BGE-M3", "it has one size"),
    "Mistral 8B": ("Mistral 7B v0.3", "8B is Ministral, another architecture"),
    "Phi 4 mini 14B": ("Phi 4", "the mini is 3.8B"),
}  # fmt: skip
"""Names that people ask for and nobody published, with what is used instead and why."""

_FILLERS = frozenset(("instruct", "it", "chat", "hf", "gguf", "meta", "base", "model", "latest", "pt"))
_WORDS = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)*(?:[bm](?![a-z]))?")


def find_model(name: str) -> FoundModel:
    """The published model of that name, whatever its case, punctuation, owner and "Instruct".

    >>> find_model("meta-llama/Llama-3.1-8B-Instruct").model.name
    'Llama 3.1 8B'
    >>> print(find_model("llama3.3:8b").correction)
    there is no Llama 3.3 8B (3.3 was published as 70B only); using Llama 3.1 8B

    Raises NotFoundError with the nearest names.
    """
    key = _key(name)
    by_key, mistakes = _keys()
    if key in by_key:
        return FoundModel(by_key[key])
    if key in mistakes:
        wrong = mistakes[key]
        right, why = MISTAKES[wrong]
        reason = f" ({why})" if why else ""
        return FoundModel(MODELS[right], f"there is no {wrong}{reason}; using {right}")
    close = get_close_matches(key, by_key, n=3, cutoff=0.6)
    names = dict.fromkeys(by_key[each].name for each in close)
    hint = f"Nearest: {', '.join(names)}." if names else "Give the path of a model file or folder instead."
    raise NotFoundError(f"no published model is known as {name!r}.", hint=hint)


def _key(name: str) -> str:
    words = _WORDS.findall(name.lower().rpartition("/")[2])
    return " ".join(word for word in words if word not in _FILLERS)


@cache
def _keys() -> tuple[Mapping[str, Model], Mapping[str, str]]:
    by_key = {_key(name): model for name, model in MODELS.items()}
    by_key |= {_key(alias): MODELS[name] for alias, name in ALIASES.items()}
    return by_key, {_key(wrong): wrong for wrong in MISTAKES}
