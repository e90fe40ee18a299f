"""The clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from asbuilt.errors import BugError
from asbuilt.testing.virtual_clock import run_in_virtual_time


def test_waiting_takes_no_time_and_happens_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.get_running_loop().time()))

    async def main() -> str:
        await asyncio.gather(sleeper("late", 86_400.0), sleeper("early", 0.25))
        return "done"

    assert run_in_virtual_time(main()) == "done"
    assert seen == [("early", 0.25), ("late", 86_400.0)]


def test_a_deadlock_is_told() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(BugError, match="a deadlock"):
        run_in_virtual_time(main())
