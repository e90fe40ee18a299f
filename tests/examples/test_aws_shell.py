from __future__ import annotations

import shlex

import pytest
from aws_shell import Word, first_command, split_words
from hypothesis import given
from hypothesis import strategies as st


def texts(command: str) -> list[str]:
    return [word.text for word in split_words(command).words]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("aws sqs list-queues", ["aws", "sqs", "list-queues"]),
        ("$ aws s3 ls", ["aws", "s3", "ls"]),
        ("AWS_PROFILE=dev aws s3 ls", ["aws", "s3", "ls"]),
        ("aws s3 ls \\\n    --recursive", ["aws", "s3", "ls", "--recursive"]),
        ("aws s3 ls ^\r\n  --recursive", ["aws", "s3", "ls", "--recursive"]),
        ("aws s3 ls `\n  --recursive", ["aws", "s3", "ls", "--recursive"]),
        ('aws a \'x  "y"\' "it\'s" ""', ["aws", "a", 'x  "y"', "it's", ""]),
        (r'aws a "{\"k\": \"v\"}" b\ c', ["aws", "a", '{"k": "v"}', "b c"]),
        ("# first\n\naws s3 ls # last", ["aws", "s3", "ls"]),
        ("aws a --tags Key=a,Value='b c'", ["aws", "a", "--tags", "Key=a,Value=b c"]),
    ],
)
def test_words_are_those_of_a_shell(command: str, words: list[str]) -> None:
    assert texts(command) == words
    assert split_words(command).fault == ""


@pytest.mark.parametrize(
    ("command", "rest"),
    [
        ("aws s3 ls | grep x", "| grep x"),
        ("aws s3 ls > out.txt", "> out.txt"),
        ("aws s3 ls 2>/dev/null", ">/dev/null"),
        ("aws s3 ls && echo done", "&& echo done"),
        ("aws s3 ls; rm -rf /", "; rm -rf /"),
        ("aws s3 ls\naws s3 rb s3://b", "aws s3 rb s3://b"),
    ],
)
def test_an_operator_ends_the_command(command: str, rest: str) -> None:
    line = split_words(command)
    assert [word.text for word in line.words] == ["aws", "s3", "ls"]
    assert (line.rest, line.fault) == (rest, "")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("aws s3 ls 'x", "unbalanced single quote"),
        ('aws s3 ls "x', "unbalanced double quote"),
        ("aws s3 ls $(cat x)", "runs a command"),
        ('aws s3 ls "`cat x`"', "runs a command"),
        ("aws s3 ls \\ \n --recursive", "backslash followed by a blank"),
        ("aws x --id (your id)", "parenthesis"),
    ],
)
def test_what_cannot_be_read_is_a_fault(command: str, fault: str) -> None:
    assert fault in split_words(command).fault


def test_variables_and_placeholders_are_unknown_words() -> None:
    line = split_words("aws s3 ls \"s3://$BUCKET/x\" <your-prefix> '$5'")
    assert line.words[3:] == (Word("s3://$BUCKET/x", True), Word("<your-prefix>", True), Word("$5"))


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), min_size=1))
def test_quoted_words_come_back(words: list[str]) -> None:
    """Round trip against the standard library's quoting."""
    assert texts(shlex.join(["aws", *words])) == ["aws", *words]


@given(st.text())
def test_any_text_can_be_split(text: str) -> None:
    line = split_words(text)
    assert all(isinstance(word, Word) for word in line.words)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "Use this:\n\n    aws sqs purge-queue \\\n        --queue-url x\n\nOutput::\n\n    {}",
            "aws sqs purge-queue --queue-url x",
        ),
        ("```bash\n$ aws s3 ls s3://b\n```", "aws s3 ls s3://b"),
        ("Run `aws s3 ls` to list.", "aws s3 ls"),
        ("Run ``aws s3 ls`` to list.", "aws s3 ls"),
        ("Answer: aws iam get-user\nDone", "aws iam get-user"),
        ("    aws a b \\ \n      --c d", "aws a b --c d"),
        ("    aws a b\n        --c d\n", "aws a b --c d"),
        ("aws a b --c '{\n  \"d\":\n  1}' --e f\n\nrest", "aws a b --c '{ \"d\": 1}' --e f"),
        ('aws a b --c "it\'s" \nmore', 'aws a b --c "it\'s"'),
        ("aws a b --c 'open\nmore text", "aws a b --c 'open"),
        ("In a span `aws s3 ls`, then\n\naws sqs list-queues\n", "aws sqs list-queues"),
        ("The laws of aws are strict.", None),
        ("", None),
    ],
)
def test_first_command(text: str, command: str | None) -> None:
    assert first_command(text) == command


@given(st.text())
def test_a_command_found_is_one_line(text: str) -> None:
    found = first_command(f"{text}\naws s3 ls {text}")
    assert found is not None
    assert "\n" not in found
    assert found.startswith("aws")
