from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.resources.gguf_files import gguf_bytes

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.gguf import Q4_1, TensorInfo, read_header

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False),
    st.text(),
    st.lists(st.text(), min_size=1),
    st.lists(st.integers(-(2**31), 2**31 - 1)),
)
SMALL = gguf_bytes(
    {
        "general.architecture": "llama",
        "llama.context_length": 8192,
        "tokenizer.ggml.tokens": ["a", "<|im_end|>", "<filename>", "</s>", "<|im_start|>"],
        "tokenizer.ggml.token_type": [1, 3, 3, 3, 3],
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.chat_template": "{{ '<|im_start|>' + message.content + '<|im_end|>' }}",
    },
    [("w", (32, 2), Q4_1, bytes(40)), ("norm", (4,), 0, bytes(16))],
)


@given(metadata=st.dictionaries(st.text(), VALUES))
def test_metadata_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, Any]
) -> None:
    metadata.pop("general.alignment", None)
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    file.write_bytes(gguf_bytes(metadata, [("w", (32,), Q4_1, bytes(20))]))
    read = dict(read_header(file).metadata)
    assert {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in read.items()
    } == metadata


def test_what_the_header_says_of_the_model(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(SMALL)
    header = read_header(file)
    assert (header.architecture, header.context_length, header.quantisation) == ("llama", 8192, "Q4_1")
    assert header.tensors == (TensorInfo("w", (32, 2), Q4_1, 0), TensorInfo("norm", (4,), 0, 64))
    assert header.data_start == len(SMALL) - 64 - 32


def test_turn_tokens_are_those_of_the_template_and_the_ends(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(SMALL)
    assert set(read_header(file).turn_tokens) == {"<|im_start|>", "<|im_end|>", "</s>"}


@given(length=st.integers(0, len(SMALL) - 17))  # 16 bytes of padding end it
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    file.write_bytes(SMALL[:length])
    with pytest.raises(UserError, match="not a whole GGUF"):
        read_header(file)


@given(at=st.integers(0, len(SMALL) - 1), to=st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, at: int, to: int
) -> None:
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    file.write_bytes(SMALL[:at] + bytes([to]) + SMALL[at + 1 :])
    try:
        header = read_header(file)
        assert header.quantisation
        assert header.context_length >= 0
        assert isinstance(header.turn_tokens, tuple)
    except UserError:
        pass


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.gguf"):
        read_header(tmp_path / "gone.gguf")
