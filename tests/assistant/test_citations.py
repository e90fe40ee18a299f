from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.assistant.test_claims import GARBAGE

from asbuilt.assistant.citations import Checked, Source, check_citations
from asbuilt.types import Chunk

BEFORE = "A line that is not part of the passage.\n\n"
PURGE = (
    "**To purge a queue**\n\nThis example deletes all messages in the specified queue.\n\n"
    "Command::\n\n  aws sqs purge-queue --queue-url https://sqs.example.com/1/MyQueue\n"
)
KEYS = "Keys expire after 90 days. An expired key cannot be renewed."


def source(text: str, *, id: int = 1, name: str = "sqs/purge-queue.rst", page: int | None = None) -> Source:  # noqa: A002
    chunk = Chunk(id, 10 + id, 3, name, "default", text, len(BEFORE), len(BEFORE) + len(text), page=page)
    return Source(chunk, BEFORE + text + "\nafter")


SOURCES = [source(PURGE, id=1), source(KEYS, id=2, name="handbook/keys.pdf", page=7)]


def check(answer: str, question: str = "") -> Checked:
    return check_citations(answer, SOURCES, question=question)


def test_a_supported_number_resolves_to_document_version_offsets_and_page() -> None:
    answer = "Keys expire after 90 days [2]."
    (citation,) = check(answer).citations
    assert citation.verified
    assert citation.reason == ""
    assert (citation.number, citation.by, citation.sentence) == (2, "model", answer)
    assert (citation.document_id, citation.version, citation.source, citation.page) == (
        12,
        3,
        "handbook/keys.pdf",
        7,
    )
    assert citation.quote == "Keys expire after 90 days."
    assert (BEFORE + KEYS)[citation.start : citation.end] == citation.quote
    assert check(answer).uncited == ()


@pytest.mark.parametrize("number", [0, 3, 999999999999])
def test_a_number_without_a_passage_is_unverified_and_resolves_to_nothing(number: int) -> None:
    (citation,) = check(f"Queues are made of wood [{number}].").citations
    assert not citation.verified
    assert citation.reason == f"there is no passage {number}"
    assert (citation.document_id, citation.start, citation.end, citation.quote) == (None, None, None, "")


def test_a_wrong_number_stays_unverified_and_the_right_passage_is_added() -> None:
    wrong, right = check("Keys expire after 90 days [1].").citations
    assert (wrong.number, wrong.by, wrong.verified) == (1, "model", False)
    assert wrong.reason == "the passage does not say '90 day'"
    assert (right.number, right.by, right.verified) == (2, "asbuilt", True)


def test_an_unsupported_sentence_points_at_the_whole_passage_without_a_quote() -> None:
    (citation,) = check("Keys expire after 30 days [2].").citations
    assert not citation.verified
    assert citation.quote == ""
    assert (citation.start, citation.end) == (len(BEFORE), len(BEFORE) + len(KEYS))


def test_a_sentence_without_a_number_is_attributed_only_when_support_is_strong() -> None:
    checked = check("An expired key cannot be renewed. Keys expire. Keys are made of brass and steel.")
    assert [(each.sentence, each.number, each.by) for each in checked.citations] == [
        ("An expired key cannot be renewed.", 2, "asbuilt")
    ]
    assert checked.uncited == ("Keys expire.", "Keys are made of brass and steel.")


def test_a_command_in_a_block_is_found_in_its_passage() -> None:
    answer = "Run this:\n\n```bash\naws sqs purge-queue --queue-url https://sqs.example.com/1/MyQueue\n```"
    (citation,) = check(answer).citations
    assert (citation.number, citation.by, citation.verified) == (1, "asbuilt", True)
    assert citation.quote == "aws sqs purge-queue --queue-url https://sqs.example.com/1/MyQueue"
    invented = check("Run this:\n\n```bash\naws sqs empty-queue --all\n```")
    assert invented.citations == ()
    assert len(invented.uncited) == 1


COMMAND = "aws sqs purge-queue --queue-url https://sqs.example.com/1/MyQueue"


