"""What is depicted on a page, by CLIP or SigLIP from a local folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import BugError, UserError
from asbuilt.modalities import Sight
from asbuilt.multimodal.clip_folder import (
    Family,
    PictureSteps,
    TextSteps,
    family_of,
    graph_files,
    picture_steps,
    text_steps,
)
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.retrieval.onnx_demand import onnx_demand
from asbuilt.retrieval.starter_models import sha256_of
from asbuilt.roles import Image
from asbuilt.types import Vector

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["OnnxClipEncoder"]

_RECIPE = "onnx 1"
_BLANK: Image = np.full((32, 32, 3), 255, np.uint8)
_INPUTS = frozenset({"pixel_values", "input_ids", "attention_mask"})
_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}
_SETTINGS = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)

_Arrays = Mapping[str, NDArray[Any]]


@component("vision-encoder/onnx")
class OnnxClipEncoder:
    """CLIP or SigLIP, exported to ONNX, from a folder that is the user's: no weights come with asbuilt.

    `path` holds `vision_model.onnx` and `text_model.onnx`, or one `model.onnx` with both, there or in
    `onnx`; beside them `config.json`, `preprocessor_config.json` and `tokenizer.json`. `variant`
    "quantized" takes `vision_model_quantized.onnx` and so on. One graph with both computes both for
    every picture and every query; two graphs take half the time.

    Pages are prepared as the model states it. CLIP's own preparation keeps the middle square of a
    picture, so that of an upright page the top and the bottom are not seen; SigLIP's keeps all of it.
    """

    def __init__(self, *, path: Path, variant: str = "", threads: int | None = None) -> None:
        self._folder = path
        self._variant = variant
        self._threads = threads
        self._recipe = ""
        self._towers: tuple[_Tower, _Tower] | None = None
        self._steps: tuple[PictureSteps, TextSteps] | None = None

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`. A picture takes about as much as a batch of passages."""
        files = graph_files(config["path"], variant=config["variant"])
        weights = {each for file in files for each in (file, *_weights_beside(file))}
        return onnx_demand(sum(each.stat().st_size for each in weights), source="sizes of the files")

    @property
    def name(self) -> str:
        return "onnx"

    @property
    def describes(self) -> str:
        return (
            "It knows what is depicted on a page, as the CLIP or SigLIP model in "
            f"{self._folder.name!r} sees it, and not what its small print says."
        )

    @property
    def recipe(self) -> str:
        """Digest of graphs, weights and settings, read once. Raises NotFoundError."""
        if not self._recipe:
            graphs = dict.fromkeys(graph_files(self._folder, variant=self._variant))
            files = [each for graph in graphs for each in (graph, *_weights_beside(graph))]
            files += [file for name in _SETTINGS if (file := self._folder / name).is_file()]
            stated = "\n".join(f"{file.name} {sha256_of(file)}" for file in files)
            self._recipe = f"{_RECIPE}: {self._folder.name}@{sha256(stated.encode()).hexdigest()[:16]}"
        return self._recipe

    def open(self) -> None:
        """Load graphs and tokenizer, and try them once. Raises NotFoundError for a missing file, and
        UserError for a graph whose inputs, outputs or lengths of vectors are not CLIP's or SigLIP's."""
        from asbuilt.retrieval.onnx_encoder import open_session

        files = graph_files(self._folder, variant=self._variant)
        family = family_of(self._folder)
        pictures = picture_steps(self._folder)
        sessions = {file: open_session(file, threads=self._threads) for file in dict.fromkeys(files)}
        seeing, reading = (sessions[file] for file in files)
        texts = text_steps(self._folder, family, length=_fixed_length(reading))
        blank: _Arrays = {"pixel_values": pictures.apply(_BLANK), **_ids(texts, "")}
        towers = (
            _tower(files[0], seeing, "image_embeds", family=family, blank=blank),
            _tower(files[1], reading, "text_embeds", family=family, blank=blank),
        )
        sizes = [_tried(tower, folder=self._folder) for tower in towers]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"{self._folder} gives vectors of {sizes[0]} numbers for pictures and {sizes[1]} for words; "
                "they must be of one length.",
                hint="Export the model with its projections.",
            )
        self._towers, self._steps = towers, (pictures, texts)

    def close(self) -> None:
        """Let go of the model."""
        self._towers = self._steps = None

    def encode(self, picture: Image | None, page: PageLayout) -> Sight | None:
        """See the role. A page without a picture cannot be seen."""
        if self._towers is None or self._steps is None:
            raise BugError("encode() before open().")
        if picture is None:
            return None
        return Sight(self._towers[0].run({"pixel_values": self._steps[0].apply(picture)}))

    def encode_query(self, query: str) -> Vector | None:
        if self._towers is None or self._steps is None:
            raise BugError("encode_query() before open().")
        return self._towers[1].run(_ids(self._steps[1], query))


