from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from tests.resources.gguf_files import gguf_bytes

from asbuilt.errors import StorageError
from asbuilt.generation import requantize
from asbuilt.generation.requantize import q4_1_to_q8_0, requantized, worthwhile
from asbuilt.resources.gguf import Q4_1, Q8_0, read_header

HALVES = st.floats(-1000, 1000, width=16)


def values_of_q4_1(block: bytes) -> NDArray[np.float64]:
    """By the format's definition, one value after another."""
    scale, minimum = np.frombuffer(block[:4], np.float16).astype(np.float64)
    low = [scale * (byte & 15) + minimum for byte in block[4:]]
    high = [scale * (byte >> 4) + minimum for byte in block[4:]]
    return np.array(low + high)


def values_of_q8_0(block: bytes) -> NDArray[np.float64]:
    return np.frombuffer(block[:2], np.float16).astype(np.float64) * np.frombuffer(block[2:], np.int8)


@given(scale=HALVES, minimum=HALVES, levels=hnp.arrays(np.uint8, 16))
def test_values_stay_within_half_a_step(scale: float, minimum: float, levels: NDArray[np.uint8]) -> None:
    block = np.array([scale, minimum], np.float16).tobytes() + levels.tobytes()
    before = values_of_q4_1(block)
    after = values_of_q8_0(q4_1_to_q8_0(np.frombuffer(block, np.uint8)[None]).tobytes())
    largest = np.abs(before).max()
    float16_rounding = largest * 2**-11 + 127 * 2**-25  # relative, and absolute for subnormal scales
    assert np.abs(after - before).max() <= largest / 127 / 2 * 1.001 + float16_rounding


@pytest.fixture
def source(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(1)
    halves = numbers.normal(size=(96, 2)).astype(np.float16).view(np.uint8)
    blocks = np.concatenate([halves, numbers.integers(0, 256, (96, 16), np.uint8)], axis=1)
    file = tmp_path / "source.gguf"
    tensors = [
        ("norm", (5,), 0, np.arange(5, dtype=np.float32).tobytes()),
        ("w", (64, 48), Q4_1, blocks.tobytes()),
        ("out", (32, 1), Q8_0, bytes(range(34))),
    ]
    file.write_bytes(gguf_bytes({"general.architecture": "llama", "general.name": "small"}, tensors))
    return file


def test_only_q4_1_tensors_change(source: Path, tmp_path: Path) -> None:
    made = requantized(source, cache=tmp_path / "cache")
    old, new = read_header(source), read_header(made)
    assert new.metadata == old.metadata
    assert [(each.name, each.shape) for each in new.tensors] == [
        (each.name, each.shape) for each in old.tensors
    ]
    assert [each.type for each in new.tensors] == [0, Q8_0, Q8_0]
    data = made.read_bytes()[new.data_start :]
    norm, weights, out = (data[each.offset :] for each in new.tensors)
    assert norm[:20] == np.arange(5, dtype=np.float32).tobytes()
    assert out[:34] == bytes(range(34))
    old_weights = source.read_bytes()[old.data_start + old.tensors[1].offset :][: 96 * 20]
    blocks = np.frombuffer(old_weights, np.uint8).reshape(96, 20)
    assert weights[: 96 * 34] == q4_1_to_q8_0(blocks).tobytes()
    assert all(each.offset % new.alignment == 0 for each in new.tensors)


def test_the_second_time_it_comes_from_the_cache(source: Path, tmp_path: Path) -> None:
    made = requantized(source, cache=tmp_path)
    written = made.stat().st_mtime_ns
    assert requantized(source, cache=tmp_path) == made
    assert made.stat().st_mtime_ns == written


@pytest.mark.parametrize("harm", ["vanished", "truncated", "one bit flipped", "empty"])
def test_a_bad_cache_is_made_again(source: Path, tmp_path: Path, harm: str) -> None:
    made = requantized(source, cache=tmp_path)
    good = made.read_bytes()
    match harm:
        case "vanished":
            made.unlink()
        case "truncated":
            made.write_bytes(good[:-1])
        case "one bit flipped":
            made.write_bytes(good[:-40] + bytes([good[-40] ^ 1]) + good[-39:])
        case "empty":
            made.write_bytes(b"")
    assert requantized(source, cache=tmp_path).read_bytes() == good
    assert len(list(tmp_path.glob("*-q8_0-*.gguf"))) == 1


def test_those_who_start_together_make_it_once(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = requantize._convert
    made: list[None] = []
    monkeypatch.setattr(requantize, "_convert", lambda *files: made.append(convert(*files)))
    with ThreadPoolExecutor(4) as pool:
        results = set(pool.map(lambda _: requantized(source, cache=tmp_path), range(4)))
    assert len(results) == len(made) == 1


def test_what_a_killed_process_left_does_not_stay(source: Path, tmp_path: Path) -> None:
    made = requantized(source, cache=tmp_path)
    good = made.read_bytes()
    partial = made.with_name(made.name.rpartition("-")[0] + ".partial")
    made.rename(partial)
    partial.write_bytes(good[:100])
    assert requantized(source, cache=tmp_path).read_bytes() == good
    assert not partial.exists()


def test_another_source_has_another_name(source: Path, tmp_path: Path) -> None:
    first = requantized(source, cache=tmp_path)
    source.write_bytes(source.read_bytes().replace(b"small", b"other"))
    assert requantized(source, cache=tmp_path) != first


def test_a_cache_that_cannot_be_written_is_said(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot keep the converted model") as failure:
        requantized(source, cache=tmp_path / "file")
    assert "ASBUILT_CACHE" in failure.value.hint


def test_it_is_worth_it_for_q4_1_only(source: Path, tmp_path: Path) -> None:
    assert worthwhile(source, read_header(source))
    made = requantized(source, cache=tmp_path)
    assert not worthwhile(made, read_header(made))
