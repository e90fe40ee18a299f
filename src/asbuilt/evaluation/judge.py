"""A language model as a judge of answers, and what its word is worth."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from asbuilt.blueprint import EvaluationMetric
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import MeasureRef
from asbuilt.errors import BugError, UserError
from asbuilt.evaluation.outcome import Outcome
from asbuilt.evaluation.result import Measurement
from asbuilt.evaluation.scoring import measured, unmeasured
from asbuilt.roles import Generator
from asbuilt.statistics.judged import Calibration, judged_share
from asbuilt.types import Finished, GenerationOptions, Message

__all__ = ["JUDGE", "LABELS", "Label", "calibration_of", "judged", "measured_by_judge", "read_labels"]

JUDGE, LABELS = "judge", "(labels)"
"""The judge's name among the subjects, and that of its labelled answers among the data sets."""

_INSTRUCTIONS = """\
You compare an answer with the right answer to the same question. Say whether the answer is right: \
it must state what the right answer states, in whatever words, and nothing that contradicts it."""
_OPTIONS = GenerationOptions(
    temperature=0.0,
    max_tokens=16,
    seed=0,
    json_schema={
        "type": "object",
        "properties": {"right": {"type": "boolean"}},
        "required": ["right"],
        "additionalProperties": False,
    },
)
_WORDS = {True: "right", False: "wrong"}
_KEYS = {"id", "question", "reference", "answer", "right"}


@dataclass(frozen=True, slots=True)
class Label:
    """An answer that a person has judged."""

    id: str
    question: str
    reference: str
    answer: str
    right: bool


def read_labels(path: Path) -> tuple[Label, ...]:
    """JSON lines with id, question, reference, answer and right (true or false).

    Raises UserError with the line of what is wrong.
    """
    labels: dict[str, Label] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"labels {path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            label = Label(**row)
        except (ValueError, TypeError) as error:
            hint = f"A line has exactly: {', '.join(sorted(_KEYS))}."
            raise UserError(f"{path}:{number}: not a label.", hint=hint) from error
        texts = (label.id, label.question, label.reference, label.answer)
        if not (all(isinstance(each, str) for each in texts) and isinstance(label.right, bool)):
            raise UserError(f"{path}:{number}: right must be true or false, all else text.")
        if label.id in labels:
            raise UserError(f"{path}:{number}: the id {label.id!r} stands there twice.")
        labels[label.id] = label
    if not labels:
        raise UserError(f"{path} has no labels.")
    return tuple(labels.values())


def judged(
    generator: Generator, *, data: str, case_id: str, question: str, reference: str, answer: str
) -> Outcome:
    """What the model says of `answer`. It is text from elsewhere: the model's reply is held to a schema,
    so that nothing in the answer can do more than sway it."""
    asked = f"Question: {question}\n\nRight answer: {reference}\n\nAnswer: {answer}\n\nIs the answer right?"
    messages = [Message("system", _INSTRUCTIONS), Message("user", asked)]
    started = time.perf_counter()
    try:
        right = json.loads(asyncio.run(_text(generator, messages)))["right"]
    except (ValueError, TypeError, KeyError):
        right = None
    ms = round(1000 * (time.perf_counter() - started), 3)
    return Outcome(JUDGE, data, "judge", case_id, ms, text=_WORDS.get(right, ""))


def calibration_of(labels: Sequence[Label], outcomes: Mapping[str, Outcome]) -> Calibration:
    """What the judge did not say counts against it on either side."""
    right = [label for label in labels if label.right]
    wrong = [label for label in labels if not label.right]
    return Calibration(
        accepted=sum(outcomes[label.id].text == _WORDS[True] for label in right),
        right=len(right),
        rejected=sum(outcomes[label.id].text == _WORDS[False] for label in wrong),
        wrong=len(wrong),
    )


def measured_by_judge(
    metric: EvaluationMetric,
    measure: MeasureRef,
    cases: Sequence[Case],
    answers: Mapping[str, Outcome],
    verdicts: Mapping[str, Outcome],
    calibration: Calibration,
) -> Measurement:
    """The share of right answers, corrected; no verdict from a judge that may not judge."""
    if calibration.refusal:
        return unmeasured(metric, why=f"no verdict: {calibration.refusal}")
    scores: dict[str, float] = {}
    failures = unscored = 0
    for case in cases:
        if not case.reference:
            unscored += 1
        elif answers[case.id].error:
            failures += 1
            scores[case.id] = 0.0
        elif verdicts[case.id].text:
            scores[case.id] = float(verdicts[case.id].text == _WORDS[True])
        else:
            unscored += 1
    if not scores:
        return unmeasured(metric, why=f"none of the {len(cases)} answers could be judged")
    found = measured(metric, measure, judged_share(int(sum(scores.values())), len(scores), calibration))
    raw = sum(scores.values()) / len(scores)
    note = (
        f"The judge calls {raw:.1%} right. Of labelled answers it accepts {calibration.accepted} of "
        f"{calibration.right} right ones and rejects {calibration.rejected} of {calibration.wrong} wrong."
    )
    return replace(found, failures=failures, unscored=unscored, scores=scores, notes=(note,))


async def _text(generator: Generator, messages: list[Message]) -> str:
    async with aclosing(cast(Any, generator.stream(messages, options=_OPTIONS))) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event.message.content
    raise BugError("a stream of events ended without Finished.")
