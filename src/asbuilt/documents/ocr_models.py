"""The PP-OCRv6 models that the wheel of rapidocr carries, checked and loaded.

rapidocr's own code is not imported: it opens log handlers, may fetch models and fonts, and gives
neither alternatives nor exact boxes. Its files are read where they were installed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from asbuilt.errors import MissingError

__all__ = ["DETECTOR", "RECOGNIZER", "TOP", "OcrModels", "model_file", "models_version", "open_models"]

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNIZER = "PP-OCRv6_rec_small.onnx"

TOP = 16
"""Classes of each time step that the recogniser's graph gives out, the most probable first. Their
probabilities sum to 1: what all the other classes share is below what anyone could see."""

_INSTALL = "Run: pip install 'asbuilt[ocr]'"


@dataclass(frozen=True, slots=True)
class OcrModels:
    """Sessions of detector and recogniser, and the recogniser's characters by class (0 is CTC's blank).

    Detector: x (1, 3, height, width), sides multiples of 32, values -1 to 1, channels BGR -> probability of
    text (1, 1, height, width). Recogniser: x (1, 3, 48, width), same values -> probabilities and
    classes of the `TOP` best, each (width / 8, TOP).
    """

    detector: Any
    recognizer: Any
    characters: tuple[str, ...]


def models_version() -> str:
    """Version of the package that carries the models. Raises MissingError without it."""
    _package()
    return version("rapidocr")


def model_file(name: str) -> Path:
    """Where the model `name` was installed. Raises MissingError."""
    file = _package() / "models" / name
    if not file.is_file():
        raise MissingError(f"rapidocr has no model {name} in its package.", hint=_INSTALL)
    return file


def open_models(*, threads: int) -> OcrModels:
    """Load both models; the detector runs on `threads` cores, a call of the recogniser on one.

    Raises MissingError without the extra, or when a file is not the one that rapidocr states.
    """
    try:
        import cv2  # noqa: F401  what the callers need as well
    except ModuleNotFoundError as error:
        raise MissingError("reading pixels needs OpenCV.", hint=_INSTALL) from error
    recognizer, characters = _with_best_classes(_checked(RECOGNIZER))
    # What the detector takes for a page is given back after it: the recogniser needs a tenth.
    detector = _session(_checked(DETECTOR), threads=threads, keep=False)
    return OcrModels(detector, _session(recognizer, threads=1, keep=True), characters)


def _package() -> Path:
    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError("reading pixels needs rapidocr.", hint=_INSTALL)
    return Path(spec.submodule_search_locations[0])


def _checked(name: str) -> bytes:
    """The file's bytes, after its SHA-256 was compared with what rapidocr's list of models states."""
    data = model_file(name).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    stated = _stated_sha256(name)
    if found != stated:
        raise MissingError(
            f"{name} in the package rapidocr has SHA-256 {found[:12]}..., its list states {stated[:12]}....",
            hint="Run: pip install --force-reinstall rapidocr",
        )
    return data


def _stated_sha256(name: str) -> str:
    """Found by line: the file's nesting has changed between versions, its pairs of lines have not."""
    lines = (_package() / "default_models.yaml").read_text(encoding="utf-8").splitlines()
    for line, after in pairwise(lines):
        if line.strip().endswith(f"/{name}") and after.strip().startswith("SHA256:"):
            return after.split(":", 1)[1].strip()
    raise MissingError(f"rapidocr's list of models does not state {name}.", hint=_INSTALL)


def _session(model: bytes, *, threads: int, keep: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = keep
    # Widths differ from line to line: memory patterns would be planned and kept for each of them.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _with_best_classes(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The recogniser with its output cut to the best classes, and its characters.

    Whole, the output is 18,710 numbers a time step: 14 MB a line, and a quarter of its time for their
    softmax. The last product becomes one Gemm, which adds the bias as it goes.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(data)
    graph = model.graph
    made = {node.output[0]: node for node in graph.node}

    def origin(name: str) -> str:
        while name in made and made[name].op_type == "Identity":
            name = made[name].input[0]
        return name

    softmax = made[origin(graph.output[0].name)]
    add = made[origin(softmax.input[0])]
    product, bias = (origin(each) for each in add.input)
    if product not in made:
        product, bias = bias, product
    multiply = made[product]
    kinds = (softmax.op_type, add.op_type, multiply.op_type)
    if kinds != ("Softmax", "Add", "MatMul"):
        raise MissingError(f"{RECOGNIZER} ends in {kinds}, not in a product, a bias and a softmax.")
    # Nodes stand in the order of their use: nothing after the product serves anything else.
    del graph.node[list(graph.node).index(multiply) :]
    features, weights = (origin(each) for each in multiply.input)
    width = next(tensor.dims[0] for tensor in graph.initializer if tensor.name == weights)
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([-1, width], np.int64), "rows"),
            numpy_helper.from_array(np.array([TOP], np.int64), "top"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("Reshape", [features, "rows"], ["steps"]),
            helper.make_node("Gemm", ["steps", weights, bias], ["logits"]),
            helper.make_node("TopK", ["logits", "top"], ["best", "classes"], axis=1),
            helper.make_node("Softmax", ["best"], ["probabilities"], axis=1),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["steps", TOP]),
            helper.make_tensor_value_info("classes", TensorProto.INT64, ["steps", TOP]),
        ]
    )
    listed = next(each.value for each in model.metadata_props if each.key == "character")
    characters = ("", *listed.split("\n"), " ")
    return model.SerializeToString(), characters
