"""Data sets: JSON lines, a case each.

{"id": "k017", "question": "...", "documents": ["sqs/purge-queue"], "reference": "aws sqs ..."}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.registry import nearest

__all__ = ["Case", "read_cases"]

_EXAMPLE = '{"id": "1", "question": "...", "documents": ["folder/name"], "reference": "..."}'


@dataclass(frozen=True, slots=True)
class Case:
    """A question and what is known of its answer.

    `documents` are those that answer it, each the end of its source path without suffix, and
    `reference` is a right answer; either may be missing, and a measure that needs it then leaves the
    case unscored. An `unanswerable` one should be refused. Cases of one `cluster` (questions about
    one document, say) are not independent. `split` is for whoever tunes on one part only.
    """

    id: str
    question: str
    documents: tuple[str, ...] = ()
    reference: str = ""
    unanswerable: bool = False
    cluster: str = ""
    split: str = ""


_KEYS = tuple(field.name for field in fields(Case))


def read_cases(path: Path) -> tuple[Case, ...]:
    """Every case of a file, in its order.

    Raises NotFoundError, StorageError, or UserError with the line of what is wrong: no case at all,
    not JSON, an unknown key, a missing or wrong value, an id that stands there twice.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file.", hint="A data set is a file of JSON lines.")
        # Only "\n" ends a line: other separators, such as U+2028, may stand in a question.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no data set at {path}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text.", hint="A data set is a file of JSON lines.") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}.") from error
    cases: dict[str, Case] = {}
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        case = _case(line, f"{path}:{number}")
        if case.id in cases:
            raise UserError(f"{path}:{number}: the id {case.id!r} stands in line {seen[case.id]} already.")
        cases[case.id], seen[case.id] = case, number
    if not cases:
        raise UserError(f"{path} has no cases.", hint=f"A line looks like {_EXAMPLE}.")
    return tuple(cases.values())


def _case(line: str, place: str) -> Case:
    try:
        row = json.loads(line, object_pairs_hook=_each_once)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    except (ValueError, RecursionError) as error:  # the latter when it is nested too deep
        raise UserError(f"{place}: not JSON ({error}).", hint=f"A line looks like {_EXAMPLE}.") from error
    if not isinstance(row, dict):
        raise UserError(f"{place}: not an object.", hint=f"A line looks like {_EXAMPLE}.")
    for key in row:
        if key not in _KEYS:
            close = nearest(key, _KEYS)
            hint = f"Did you mean {close!r}?" if close else f"Known: {', '.join(_KEYS)}."
            raise UserError(f"{place}: unknown key {key!r}.", hint=hint)
    _check(row, place)
    return Case(**{**row, "documents": tuple(row.get("documents", ()))})


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise UserError(f"{twice!r} stands there twice.")
    return row


def _check(row: Mapping[str, Any], place: str) -> None:
    for key in ("id", "question"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise UserError(f"{place}: {key!r} must be text and not blank.")
    for key in ("reference", "cluster", "split"):
        if not isinstance(row.get(key, ""), str):
            raise UserError(f"{place}: {key!r} must be text.")
    documents = row.get("documents", [])
    if not isinstance(documents, list) or not all(isinstance(each, str) and each for each in documents):
        raise UserError(f"{place}: 'documents' must be a list of names.")
    if len(set(documents)) < len(documents):
        raise UserError(f"{place}: 'documents' names one twice.")
    if not isinstance(row.get("unanswerable", False), bool):
        raise UserError(f"{place}: 'unanswerable' must be true or false.")
    if row.get("unanswerable") and (documents or row.get("reference")):
        raise UserError(f"{place}: a case that is unanswerable can have no documents and no reference.")
