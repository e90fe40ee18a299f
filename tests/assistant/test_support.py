from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.assistant.labelled_claims import (
    FRESH_SUPPORTED,
    FRESH_UNSUPPORTED,
    HELD_OUT_SUPPORTED,
    HELD_OUT_UNSUPPORTED,
    SUPPORTED,
    UNSUPPORTED,
    passage,
)

from asbuilt.assistant.claims import Claim, read_claims
from asbuilt.assistant.quotes import words_of
from asbuilt.assistant.support import Passage, Verdict, support


def verdict(text: str, claim: str, *, context: str = "", question: str = "") -> Verdict:
    (read,) = (each for each in read_claims(claim) if each.numbers)
    return support(read, Passage(text, context=context), given=words_of(question))


def judged(cases: list[tuple[str, str]]) -> list[str]:
    """The claims of labelled cases that the check accepts."""
    return [
        claim
        for name, claim in cases
        if verdict(passage(name), claim, context=name.replace("/", "\n")).supported
    ]


def test_labelled_sentences() -> None:
    """Golden counts; the lists and how they came to be are in labelled_claims.py."""
    assert judged(UNSUPPORTED) == []
    # Who is connected to what: the words are all there, and no lexical measure sees their order.
    assert judged(FRESH_UNSUPPORTED) == ["The black wire goes to 24 V [1]."]
    assert len(judged(SUPPORTED)) >= 41 == len(SUPPORTED) - 7
    assert len(judged(FRESH_SUPPORTED)) >= 25 == len(FRESH_SUPPORTED) - 6
    assert judged(HELD_OUT_UNSUPPORTED) == []
    assert len(judged(HELD_OUT_SUPPORTED)) >= 25 == len(HELD_OUT_SUPPORTED) - 5


TEXT = "The queue keeps messages for 4 days. It does not delete them before `MaxAge` is over."


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("The queue keeps messages for 14 days [1].", "does not say '14 day'"),
        ("The queue keeps messages for 4 hours [1].", "does not say '4 h'"),
        ("The queue keeps messages for --ever [1].", "does not contain '--ever'"),
        ("The queue keeps `maxage` messages [1].", "does not contain 'maxage'"),
        ('It says "the topic keeps messages" [1].', "does not contain 'the topic keeps messages'"),
        ("The queue does not keep messages for 4 days [1].", "without a negation"),
        ("It deletes them before `MaxAge` is over [1].", "says it negated"),
        ("It does not delete them after `MaxAge` is over [1].", "no sentence"),
        ("The topic keeps messages for 4 days [1].", "missing: topic"),
        ("Sure, here you are [1]!", "too little"),
    ],
)
def test_an_unsupported_claim_says_what_failed(claim: str, reason: str) -> None:
    found = verdict(TEXT, claim)
    assert not found.supported
    assert reason in found.reason


def test_the_span_is_the_best_sentence() -> None:
    found = verdict(TEXT, "Messages are kept for four days [1].")
    assert TEXT[found.start : found.end] == "The queue keeps messages for 4 days."


def test_source_and_title_help_but_cannot_carry_a_claim_alone() -> None:
    context = "sqs\npurge-queue\nTo purge a queue"
    text = "This removes all messages. It takes up to 60 seconds."
    assert verdict(text, "Purging a queue takes up to 60 seconds [1].", context=context).supported
    assert not verdict(text, "You can purge a queue [1].", context=context).supported


@pytest.mark.parametrize(
    ("claim", "question", "supported"),
    [
        ("`aws sqs purge-queue --queue-url URL`", "", True),
        ("`aws  sqs purge-queue \\\n  --queue-url 'URL'`", "", True),
        ("`purge-queue --queue-url URL --region eu-west-1`", "", True),
        ("`aws sqs purge-queue --queue-url mine`", "", False),
        ("`aws sqs purge-queue --queue-url mine`", "How do I purge mine?", True),
        ("`aws sqs purge-queue --queue-url <your-url>`", "", True),
        ("`aws sqs purge-queue --queue-name mine`", "How do I purge mine?", False),
        ("`aws sqs purge-queue URL --queue-url`", "", False),
        ("`aws sqs delete-queue --queue-url URL`", "delete-queue", False),
        ("`aws sqs Purge-Queue --queue-url URL`", "", False),
        ("`aws s3 rb s3://mine/x`", "drop mine", True),
        ("`aws s3 rb gs://mine/x`", "drop mine", False),
        ("`aws s3 rb s3://mine/x/y`", "drop mine", False),
        ("`sqs purge-queue --queue`", "", False),
    ],
)
def test_code_must_be_the_passages_own_but_for_given_values(
    claim: str, question: str, supported: bool
) -> None:
    text = "Run::\n\n  aws sqs purge-queue --queue-url URL \\\n    --region eu-west-1\n\n  aws s3 rb s3://bucket/x\n"
    assert verdict(text, f"Run {claim} [1].", question=question).supported is supported


