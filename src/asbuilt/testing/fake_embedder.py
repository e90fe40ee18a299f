"""A deterministic embedder without a model: texts that share words are near each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np

from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.types import Matrix

__all__ = ["FakeEmbedder"]

_WORD = re.compile(r"\w+")


@component("embedder/fake")
class FakeEmbedder:
    """Feature hashing of words and pairs of letters into `dim` dimensions: for tests, not for answers."""

    def __init__(self, *, dim: int = 64) -> None:
        self._dim = dim

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """Nothing but the length of its vectors."""
        return Demand(dim=config["dim"])

    @property
    def model_id(self) -> str:
        return f"fake/{self._dim}"

    @property
    def dim(self) -> int:
        return self._dim

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        vectors = np.zeros((len(texts), self._dim), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for feature in _features(text):
                digest = blake2b(feature.encode(), digest_size=8).digest()
                row[int.from_bytes(digest[:4], "little") % self._dim] += 1.0 if digest[4] % 2 else -1.0
            if not row.any():
                row[0] = 1.0
        norms: Matrix = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / norms, np.float32)


def _features(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return [*words, *(word[at : at + 3] for word in words for at in range(len(word) - 2))]
