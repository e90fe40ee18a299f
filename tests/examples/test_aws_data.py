from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_shell import first_command

EXAMPLE = Path(__file__).parents[2] / "examples" / "aws-assistant"


def load(name: str) -> list[dict[str, Any]]:
    lines = (EXAMPLE / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def pages() -> Path:
    from aws_commands import PACKAGE

    return PACKAGE / "examples"


def number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def answers(name: str) -> list[str]:
    return [page for record in load(name) for page in record["documents"]]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("known-answers", ["id", "question", "documents"]),
        ("cli-commands", ["id", "question", "documents", "reference"]),
        ("everyday", ["id", "question", "documents", "split"]),
    ],
)
class TestEveryFile:
    def test_records_have_the_stated_keys(self, name: str, keys: list[str]) -> None:
        assert all(list(record) == keys for record in load(name))

    def test_ids_and_questions_are_unique(self, name: str, keys: list[str]) -> None:
        for key in keys[:2]:
            values = Counter(record[key] for record in load(name))
            assert [value for value, count in values.items() if count > 1] == []

    def test_only_even_pages_are_used(self, name: str, keys: list[str]) -> None:
        assert [page for page in answers(name) if number(page) % 2] == []

    def test_every_answer_is_a_page(self, name: str, keys: list[str]) -> None:
        assert [page for page in answers(name) if not (pages() / f"{page}.rst").is_file()] == []


def test_made_files_have_500_records() -> None:
    assert (len(load("known-answers")), len(load("cli-commands"))) == (500, 500)


def test_everyday_questions_are_many_and_spread() -> None:
    records = load("everyday")
    assert len(records) >= 150
    assert len({record["documents"][0].split("/")[0] for record in records}) >= 40
    splits = Counter(record["split"] for record in records)
    assert min(splits["dev"], splits["test"]) >= 100


def test_the_split_follows_from_the_question() -> None:
    assert all(
        record["split"] == ("dev", "test")[number(record["question"]) % 2] for record in load("everyday")
    )


def test_everyday_questions_do_not_name_their_command() -> None:
    assert [
        r["id"] for r in load("everyday") if r["documents"][0].split("/")[1] in r["question"].split()
    ] == []


def test_references_are_one_line_and_found_again_on_their_page() -> None:
    records = load("cli-commands")
    assert all(first_command(record["reference"]) == record["reference"] for record in records)
    on_page = sum(
        first_command((pages() / f"{r['documents'][0]}.rst").read_text(encoding="utf-8")) == r["reference"]
        for r in records
    )
    assert on_page >= 480


@pytest.mark.slow
@pytest.mark.parametrize("name", ["known-answers", "cli-commands"])
def test_the_committed_files_are_what_the_script_makes(name: str) -> None:
    import make_data

    make: dict[str, Callable[[Counter[str]], list[Any]]] = {
        "known-answers": make_data.known_answers,
        "cli-commands": make_data.cli_commands,
    }
    assert make[name](Counter()) == load(name)
