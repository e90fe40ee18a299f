"""A folder with CLIP or SigLIP as ONNX: where its graphs are, and how pictures and words are prepared."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from tokenizers import Tokenizer

from asbuilt.errors import NotFoundError, UserError
from asbuilt.roles import Image

__all__ = [
    "Family",
    "PictureSteps",
    "TextSteps",
    "family_of",
    "graph_files",
    "picture_steps",
    "text_steps",
]

Family = Literal["clip", "siglip"]

_LENGTHS: dict[Family, int] = {"clip": 77, "siglip": 64}
"""Tokens of a text, as the models were trained (Radford et al., 2021; Zhai et al., 2023)."""
_CROP = 224
_RESAMPLE = PillowImage.Resampling.BICUBIC
_BYTE = 1 / 255
_LONGEST = 32
"""Longer strips are squeezed to so many times their width: one of 1 x 20,000 pixels would take 2 GiB."""
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def graph_files(folder: Path, *, variant: str = "") -> tuple[Path, Path]:
    """The graph for pictures and the one for words; twice the same where one graph has both.

    They are looked for in `folder`, then in its `onnx`; `variant` "quantized" means
    `model_quantized.onnx`. Raises NotFoundError.
    """
    end = f"_{variant}.onnx" if variant else ".onnx"
    for place in (folder, folder / "onnx"):
        pair = place / f"vision_model{end}", place / f"text_model{end}"
        if all(file.is_file() for file in pair):
            return pair
        whole = place / f"model{end}"
        if whole.is_file():
            return whole, whole
    raise NotFoundError(
        f"{folder} has neither vision_model{end} with text_model{end} nor model{end}, there or in its onnx.",
        hint="Export the model to ONNX into that folder.",
    )


def family_of(folder: Path) -> Family:
    """By `model_type` in config.json. Raises NotFoundError, and UserError for any other model."""
    kind = str(_json(folder / "config.json").get("model_type"))
    if "siglip" in kind:
        return "siglip"
    if "clip" in kind:
        return "clip"
    raise UserError(f"{folder / 'config.json'} has model_type {kind!r}; it must be a CLIP or SigLIP model.")


# ---------------------------------------------------------------- pictures


@dataclass(frozen=True, slots=True)
class PictureSteps:
    """What is done to a picture before the model sees it, in this order.

    `size` is (height, width), or the length of the shorter edge; `crop` is (height, width) of the middle.
    """

    size: tuple[int, int] | int | None
    crop: tuple[int, int] | None
    resample: PillowImage.Resampling
    factor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, picture: Image) -> NDArray[np.float32]:
        """Shape (1, 3, height, width)."""
        image = PillowImage.fromarray(picture)
        if self.size is not None:
            height, width = _resized(self.size, image.height, image.width)
            image = image.resize((width, height), self.resample)
        if self.crop is not None:
            high, wide = self.crop
            left, top = (image.width - wide) // 2, (image.height - high) // 2
            image = image.crop((left, top, left + wide, top + high))  # black where it is too small
        levels = np.asarray(image, np.float32) * np.float32(self.factor)
        scaled = (levels - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def picture_steps(folder: Path) -> PictureSteps:
    """As preprocessor_config.json has them. Raises NotFoundError and, for what it cannot mean, UserError."""
    file = folder / "preprocessor_config.json"
    stated = _json(file)
    crop = None
    if stated.get("do_center_crop", "crop_size" in stated):
        crop = _pair(stated.get("crop_size", _CROP), file, "crop_size")
    size = _size(stated, file, cropped=crop is not None) if stated.get("do_resize", True) else None
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    if stated.get("do_normalize", True):
        mean, std = _levels(stated, file, "image_mean"), _levels(stated, file, "image_std")
        if not all(std):
            raise UserError(f"{file} has image_std {list(std)}; none may be 0.")
    try:
        resample = PillowImage.Resampling(stated.get("resample", _RESAMPLE))
        factor = float(stated.get("rescale_factor", _BYTE)) if stated.get("do_rescale", True) else 1.0
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} has a resample or rescale_factor that is none: {error}.") from error
    return PictureSteps(size, crop, resample, factor, mean, std)


def _resized(size: tuple[int, int] | int, height: int, width: int) -> tuple[int, int]:
    if isinstance(size, tuple):
        return size
    long = int(size * min(_LONGEST, max(height, width) / min(height, width)))
    return (size, long) if height <= width else (long, size)


def _size(stated: Mapping[str, Any], file: Path, *, cropped: bool) -> tuple[int, int] | int:
    """A bare number is the shorter edge where a square is cut out afterwards, else the edge of a square."""
    size = stated.get("size")
    edge = size.get("shortest_edge") if isinstance(size, dict) else size if cropped else None
    if isinstance(edge, int) and edge > 0:
        return edge
    return _pair(size, file, "size")


def _pair(value: object, file: Path, key: str) -> tuple[int, int]:
    height, width = (value.get("height"), value.get("width")) if isinstance(value, dict) else (value, value)
    if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
        return height, width
    allowed = "shortest_edge, or height and width," if key == "size" else "height and width"
    raise UserError(f"{file} has {key} {value!r}; it must have {allowed} in pixels.")


def _levels(stated: Mapping[str, Any], file: Path, key: str) -> tuple[float, ...]:
    value = stated.get(key)
    if isinstance(value, list) and len(value) == 3 and all(isinstance(each, int | float) for each in value):
        return tuple(map(float, value))
    raise UserError(f"{file} has {key} {value!r}; it must be 3 numbers.")


# ---------------------------------------------------------------- words


@dataclass(frozen=True, slots=True)
class TextSteps:
    """A text -> tokens, at most `max_tokens`. SigLIP's texts are in lower case; with `plain` they also
    lose their punctuation."""

    tokenizer: Tokenizer
    lower: bool
    plain: bool

    def apply(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and attention mask, each of shape (1, tokens)."""
        if self.lower:
            text = text.lower()
        if self.plain:
            text = re.sub(r"\s+", " ", text.translate(_NO_PUNCTUATION)).strip()
        encoding = self.tokenizer.encode(text)
        return np.array([encoding.ids], np.int64), np.array([encoding.attention_mask], np.int64)


