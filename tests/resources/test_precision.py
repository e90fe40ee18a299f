from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import NotFoundError
from asbuilt.resources.gguf import TYPE_NUMBERS
from asbuilt.resources.models import MODELS
from asbuilt.resources.precision import CACHE_TYPES, PRECISIONS, block_bits, find_precision
from asbuilt.resources.weights import weights_of

BITS = {
    "Q8_0": 8.5, "Q6_K": 6.5625, "Q5_1": 6.0, "Q5_0": 5.5, "Q5_K": 5.5, "Q4_1": 5.0, "Q4_0": 4.5, "Q4_K": 4.5,
    "IQ4_NL": 4.5, "IQ4_XS": 4.25, "MXFP4": 4.25, "NVFP4": 4.5, "Q3_K": 3.4375, "Q2_K": 2.625,
    "IQ2_XXS": 2.0625, "TQ1_0": 1.6875, "TQ2_0": 2.0625, "Q1_0": 1.125, "F32": 32, "BF16": 16,
}  # fmt: skip
"""llama.cpp, gguf-py/gguf/constants.py, GGML_QUANT_SIZES: 8 x bytes / weights."""

AVERAGES = {
    "q4_k_s": 4.6672, "q4_k_m": 4.8944, "q5_k_s": 5.5704, "q5_k_m": 5.7036, "q6_k": 6.5633, "q8_0": 8.5008,
    "iq4_xs": 4.4597, "iq4_nl": 4.6818,
}  # fmt: skip
"""llama.cpp, tools/quantize/README.md: bits per weight of whole files of Llama 3.1 8B."""


@pytest.mark.parametrize(("name", "bits"), BITS.items())
def test_bits_of_a_block(name: str, bits: float) -> None:
    assert name in TYPE_NUMBERS
    assert block_bits(name) == bits


@pytest.mark.parametrize(("name", "bits"), AVERAGES.items())
def test_mixtures_average_what_was_published(name: str, bits: float) -> None:
    shape = MODELS["Llama 3.1 8B"].shape
    assert 8 * weights_of(shape, name).total_bytes / shape.params == pytest.approx(bits, abs=0.0002)


def test_rows_that_do_not_fill_a_block_are_stored_wider() -> None:
    # SmolLM2 135M is 576 wide: 2.25 blocks of 256.
    shape = MODELS["SmolLM2 135M"].shape
    assert weights_of(shape, "q4_k_m").by_group["attention"] == pytest.approx(
        weights_of(shape, "q5_0").by_group["attention"]
    )


@pytest.mark.parametrize("spelling", ["Q4_K_M", "q4-k-m", " q4_k_m ", "Q4 K M", "q4"])
def test_spellings(spelling: str) -> None:
    assert find_precision(spelling).name == "q4_k_m"


def test_an_unknown_precision_is_refused_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"'q4_k_x'.*'q4_k_[ms]'"):
        find_precision("q4_k_x")


def test_cache_types() -> None:
    assert (CACHE_TYPES["f16"], CACHE_TYPES["q8_0"], CACHE_TYPES["q4_0"]) == (2, 1.0625, 0.5625)


@given(name=st.sampled_from(sorted(MODELS)), precision=st.sampled_from(sorted(PRECISIONS)))
def test_weights_lie_between_four_bits_and_thirty_two(name: str, precision: str) -> None:
    shape = MODELS[name].shape
    weights = weights_of(shape, precision)
    assert shape.params / 2 < weights.total_bytes <= 4 * shape.params
    assert set(weights.by_group) == set(shape.params_by_group)
