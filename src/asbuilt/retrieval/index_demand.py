"""What the indexes take at a number of chunks."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, sqrt
from typing import Any

from asbuilt.errors import UserError
from asbuilt.resources.demand import Assumptions, Demand, MemoryPart

__all__ = ["exact_demand", "qdrant_edge_demand"]

_MIB = 1 << 20
_PAGE = 32 * _MIB
"""Qdrant Edge makes its storages in files of this size, and maps each into memory whole."""

_TEXT_BYTES = 1000
"""Postings of a chunk in Qdrant's text field; chunks of about 1,000 characters, 120 terms."""

_POINT_BYTES = 1100
"""Ids, versions and lengths that Qdrant keeps beside its files, a point."""

_VOCABULARY_BYTES = 290_000
"""Times the square root of the chunks: terms are to chunks about as their root (Heaps' law). 8,285 chunks
of the AWS example have 60,540 different terms, which take 26 MB."""

_LIBRARY_BYTES = 10 * _MIB

_EXACT_BYTES = 10_000
"""Counted terms of a chunk as Python objects, and their postings: 9.3 KB at 25,000 chunks, 11.1 at 8,285."""


def qdrant_edge_demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
    """For `index/qdrant-edge`. Measured at 500 to 60,000 chunks; see docs/log.md.

    Float32 vectors lie in whole pages. Vectors of 8 bits and postings lie in whole pages, of which what
    a search reads is mapped once more.
    """
    chunks, dim = assumed.chunks, _dim(config, assumed)
    library = MemoryPart("Qdrant Edge", _LIBRARY_BYTES, "measured: library", shared="qdrant-edge")
    if not chunks:
        return Demand((library,))
    fine, coarse, text = chunks * dim * 4, chunks * (dim + 8), chunks * _TEXT_BYTES
    vectors = _paged(fine) + _paged(coarse) + coarse
    beside = round(chunks * _POINT_BYTES + _VOCABULARY_BYTES * sqrt(chunks))
    said = f"{chunks} chunks"
    return Demand(
        (
            library,
            MemoryPart("vectors", vectors, f"{said} of {dim} dimensions, 40 bits each, pages of 32 MiB"),
            MemoryPart("terms and tags", _paged(text) + text + 6 * _MIB + beside, f"{said}, measured rates"),
        )
    )


def exact_demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
    """For `index/exact`, which holds everything in memory."""
    chunks, dim = assumed.chunks, _dim(config, assumed)
    said = f"{chunks} chunks"
    return Demand(
        (
            MemoryPart("vectors", chunks * dim * 4, f"{said} of {dim} dimensions in float32"),
            MemoryPart("terms and tags", chunks * _EXACT_BYTES, f"{said}, measured rate"),
        )
    )


def _paged(size: int) -> int:
    return ceil(size / _PAGE) * _PAGE


def _dim(config: Mapping[str, Any], assumed: Assumptions) -> int:
    dim: int = config["dim"] or assumed.dim
    if not dim:
        raise UserError(
            "the length of the vectors is not known: no embedder says it.",
            hint="State it in the index: config: {dim: 768}.",
        )
    return dim
