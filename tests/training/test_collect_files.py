"""Rows from files; what is no row is passed on with its place and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from asbuilt.errors import NotFoundError, UserError
from asbuilt.lineage import TrainingRow
from asbuilt.training.collect_files import FileCollector
from asbuilt.training.preprocess import StandardPreprocessor
from asbuilt.training.rows import FaultyRow
from asbuilt.types import Message

Q, A = Message("user", "Q"), Message("assistant", "A")
TALK = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]


def write(folder: Path, text: str | bytes, name: str = "rows.jsonl") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def collect(*files: Path, **config: Any) -> list[TrainingRow]:
    return list(FileCollector(files=files, **config).collect())


def jsonl(folder: Path, *values: object, **config: Any) -> list[TrainingRow]:
    return collect(write(folder, "\n".join(map(json.dumps, values))), **config)


def test_conversations_and_columns(tmp_path: Path) -> None:
    rows = jsonl(
        tmp_path,
        {"messages": TALK, "source": "page", "worse": "B", "other": 1},
        {"instruction": "Q", "reply": "A"},
        {"instruction": "Q", "reply": "A", "context": "Read this."},
        {"messages": None, "instruction": "Q", "reply": "A", "worse": None, "context": " "},
    )
    assert rows == [
        TrainingRow((Q, A), "page", "file:rows.jsonl:1", "B"),
        TrainingRow((Q, A), "file:rows.jsonl:2", "file:rows.jsonl:2"),
        TrainingRow((Message("user", "Read this.\n\nQ"), A), "file:rows.jsonl:3", "file:rows.jsonl:3"),
        TrainingRow((Q, A), "file:rows.jsonl:4", "file:rows.jsonl:4"),
    ]


def test_columns_of_other_names_and_a_system_message(tmp_path: Path) -> None:
    own = {"role": "system", "content": "Mine"}
    rows = jsonl(
        tmp_path,
        {"q": "Q", "a": "A", "page": 7, "doc": "d"},
        {"talk": [own, *TALK]},
        messages="talk",
        instruction="q",
        reply="a",
        source="doc",
        system="Be brief.",
    )
    assert rows[0].messages == (Message("system", "Be brief."), Q, A)
    assert rows[0].source == "d"
    assert rows[1].messages == (Message("system", "Mine"), Q, A)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{not json", "it is not JSON at character 2"),
        ("[1]", "it is not an object"),
        ('"text"', "it is not an object"),
        ("[" * 100_000, "it is not JSON"),
        (
            '{"instruction": "Q"}',
            "it has neither 'messages' nor 'instruction' and 'reply'; it has 'instruction'",
        ),
        ('{"instruction": "Q", "reply": 4}', "'reply' is int, not text"),
        ('{"messages": {}}', "'messages' is dict, not a list"),
        ('{"messages": "Q"}', "'messages' is not JSON"),
        ('{"messages": [{"role": "user"}]}', "message 1 has no text as 'content'"),
        ('{"messages": ["Q"]}', "message 1 has no text as 'content'"),
        (
            '{"messages": [{"role": "tool", "content": "Q"}]}',
            "the role of message 1 is none of system, user, assistant",
        ),
        ('{"messages": [], "source": 3}', "'source' is int, not text"),
    ],
)
def test_a_line_that_is_no_row_is_rejected_with_its_place(tmp_path: Path, line: str, fault: str) -> None:
    good = json.dumps({"messages": TALK})
    rows = collect(write(tmp_path, f"{good}\n\n{line}\n{good}\n"))
    assert [row.origin for row in rows] == [f"file:rows.jsonl:{number}" for number in (1, 3, 4)]
    assert isinstance(rows[1], FaultyRow)
    assert rows[1].fault == fault
    data = StandardPreprocessor(validation_share=0).prepare(rows, held_out=())
    assert (data.rejected[0].reason, data.rejected[0].detail) == ("malformed", fault)


def test_a_fault_tells_nothing_of_what_the_line_holds(tmp_path: Path) -> None:
    secret = "AKIA" + "Q3EGRIWLB5XTPZ7V"
    lines = (f'{{"messages": "{secret}"}}', f"{secret} {{", f'{{"messages": [{{"role": "{secret}"}}]}}')
    rows = collect(write(tmp_path, "\n".join(lines)))
    assert all(isinstance(row, FaultyRow) for row in rows)
    assert secret not in repr(rows)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b"", "has no rows"),
        ("rows.jsonl", b"\n \n", "has no rows"),
        ("rows.jsonl", b'{"instruction": "\xff"}', r"is not UTF-8 text \(byte 17\)"),
        ("rows.csv", b"", "has no rows"),
        ("rows.csv", b"instruction,reply\n", "has no rows"),
        ("rows.csv", b"reply,reply\n1,2\n", ":1: a column stands there twice"),
        ("rows.csv", b'instruction,reply\nq,"open\n', "not CSV"),
        ("rows.parquet", b"PAR1", "is not Parquet"),
        ("rows.txt", b"x", r"of no kind that is read. Known: .jsonl, .csv, .parquet"),
    ],
)
def test_a_file_that_is_no_data_is_an_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        collect(write(tmp_path, content, name))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        collect(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="has no files"):
        FileCollector(files=())


def test_csv_counts_lines_not_rows(tmp_path: Path) -> None:
    text = 'instruction,reply,messages\nQ,"A\nof two lines",\nQ,A\n\nQ,A,\n'
    text += ',,"[{""role"": ""user"", ""content"": ""Q""}]"\n'
    rows = collect(write(tmp_path, "\ufeff" + text, "rows.csv"))
    assert [row.origin for row in rows] == [f"file:rows.csv:{line}" for line in (2, 4, 6, 7)]
    assert rows[0].messages == (Q, Message("assistant", "A\nof two lines"))
    assert isinstance(rows[1], FaultyRow)
    assert rows[1].fault == "it has 2 cells, the head has 3"
    assert rows[3].messages == (Q,)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_the_formats_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    import csv

    folder = tmp_path_factory.mktemp("rows")
    values = [{"instruction": asked, "reply": said} for asked, said in pairs]
    write(folder, "\n".join(json.dumps(each, ensure_ascii=False) for each in values))
    parquet.write_table(pa.Table.from_pylist(values), folder / "rows.parquet")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, ("instruction", "reply"), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(values)
    learnt = [
        [row.messages for row in collect(folder / name)]
        for name in ("rows.jsonl", "rows.csv", "rows.parquet")
    ]
    assert learnt[0] == [(Message("user", asked), Message("assistant", said)) for asked, said in pairs]
    assert learnt[0] == learnt[1] == learnt[2]


def test_parquet_with_lists_of_messages(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist([{"messages": TALK, "worse": "B"}, {"messages": TALK}]), file)
    rows = collect(file)
    assert [(row.messages, row.worse, row.origin) for row in rows] == [
        ((Q, A), "B", "file:rows.parquet:1"),
        ((Q, A), None, "file:rows.parquet:2"),
    ]