def test_a_negated_command_is_not_support_for_using_it() -> None:
    text = "Do not run `aws s3 rb --force` in production."
    assert not verdict(text, "Run `aws s3 rb --force` [1].").supported
    assert verdict(text, "Do not run `aws s3 rb --force` [1].").supported


def test_other_languages_are_compared_word_for_word() -> None:
    german = "Der Schlüssel läuft nach 90 Tagen ab. Abgelaufene Schlüssel werden nicht verlängert."
    assert verdict(german, "Der Schlüssel läuft nach 90 Tagen ab [1].").supported
    assert not verdict(german, "Der Schlüssel läuft nach 30 Tagen ab [1].").supported
    assert not verdict(german, "Abgelaufene Schlüssel werden verlängert [1].").supported
    japanese = "鍵は90日後に失効します。失効した鍵は更新できません。"
    assert verdict(japanese, "鍵は90日後に失効します[1]。").supported
    assert not verdict(japanese, "鍵は30日後に失効します[1]。").supported


PAGE = """\
**To stop an instance**

The following ``stop-instances`` example stops an instance. Its disks are kept.

Command::

  aws ec2 stop-instances --instance-ids i-12 --hibernate

Output::

  {"StoppingInstances": [{"CurrentState": {"Code": 64, "Name": "stopping"}}]}
"""


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("`aws ec2 stop-instances --instance-ids i-12` stops an instance [1].", True),
        ("Stop an instance with --hibernate [1].", True),
        ("Disks are kept with `stop-instances` [1].", True),
        ("The current state is stopping an instance [1].", False),
        ("The name of the output is stopping instances [1].", False),
        ("The `stop` command stops an instance [1].", False),
    ],
)
def test_code_blocks_hold_commands_but_say_nothing(claim: str, supported: bool) -> None:
    assert verdict(PAGE, claim).supported is supported


# ---------------------------------------------------------------- properties

WORDS = st.lists(
    st.sampled_from(["server", "queue", "Bucket-7", "42", "3.5", "--force", "purges", "my_key", "region"]),
    min_size=3,
    unique=True,
)
SENTENCES = st.lists(WORDS.map(lambda words: " ".join(words) + "."), min_size=1, max_size=4)


def claim_of(text: str) -> Claim:
    return Claim(0, len(text), text, (), (1,), len(text))


@given(SENTENCES, st.data())
def test_a_sentence_of_the_passage_is_supported_by_it(parts: list[str], data: st.DataObject) -> None:
    text = " ".join(parts)
    found = support(claim_of(data.draw(st.sampled_from(parts))), Passage(text))
    assert found.supported
    assert 0 <= found.start < found.end <= len(text)


@given(SENTENCES, st.integers(0, 9_999), st.data())
def test_a_changed_number_is_never_supported(parts: list[str], number: int, data: st.DataObject) -> None:
    text = " ".join(parts)
    sentence = data.draw(st.sampled_from(parts))
    assume("42" in sentence.split() and str(number) not in text)
    changed = " ".join(str(number) if word == "42" else word for word in sentence.split())
    assert not support(claim_of(changed), Passage(text)).supported


@given(st.text(max_size=60), st.text(max_size=200), st.text(max_size=20))
def test_any_two_texts_can_be_compared(claim: str, text: str, context: str) -> None:
    for each in read_claims(claim):
        found = support(each, Passage(text, context=context))
        if found.supported:
            assert 0 <= found.start < found.end <= len(text)
        else:
            assert found.reason
