from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.assistant.claims import read_claims


def claims(answer: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(answer[claim.start : claim.end], claim.numbers) for claim in read_claims(answer)]


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("It is so [1].", (1,)),
        ("It is so.[1]", (1,)),
        ("It is so. [1] [2]", (1, 2)),
        ("It is so[1].", (1,)),
        ("It is so [1, 2; 5].", (1, 2, 5)),
        ("It is so [1][1][2].", (1, 2)),
        ("It is so [2-4].", (2, 3, 4)),
        ("It is so [4-2].", (4, 2)),
        ("It is so [1-999].", (1, 999)),
        ("It is so [passage 3].", (3,)),
        ("It is so [^2].", (2,)),
        ("It is so 【3†source】.", (3,)),
        ("According to passage 2, it is so.", (2,)),
        ("It is so [999999999999].", (999999999999,)),
        ("It is so [[2]].", (2,)),
        ("It is so [1](https://example.org/x_1).", (1,)),
        ("It is so [१].", ()),
        ("It is so [].", ()),
        ("It is so [a1].", ()),
        ("It is so `x[1]`.", ()),
        ("It is sys.argv[1] here.", ()),
        ("It is [a link](https://example.org/[1]).", ()),
    ],
)
def test_marks_in_a_sentence(answer: str, numbers: tuple[int, ...]) -> None:
    assert claims(answer)[0][1] == numbers
    assert len(claims(answer)) == 1


def test_code_blocks_hold_no_citations() -> None:
    answer = "Do this.\n```python\nprint(argv[1])  # see [2]\n```\n"
    assert claims(answer) == [
        ("Do this.", ()),
        ("```python\nprint(argv[1])  # see [2]\n```", ()),
    ]


def test_a_code_block_belongs_to_the_sentence_that_leads_to_it() -> None:
    answer = "First. Then run this [1]:\n\n```\naws s3 ls\n```\nLast."
    assert claims(answer) == [
        ("First.", ()),
        ("Then run this [1]:\n\n```\naws s3 ls\n```", (1,)),
        ("Last.", ()),
    ]
    assert read_claims(answer)[1].quotes[0].text == "aws s3 ls"


@pytest.mark.parametrize("after", [" [2]", "\n[2]", "\n\n[2]."])
def test_marks_after_a_code_block_belong_to_it(after: str) -> None:
    answer = f"```\naws s3 ls\n```{after}"
    (claim,) = read_claims(answer)
    assert claim.numbers == (2,)
    assert claim.quotes[0].text == "aws s3 ls"


def test_an_open_fence_reaches_to_the_end() -> None:
    assert claims("Run:\n```bash\naws s3 ls [1]\n\nmore") == [("Run:\n```bash\naws s3 ls [1]\n\nmore", ())]


def test_three_backticks_in_a_line_are_no_fence() -> None:
    (claim,) = read_claims("Run ```aws s3 ls``` now [1].")
    assert [quote.text for quote in claim.quotes] == ["aws s3 ls"]
    assert claim.numbers == (1,)


def test_indented_lines_and_prompts_are_code() -> None:
    answer = "Run:\n\n    aws s3 ls \\\n        --recursive\n\nor\n$ aws s3 rb"
    quotes = [quote.text for claim in read_claims(answer) for quote in claim.quotes]
    assert quotes == ["aws s3 ls \\\n--recursive", "aws s3 rb"]


def test_each_group_of_marks_stands_behind_its_clause() -> None:
    assert claims("Queues are purged [1] and topics are kept [2] by default.") == [
        ("Queues are purged [1]", (1,)),
        ("and topics are kept [2] by default.", (2,)),
    ]


def test_list_items_and_headings_are_claims_of_their_own() -> None:
    answer = "# Title\n1. One thing [1]\n2. Another thing\n- Third, e.g. this\n> Quoted text.\n"
    assert claims(answer) == [
        ("Title", ()),
        ("One thing [1]", (1,)),
        ("Another thing", ()),
        ("Third, e.g. this", ()),
        ("Quoted text.", ()),
    ]


def test_abbreviations_and_decimals_do_not_end_a_sentence() -> None:
    assert len(claims("Use e.g. 2.5 GB, cf. Fig. 3 and v1.2.3.")) == 1


GARBAGE = st.lists(
    st.sampled_from(
        [
            *"[]()`~.:;,!?'\"*_#>|-1259$ \n\t【】†^",
            "[1]",
            "[2, 3]",
            "```",
            "``",
            "\n\n",
            "    ",
            "word ",
            "array[1]",
            "http://a.b/c",
            "\ufffc",
            "१",
            "“x y”",
            "。",
            "--flag",
            "1. ",
        ]
    )
    | st.text(max_size=5),
    max_size=40,
).map("".join)


@given(GARBAGE)
def test_claims_are_ordered_slices_that_do_not_overlap(answer: str) -> None:
    position = 0
    for claim in read_claims(answer):
        assert position <= claim.start < claim.end <= len(answer)
        position = claim.end
        assert all(number >= 0 for number in claim.numbers)
        assert all(quote.text.strip() for quote in claim.quotes)


@given(GARBAGE)
def test_every_word_of_the_answer_is_in_a_claim(answer: str) -> None:
    outside = list(answer)
    for claim in read_claims(answer):
        outside[claim.start : claim.end] = " " * (claim.end - claim.start)
    left = re.sub(r"(?m)^\s*(```|~~~).*$", "", "".join(outside))  # what follows a fence names a language
    assert "word" not in left
    assert "flag" not in left


@pytest.mark.parametrize(
    "unit", ["`", "``a`", "[1", "[1]", "(", "1-", "1,", "* ", "a.", "“", "```\n", "【1", "passage "]
)
def test_long_answers_take_time_in_proportion(unit: str) -> None:
    read_claims(unit * 5_000)  # a pattern that backtracks would take minutes
