"""Texts -> unit vectors with an ONNX encoder: the part that all ONNX embedders share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from asbuilt.errors import UserError
from asbuilt.types import Matrix

__all__ = ["OnnxEncoder", "Pooling", "open_session"]

Pooling = Literal["mean", "cls", "none"]

# Rows in a batch of short texts; long texts go in smaller batches of about as many tokens, which
# keeps the working set of a batch in the processor's cache.
_MAX_ROWS = 16
_MAX_BATCH_TOKENS = 4096


def open_session(file: Path, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU; `threads` None takes all cores.

    Raises UserError when the file is no model that the runtime can load.
    """
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Between batches the threads sleep instead of spinning: other work needs the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has no public exception tree
        raise UserError(f"{file} cannot be loaded as an ONNX model: {error}.") from error


class OnnxEncoder:
    """A session with its tokenizer. Thread safe.

    `pooling` "none" means that the graph already gives one vector a text.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        tokenizer: Tokenizer,
        *,
        max_tokens: int,
        pooling: Pooling,
    ) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        self._session = session
        self._tokenizer = tokenizer
        self._pooling = pooling
        self._inputs = {each.name: _numpy_type(each.type) for each in session.get_inputs()}
        self._output = session.get_outputs()[0].name

    def encode(self, texts: Sequence[str]) -> Matrix:
        """float32 (len(texts), dim), rows of length 1, in the order of `texts`.

        Texts are sorted by length inside, so that hardly any padding is computed.
        """
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        parts: list[NDArray[np.float32]] = []
        start = 0
        while start < len(order):
            # The longest row of a batch is its last; rows are added while the batch stays in bounds.
            end = start + 1
            while end < len(order) and end - start < _MAX_ROWS:
                if (end + 1 - start) * len(rows[order[end]]) > _MAX_BATCH_TOKENS:
                    break
                end += 1
            parts.append(self._run([rows[at] for at in order[start:end]]))
            start = end
        if not parts:
            return np.zeros((0, self.dim), np.float32)
        vectors = np.concatenate(parts)
        result = np.empty_like(vectors)
        result[order] = vectors
        return result

    @property
    def dim(self) -> int:
        """Length of a vector, found by encoding a word if the graph does not say."""
        last = self._session.get_outputs()[0].shape[-1]
        return last if isinstance(last, int) else int(self.encode(["word"]).shape[1])

    def _run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        width = max(len(row) for row in rows)
        ids = np.zeros((len(rows), width), np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
            mask[at, : len(row)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feeds = {name: given[name].astype(kind, copy=False) for name, kind in self._inputs.items()}
        output: NDArray[np.float32] = self._session.run([self._output], feeds)[0]
        if self._pooling == "cls":
            output = output[:, 0]
        elif self._pooling == "mean":
            weights = mask[:, :, None].astype(np.float32)
            output = (output * weights).sum(axis=1) / weights.sum(axis=1)
        norms = np.linalg.norm(output, axis=1, keepdims=True)
        return np.asarray(output / np.maximum(norms, 1e-12), np.float32)


def _numpy_type(name: str) -> type[np.int32] | type[np.int64]:
    return np.int32 if name == "tensor(int32)" else np.int64