@pytest.mark.parametrize(
    ("answer", "sentence", "code"),
    [
        ("To throw it all away, use:\n\n```\n{}\n```", "To throw it all away, use:", "```\n{}\n```"),
        ("You throw it all away with `{}`.", "You throw it all away with `{}`.", "`{}`"),
    ],
)
def test_code_is_checked_by_itself_when_its_sentence_says_more(answer: str, sentence: str, code: str) -> None:
    checked = check(answer.format(COMMAND))
    (citation,) = checked.citations
    assert (citation.sentence, citation.verified, citation.number) == (code.format(COMMAND), True, 1)
    assert citation.quote == COMMAND
    assert checked.uncited == (sentence.format(COMMAND),)
    marked = check(answer.format(COMMAND).rstrip(".") + " [1]").citations
    assert [(each.number, each.verified) for each in marked] == [(1, False), (1, True)]
    assert marked[0].sentence.startswith(sentence.format(COMMAND).rstrip("."))
    assert marked[1].sentence.startswith(code.format(COMMAND))


def test_a_command_under_a_sentence_of_another_one_is_checked_apart() -> None:
    text = "Empty buckets go::\n\n  s3 rb x\n\nThis forces full ones out::\n\n  s3 rb x --force\n"
    answer = "Empty buckets go:\n```\ns3 rb x --force\n```"
    checked = check_citations(answer, [source(text)])
    assert [(each.sentence, each.quote) for each in checked.citations] == [
        ("```\ns3 rb x --force\n```", "s3 rb x --force")
    ]
    assert checked.uncited == ("Empty buckets go:",)


def test_values_of_the_question_may_stand_in_a_command() -> None:
    answer = "Run `aws sqs purge-queue --queue-url jobs` [1]."
    assert not check(answer).citations[0].verified
    assert check(answer, question="How do I empty the queue jobs?").citations[0].verified


def test_small_talk_is_neither_cited_nor_missed() -> None:
    assert check("Sure! Here is the command you want. I hope this helps.") == Checked((), ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "version 3 of the document is not in the catalogue"),
        ("something else", "version 3 of the document does not hold the passage"),
    ],
)
def test_what_the_catalogue_does_not_confirm_is_unverified(text: str | None, reason: str) -> None:
    gone = Source(SOURCES[1].chunk, text)
    checked = check_citations("Keys expire after 90 days [1]. An expired key cannot be renewed.", [gone])
    (citation,) = checked.citations
    assert (citation.verified, citation.reason) == (False, reason)
    assert checked.uncited == ("An expired key cannot be renewed.",)


@given(GARBAGE | st.text())
def test_any_answer_can_be_checked_and_what_is_verified_is_there(answer: str) -> None:
    checked = check(answer)
    for citation in checked.citations:
        assert citation.sentence in answer
        assert citation.sentence
        assert bool(citation.reason) != citation.verified
        assert (citation.document_id is None) == (not 1 <= citation.number <= len(SOURCES))
        if citation.document_id is None:
            assert not citation.verified
            continue
        found = SOURCES[citation.number - 1]
        assert citation.start is not None
        assert citation.end is not None
        assert found.chunk.start <= citation.start <= citation.end <= found.chunk.end
        if citation.verified:
            assert found.text is not None
            assert found.text[citation.start : citation.end] == citation.quote != ""
    assert all(sentence in answer for sentence in checked.uncited)


@given(st.sampled_from([PURGE, KEYS]), st.integers(1, 2), st.sampled_from(["", " [{}]"]), st.data())
def test_a_sentence_copied_from_a_passage_is_verified_there_and_only_there(
    text: str, number: int, mark: str, data: st.DataObject
) -> None:
    sentences = {
        PURGE: ["This example deletes all messages in the specified queue"],
        KEYS: ["Keys expire after 90 days", "An expired key cannot be renewed"],
    }
    answer = data.draw(st.sampled_from(sentences[text])) + mark.format(number) + "."
    right = 1 if text == PURGE else 2
    verified = [each.number for each in check(answer).citations if each.verified]
    assert verified == [right]
