"""Prepared rows in a folder, for people and for the trainer.

    train.jsonl, validation.jsonl   a row a line, in the trainer's order
    rejected.jsonl                  what was left out, and why
    data-card.json                  lineage.DataCard
    data-card.md                    the same to read

The same rows give the same bytes. The card is written last: a folder without one is unfinished.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.lineage import DataCard, PreparedData, Rejection, TrainingRow, rows_digest
from asbuilt.types import Message

__all__ = ["card_as_markdown", "read_data", "read_rows", "write_data"]

_CARD = "data-card.json"
_AGAIN = "Prepare the data again."


def write_data(data: PreparedData, folder: Path) -> None:
    """Write `data` into `folder`, in place of what was there. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _CARD).unlink(missing_ok=True)
        _write(folder / "train.jsonl", _lines(map(_row_data, data.train)))
        _write(folder / "validation.jsonl", _lines(map(_row_data, data.validation)))
        _write(folder / "rejected.jsonl", _lines(map(asdict, data.rejected)))
        _write(folder / "data-card.md", card_as_markdown(data.card))
        card = json.dumps(asdict(data.card), ensure_ascii=False, indent=2)
        _write(folder / _CARD, f"{card}\n")
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}.") from error


def read_data(folder: Path) -> PreparedData:
    """What `write_data` wrote.

    Raises NotFoundError where there is none, and UserError for rows that are not those of the card.
    """
    if not (folder / _CARD).is_file():
        raise NotFoundError(f"there is no prepared data in {folder}.", hint=_AGAIN)
    try:
        card = DataCard(**json.loads((folder / _CARD).read_text(encoding="utf-8")))
        train = read_rows(folder / "train.jsonl")
        validation = read_rows(folder / "validation.jsonl")
        rejected = tuple(Rejection(**each) for each in _objects(folder / "rejected.jsonl"))
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"the data in {folder} is damaged ({error}).", hint=_AGAIN) from error
    for name, rows, digest in (
        ("train.jsonl", train, card.train_digest),
        ("validation.jsonl", validation, card.validation_digest),
    ):
        if rows_digest(rows) != digest:
            raise UserError(f"the rows of {folder / name} are not those of its data card.", hint=_AGAIN)
    return PreparedData(train, validation, card, rejected)


def read_rows(file: Path) -> tuple[TrainingRow, ...]:
    """The rows of one file, in its order. Raises OSError, and ValueError, TypeError or KeyError for what
    `write_data` did not write."""
    return tuple(map(_row, _objects(file)))


def card_as_markdown(card: DataCard) -> str:
    """The card to read."""
    parts = [
        "# Data card",
        _table(
            ("rows", "number"),
            {
                "collected": card.collected,
                "rejected": sum(card.rejected.values()),
                "for training": card.train,
                "for validation": card.validation,
            },
        ),
        f"SHA-256 of the rows for training: `{card.train_digest}`  \n"
        f"SHA-256 of the rows for validation: `{card.validation_digest}`",
    ]
    for title, head, values in (
        ("Where rows came from", ("origin", "rows"), card.sources),
        ("Left out", ("reason", "rows"), card.rejected),
        ("Held-out sets that were checked against", ("data set", "cases"), card.held_out),
        ("Settings", ("setting", "value"), card.settings),
    ):
        if values:
            parts += [f"## {title}", _table(head, values)]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, str], values: Mapping[str, Any]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    lines += [f"| {_cell(key)} | {_cell(values[key])} |" for key in values]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", r"\|").split())


def _row_data(row: TrainingRow) -> dict[str, Any]:
    data: dict[str, Any] = {
        "messages": [{"role": each.role, "content": each.content} for each in row.messages],
        "source": row.source,
        "origin": row.origin,
    }
    return data if row.worse is None else {**data, "worse": row.worse}


def _row(data: Mapping[str, Any]) -> TrainingRow:
    messages = tuple(Message(each["role"], each["content"]) for each in data["messages"])
    return TrainingRow(messages, data["source"], data["origin"], data.get("worse"))


def _lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in values)


def _objects(file: Path) -> Iterable[dict[str, Any]]:
    # Only "\n" ends a line: JSON leaves U+2028 and U+0085, which splitlines would cut at, as they are.
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def _write(file: Path, text: str) -> None:
    """All of it or nothing, durably."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    with unfinished.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(file)
