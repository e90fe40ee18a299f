"""From PEFT's and transformers' folders to GGUF files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

gguf = pytest.importorskip("gguf")
pytest.importorskip("safetensors")

from safetensors.numpy import load_file, save_file  # noqa: E402
from tests.training.tiny_llama import (  # noqa: E402
    ALPHA,
    HEADS,
    KV_HEADS,
    LINEAR,
    RANK,
    tiny_adapter,
    tiny_base,
)

from asbuilt.errors import NotFoundError, StorageError, UserError  # noqa: E402
from asbuilt.resources.gguf import TYPE_NAMES, read_header  # noqa: E402
from asbuilt.training.gguf_export import export_adapter, export_merged  # noqa: E402


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_base(tmp_path / "base.gguf")


def tensors(file: Path) -> dict[str, NDArray[np.float32]]:
    return {each.name: gguf.dequantize(each.data, each.tensor_type) for each in gguf.GGUFReader(file).tensors}


def interleaved(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Row by row, another way than the code: row i of the first half of a head, then row i of its second."""
    size = len(rows) // heads
    order = [
        head * size + half * size // 2 + i
        for head in range(heads)
        for i in range(size // 2)
        for half in (0, 1)
    ]
    return rows[order]


def test_an_adapter_has_its_alpha_and_the_rows_of_q_and_k_in_the_order_of_the_base(
    base: Path, tmp_path: Path
) -> None:
    folder = tiny_adapter(tmp_path / "adapter")
    out = export_adapter(folder, base, tmp_path / "adapter.gguf")
    given, written = load_file(folder / "adapter_model.safetensors"), tensors(out)
    for layer in (0, 1):
        for theirs, (ours, _, _) in LINEAR.items():
            module = f"base_model.model.model.layers.{layer}.{theirs}"
            b = given[f"{module}.lora_B.weight"]
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(ours)
            wanted = b if heads is None else interleaved(b, heads)
            np.testing.assert_array_equal(written.pop(f"blk.{layer}.{ours}.weight.lora_b"), wanted)
            np.testing.assert_array_equal(
                written.pop(f"blk.{layer}.{ours}.weight.lora_a"), given[f"{module}.lora_A.weight"]
            )
    assert not written
    metadata = read_header(out).metadata
    assert metadata["adapter.lora.alpha"] == ALPHA
    assert (metadata["general.type"], metadata["adapter.type"]) == ("adapter", "lora")
    assert metadata["general.architecture"] == "llama"


def test_rank_stabilised_lora_is_folded_into_alpha(base: Path, tmp_path: Path) -> None:
    out = export_adapter(tiny_adapter(tmp_path / "a", use_rslora=True), base, tmp_path / "a.gguf")
    assert read_header(out).metadata["adapter.lora.alpha"] == pytest.approx(ALPHA * math.sqrt(RANK))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use_dora", True),
        ("modules_to_save", ["lm_head"]),
        ("rank_pattern", {"q_proj": 8}),
        ("alpha_pattern", {"q_proj": 8}),
        ("bias", "all"),
        ("init_lora_weights", "pissa"),
        ("layer_replication", [[0, 2]]),
    ],
)
def test_what_the_engine_cannot_apply_is_refused(base: Path, tmp_path: Path, name: str, value: Any) -> None:
    folder = tiny_adapter(tmp_path / "a", **{name: value})
    with pytest.raises(UserError, match=f"{name} = .*llama.cpp cannot apply"):
        export_adapter(folder, base, tmp_path / "a.gguf")
    assert not (tmp_path / "a.gguf").exists()


@pytest.mark.parametrize("module", ["lm_head", "model.embed_tokens"])
def test_adapters_of_the_vocabulary_are_refused(base: Path, tmp_path: Path, module: str) -> None:
    folder = tiny_adapter(tmp_path / "a")
    file = folder / "adapter_model.safetensors"
    extra = {f"base_model.model.{module}.lora_A.weight": np.zeros((RANK, 64), np.float32)}
    save_file({**load_file(file), **extra}, file)
    with pytest.raises(UserError, match=module):
        export_adapter(folder, base, tmp_path / "a.gguf")


def test_an_adapter_of_another_model_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="trained on another model"):
        export_adapter(tiny_adapter(tmp_path / "a", width=128), base, tmp_path / "a.gguf")


def test_a_cut_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    folder = tiny_adapter(tmp_path / "a")
    file = folder / "adapter_model.safetensors"
    whole = file.read_bytes()
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a whole safetensors file"):
            export_adapter(folder, base, tmp_path / "a.gguf")


def test_a_folder_without_an_adapter_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"adapter_config\.json"):
        export_adapter(tmp_path, base, tmp_path / "a.gguf")
    with pytest.raises(NotFoundError, match="no trained model"):
        export_merged(tmp_path, base, tmp_path / "m.gguf")


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    other = tiny_base(tmp_path / "other.gguf", architecture="gemma3")
    with pytest.raises(UserError, match="'gemma3' cannot be exported"):
        export_adapter(tiny_adapter(tmp_path / "a"), other, tmp_path / "a.gguf")


def test_an_unknown_precision_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'q4_k' cannot be written"):
        export_merged(tiny_adapter(tmp_path / "a"), base, tmp_path / "m.gguf", precision="q4_k")  # type: ignore[arg-type]


def test_a_merge_adds_what_the_adapter_adds_and_keeps_everything_else(base: Path, tmp_path: Path) -> None:
    adapter = tiny_adapter(tmp_path / "a")
    merged = tensors(export_merged(adapter, base, tmp_path / "m.gguf", precision="f32"))
    lora = tensors(export_adapter(adapter, base, tmp_path / "a.gguf"))
    for name, before in tensors(base).items():
        if f"{name}.lora_a" in lora:
            added = ALPHA / RANK * lora[f"{name}.lora_b"] @ lora[f"{name}.lora_a"]
            np.testing.assert_allclose(merged[name], before + added, atol=1e-5)
        else:
            np.testing.assert_array_equal(merged[name], before)
    old, new = read_header(base).metadata, dict(read_header(tmp_path / "m.gguf").metadata)
    assert new.pop("general.name") == "Tiny (trained)"
    assert new.pop("general.file_type") == 0
    assert new == {key: value for key, value in old.items() if key != "general.name"}


@pytest.mark.parametrize(
    ("precision", "error"), [("f16", 1e-3), ("bf16", 8e-3), ("q8_0", 8e-3), ("q5_1", 0.05), ("q4_0", 0.15)]
)
def test_fewer_bits_are_near_the_full_precision(
    base: Path, tmp_path: Path, precision: Any, error: float
) -> None:
    adapter = tiny_adapter(tmp_path / "a")
    exact = tensors(export_merged(adapter, base, tmp_path / "f32.gguf", precision="f32"))
    out = export_merged(adapter, base, tmp_path / "q.gguf", precision=precision)
    stored = {each.name: TYPE_NAMES[each.type] for each in read_header(out).tensors}
    assert stored["blk.0.attn_q.weight"] == precision.upper()
    assert stored["blk.0.attn_norm.weight"] == "F32"
    for name, weights in tensors(out).items():
        assert np.abs(weights - exact[name]).max() <= error * np.abs(exact[name]).max()


def test_what_fails_leaves_no_file(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", full)
    out = tmp_path / "out" / "m.gguf"
    with pytest.raises(StorageError, match="No space left"):
        export_merged(tiny_adapter(tmp_path / "a"), base, out, precision="f16")
    assert list(out.parent.iterdir()) == []
