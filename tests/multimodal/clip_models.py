"""CLIP and SigLIP as small as can be: real ONNX graphs with a real tokenizer, that know two colours.

A picture's vector is its mean colour; a text's is the mean of its tokens' vectors, padding included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, processors
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit

__all__ = ["WORDS", "write_clip", "write_graph", "write_settings", "write_siglip"]

WORDS = {"[UNK]": 0, "<end>": 1, "red": 2, "blue": 3, "red!": 4, "<pad>": 5, "RED": 6}
_COLOURS = np.array(
    [[0.1, 0.1, 0.1], [0, 0, 0.1], [1, -1, -1], [-1, -1, 1], [0, 1, 0], [0, 0.001, 0], [0, 2, 0]], np.float32
)
_CLIP_STEPS = {
    "crop_size": {"height": 16, "width": 16},
    "do_center_crop": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 16},
}


def write_graph(
    file: Path,
    *,
    sides: str = "both",
    outputs: Sequence[str] = ("image_embeds", "text_embeds"),
    mask: bool = True,
    tokens: int | str = "tokens",
    edge: int | str = "edge",
    half: bool = False,
    wide: bool = False,
    extra: str = "",
) -> None:
    """`sides` "vision", "text" or "both"; `outputs` of them. `half` has pictures in 16 bits, `wide` vectors
    of 5 numbers for words, `extra` names one more input."""
    real = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    kind = np.float16 if half else np.float32
    inputs: list[onnx.ValueInfoProto] = []
    nodes: list[onnx.NodeProto] = []
    given: list[onnx.TensorProto] = []
    results: list[onnx.ValueInfoProto] = []
    names = list(outputs)
    if sides in ("vision", "both"):
        inputs.append(helper.make_tensor_value_info("pixel_values", real, ["n", 3, edge, edge]))
        nodes.append(helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]))
        nodes.append(helper.make_node("Flatten", ["pooled"], [names[0]]))
        results.append(helper.make_tensor_value_info(names.pop(0), real, ["n", 3]))
    if sides in ("text", "both"):
        table = np.hstack([_COLOURS, _COLOURS[:, :2]]) if wide else _COLOURS
        given += [numpy_helper.from_array(table.astype(kind), "table")]
        inputs.append(helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", tokens]))
        if mask:
            inputs.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", tokens]))
        nodes.append(helper.make_node("Gather", ["table", "input_ids"], ["each"]))
        nodes.append(helper.make_node("ReduceMean", ["each"], [names[0]], axes=[1], keepdims=0))
        results.append(helper.make_tensor_value_info(names.pop(0), real, ["n", table.shape[1]]))
    if extra:
        inputs.append(helper.make_tensor_value_info(extra, TensorProto.INT64, ["n", tokens]))
    graph = helper.make_graph(nodes, "colours", inputs, results, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(file))


def write_settings(folder: Path, **files: Any) -> None:
    """Each as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


def _write_tokenizer(folder: Path, *, lower: bool) -> None:
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    if lower:
        tokenizer.normalizer = Lowercase()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <end>", special_tokens=[("<end>", WORDS["<end>"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def write_clip(folder: Path, **graph: Any) -> Path:
    """One graph with both sides, as `optimum` exports CLIP."""
    write_graph(folder / "model.onnx", **graph)
    write_settings(
        folder,
        config={"model_type": "clip", "text_config": {"max_position_embeddings": 77}},
        preprocessor_config=_CLIP_STEPS,
        tokenizer_config={"pad_token": "<pad>", "tokenizer_class": "CLIPTokenizer"},
    )
    _write_tokenizer(folder, lower=True)
    return folder


def write_siglip(folder: Path, **graph: Any) -> Path:
    """Two graphs in a folder of their own, as they are published for SigLIP."""
    graph = {"outputs": ("pooler_output",), **graph}
    write_graph(folder / "onnx" / "vision_model.onnx", sides="vision", **graph)
    write_graph(folder / "onnx" / "text_model.onnx", sides="text", mask=False, **graph)
    square = {"size": {"height": 16, "width": 12}, "do_center_crop": None}
    steps = {key: value for key, value in (_CLIP_STEPS | square).items() if key != "crop_size"}
    write_settings(
        folder,
        config={"model_type": "siglip", "text_config": {"model_type": "siglip_text_model"}},
        preprocessor_config=steps,
        tokenizer_config={"pad_token": {"content": "<pad>"}, "tokenizer_class": "SiglipTokenizer"},
    )
    _write_tokenizer(folder, lower=False)
    return folder
