"""The model that a training starts from, as a folder that transformers reads."""

from __future__ import annotations

import shutil
from hashlib import file_digest
from pathlib import Path

from filelock import FileLock

from asbuilt.errors import MissingError, UserError
from asbuilt.generation.models import STARTER, find_model
from asbuilt.generation.requantize import default_cache
from asbuilt.resources.gguf import read_header
from asbuilt.training.gguf_write import rewrite
from asbuilt.training.quiet import quiet_libraries

__all__ = ["full_precision_gguf", "training_folder"]

_RECIPE = "f32-1"
"""Changes when the conversion does, so that derived folders are made again."""


def training_folder(model: str | Path, *, cache: Path | None = None) -> Path:
    """A folder with config, float32 weights, tokenizer and chat template of `model`.

    `model` is the starter's name, a GGUF file (its weights are dequantised once, and kept in `cache`
    under the file's digest) or such a folder, which is given back as it is. Raises UserError for
    anything else, a hub id among it: those are downloaded to a folder first, so that a training never
    depends on the network.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} is no model folder: it has no config.json.")
        return folder
    if str(model) != STARTER and folder.suffix != ".gguf":
        raise UserError(
            f"no model {str(model)!r} to train: neither the starter, a GGUF file, nor a folder.",
            hint=f"Name {STARTER!r} or a path; a model of a hub: hf download {model} --local-dir FOLDER.",
        )
    file = find_model(str(model))
    with file.open("rb") as stream:
        origin = file_digest(stream, "sha256").hexdigest()[:16]
    kept = (cache or default_cache()) / f"{file.stem}.{origin}.{_RECIPE}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            unfinished = kept.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _dequantize(file, unfinished)
            unfinished.rename(kept)
    return kept


def full_precision_gguf(model: str | Path, *, cache: Path | None = None) -> Path:
    """The starter or a GGUF file with its weights dequantised to float32, made once and kept in `cache`.

    An adapter proven on it computes with the very weights that `training_folder` gave its training;
    quantised weights are multiplied with quantised activations, which a trained model is not. Four
    bytes a parameter. Raises NotFoundError, MissingError, StorageError.
    """
    file = find_model(str(model))
    with file.open("rb") as stream:
        origin = file_digest(stream, "sha256").hexdigest()[:16]
    kept = (cache or default_cache()) / f"{file.stem}.{origin}.{_RECIPE}.gguf"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_file():
            name = str(read_header(file).metadata.get("general.name", file.stem))
            rewrite(file, kept, lambda _, weights: weights, precision="f32", name=name)
    return kept


def _dequantize(file: Path, folder: Path) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingError(
            f"training needs {error.name}, which is not installed.",
            hint="Run: pip install 'asbuilt[training]'",
        ) from error
    with quiet_libraries():
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        # The weights are plain float32 now; transformers still takes the model for a quantised one.
        model.config.__dict__.pop("quantization_config", None)
        model.is_quantized, model.hf_quantizer = False, None
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
