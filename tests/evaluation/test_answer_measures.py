"""Measures of answers: what is right in other words, what only looks right, and hostile text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import MEASURES, parse_measure
from asbuilt.evaluation.answer_measures import ANSWER_MEASURES, find_command
from asbuilt.evaluation.outcome import Outcome
from asbuilt.evaluation.scoring import score_cases


def answer(text: str, *, refused: bool = False, citations: tuple[bool, ...] = (), error: str = "") -> Outcome:
    return Outcome(
        "system", "known", "answer", "q", 1.0, text=text, refused=refused, citations=citations, error=error
    )


def score(measure: str, text: str, reference: str) -> float | None:
    return ANSWER_MEASURES[f"accuracy.{measure}"](answer(text), Case("q", "?", reference=reference))


def test_every_measure_of_answers_but_the_judges_is_here() -> None:
    named = {name for name, measure in MEASURES.items() if measure.source == "answers"}
    assert set(ANSWER_MEASURES) == named - {"accuracy.judge"}


# ---------------------------------------------------------------- exact


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Paris", "paris", 1),
        ("  The answer:\nParis. [1]", "the answer paris", 1),
        ("Paris[12].", "Paris", 1),
        ("Paris, France", "Paris", 0),
        ("don't", "dont", 0),
        ("ÜBER", "über", 1),
        ("", "Paris", 0),
        ("-5", "5", 0),
        ("(-5)", "\u22125.", 1),
        ("*", "*", 1),
        ("", "*", 0),
        ("Paris", "", None),
        ("Paris", "  ", None),
    ],
)
def test_exact(text: str, reference: str, expected: float | None) -> None:
    assert score("exact", text, reference) == expected


@given(st.text())
def test_every_text_equals_itself_however_it_is_spaced(text: str) -> None:
    assert score("exact", text, text) in ((1.0,) if text.strip() else (None,))
    assert score("exact", f" \n{text}\t", text) in ((1.0,) if text.strip() else (None,))


# ---------------------------------------------------------------- numeric


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("It keeps messages for 14 days.", "14 days", 1),
        ("It keeps messages for 14 hours.", "14 days", 0),
        ("It keeps messages for 14.", "14 days", 0),
        ("14 days", "14", 1),  # without a unit in the reference any will do
        ("1,209,600 seconds", "1209600 seconds", 1),
        ("1209600 seconds", "1,209,600 seconds", 1),
        ("1,2096 seconds", "1209 seconds", 0),
        ("12,096", "12096", 1),
        ("-5", "5", 0),
        ("5", "-5", 0),
        ("\u22125 °C", "-5 °C", 1),
        ("from 10-20 GB", "20 GB", 1),
        ("1.5e3 ms", "1500 ms", 1),
        ("1500 ms", "1.5E+3 ms", 1),
        (".5", "0.5", 1),
        ("0.50", "0.5", 1),
        ("0.5000004", "0.5", 1),
        ("0.500001", "0.5", 0),
        ("0", "0.0", 1),
        ("90%", "90 %", 1),
        ("90 percent", "90 %", 0),
        ("**90** %", "90 %", 1),
        ("`256` KB", "256 KB", 1),
        ("256KB", "256 kb", 1),
        ("between 1 and 10", "1 10", 1),
        ("between 1 and 100", "1 10", 0),
        ("see passage [10]", "10", 0),
        ("10 [1] GB", "10 GB", 1),
        ("us-east-7x version v3 SHA256", "3", 0),
        ("version 1.5.2", "5.2", 0),
        ("", "7", 0),
        ("seven", "7", 0),
        ("7", "seven", None),
        ("1e999", "7", 0),  # infinite, and so not close to anything finite
    ],
)
def test_numeric(text: str, reference: str, expected: float | None) -> None:
    assert score("numeric", text, reference) == expected


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", " GB", "%", " m/s"]))
def test_a_number_is_found_however_python_writes_it(number: float, unit: str) -> None:
    assert score("numeric", f"It is {number!r}{unit}, I think.", f"{number!r}{unit}") == 1
    assert score("numeric", f"It is {number:,.1f}{unit}.", f"{number:.1f}{unit}") == 1


# ---------------------------------------------------------------- command

PURGE = "aws sqs purge-queue --queue-url https://sqs.us-east-1.amazonaws.com/1/q --region us-east-1"
RIGHT = [
    PURGE,
    "aws sqs purge-queue --region eu-west-1 --queue-url=URL",
    "aws sqs purge-queue --queue-url URL --region r --no-cli-pager --output json",
    "$ aws sqs purge-queue --queue-url URL --region r",
    "user@host:~$ aws sqs purge-queue --queue-url URL --region r",
    "PS> aws sqs purge-queue --queue-url URL --region r",
    "```bash\naws sqs purge-queue \\\n    --queue-url URL \\\n    --region r\n```",
    "```\r\naws sqs purge-queue \\\r\n  --queue-url URL --region r\r\n```",
    "Run `aws sqs purge-queue --queue-url URL --region r` [1].",
    "1. aws sqs purge-queue --queue-url URL --region r",
    "Use aws sqs purge-queue --queue-url URL --region r, which doesn't ask again.",
    "With the aws command you can purge a queue:\n\n    aws sqs purge-queue --queue-url URL --region r",
    "The aws tool does it: `aws sqs purge-queue --queue-url URL --region r`.",
    'aws sqs purge-queue --queue-url "URL --region r',  # an answer that was cut off
    "aws sqs purge-queue --queue-url URL --region r | jq .",
    "**aws sqs purge-queue --queue-url URL --region**",
    "aws sqs purge-queue --queue-url URL --query 'a[?b==`c`]' --region r",
    "(aws sqs purge-queue --queue-url URL --region)",
]
WRONG = [
    "",
    "aws",
    "`aws`",
    "aws sqs purge-queue",
    "aws sqs purge-queue --queue-url URL",
    "aws sqs delete-queue --queue-url URL --region r",
    "aws sqs --queue-url URL --region r",
    "aws sns purge-queue --queue-url URL --region r",
    "aws sqs delete-queue\naws sqs purge-queue --queue-url URL --region r",  # the first one counts
    "gaws sqs purge-queue --queue-url URL --region r",
    "aws sqs purge-queue --queue-url URL; echo --region",
    "aws sqs purge-queue --queue-url URL ; echo --region",
    "aws sqs purge-queue --queue-url URL # not --region",
    "aws sqs purge-queue --queue-url URL --regions r",
    "aws sqs purge-queue --queue-url URL\n--region r",
    "sqs purge-queue --queue-url URL --region r",
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_command(text: str) -> None:
    assert score("command", text, PURGE) == 1


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_command(text: str) -> None:
    assert score("command", text, PURGE) == 0


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Call aws sqs list-queues. It lists all.", "aws sqs list-queues", 1),
        ("aws sqs list-queues lists every queue", "aws sqs list-queues", 1),
        ("aws sqs list-queues [1].", "aws sqs list-queues", 1),
        ("aws sqs list-queue-tags", "aws sqs list-queues", 0),
        ("aws s3 mb s3://mine", "aws s3 mb s3://yours", 1),  # values are not compared
        ("aws s3 rb s3://mine", "aws s3 mb s3://yours", 0),
        ("aws s3 rm mine --recursive", "aws s3 rm s3://yours --recursive", 1),
        ("aws s3 rm mine", "aws s3 rm s3://yours --recursive", 0),
        ("aws sqs purge-queue --queue-url x", "aws sqs purge-queue \\\n  --queue-url URL", 1),
        ("head -n 5 file", "head -n -5 file", 1),  # a negative number is a value
        ("git log", "", None),
        ("git log", "  \n", None),
        ("git log", "--oneline", 0),
        ("git log", "''", None),
    ],
)
def test_commands_with_values_prose_and_odd_references(
    text: str, reference: str, expected: float | None
) -> None:
    assert score("command", text, reference) == expected


@given(st.text(), st.text())
def test_any_text_has_a_score(text: str, reference: str) -> None:
    case = Case("q", "?", reference=reference)
    for name, measure in ANSWER_MEASURES.items():
        assert measure(answer(text), case) in (None, 0.0, 1.0), name


@given(st.permutations(["--a 1", "--b=2", "-c", '--d "x y"', "-- e"]))
def test_the_order_of_options_does_not_matter(options: list[str]) -> None:
    assert score("command", " ".join(["tool run", *options]), "tool run --a x --b y -c --d z") == 1


def test_the_words_and_options_of_a_command() -> None:
    found = find_command("$ aws s3 cp . s3://bucket --recursive --acl=public -q", "aws")
    assert found is not None
    assert found.words == ("aws", "s3", "cp")
    assert found.options == {"--recursive", "--acl", "-q"}
    assert not found.closed
    assert find_command("nothing of the kind", "aws") is None
    assert find_command("a.b x", "a+b") is None  # a name, not a pattern


# ---------------------------------------------------------------- citations and refusals


@pytest.mark.parametrize(("citations", "expected"), [((), None), ((True,), 1), ((True, False, False), 1 / 3)])
def test_citation_precision(citations: tuple[bool, ...], expected: float | None) -> None:
    assert ANSWER_MEASURES["citation.precision"](answer("x", citations=citations), Case("q", "?")) == expected


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.parametrize("unanswerable", [True, False])
def test_refusal(refused: bool, unanswerable: bool) -> None:
    case = Case("q", "?", unanswerable=unanswerable)
    assert ANSWER_MEASURES["refusal.accuracy"](answer("", refused=refused), case) == (refused == unanswerable)


@pytest.mark.parametrize("name", sorted(ANSWER_MEASURES))
def test_a_failed_answer_is_wrong_by_every_measure(name: str) -> None:
    case = Case("q", "?", reference="run 7")
    failed = answer("run 7", error="the endpoint is away.")
    scores = score_cases(parse_measure(name), [case], {"q": failed})
    assert (dict(scores.by_case), scores.failures, scores.unscored) == ({"q": 0.0}, 1, 0)


def test_a_command_goes_on_while_a_quotation_is_open() -> None:
    reference = "aws x put --document {} --name n"
    document = '{\n  "a": 1,\n  "b": 2\n}'
    assert score("command", f"aws x put --document '{document}' --name n\nIt's done.", reference) == 1
    assert score("command", f"aws x put --document '{document} --name n", reference) == 0
    assert score("command", "aws x put --name 'never closed\n--document y", reference) == 0


# ---------------------------------------------------------------- hostile text

LENGTH = 200_000
HOSTILE = {
    "spaces": " " * LENGTH,
    "dots before a letter": "." * LENGTH + "a",
    "digits": "9" * LENGTH,
    "groups of digits": "1" + ",234" * (LENGTH // 4) + "5",
    "exponents": "1e" * (LENGTH // 2),
    "backslashes": "\\" * LENGTH,
    "backslashes and spaces": "\\" + " " * LENGTH,
    "brackets": "[1" * (LENGTH // 2),
    "backquotes": "`" * LENGTH,
    "prompts": "$ " * (LENGTH // 2),
    "signs": "$" * LENGTH,
    "hyphens": "aws sqs " + "-" * LENGTH,
    "one long word": "aws " + "x" * LENGTH,
    "an open quotation": "aws sqs '" + "x" * LENGTH,
    "an open quotation over lines": "aws sqs 'x" + "\n'y' 'z" * (LENGTH // 8),
    "many programs": "aws " * (LENGTH // 4),
    "many numbers": "7.5 " * (LENGTH // 4),
    "many lines": "aws\n" * (LENGTH // 4),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_time_is_in_proportion_to_the_text(text: str) -> None:
    case = Case("q", "?", reference="aws sqs purge-queue --queue-url 7 GB")
    started = time.perf_counter()
    for measure in ANSWER_MEASURES.values():
        measure(answer(text), case)
    # It takes up to 0.3 s; what grows with the square of 200 kB takes minutes.
    assert time.perf_counter() - started < 2
