"""What a metric must reach."""

from __future__ import annotations

import pytest

from asbuilt.blueprint import Target
from asbuilt.blueprint.target import EXAMPLES
from asbuilt.errors import UserError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (">= 90 %", Target(">=", 90, "%")),
        ("<3s", Target("<", 3, "s")),
        (" > 10 requests/s ", Target(">", 10, "requests/s")),
        (">= 4.0 of 5", Target(">=", 4, "", 5)),
        ("<= 100 %", Target("<=", 100, "%")),
        ("<= 0.25", Target("<=", 0.25)),
        ("< 1.5 GiB", Target("<", 1.5, "GiB")),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert Target.parse(text) == target


def test_the_examples_in_messages_are_targets() -> None:
    assert len({Target.parse(text) for text in EXAMPLES}) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a comparison with a number"),
        ("90 %", "is not a comparison with a number"),
        (">= many", "is not a comparison with a number"),
        ("== 5", "is not a comparison with a number"),
        (">= -5", "is not a comparison with a number"),
        (">= 1,000", "is not a comparison with a number"),
        (">= 5 bananas", "has a unit that is not known: 'bananas'"),
        (">= 101 %", "lies beyond 100"),
        ("> 100 %", "lies beyond 100"),
        (">= 6 of 5", "lies beyond 5"),
    ],
)
def test_what_is_no_target(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        Target.parse(text)
