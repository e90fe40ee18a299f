"""Loading a model in another precision than it is stored in may be the peak of its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asbuilt.training.memory import training_bytes
from asbuilt.training.recipes.sft import SftConfig

STORED = 4_000_000_000
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


def planned(folder: Path, *, dtype: str, precision: Any, gpu: bool = False) -> int:
    (folder / "config.json").write_text(json.dumps({**SHAPE, "dtype": dtype}))
    with (folder / "model.safetensors").open("wb") as weights:
        weights.truncate(STORED)  # takes no room on the disk
    config = SftConfig(data="", folder="", base=str(folder), precision=precision)
    return training_bytes(folder, config, longest=10, learnt=5, gpu=gpu)


@pytest.mark.parametrize(
    ("dtype", "precision", "held"),
    [
        ("float32", "bf16", 1.5 * STORED),  # both at once
        ("bfloat16", "fp32", 3 * STORED),
        ("float32", "fp32", STORED),  # the file's pages are the model
        ("bfloat16", "bf16", STORED),
    ],
)
def test_both_copies_are_counted_where_weights_are_converted(
    tmp_path: Path, dtype: str, precision: str, held: float
) -> None:
    before = 554_000_000
    assert planned(tmp_path, dtype=dtype, precision=precision) == before + held


def test_on_a_gpu_the_memory_of_the_host_does_not_count(tmp_path: Path) -> None:
    assert planned(tmp_path, dtype="float32", precision="bf16", gpu=True) < STORED
