"""A cross-encoder from a local ONNX folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asbuilt.errors import BugError, NotFoundError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.retrieval.onnx_demand import folder_demand
from asbuilt.retrieval.onnx_folder import model_file

__all__ = ["OnnxReranker"]

_BATCH = 16


@component("reranker/onnx")
class OnnxReranker:
    """Scores (query, passage) pairs with a cross-encoder such as ms-marco-MiniLM.

    `folder_path` holds `model.onnx` (or `onnx/model.onnx`), with one logit a pair, and
    `tokenizer.json`.
    """

    def __init__(self, *, folder_path: Path, max_tokens: int = 512, threads: int | None = None) -> None:
        self._folder = folder_path
        self._max_tokens = max_tokens
        self._threads = threads
        self._session: Any = None
        self._tokenizer: Any = None

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`."""
        return folder_demand(model_file(config["folder_path"]))

    def open(self) -> None:
        """Load model and tokenizer. Raises NotFoundError, UserError."""
        from tokenizers import Tokenizer

        from asbuilt.retrieval.onnx_encoder import open_session

        tokenizer_file = self._folder / "tokenizer.json"
        session = open_session(model_file(self._folder), threads=self._threads)
        if not tokenizer_file.is_file():
            raise NotFoundError(f"{tokenizer_file} does not exist.")
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
        tokenizer.enable_truncation(self._max_tokens, strategy="only_second")
        tokenizer.enable_padding()
        self._session, self._tokenizer = session, tokenizer

    def close(self) -> None:
        """Let go of the model."""
        self._session = self._tokenizer = None

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        if self._session is None:
            raise BugError("score() before open().")
        scores: list[float] = []
        for at in range(0, len(passages), _BATCH):
            scores += self._score_batch(query, passages[at : at + _BATCH])
        return scores

    def _score_batch(self, query: str, passages: Sequence[str]) -> list[float]:
        encodings = self._tokenizer.encode_batch([(query, passage) for passage in passages])
        given = {
            "input_ids": np.array([each.ids for each in encodings], np.int64),
            "attention_mask": np.array([each.attention_mask for each in encodings], np.int64),
            "token_type_ids": np.array([each.type_ids for each in encodings], np.int64),
        }
        wanted = [each.name for each in self._session.get_inputs()]
        logits = self._session.run(None, {name: given[name] for name in wanted})[0]
        if logits.shape not in ((len(passages), 1), (len(passages),)):
            raise UserError(
                f"{self._folder} gives {logits.shape} scores for {len(passages)} pairs.",
                hint="A reranker has one logit a pair.",
            )
        return [float(score) for score in logits.reshape(-1)]
