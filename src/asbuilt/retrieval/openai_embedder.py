"""Embeddings from any OpenAI-compatible endpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import httpx
import numpy as np

from asbuilt.errors import BugError, EndpointError, MissingError
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.types import Matrix

__all__ = ["OpenAIEmbedder"]

_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.5
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@component("embedder/openai")
class OpenAIEmbedder:
    """POSTs to ``{base_url}/embeddings``, `batch` texts at a time.

    The key is read from the environment variable that `api_key_env` names, never from the
    blueprint. Busy and failing endpoints are asked again, with growing pauses.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key_env: str | None = None,
        dimensions: int | None = None,
        batch: int = 64,
        timeout_s: float = 60.0,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._model = model
        self._api_key_env = api_key_env
        self._dimensions = dimensions
        self._batch = batch
        self._timeout_s = timeout_s
        self._client: httpx.Client | None = None
        self._dim = dimensions or 0

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """Nothing in this process."""
        return Demand(
            dim=config["dimensions"] or 0,
            notes=(f"{config['model']!r} runs at {config['base_url']}; its memory is not part of this plan",),
        )

    @property
    def model_id(self) -> str:
        return f"openai/{self._url}/{self._model}/{self._dimensions or 'full'}"

    @property
    def dim(self) -> int:
        return self._dim

    def open(self) -> None:
        """Connect and learn the dimension. Raises MissingError, EndpointError."""
        headers = {}
        if self._api_key_env:
            key = os.environ.get(self._api_key_env)
            if not key:
                raise MissingError(
                    f"environment variable {self._api_key_env} with the API key is not set.",
                    hint=f"export {self._api_key_env}=...",
                )
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.Client(headers=headers, timeout=self._timeout_s)
        if not self._dim:
            self._dim = int(self.embed(["word"]).shape[1])

    def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        if self._client is None:
            raise BugError("embed() before open().")
        if not texts:
            return np.zeros((0, self._dim), np.float32)
        parts = [
            self._request(self._client, texts[at : at + self._batch])
            for at in range(0, len(texts), self._batch)
        ]
        vectors = np.concatenate(parts)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)

    def _request(self, client: httpx.Client, texts: Sequence[str]) -> Matrix:
        # Endpoints refuse empty strings; a space has no meaning either.
        body: dict[str, Any] = {"model": self._model, "input": [text or " " for text in texts]}
        if self._dimensions:
            body["dimensions"] = self._dimensions
        response = self._post(client, body)
        try:
            rows = sorted(response.json()["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise EndpointError(f"{self._url} did not answer with embeddings: {error!r}.") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            raise EndpointError(f"{self._url} gave {vectors.shape} numbers for {len(texts)} texts.")
        if self._dim and vectors.shape[1] != self._dim:
            raise EndpointError(f"{self._url} gave {vectors.shape[1]} dimensions, expected {self._dim}.")
        return vectors

    def _post(self, client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                response = client.post(self._url, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status_code == httpx.codes.OK:
                return response
            problem = f"status {response.status_code}: {response.text[:200]}"
            if response.status_code not in _RETRIED:
                break
        raise EndpointError(f"{self._url} failed ({problem}).", hint="Is the endpoint running?")
