"""The words that stand before a chunk when it is searched and embedded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

__all__ = ["RECIPE", "context_of", "place_of"]

RECIPE = "context-1"
"""Changes when `context_of` does, so that stored chunks are made again."""


def place_of(source: str) -> dict[str, str]:
    """Folder and stem of a source, as metadata that filters may ask for.

    >>> place_of("/docs/sqs/purge-queue.rst")
    {'folder': 'sqs', 'name': 'purge-queue'}
    """
    path = PurePosixPath(source)
    return {"folder": path.parent.name, "name": path.stem}


def context_of(source: str, title: str, headings: Sequence[str]) -> str:
    """Where a chunk stands: folder and name of its file, its document's title, the headings above it.

    A passage seldom repeats what it is about; its place says so.

    >>> context_of("/docs/sqs/purge-queue.rst", "", ["To purge a queue"])
    'sqs purge-queue: To purge a queue'
    """
    place = place_of(source)
    where = f"{place['folder']} {place['name']}".strip()
    parts = [part for part in dict.fromkeys((title, *headings)) if part and part != place["name"]]
    return f"{where}: {' / '.join(parts)}" if parts else where
