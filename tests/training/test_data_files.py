"""Prepared rows written and read back."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.lineage import DataCard, PreparedData, Rejection, TrainingRow, rows_digest
from asbuilt.training.data_files import read_data, write_data
from asbuilt.types import Message

texts = st.text(st.characters(codec="utf-8"), max_size=20)
rows = st.builds(
    TrainingRow,
    st.tuples(st.builds(Message, st.just("user"), texts), st.builds(Message, st.just("assistant"), texts)),
    texts,
    texts,
    st.none() | texts,
)


def prepared(
    train: tuple[TrainingRow, ...],
    validation: tuple[TrainingRow, ...] = (),
    rejected: tuple[Rejection, ...] = (),
) -> PreparedData:
    card = DataCard(
        len(train) + len(validation) + len(rejected),
        len(train),
        len(validation),
        rows_digest(train),
        rows_digest(validation),
        sources={"file": 3},
        rejected={"too | long": 1},
        settings={"seed": 0, "near": 0.8},
        held_out={"questions": 12},
    )
    return PreparedData(train, validation, card, rejected)


@given(
    st.lists(rows, max_size=4),
    st.lists(rows, max_size=2),
    st.lists(st.builds(Rejection, texts, texts, texts), max_size=2),
)
def test_what_was_written_is_read_and_written_again_to_the_same_bytes(
    train: list[TrainingRow], validation: list[TrainingRow], rejected: list[Rejection]
) -> None:
    data = prepared(tuple(train), tuple(validation), tuple(rejected))
    with TemporaryDirectory() as folder:
        one, two = Path(folder, "one"), Path(folder, "two")
        write_data(data, one)
        assert read_data(one) == data
        write_data(read_data(one), two)
        assert {file.name for file in one.iterdir()} == {
            "train.jsonl", "validation.jsonl", "rejected.jsonl", "data-card.json", "data-card.md",
        }  # fmt: skip
        for file in one.iterdir():
            assert file.read_bytes() == (two / file.name).read_bytes()


ROW = TrainingRow((Message("user", "Q"), Message("assistant", "A")), "s", "file:a:1")


@pytest.mark.parametrize("name", ["train.jsonl", "validation.jsonl"])
def test_rows_that_were_changed_are_refused(tmp_path: Path, name: str) -> None:
    write_data(prepared((ROW,), (ROW,)), tmp_path)
    file = tmp_path / name
    file.write_text(file.read_text().replace('"A"', '"B"'))
    with pytest.raises(UserError, match=rf"{name} are not those of its data card. Prepare"):
        read_data(tmp_path)


def test_a_folder_without_a_card_is_unfinished(tmp_path: Path) -> None:
    write_data(prepared((ROW,)), tmp_path)
    (tmp_path / "data-card.json").unlink()
    with pytest.raises(NotFoundError, match="no prepared data"):
        read_data(tmp_path)


def test_a_write_that_stops_leaves_no_card_of_other_rows(tmp_path: Path) -> None:
    write_data(prepared((ROW,)), tmp_path)
    (tmp_path / "validation.jsonl.unfinished").mkdir()  # the write of it fails
    with pytest.raises(StorageError, match="cannot write"):
        write_data(prepared((ROW, ROW)), tmp_path)
    with pytest.raises(NotFoundError):
        read_data(tmp_path)


@pytest.mark.parametrize("line", ["not json", "{}", '{"messages": 1, "source": "s", "origin": "o"}', "[]"])
def test_damaged_rows_are_refused(tmp_path: Path, line: str) -> None:
    write_data(prepared((ROW,)), tmp_path)
    (tmp_path / "train.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match="is damaged"):
        read_data(tmp_path)


def test_the_card_can_be_read(tmp_path: Path) -> None:
    write_data(prepared((ROW,), (), (Rejection("file:a:2", "too | long"),)), tmp_path)
    text = (tmp_path / "data-card.md").read_text()
    assert "| collected | 2 |" in text
    assert r"| too \| long | 1 |" in text
    assert "| questions | 12 |" in text
    assert json.loads((tmp_path / "data-card.json").read_text())["held_out"] == {"questions": 12}
    assert rows_digest((ROW,)) in text