def text_steps(folder: Path, family: Family, *, length: int | None = None) -> TextSteps:
    """As tokenizer.json and the files beside it have them; `length` is the number of tokens that the
    graph is fixed to, if it is.

    SigLIP is always padded to its full length, because it was trained so and does not mask padding
    (Zhai et al., 2023). Raises NotFoundError and UserError.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise NotFoundError(f"{file} does not exist.", hint="Copy the tokenizer to where the model is.")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises nothing more exact
        raise UserError(f"{file} is no tokenizer: {error}.") from error
    stated = _json(folder / "config.json").get("text_config")
    text_config = stated if isinstance(stated, dict) else {}
    most = length or text_config.get("max_position_embeddings", _LENGTHS[family])
    if not isinstance(most, int) or most < 2:
        raise UserError(f"{folder / 'config.json'} has max_position_embeddings {most!r}; it must be over 1.")
    facts = _json(folder / "tokenizer_config.json", optional=True)
    padding = tokenizer.padding or {}
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    if length is not None or family == "siglip":
        pad = _pad_token(folder, facts) or padding.get("pad_token")
        pad_id = text_config.get("pad_token_id") if pad is None else tokenizer.token_to_id(pad)
        if not isinstance(pad_id, int):
            raise UserError(
                f"{folder} does not say what its texts are padded with (pad_token is {pad!r}).",
                hint="Copy tokenizer_config.json to where tokenizer.json is.",
            )
        tokenizer.enable_padding(length=most, pad_id=pad_id, pad_token=pad or "")
    siglip = family == "siglip"
    # SigLIP 2 has Gemma's tokenizer, which keeps punctuation.
    plain = siglip and facts.get("tokenizer_class") in ("SiglipTokenizer", "SiglipTokenizerFast")
    return TextSteps(tokenizer, lower=siglip, plain=plain)


def _pad_token(folder: Path, facts: Mapping[str, Any]) -> str | None:
    others = _json(folder / "special_tokens_map.json", optional=True)
    token = facts.get("pad_token") or others.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else None


def _json(file: Path, *, optional: bool = False) -> dict[str, Any]:
    if not file.is_file():
        if optional:
            return {}
        raise NotFoundError(f"{file} does not exist.", hint="Copy it from the model that was exported.")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UserError(f"{file} holds no JSON object.")
    return value
