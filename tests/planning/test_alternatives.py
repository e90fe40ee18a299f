"""The nearest plans that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.drawings import drawn, model

from asbuilt.planning import plan
from asbuilt.planning.plan import Plan
from asbuilt.planning.words import refusal
from asbuilt.resources.machines import custom_machine, find_machine


def planned(name: str, machine: str, **config: Any) -> Plan:
    return plan(drawn(model(name, **config)), folder=Path("nowhere"), machine=find_machine(machine))


def test_nothing_is_offered_when_it_fits() -> None:
    assert planned("llama-3.1-8b", "dgx-spark", precision="q4_k_m").alternatives == ()


def test_fewer_slots_come_first_and_a_smaller_model_last() -> None:
    made = planned("llama-3.1-8b", "dgx-spark", precision="bf16", context_tokens=131_072, slots=8)
    assert [tuple(each.changes) for each in made.alternatives][:2] == [("slots",), ("context_tokens",)]
    assert [each.changes.get("model") for each in made.alternatives][-1] is not None
    assert made.alternatives[0].changes == {"slots": 4}


def test_no_more_is_given_up_than_needed() -> None:
    """Whatever is offered fits, and with one step less of any one kind it does not."""
    made = planned("llama-3.1-8b", "rtx-4090", precision="bf16", context_tokens=131_072, slots=8)
    ladder = ["bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m"]
    wish: dict[str, Any] = {"precision": "bf16", "context_tokens": 131_072, "slots": 8}
    same_model = [each.changes for each in made.alternatives if "model" not in each.changes]
    assert same_model
    for changes in same_model:
        config = {**wish, **changes}
        assert planned("llama-3.1-8b", "rtx-4090", **config).fits
        for key in changes:
            before = (
                ladder[ladder.index(str(config[key])) - 1] if key == "precision" else 2 * int(config[key])
            )
            assert not planned("llama-3.1-8b", "rtx-4090", **{**config, key: before}).fits


def test_totals_are_those_of_the_plan_with_the_changes() -> None:
    made = planned("llama-3.3-70b", "rtx-a6000", precision="q8_0", context_tokens=32_768, slots=1)
    assert made.alternatives
    for each in made.alternatives:
        config = {"precision": "q8_0", "context_tokens": 32_768, "slots": 1, **each.changes}
        name = str(config.pop("model", "llama-3.3-70b"))
        again = planned(name, "rtx-a6000", **config)
        assert again.fits
        assert again.memory.total_bytes == each.total_bytes


def test_the_newest_of_the_siblings_of_one_size_is_offered() -> None:
    made = planned("llama-3.1-405b", "dgx-spark", precision="bf16")
    assert {each.changes.get("model") for each in made.alternatives} == {"Llama 3.3 70B", "Llama 3.1 8B"}


@settings(max_examples=30)
@given(st.floats(1, 200), st.sampled_from(["llama-3.1-8b", "qwen3-32b", "gpt-oss-20b", "gemma-3-27b"]))
def test_every_offer_fits_the_machine(memory_gib: float, name: str) -> None:
    machine = custom_machine(memory_gib=memory_gib)
    made = plan(drawn(model(name, precision="bf16")), folder=Path("nowhere"), machine=machine)
    assert made.fits == (made.memory.total_bytes <= machine.budget_bytes)
    assert all(each.total_bytes <= machine.budget_bytes for each in made.alternatives)


def test_a_refusal_says_by_how_much_and_the_way_out() -> None:
    message, way_out = refusal(planned("llama-3.3-70b", "rtx-4090", precision="q4_k_m"))
    assert message.startswith("drawn does not fit: over by ")
    assert "the GPU of rtx-4090 has 23.0 GiB for it" in message
    assert "Llama 3.1 8B" in way_out


def test_without_a_way_out_it_says_so() -> None:
    made = plan(drawn(model("gpt-oss-20b")), folder=Path("nowhere"), machine=custom_machine(memory_gib=2))
    assert made.alternatives == ()
    assert "No smaller" in refusal(made)[1]


@pytest.mark.parametrize("machine", ["dgx-spark", "rtx-4090"])
def test_the_verdict_is_tight_below_a_tenth(machine: str) -> None:
    made = planned("llama-3.1-8b", machine, precision="q8_0")
    tightest = made.memory.tightest
    assert made.memory.verdict == ("tight" if tightest.spare_bytes < 0.1 * tightest.budget_bytes else "good")
