"""What is seen of a serving model, and when a trial fails beyond chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import EndpointError, LimitError
from asbuilt.generation.live import Judgement, LiveMeasures, Measures
from asbuilt.types import Finished, Message, TextDelta, ToolCall, Usage


def answered(measures: LiveMeasures, text: str = "well", reason: str = "stop", calls: int = 0) -> None:
    with measures.watching() as watched:
        if text:
            watched.see(TextDelta(text))
        tool_calls = (ToolCall("1", "search", {}),) * calls
        message = Message("assistant", text, tool_calls=tool_calls)
        watched.see(Finished(message, Usage(1, 5), "length" if reason == "length" else "stop"))


def test_replies_are_counted_by_what_became_of_them() -> None:
    measures = LiveMeasures()
    answered(measures)
    answered(measures, " \n")
    answered(measures, "", calls=1)
    answered(measures, reason="length")
    with pytest.raises(EndpointError), measures.watching():
        raise EndpointError("gone.")
    with pytest.raises(LimitError), measures.watching():
        raise LimitError("the caller asked for too much.")
    with measures.watching():
        pass  # nobody waited for the end
    now = measures.now
    assert (now.requests, now.errors, now.empty, now.cut) == (5, 1, 1, 1)
    assert len(now.first_token_s) == 3
    assert len(now.tokens_per_s) == 3
    assert now.mean_tokens_per_s is not None
    assert now.mean_tokens_per_s > 0
    assert Measures().first_token_p95_s is Measures().mean_tokens_per_s is None


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50).map(tuple))
def test_the_95th_percentile_is_one_of_the_times(times: tuple[float, ...]) -> None:
    found = Measures(first_token_s=times).first_token_p95_s
    assert found in times
    assert found is not None
    assert sum(each <= found for each in times) >= 0.95 * len(times)
    assert sum(each < found for each in times) < 0.95 * len(times)


def judged(canary: np.ndarray, production: np.ndarray, late: np.ndarray | None = None) -> str:
    """The verdict on a whole trial of requests that come one after another; True is a failure."""
    judgement = Judgement(max_first_token_s=None if late is None else 1.0)
    for n in range(1, len(canary) + 1):
        times = () if late is None else tuple(late[:n])
        ours = Measures(n, int(canary[:n].sum()), first_token_s=times)
        if judgement.due(ours):
            fault = judgement.fault(ours, Measures(n, int(production[:n].sum())))
            if fault:
                return fault
    return ""


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5])
def test_a_canary_as_good_as_production_is_seldom_accused(share: float) -> None:
    random = np.random.default_rng(3)
    trials = 200
    accused = sum(bool(judged(random.random(320) < share, random.random(320) < share)) for _ in range(trials))
    assert accused <= 0.05 * trials


def test_a_canary_within_its_limit_is_seldom_accused() -> None:
    random = np.random.default_rng(4)
    none = np.zeros(320, bool)
    late = [judged(none, none, np.where(random.random(320) < 0.05, 2.0, 0.5)) for _ in range(200)]
    assert sum(map(bool, late)) <= 0.05 * 200


def test_a_bad_canary_is_found_out_soon() -> None:
    random = np.random.default_rng(5)
    production = np.zeros(80, bool)
    assert "requests failed" in judged(random.random(80) < 0.5, production)
    assert "the limit is 1 s" in judged(production, production, np.full(80, 2.0))


def test_without_requests_in_production_nobody_is_accused() -> None:
    judgement = Judgement()
    canary = Measures(10, 10)
    assert judgement.due(canary)
    assert judgement.fault(canary, Measures()) == ""
    assert not judgement.due(Measures(19, 19))
    assert judgement.due(Measures(20, 20))
