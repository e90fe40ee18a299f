"""A BERT sentence encoder, all-MiniLM-L6-v2 among them, as a fused ONNX graph built from its weights.

The graph that exporters write computes the same numbers with about ten times the nodes. Here
attention, residual plus layer normalisation, and bias plus GELU are one operator each (ONNX
Runtime's `com.microsoft` domain), mean pooling and normalisation are part of the graph, and
`quantize` stores matrix weights as int8 with one scale a column, activations being quantised as
they come.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["GRAPH_RECIPE", "build_graph", "quantize"]

GRAPH_RECIPE = "fused-1"
"""Changes when the graph or its quantisation does, so that derived files are made again."""

_FUSED = "com.microsoft"
_OPSET, _IR_VERSION = 17, 9

_Weights = Mapping[str, NDArray[np.float32]]


class _Graph:
    """Nodes and initialisers as they are added, and what the weights do not say of the model."""

    def __init__(self, *, heads: int, epsilon: float) -> None:
        self.heads = heads
        self.epsilon = epsilon
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def weight(self, name: str, values: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(
        self, kind: str, inputs: list[str], outputs: list[str], *, fused: bool = False, **attributes: Any
    ) -> str:
        domain = _FUSED if fused else ""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]


def build_graph(
    weights: _Weights,
    file: Path,
    *,
    name: str = "all-MiniLM-L6-v2",
    heads: int = 12,
    epsilon: float = 1e-12,
    pooling: Literal["mean", "cls"] = "mean",
) -> None:
    """Write the float32 graph: input_ids and attention_mask, int32 (batch, tokens) -> embedding,
    float32 (batch, width), rows of length 1.

    `weights` are the tensors of the model's `model.safetensors`, `heads` and `epsilon` (of layer
    normalisation) what its `config.json` says; the defaults are those of MiniLM.
    """
    graph = _Graph(heads=heads, epsilon=epsilon)
    hidden = _embeddings(graph, weights)
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in weights:
        hidden = _layer(graph, weights, layer, hidden)
        layer += 1
    width = weights["embeddings.LayerNorm.weight"].shape[0]
    (_mean if pooling == "mean" else _first)(graph, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, name, inputs, outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)],
    )
    model.ir_version = _IR_VERSION
    onnx.save(model, str(file))


def quantize(source: Path, target: Path) -> None:
    """Write `source` with int8 weights in `target` (a quarter of the size, two to three times the speed)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises on the root logger to preprocess what is already fused
    try:
        quantize_dynamic(
            str(source),
            str(target),
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Attention", "EmbedLayerNormalization"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
    finally:
        logger.setLevel(level)


def _embeddings(graph: _Graph, weights: _Weights) -> str:
    words = graph.weight("words", weights["embeddings.word_embeddings.weight"])
    # Every token is of type 0, so its type's vector belongs to the positions.
    positions = graph.weight(
        "positions",
        weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0],
    )
    scale = graph.weight("embeddings_scale", weights["embeddings.LayerNorm.weight"])
    shift = graph.weight("embeddings_shift", weights["embeddings.LayerNorm.bias"])
    return graph.node(
        "EmbedLayerNormalization",
        ["input_ids", "", words, positions, "", scale, shift, "attention_mask"],
        ["hidden_0", "mask_index"],
        fused=True,
        epsilon=graph.epsilon,
    )


def _layer(graph: _Graph, weights: _Weights, layer: int, hidden: str) -> str:
    """Attention and feed-forward, each followed by residual and layer normalisation."""

    def matrix(name: str) -> str:
        return graph.weight(f"{layer}.{name}.weight", weights[f"encoder.layer.{layer}.{name}.weight"].T)

    def vector(name: str) -> str:
        return graph.weight(f"{layer}.{name}", weights[f"encoder.layer.{layer}.{name}"])

    def residual(update: str, block: str, before: str, output: str) -> str:
        inputs = [
            update,
            before,
            vector(f"{block}.LayerNorm.weight"),
            vector(f"{block}.LayerNorm.bias"),
            vector(f"{block}.dense.bias"),
        ]
        return graph.node("SkipLayerNormalization", inputs, [output], fused=True, epsilon=graph.epsilon)

    parts = [f"encoder.layer.{layer}.attention.self.{part}" for part in ("query", "key", "value")]
    qkv = graph.weight(
        f"{layer}.qkv.weight", np.concatenate([weights[f"{p}.weight"].T for p in parts], axis=1)
    )
    qkv_bias = graph.weight(f"{layer}.qkv.bias", np.concatenate([weights[f"{p}.bias"] for p in parts]))
    attended = graph.node(
        "Attention",
        [hidden, qkv, qkv_bias, "mask_index"],
        [f"attended_{layer}"],
        fused=True,
        num_heads=graph.heads,
    )
    projected = graph.node("MatMul", [attended, matrix("attention.output.dense")], [f"projected_{layer}"])
    middle = residual(projected, "attention.output", hidden, f"middle_{layer}")
    widened = graph.node("MatMul", [middle, matrix("intermediate.dense")], [f"widened_{layer}"])
    active = graph.node(
        "BiasGelu", [widened, vector("intermediate.dense.bias")], [f"active_{layer}"], fused=True
    )
    narrowed = graph.node("MatMul", [active, matrix("output.dense")], [f"narrowed_{layer}"])
    return residual(narrowed, "output", middle, f"hidden_{layer + 1}")


def _first(graph: _Graph, hidden: str) -> None:
    """The state of the first token, made length 1."""
    at, axis = (
        graph.weight("place_0", np.array([0], np.int64)),
        graph.weight("axis_1", np.array([1], np.int64)),
    )
    row = graph.node("Gather", [hidden, at], ["row"], axis=1)  # (batch, 1, width)
    flat = graph.node("Squeeze", [row, axis], ["flat"])
    graph.node("LpNormalization", [flat], ["embedding"], axis=1, p=2)


def _mean(graph: _Graph, hidden: str) -> None:
    """Mean over the tokens that are no padding, then length 1: the division by their number cancels."""
    axis = graph.weight("axis_1", np.array([1], np.int64))
    mask = graph.node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT)
    row = graph.node("Unsqueeze", [mask, axis], ["mask_row"])  # (batch, 1, tokens)
    summed = graph.node("MatMul", [row, hidden], ["summed"])  # (batch, 1, width)
    flat = graph.node("Squeeze", [summed, axis], ["flat"])
    graph.node("LpNormalization", [flat], ["embedding"], axis=1, p=2)
