"""Embedders from files: an ONNX export with its tokenizer, and what sentence-transformers says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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

__all__ = [
    "LENGTH_FILE",
    "PROMPTS_FILE",
    "FileEmbedder",
    "OnnxFolderEmbedder",
    "model_file",
    "stated_pooling",
]

LENGTH_FILE = "sentence_bert_config.json"
PROMPTS_FILE = "config_sentence_transformers.json"
_MODEL_FILES = ("model.onnx", "onnx/model.onnx")
_MAX_TOKENS = 256
_MAX_STATED = 512

Find = Callable[[str], Path | None]
"""A file by the name that it has in a model folder; None where there is none."""


class FileEmbedder:
    """An ONNX graph with its tokenizer, wherever its files are.

    What is None is as the files of sentence-transformers say, else 256 tokens, the mean, and no prefix.
    """

    def __init__(
        self,
        find: Find,
        *,
        graph: Callable[[], Path],
        digest: Callable[[], str],
        max_tokens: int | None = None,
        pooling: Literal["auto", "mean", "cls"] = "auto",
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        threads: int | None = None,
    ) -> None:
        if max_tokens is not None and max_tokens < 8:
            raise UserError(f"max_tokens {max_tokens!r} is less than 8.")
        self._find = find
        self._graph = graph
        self._digest = digest
        self._given_tokens = max_tokens
        self._pooling = pooling
        self._given_prefixes = {"query": query_prefix, "passage": passage_prefix}
        self._threads = threads
        self._encoder: OnnxEncoder | None = None
        self._dim = 0

    @property
    def model_id(self) -> str:
        return f"onnx@{self._digest()[:12]}/{self._pooling}/{self._max_tokens}/{self._prefix('passage')}"

    @property
    def dim(self) -> int:
        return self._dim

    def open(self) -> None:
        """Load model and tokenizer. Raises NotFoundError for a missing file, UserError for a bad one."""
        from tokenizers import Tokenizer

        from asbuilt.retrieval.onnx_encoder import OnnxEncoder, open_session

        file = self._graph()
        tokenizer_file = self._find("tokenizer.json")
        if tokenizer_file is None:
            raise NotFoundError(f"{file} has no tokenizer.json beside it.")
        session = open_session(file, threads=self._threads)
        whole = len(session.get_outputs()[0].shape) == 2
        pooling: Pooling = "none" if whole else self._stated_pooling()
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._encoder = OnnxEncoder(session, tokenizer, max_tokens=self._max_tokens, pooling=pooling)
        self._dim = self._encoder.dim

    def close(self) -> None:
        """Let go of the model."""
        self._encoder = None

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        if self._encoder is None:
            raise BugError("embed() before open().")
        prefix = self._prefix(kind)
        return self._encoder.encode([prefix + text for text in texts] if prefix else texts)

    @property
    def _max_tokens(self) -> int:
        if self._given_tokens is not None:
            return self._given_tokens
        return min(int(self._stated(LENGTH_FILE).get("max_seq_length") or _MAX_TOKENS), _MAX_STATED)

    def _prefix(self, kind: Literal["passage", "query"]) -> str:
        if (given := self._given_prefixes[kind]) is not None:
            return given
        prompts = self._stated(PROMPTS_FILE).get("prompts") or {}
        return str(prompts.get(kind) or (prompts.get("document") if kind == "passage" else "") or "")

    def _stated(self, name: str) -> dict[str, Any]:
        file = self._find(name)
        found = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}

    def _stated_pooling(self) -> Pooling:
        return _pooling_in(self._find("1_Pooling/config.json")) if self._pooling == "auto" else self._pooling


@component("embedder/onnx")
class OnnxFolderEmbedder(FileEmbedder):
    """Any sentence-transformers model that was exported to ONNX.

    `folder_path` holds `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json`. `pooling` "auto" reads
    `1_Pooling/config.json` and otherwise takes the mean; a graph whose output is already one
    vector a text is not pooled. Some models want a prefix before questions or passages. `max_tokens` and
    prefixes that are not given are what the folder says, else 256 and none.
    """

    def __init__(
        self,
        *,
        folder_path: Path,
        max_tokens: int | None = None,
        pooling: Literal["auto", "mean", "cls"] = "auto",
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(
            lambda name: _file_in(folder_path, name),
            graph=lambda: model_file(folder_path),
            digest=lambda: sha256_of(model_file(folder_path)),
            max_tokens=max_tokens,
            pooling=pooling,
            query_prefix=query_prefix,
            passage_prefix=passage_prefix,
            threads=threads,
        )

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`. The length of the vectors is the hidden size in `config.json`."""
        folder: Path = config["folder_path"]
        facts = folder / "config.json"
        dim = json.loads(facts.read_text(encoding="utf-8")).get("hidden_size", 0) if facts.is_file() else 0
        return folder_demand(model_file(folder), dim=dim)


def stated_pooling(folder: Path) -> Literal["mean", "cls"]:
    """What sentence-transformers wrote into a model folder; without it, the mean."""
    return _pooling_in(_file_in(folder, "1_Pooling/config.json"))


def _pooling_in(file: Path | None) -> Literal["mean", "cls"]:
    config = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
    return "cls" if config.get("pooling_mode_cls_token") else "mean"


def _file_in(folder: Path, name: str) -> Path | None:
    file = folder / name
    return file if file.is_file() else None


def model_file(folder: Path) -> Path:
    """The ONNX file of a folder. Raises NotFoundError."""
    for name in _MODEL_FILES:
        if (folder / name).is_file():
            return folder / name
    raise NotFoundError(f"{folder} has no {' or '.join(_MODEL_FILES)}.")
