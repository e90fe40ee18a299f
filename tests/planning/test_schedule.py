"""Waves, the critical path, hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.blueprint import Blueprint, ComponentSpec, SystemSpec
from asbuilt.errors import BlueprintError
from asbuilt.planning.schedule import schedule


def blueprint(*components: tuple[str, tuple[str, ...], float | None]) -> Blueprint:
    return Blueprint(
        system=SystemSpec("s", "p"),
        components=tuple(
            ComponentSpec(name=name, purpose="p", dependencies=before, estimated_hours=hours)
            for name, before, hours in components
        ),
    )


def test_the_longest_chain_is_critical() -> None:
    found = schedule(
        blueprint(("a", (), 1), ("b", ("a",), 5), ("c", ("a",), 2), ("d", ("b", "c"), 1), ("e", (), None))
    )
    assert found.waves == (("a", "e"), ("b", "c"), ("d",))
    assert found.critical_path == ("a", "b", "d")
    assert found.critical_hours == 7
    assert found.total_hours == 9
    assert found.unestimated == ("e",)


def test_a_cycle_is_named() -> None:
    with pytest.raises(BlueprintError, match="a -> b -> a"):
        schedule(blueprint(("a", ("b",), 1), ("b", ("a",), 1)))


@given(st.lists(st.tuples(st.floats(0, 50), st.sets(st.integers(0, 9))), min_size=1, max_size=10))
def test_the_path_is_one_chain_and_lies_between_the_longest_and_the_sum(
    drawn: list[tuple[float, set[int]]],
) -> None:
    found = schedule(
        blueprint(
            *(
                (f"c{at}", tuple(f"c{each}" for each in sorted(before) if each < at), hours)
                for at, (hours, before) in enumerate(drawn)
            )
        )
    )
    hours = {f"c{at}": each for at, (each, _) in enumerate(drawn)}
    assert found.critical_hours == pytest.approx(sum(hours[name] for name in found.critical_path))
    assert max(hours.values()) <= found.critical_hours + 1e-9
    assert found.critical_hours <= found.total_hours + 1e-9
    wave_of = {name: number for number, wave in enumerate(found.waves) for name in wave}
    numbers = [wave_of[name] for name in found.critical_path]
    assert numbers == sorted(set(numbers))
