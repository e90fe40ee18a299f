from __future__ import annotations

import pytest

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.machines import GIB, MACHINES, custom_machine, find_machine


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_is_whole(name: str) -> None:
    machine = MACHINES[name]
    assert 0 < machine.budget_bytes < machine.usable_bytes <= machine.memory_bytes * 1.001
    assert machine.bandwidth_gbs is not None
    assert machine.compute_tflops is not None
    assert machine.device
    assert machine.source


def test_a_dgx_spark() -> None:
    spark = find_machine("DGX Spark")
    assert spark.unified
    assert spark.memory_bytes == 128e9
    assert spark.bandwidth_gbs == 273
    assert 119 <= spark.usable_bytes / GIB <= 121.7


@pytest.mark.parametrize(
    ("asked", "name"), [("RTX 4090", "rtx-4090"), ("h200", "h200"), ("M3_Ultra", "m3-ultra")]
)
def test_spellings(asked: str, name: str) -> None:
    assert find_machine(asked) is MACHINES[name]


def test_an_unknown_machine_is_refused_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"'rtx-4099'.*'rtx-4090'"):
        find_machine("rtx-4099")
    with pytest.raises(NotFoundError, match=r"this-machine"):
        find_machine("?")


def test_custom_machines() -> None:
    unified = custom_machine(memory_gib=64, bandwidth_gbs=400)
    assert (unified.unified, unified.budget_bytes, unified.host_bytes) == (True, 60 * GIB, None)
    card = custom_machine(memory_gib=16, bandwidth_gbs=500, host_gib=64)
    assert (card.unified, card.budget_bytes, card.host_bytes) == (False, 15 * GIB, 64 * GIB)
    assert custom_machine(memory_gib=8).budget_bytes == pytest.approx(7.2 * GIB, abs=1)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_figures_that_cannot_be(value: float) -> None:
    with pytest.raises(UserError, match="memory_gib"):
        custom_machine(memory_gib=value)
    with pytest.raises(UserError, match="bandwidth_gbs"):
        custom_machine(memory_gib=8, bandwidth_gbs=value)
    with pytest.raises(UserError, match="host_gib"):
        custom_machine(memory_gib=8, host_gib=value)
