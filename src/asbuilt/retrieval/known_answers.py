"""Questions whose answering document is known: what a fusion weight is fitted on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asbuilt.errors import NotFoundError, UserError

__all__ = ["KnownAnswer", "answers", "load_known_answers"]


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A question and the documents that answer it, each as the end of its source path without suffix."""

    question: str
    documents: tuple[str, ...]


def answers(source: str, documents: tuple[str, ...]) -> bool:
    """Whether `source` is one of `documents`.

    >>> answers("/corpus/sqs/purge-queue.rst", ("sqs/purge-queue",))
    True
    """
    path = PurePosixPath(source)
    stem = f"/{path.parent}/{path.stem}" if path.suffix else f"/{path}"
    return any(stem.endswith(f"/{document}") for document in documents)


def load_known_answers(file: Path) -> list[KnownAnswer]:
    """Read JSON lines with `question`, `answer` and, where several documents will do, `also`.

    Raises NotFoundError for a missing file, UserError with the line for a bad one.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotFoundError(f"known answers {file} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"known answers {file} cannot be read: {error}.") from error
    cases = [_case(file, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not cases:
        raise UserError(f"known answers {file} is empty.")
    return cases


def _case(file: Path, number: int, line: str) -> KnownAnswer:
    try:
        row = json.loads(line)
        question, answer, also = row["question"], row["answer"], row.get("also", [])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file}:{number}: not a known answer ({error}).",
            hint='A line looks like {"question": "...", "answer": "folder/name"}.',
        ) from error
    if not (isinstance(question, str) and isinstance(answer, str) and isinstance(also, list)):
        raise UserError(f"{file}:{number}: question and answer must be strings, also a list of strings.")
    return KnownAnswer(question, (answer, *map(str, also)))
