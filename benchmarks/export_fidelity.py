"""Does an exported model answer as the trained one did, and what does quantisation change?

    python benchmarks/export_fidelity.py ADAPTER [--prompts 200] [--tokens 32] [--only adapter-f32]

ADAPTER is a folder as PEFT writes it, trained on the starter; "random" makes one with random weights of
the size that a training leaves (B of standard deviation 0.004). Each export is compared with PEFT in torch
in float32: greedy tokens, from the same conversations.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from asbuilt.generation.models import STARTER, find_model
from asbuilt.lineage import ExportedModel, ModelKind, TrainedModel
from asbuilt.resources.gguf import read_header
from asbuilt.training.gguf_base import full_precision_gguf
from asbuilt.training.gguf_export import export_adapter, export_merged
from asbuilt.training.gguf_write import Precision, rewrite
from asbuilt.training.proof import NEAR_TIE, compare, summarize
from asbuilt.types import Message

ASKS = (
    "What is {}?", "Explain {} in one sentence.", "Name three facts about {}.", "Why does {} matter?",
    "Give an example of {}.", "How would you teach {} to a child?", "Write a short note about {}.",
    "What is often misunderstood about {}?", "List two tools that are used for {}.", "Is {} difficult?",
)  # fmt: skip
TOPICS = (
    "photosynthesis", "a hash table", "the French Revolution", "baking bread", "copying a file", "gravity",
    "compound interest", "a bicycle gear", "the water cycle", "a database index", "chess", "vaccination",
    "a sonnet", "soil", "version control", "a volcano", "sleep", "a bridge", "noise", "translation",
)  # fmt: skip


EXPORTS: dict[str, tuple[ModelKind, Precision]] = {
    "adapter-f32": ("adapter", "f32"),
    "adapter-q8_0": ("adapter", "q8_0"),
    "merged-f32": ("merged", "f32"),
    "merged-q8_0": ("merged", "q8_0"),
    "merged-q4_0": ("merged", "q4_0"),
}
"""What is served: an adapter on a base of that precision, or one file."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--only", action="append", choices=EXPORTS, help="may be given again")
    given = parser.parse_args()
    texts = [ask.format(topic) for topic, ask in itertools.product(TOPICS, ASKS)][:: 200 // given.prompts]
    prompts = [[Message("user", text)] for text in texts[: given.prompts]]
    base = find_model(STARTER)
    template = str(read_header(base).metadata["tokenizer.chat_template"])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        adapter = random_adapter(folder / "random") if given.adapter == "random" else Path(given.adapter)
        trained = TrainedModel(adapter, "", "lora", STARTER, "", template, 0, 0.0, None, 0.0, 0)
        print(f"{len(prompts)} prompts, at most {given.tokens} tokens each, adapter {adapter.name}")
        for name in given.only or EXPORTS:
            started = time.perf_counter()
            found = compare(trained, made(name, adapter, base, folder), prompts, max_tokens=given.tokens)
            proof = summarize(found, required=0.99)
            ties = sum(each.margin is not None and abs(each.margin) < NEAR_TIE for each in found)
            print(
                f"{name:13} same {proof.same}/{proof.prompts} = {proof.same / proof.prompts:.1%}, "
                f"agreement {proof.agreement:.4f}, ended {proof.ended}/{proof.ends}, near ties {ties}, "
                f"template {'same' if proof.template_same else 'differs'}, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )


def made(name: str, adapter: Path, base: Path, folder: Path) -> ExportedModel:
    kind, precision = EXPORTS[name]
    out = folder / f"{name}.gguf"
    if kind == "merged":
        return ExportedModel(
            export_merged(adapter, base, out, precision=precision), "merged", None, precision
        )
    export_adapter(adapter, base, out)
    if precision == "f32":
        return ExportedModel(out, "adapter", full_precision_gguf(base), precision)
    served = folder / f"base-{precision}.gguf"
    rewrite(base, served, lambda _, weights: weights, precision=precision, name="base")
    return ExportedModel(out, "adapter", served, precision)


def random_adapter(folder: Path, rank: int = 16, alpha: int = 32) -> Path:
    """For all linear layers of the starter."""
    from safetensors.numpy import save_file

    width, narrow, feed, layers = 576, 192, 1536, 30
    linear = {
        "self_attn.q_proj": (width, width), "self_attn.k_proj": (narrow, width),
        "self_attn.v_proj": (narrow, width), "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (feed, width), "mlp.up_proj": (feed, width), "mlp.down_proj": (width, feed),
    }  # fmt: skip
    random, tensors = np.random.default_rng(0), {}
    for layer in range(layers):
        for module, (rows, columns) in linear.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            spread = 1 / np.sqrt(3 * columns)  # of the uniform distribution that PEFT draws A from
            tensors[f"{name}.lora_A.weight"] = random.normal(0, spread, (rank, columns)).astype(np.float32)
            tensors[f"{name}.lora_B.weight"] = random.normal(0, 0.004, (rows, rank)).astype(np.float32)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [module.split(".")[1] for module in linear]
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": alpha, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps({**config, "target_modules": targets}))
    return folder


if __name__ == "__main__":
    main()
