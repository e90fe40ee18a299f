"""The fake, endpoints, fastembed's errors, and the reranker."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from asbuilt.errors import EndpointError, MissingError, NotFoundError
from asbuilt.retrieval import openai_embedder
from asbuilt.retrieval.fastembed_named import FastEmbedEmbedder
from asbuilt.retrieval.onnx_folder import OnnxFolderEmbedder
from asbuilt.retrieval.openai_embedder import OpenAIEmbedder
from asbuilt.retrieval.reranker_onnx import OnnxReranker
from asbuilt.testing.embedder_contract import EmbedderContract
from asbuilt.testing.fake_embedder import FakeEmbedder


class TestFake(EmbedderContract):
    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        return FakeEmbedder


class EmbeddingsServer(BaseHTTPRequestHandler):
    """Answers like an OpenAI-compatible endpoint; `script` holds statuses to fail with first."""

    script: ClassVar[list[int]] = []
    seen: ClassVar[list[dict[str, Any]]] = []
    fake = FakeEmbedder(dim=16)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({"key": self.headers.get("Authorization"), **body})
        status = self.script.pop(0) if self.script else 200
        rows = [
            {"index": at, "embedding": [3 * float(x) for x in vector]}
            for at, vector in enumerate(self.fake.embed(body["input"]))
        ]
        payload = json.dumps({"data": rows[::-1]} if status == 200 else {"error": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(openai_embedder, "_FIRST_PAUSE_S", 0.001)
    EmbeddingsServer.script.clear()
    EmbeddingsServer.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), EmbeddingsServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


class TestOpenAI(EmbedderContract):
    @pytest.fixture
    def make(self, endpoint: str) -> Callable[[], Any]:
        return lambda: OpenAIEmbedder(base_url=endpoint, model="m", batch=3)


def test_a_busy_endpoint_is_asked_again(endpoint: str) -> None:
    EmbeddingsServer.script[:] = [429, 503]
    embedder = OpenAIEmbedder(base_url=endpoint, model="m", dimensions=16)
    embedder.open()
    assert embedder.embed(["x"]).shape == (1, 16)
    assert len(EmbeddingsServer.seen) == 3
    embedder.close()


@pytest.mark.parametrize(("script", "calls"), [([401], 1), ([500, 500, 500, 500], 4)])
def test_a_failing_endpoint_is_one_clear_error(endpoint: str, script: list[int], calls: int) -> None:
    EmbeddingsServer.script[:] = script
    embedder = OpenAIEmbedder(base_url=endpoint, model="m", dimensions=16)
    embedder.open()
    with pytest.raises(EndpointError, match=f"status {script[0]}"):
        embedder.embed(["x"])
    assert len(EmbeddingsServer.seen) == calls
    embedder.close()


def test_a_wrong_dimension_is_refused(endpoint: str) -> None:
    embedder = OpenAIEmbedder(base_url=endpoint, model="m", dimensions=8)
    embedder.open()
    with pytest.raises(EndpointError, match="16 dimensions, expected 8"):
        embedder.embed(["x"])
    embedder.close()


def test_the_key_comes_from_the_environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = OpenAIEmbedder(base_url=endpoint, model="m", api_key_env="TEST_EMBED_KEY", dimensions=16)
    with pytest.raises(MissingError, match="TEST_EMBED_KEY"):
        embedder.open()
    monkeypatch.setenv("TEST_EMBED_KEY", "sesame")
    embedder.open()
    embedder.embed(["x"])
    assert EmbeddingsServer.seen[-1]["key"] == "Bearer sesame"
    embedder.close()


def test_without_fastembed_the_install_command_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(MissingError, match=r"pip install 'asbuilt\[fastembed\]'"):
        FastEmbedEmbedder(model="BAAI/bge-small-en-v1.5").open()


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no model\.onnx or onnx/model\.onnx"):
        OnnxFolderEmbedder(folder_path=tmp_path).open()


@pytest.fixture
def cross_encoder(tmp_path: Path) -> Path:
    """A real ONNX cross-encoder, as small as can be: its logit is the sum of the token ids."""
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "queue": 1, "purge": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    logits = helper.make_tensor_value_info("logits", TensorProto.INT64, ["batch", 1])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceSum", ["input_ids", "axes"], ["logits"], keepdims=1)
    graph = helper.make_graph([node], "counter", [ids], [logits], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(tmp_path / "model.onnx"))
    return tmp_path


def test_a_reranker_scores_every_pair(cross_encoder: Path) -> None:
    reranker = OnnxReranker(folder_path=cross_encoder)
    reranker.open()
    passages = ["purge the queue", "nothing here", *(["queue"] * 20)]
    assert reranker.score("purge", passages) == [5.0, 2.0, *([3.0] * 20)]
    assert reranker.score("purge", []) == []
    reranker.close()
