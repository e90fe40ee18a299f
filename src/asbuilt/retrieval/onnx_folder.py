"""An embedder from a local folder with an ONNX export and its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asbuilt.errors import BugError, NotFoundError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.retrieval.onnx_demand import folder_demand
from asbuilt.retrieval.starter_models import sha256_of
from asbuilt.types import Matrix

if TYPE_CHECKING:
    from asbuilt.retrieval.onnx_encoder import OnnxEncoder, Pooling

__all__ = ["OnnxFolderEmbedder", "model_file"]

_MODEL_FILES = ("model.onnx", "onnx/model.onnx")


@component("embedder/onnx")
class OnnxFolderEmbedder:
    """Any sentence-transformers model that was exported to ONNX.

    `folder` holds `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json`. `pooling` "auto" reads
    `1_Pooling/config.json` and otherwise takes the mean; a graph whose output is already one
    vector a text is not pooled. Some models want a prefix before questions or passages.
    """

    def __init__(
        self,
        *,
        folder_path: Path,
        max_tokens: int = 256,
        pooling: Literal["auto", "mean", "cls"] = "auto",
        query_prefix: str = "",
        passage_prefix: str = "",
        threads: int | None = None,
    ) -> None:
        if max_tokens < 8:
            raise UserError(f"max_tokens {max_tokens!r} is less than 8.")
        self._folder = folder_path
        self._max_tokens = max_tokens
        self._pooling = pooling
        self._prefixes = {"query": query_prefix, "passage": passage_prefix}
        self._threads = threads
        self._encoder: OnnxEncoder | None = None
        self._dim = 0

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`. The length of the vectors is the hidden size in `config.json`."""
        folder: Path = config["folder_path"]
        facts = folder / "config.json"
        dim = json.loads(facts.read_text(encoding="utf-8")).get("hidden_size", 0) if facts.is_file() else 0
        return folder_demand(model_file(folder), dim=dim)

    @property
    def model_id(self) -> str:
        digest = sha256_of(model_file(self._folder))[:12]
        prefix = self._prefixes["passage"]
        return f"onnx/{self._folder.name}@{digest}/{self._pooling}/{self._max_tokens}/{prefix}"

    @property
    def dim(self) -> int:
        return self._dim

    def open(self) -> None:
        """Load model and tokenizer. Raises NotFoundError for a missing file, UserError for a bad one."""
        from tokenizers import Tokenizer

        from asbuilt.retrieval.onnx_encoder import OnnxEncoder, open_session

        file = model_file(self._folder)
        tokenizer_file = self._folder / "tokenizer.json"
        if not tokenizer_file.is_file():
            raise NotFoundError(f"{tokenizer_file} does not exist.")
        session = open_session(file, threads=self._threads)
        pooling: Pooling = "none" if len(session.get_outputs()[0].shape) == 2 else self._pooling_of_folder()
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._encoder = OnnxEncoder(session, tokenizer, max_tokens=self._max_tokens, pooling=pooling)
        self._dim = self._encoder.dim

    def close(self) -> None:
        """Let go of the model."""
        self._encoder = None

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        if self._encoder is None:
            raise BugError("embed() before open().")
        prefix = self._prefixes[kind]
        return self._encoder.encode([prefix + text for text in texts] if prefix else texts)

    def _pooling_of_folder(self) -> Pooling:
        if self._pooling != "auto":
            return self._pooling
        file = self._folder / "1_Pooling" / "config.json"
        if not file.is_file():
            return "mean"
        config = json.loads(file.read_text(encoding="utf-8"))
        return "cls" if config.get("pooling_mode_cls_token") else "mean"


def model_file(folder: Path) -> Path:
    """The ONNX file of a folder. Raises NotFoundError."""
    for name in _MODEL_FILES:
        if (folder / name).is_file():
            return folder / name
    raise NotFoundError(f"{folder} has no {' or '.join(_MODEL_FILES)}.")
