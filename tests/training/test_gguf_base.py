"""The base of a training in full precision, for the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

gguf = pytest.importorskip("gguf")
pytest.importorskip("safetensors")

from tests.training.tiny_llama import tiny_base  # noqa: E402

from asbuilt.errors import NotFoundError  # noqa: E402
from asbuilt.resources.gguf import TYPE_NAMES, read_header  # noqa: E402
from asbuilt.training.gguf_base import full_precision_gguf  # noqa: E402
from asbuilt.training.gguf_write import rewrite  # noqa: E402


def test_the_full_precision_holds_what_the_quantised_weights_stand_for(tmp_path: Path) -> None:
    small = tmp_path / "small.gguf"
    rewrite(tiny_base(tmp_path / "b.gguf"), small, lambda _, w: w, precision="q4_1", name="Small")
    out = full_precision_gguf(small, cache=tmp_path / "cache")
    stands_for = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(small).tensors}
    for tensor in gguf.GGUFReader(out).tensors:
        np.testing.assert_array_equal(tensor.data, stands_for[tensor.name])
    assert {TYPE_NAMES[tensor.type] for tensor in read_header(out).tensors} == {"F32"}
    assert read_header(out).metadata["general.name"] == "Small"


def test_it_is_made_once_and_again_for_another_file(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "b.gguf")
    first = full_precision_gguf(base, cache=tmp_path / "cache")
    made = first.stat().st_mtime_ns
    assert full_precision_gguf(base, cache=tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == made
    rewrite(first, base, lambda _, w: w * 2, precision="f32", name="Tiny")
    assert full_precision_gguf(base, cache=tmp_path / "cache") != first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.gguf"):
        full_precision_gguf(tmp_path / "none.gguf", cache=tmp_path)
