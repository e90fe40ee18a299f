"""Embedding models by name, through fastembed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from asbuilt.errors import BugError, MissingError, NotFoundError
from asbuilt.registry import component
from asbuilt.types import Matrix

__all__ = ["FastEmbedEmbedder"]


@component("embedder/fastembed")
class FastEmbedEmbedder:
    """Any text embedding model that fastembed knows, for example "BAAI/bge-small-en-v1.5".

    The model is taken from `local_folder` when given, else from fastembed's cache or a model hub.
    """

    def __init__(self, *, model: str, local_folder: Path | None = None, threads: int | None = None) -> None:
        self._model = model
        self._local_folder = local_folder
        self._threads = threads
        self._engine: Any = None
        self._dim = 0

    @property
    def model_id(self) -> str:
        return f"fastembed/{self._model}"

    @property
    def dim(self) -> int:
        return self._dim

    def open(self) -> None:
        """Load the model. Raises MissingError without the extra or the model's files."""
        try:
            from fastembed import TextEmbedding
        except ModuleNotFoundError as error:
            raise MissingError(
                "embedder/fastembed needs fastembed.", hint="Run: pip install 'asbuilt[fastembed]'"
            ) from error
        known = [str(each["model"]) for each in TextEmbedding.list_supported_models()]
        if self._model not in known:
            from asbuilt.registry import nearest

            close = nearest(self._model, known)
            raise NotFoundError(
                f"fastembed has no model {self._model!r}.", hint=f"Did you mean {close!r}?" if close else ""
            )
        folder = str(self._local_folder) if self._local_folder else None
        try:
            self._engine = TextEmbedding(self._model, threads=self._threads, specific_model_path=folder)
        except Exception as error:  # fastembed lets its downloader's many errors through
            raise MissingError(
                f"fastembed cannot load {self._model!r}: {error}.",
                hint="Without a way to a model hub, give local_folder with the model's files.",
            ) from error
        self._dim = self.embed(["word"]).shape[1]

    def close(self) -> None:
        """Let go of the model."""
        self._engine = None

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        if self._engine is None:
            raise BugError("embed() before open().")
        if not texts:
            return np.zeros((0, self._dim), np.float32)
        run = self._engine.query_embed if kind == "query" else self._engine.embed
        vectors = np.stack(list(run(list(texts)))).astype(np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)
