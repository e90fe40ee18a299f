"""Questions whose answering document is known: what a fusion weight is fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.errors import UserError

__all__ = ["answers", "load_known_answers", "unknown_documents"]


def answers(source: str, documents: Sequence[str]) -> bool:
    """Whether `source` is one of `documents`, each the end of a source path without suffix.

    >>> answers("/corpus/sqs/purge-queue.rst", ("sqs/purge-queue",))
    True
    """
    path = PurePosixPath(source)
    stem = f"/{path.parent}/{path.stem}" if path.suffix else f"/{path}"
    return any(stem.endswith(f"/{document}") for document in documents)


def unknown_documents(cases: Iterable[Case], sources: Iterable[str]) -> dict[str, str]:
    """Document names of `cases` that are none of `sources`, each with the id of the first case that names
    it."""
    known: set[str] = set()
    for source in sources:
        path = PurePosixPath(source)
        parts = (*path.parent.parts, path.stem)
        known.update("/".join(parts[at:]) for at in range(len(parts)))
    unknown: dict[str, str] = {}
    for case in cases:
        for document in case.documents:
            if document not in known:
                unknown.setdefault(document, case.id)
    return unknown


def load_known_answers(file: Path) -> list[Case]:
    """The cases of a data set that name documents. Raises what `read_cases` raises, and UserError when
    none does."""
    known = [case for case in read_cases(file) if case.documents]
    if not known:
        raise UserError(f"no case of {file} names the documents that answer it.")
    return known
