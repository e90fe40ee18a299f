"""The starter embedder, on its real weights."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from asbuilt.errors import MissingError, StorageError, UserError
from asbuilt.retrieval import minilm
from asbuilt.retrieval.minilm import MiniLMEmbedder
from asbuilt.retrieval.onnx_folder import OnnxFolderEmbedder
from asbuilt.retrieval.starter_models import MINILM_SHA256, minilm_folder, sha256_of, starter_models
from asbuilt.testing.embedder_contract import EmbedderContract

TEXTS = [
    "How do I delete all messages in a queue?",
    "aws sqs purge-queue --queue-url https://example.com/queue",
    "Bucket policies say who may read objects, and from where. " * 3,
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the derived files, made once for all tests here."""
    folder = tmp_path_factory.mktemp("cache")
    embedder = MiniLMEmbedder(cache=folder)
    embedder.open()
    embedder.close()
    return folder


class TestInt8(EmbedderContract):
    # Activations are quantised by the range of their batch.
    tolerance = 0.02

    @pytest.fixture
    def make(self, cache: Path) -> Callable[[], Any]:
        return lambda: MiniLMEmbedder(cache=cache)

    def test_the_same_call_gives_the_same_vectors(self, embedder: Any) -> None:
        np.testing.assert_allclose(embedder.embed(TEXTS), embedder.embed(TEXTS), atol=1e-6)


class TestFp32(EmbedderContract):
    @pytest.fixture
    def make(self, cache: Path) -> Callable[[], Any]:
        return lambda: MiniLMEmbedder(cache=cache, precision="fp32")


def reference(text: str) -> NDArray[np.float64]:
    """The model in plain numpy, after its published description: BERT, mean pooling, length 1."""
    weights: Mapping[str, NDArray[np.float64]] = {
        name: tensor.astype(np.float64) if tensor.dtype == np.float32 else tensor
        for name, tensor in load_file(minilm_folder() / "model.safetensors").items()
    }

    def linear(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    ids = tokenizer.encode(text).ids
    erf = np.vectorize(math.erf)
    x = norm(
        "embeddings.LayerNorm",
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0],
    )
    for layer in range(6):
        at = f"encoder.layer.{layer}"
        q, k, v = (
            linear(f"{at}.attention.self.{part}", x).reshape(len(ids), 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(32)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = (shares @ v).transpose(1, 0, 2).reshape(len(ids), 384)
        x = norm(f"{at}.attention.output.LayerNorm", x + linear(f"{at}.attention.output.dense", mixed))
        wide = linear(f"{at}.intermediate.dense", x)
        active = wide * 0.5 * (1 + erf(wide / math.sqrt(2)))
        x = norm(f"{at}.output.LayerNorm", x + linear(f"{at}.output.dense", active))
    pooled = x.mean(axis=0)
    unit: NDArray[np.float64] = pooled / np.linalg.norm(pooled)
    return unit


def test_the_fused_graph_computes_the_published_model(cache: Path) -> None:
    expected = np.stack([reference(text) for text in TEXTS])
    for precision, closeness in (("fp32", 1e-5), ("int8", 0.03)):
        embedder = MiniLMEmbedder(cache=cache, precision=precision)  # type: ignore[arg-type]
        embedder.open()
        cosines = np.sum(embedder.embed(TEXTS) * expected, axis=1)
        assert (cosines > 1 - closeness).all(), (precision, cosines)


def test_the_weights_are_the_published_ones() -> None:
    assert MINILM_SHA256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    [model] = starter_models()
    assert (model.state, model.sha256) == ("verified", MINILM_SHA256)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(minilm, "minilm_folder", lambda: tmp_path)
    with pytest.raises(MissingError, match=f"expected {MINILM_SHA256}"):
        MiniLMEmbedder(cache=tmp_path / "cache").open()
    assert not list((tmp_path / "cache").glob("**/*.onnx"))


def test_a_damaged_cache_is_made_again(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "cache"
    shutil.copytree(cache, own)
    [file] = own.glob("*/int8.onnx")
    whole = sha256_of(file)
    file.write_bytes(file.read_bytes()[:1000])
    embedder = MiniLMEmbedder(cache=own)
    embedder.open()
    assert sha256_of(file) == whole
    assert embedder.embed(["works"]).shape == (1, 384)


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="ASBUILT_CACHE"):
        MiniLMEmbedder(cache=tmp_path / "file").open()


def test_int8_that_disagrees_is_refused(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asbuilt.errors import BugError
    from asbuilt.retrieval import bert_graph

    def wrong(source: Path, target: Path) -> None:
        weights = dict(load_file(minilm_folder() / "model.safetensors"))
        weights["encoder.layer.0.intermediate.dense.weight"] = -weights[
            "encoder.layer.0.intermediate.dense.weight"
        ]
        bert_graph.build_graph(weights, target)

    monkeypatch.setattr(bert_graph, "quantize", wrong)
    with pytest.raises(BugError, match="disagrees"):
        MiniLMEmbedder(cache=tmp_path).open()


@pytest.mark.parametrize("tokens", [0, 7, 513])
def test_max_tokens_has_bounds(tokens: int) -> None:
    with pytest.raises(UserError, match=str(tokens)):
        MiniLMEmbedder(max_tokens=tokens)


class TestOnnxFolder(EmbedderContract):
    """The starter's own graph, as a folder that a user would name."""

    @pytest.fixture
    def make(self, cache: Path, tmp_path: Path) -> Callable[[], Any]:
        [file] = cache.glob("*/fp32.onnx")
        shutil.copy(file, tmp_path / "model.onnx")
        shutil.copy(minilm_folder() / "tokenizer.json", tmp_path / "tokenizer.json")
        return lambda: OnnxFolderEmbedder(folder_path=tmp_path)