@dataclass(frozen=True, slots=True, eq=False)
class _Tower:
    """One side of the model. `blank` has a value for every input, for those that are not its own."""

    session: InferenceSession
    output: str
    blank: _Arrays
    types: Mapping[str, type[np.generic]]

    def run(self, given: _Arrays) -> Vector:
        """A vector of length 1. Raises UserError where the model gives none."""
        feeds = {**self.blank, **given}
        feeds = {name: feeds[name].astype(kind, copy=False) for name, kind in self.types.items()}
        vector = np.asarray(self.session.run([self.output], feeds)[0], np.float64).reshape(-1)
        length = float(np.linalg.norm(vector))
        if not (np.isfinite(length) and length > 0):
            raise UserError(f"the model's {self.output} has the length {length}.", hint="Export it again.")
        return np.asarray(vector / length, np.float32)


def _tower(file: Path, session: InferenceSession, output: str, *, family: Family, blank: _Arrays) -> _Tower:
    inputs = {each.name: each.type for each in session.get_inputs()}
    own = "pixel_values" if output == "image_embeds" else "input_ids"
    unknown = [
        f"{name} of {kind}" for name, kind in inputs.items() if name not in _INPUTS or kind not in _TYPES
    ]
    if unknown or own not in inputs:
        raise UserError(
            f"{file} has the inputs {', '.join(inputs)}; it must have {own}, and may have no others than "
            f"{', '.join(sorted(_INPUTS))}, of float or int."
        )
    # CLIP's pooler_output is not yet projected to where pictures and words can be compared; that of a
    # graph with both sides could be either's.
    alone = not {"pixel_values", "input_ids"} <= inputs.keys()
    allowed = (output, "pooler_output") if family == "siglip" and alone else (output,)
    outputs = [each.name for each in session.get_outputs()]
    found = next((name for name in allowed if name in outputs), None)
    if found is None:
        raise UserError(
            f"{file} has the outputs {', '.join(outputs)}; it must have {' or '.join(allowed)}.",
            hint="Export the model with its projections." if family == "clip" else "",
        )
    return _Tower(session, found, blank, {name: _TYPES[kind] for name, kind in inputs.items()})


def _tried(tower: _Tower, *, folder: Path) -> int:
    """The length of its vectors, found with a blank page or an empty text."""
    try:
        return len(tower.run({}))
    except UserError:
        raise
    except Exception as error:  # the runtime has no public exception tree
        reason = str(error).splitlines()[0]
        raise UserError(f"the model in {folder} does not take what its settings state: {reason}.") from error


def _ids(texts: TextSteps, text: str) -> dict[str, NDArray[np.int64]]:
    ids, mask = texts.apply(text)
    return {"input_ids": ids, "attention_mask": mask}


def _fixed_length(session: InferenceSession) -> int | None:
    """The number of tokens that a graph is made for, if for one number only."""
    for each in session.get_inputs():
        if each.name == "input_ids" and len(each.shape) == 2 and isinstance(each.shape[1], int):
            return each.shape[1]
    return None


def _weights_beside(graph: Path) -> list[Path]:
    """Large exports keep their weights outside the graph."""
    beside = (graph.with_name(f"{graph.name}_data"), graph.with_name(f"{graph.name}.data"))
    return [file for file in beside if file.is_file()]
