from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources import footprint
from asbuilt.resources.footprint import ModelFootprint, footprint_of, plan_memory_usage
from asbuilt.resources.models import MODELS

MINE = ModelFootprint("mine", 1_000_000_000, 4.0, 2.0, 1.0, 0.5, 0.5)


def test_the_examples_run() -> None:
    assert doctest.testmod(footprint).failed == 0


@pytest.mark.parametrize("name", MODELS)
def test_every_published_model_has_a_footprint(name: str) -> None:
    sheet = footprint_of(name)
    assert sheet.fp32_gb == pytest.approx(sheet.params * 4e-9)
    assert sheet.bf16_gb == pytest.approx(sheet.params * 2e-9)
    assert sheet.bf16_gb > sheet.int8_gb > sheet.int4_gb > 0
    assert sheet.bf16_gb > sheet.fp4_gb > sheet.params * 0.5e-9


@pytest.mark.parametrize(
    ("budget", "status", "verdict"),
    [
        (11.9, "over", "over budget by 0.1 GB"),
        (12.0, "tight", "tight: 0.0 GB left"),
        (21.9, "tight", "tight: 9.9 GB left"),
        (22.0, "good", "good: 10.0 GB left"),
    ],
)
def test_verdicts(budget: float, status: str, verdict: str) -> None:
    usage = plan_memory_usage([("mine", "bf16")], 10.0, budget_gb=budget, catalogue={"mine": MINE})
    assert (usage.status, usage.verdict, usage.total_gb) == (status, verdict, 12.0)
    assert verdict in str(usage)


def test_the_default_budget_is_a_dgx_spark() -> None:
    usage = plan_memory_usage([("Llama 3.1 405B", "int4")])
    assert usage.verdict == "over budget by 125.1 GB"
    assert usage.bar.endswith("> 198%")


def test_a_corrected_name_is_told() -> None:
    usage = plan_memory_usage([("Llama 3.3 8B", "bf16")])
    assert usage.allocations[0].name == "Llama 3.1 8B"
    assert "there is no Llama 3.3 8B" in str(usage)


def test_a_caller_may_name_a_model_that_is_published_otherwise() -> None:
    usage = plan_memory_usage([("Llama 3.3 8B", "FP16")], 0, catalogue={"Llama 3.3 8B": MINE})
    assert (usage.total_gb, usage.notes) == (2.0, ())


@pytest.mark.parametrize("figure", [-1.0, float("nan"), float("inf")])
def test_figures_that_cannot_be(figure: float) -> None:
    with pytest.raises(UserError, match="budget_gb"):
        plan_memory_usage([], budget_gb=figure)
    with pytest.raises(UserError, match="additional_gb"):
        plan_memory_usage([], figure)


def test_unknown_names() -> None:
    with pytest.raises(UserError, match=r"'int3'.*fp32, bf16"):
        plan_memory_usage([("BGE-M3", "int3")])
    with pytest.raises(NotFoundError, match="'no such thing'"):
        plan_memory_usage([("no such thing", "int4")])


@given(sizes=st.lists(st.floats(0, 1e4), max_size=8), budget=st.floats(0.1, 1e4))
def test_what_is_used_and_what_remains_add_up(sizes: list[float], budget: float) -> None:
    mine = {str(i): ModelFootprint(str(i), 1, gb, gb, gb, gb, gb) for i, gb in enumerate(sizes)}
    usage = plan_memory_usage([(name, "bf16") for name in mine], 1.0, budget_gb=budget, catalogue=mine)
    assert usage.total_gb + usage.remaining_gb == pytest.approx(budget)
    assert len(usage.bar.split(" ")[0]) == 42
