"""A judge of answers: its labels, what it says, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from asbuilt.blueprint import EvaluationMetric
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import parse_measure
from asbuilt.errors import UserError
from asbuilt.evaluation.judge import Label, calibration_of, judged, measured_by_judge, read_labels
from asbuilt.evaluation.outcome import Outcome
from asbuilt.statistics.judged import Calibration
from asbuilt.types import Event, Finished, GenerationOptions, Message, Usage


class SayingGenerator:
    """Says that an answer is right when it holds the word "yes"; nothing sensible to "mumble"."""

    context_tokens = 1000

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return 1

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        assert options.json_schema is not None
        asked = messages[-1].content
        said = "hm" if "mumble" in asked else json.dumps({"right": "Answer: yes" in asked})
        yield Finished(Message("assistant", said), Usage())


def ask(answer: str) -> Outcome:
    return judged(
        SayingGenerator(), data="d", case_id="1", question="q", reference="yes it is", answer=answer
    )


def test_it_says_right_wrong_or_nothing() -> None:
    assert [ask(answer).text for answer in ("yes", "no", "mumble")] == ["right", "wrong", ""]


def test_its_labels_say_what_it_is_worth() -> None:
    labels = [Label(str(n), "q", "r", "a", right=n < 3) for n in range(5)]
    texts = ["right", "", "wrong", "wrong", "right"]
    outcomes = {
        str(n): Outcome("judge", "labels", "judge", str(n), 0, text=text) for n, text in enumerate(texts)
    }
    assert calibration_of(labels, outcomes) == Calibration(accepted=1, right=3, rejected=1, wrong=2)


METRIC = EvaluationMetric("quality", target=">= 50 %", measure="accuracy.judge", data="d")
CASES = [Case(str(n), "q", reference="r" if n else "") for n in range(40)]


def measure(calibration: Calibration) -> tuple[str, float | None, int, int]:
    answers = {
        case.id: Outcome("system", "d", "answer", case.id, 1, error="x" if case.id == "1" else "")
        for case in CASES
    }
    verdicts = {
        case.id: Outcome("judge", "d", "judge", case.id, 1, text="" if case.id == "2" else "right")
        for case in CASES
    }
    found = measured_by_judge(METRIC, parse_measure("accuracy.judge"), CASES, answers, verdicts, calibration)
    return found.verdict, found.value, found.failures, found.unscored


def test_answers_are_counted_and_corrected() -> None:
    verdict, value, failures, unscored = measure(Calibration(95, 100, 90, 100))
    assert (verdict, failures, unscored) == ("PASS", 1, 2)
    assert value is not None
    assert value > 0.9


def test_a_judge_like_a_coin_gives_no_verdict() -> None:
    assert measure(Calibration(50, 100, 50, 100)) == ("INCONCLUSIVE", None, 0, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "labels.jsonl:1: not a label"),
        ('{"id": "1", "question": "q", "reference": "r", "answer": "a"}', "labels.jsonl:1: not a label"),
        ('{"id": "1", "question": "q", "reference": "r", "answer": "a", "right": 1}', "right must be true"),
        ("", "has no labels"),
    ],
)  # fmt: skip
def test_bad_labels_are_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        read_labels(file)
