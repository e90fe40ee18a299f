from __future__ import annotations

import pytest

from asbuilt.agents.meter import Meter
from asbuilt.errors import LimitError
from asbuilt.runs import Budget


def test_parallel_branches_cannot_use_the_same_tokens() -> None:
    run = Meter(Budget(tokens=100), name="the run")
    left, right = (Meter(Budget(), name=name, parent=run) for name in ("left", "right"))
    with left.reserve(70) as reserved:
        with (
            pytest.raises(LimitError, match="the budget of the run is used up: 70 of 100 tokens"),
            right.reserve(40),
        ):
            pytest.fail("it was reserved twice")
        reserved.used = 20
    with right.reserve(80) as reserved:
        reserved.used = 80
    assert (run.tokens, left.tokens, right.tokens) == (100, 20, 80)


def test_what_failed_is_given_back() -> None:
    meter = Meter(Budget(tokens=10), name="the run")
    with pytest.raises(ValueError, match="broken"), meter.reserve(10):
        raise ValueError("broken")
    with meter.reserve(10):
        pass
    assert meter.tokens == 10


def test_calls_are_counted_at_every_level() -> None:
    run = Meter(Budget(calls=3), name="the run")
    branch = Meter(Budget(calls=2), name="branch", parent=run)
    branch.call()
    branch.call()
    with pytest.raises(LimitError, match="the budget of branch is used up: 2 of 2 calls"):
        branch.call()
    assert (run.calls, branch.calls) == (2, 2)  # what was refused does not count


def test_time_goes_on_where_an_earlier_session_ended() -> None:
    now = [100.0]
    meter = Meter(Budget(seconds=10), name="the run", clock=lambda: now[0], worked_s=7)
    meter.call()
    now[0] += 4
    with pytest.raises(LimitError, match="the time of the run is used up: 10 s"):
        meter.call()


def test_tokens_need_not_be_counted_where_they_are_not_limited() -> None:
    free = Meter(Budget(calls=1), name="the run")
    assert not Meter(Budget(), name="branch", parent=free).counts_tokens
    assert Meter(Budget(), name="branch", parent=Meter(Budget(tokens=1), name="run")).counts_tokens
