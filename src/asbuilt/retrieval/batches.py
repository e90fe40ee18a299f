"""One write to an index as a value, checked, and as bytes that tell whether they are whole.

A record is a header (magic, length and CRC-32 of the body) and a body: one JSON line, then the
vectors of the points that have one, as little-endian float32.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asbuilt.errors import UserError
from asbuilt.retrieval.tags import tags_of
from asbuilt.types import IndexPoint, Vector

__all__ = ["HEADER_BYTES", "Batch", "body_bytes", "checked_batch", "checked_vector", "decode", "encode"]

_MAGIC = b"ABI1"
_HEADER = struct.Struct("<4sII")
_ID_LIMIT = 1 << 63

HEADER_BYTES = _HEADER.size


@dataclass(frozen=True, slots=True)
class Batch:
    """Points to insert or replace, ids to drop, and the catalogue position this brings an index to.

    No id occurs twice. `dim` is the length of its vectors, None when it has none. `held` are counts,
    of the index's choice, of what it holds before this write, where it knows them.
    """

    points: tuple[IndexPoint, ...]
    remove: tuple[int, ...]
    position: int
    dim: int | None
    held: tuple[int, ...] = ()


def checked_batch(
    points: Sequence[IndexPoint], remove: Sequence[int], position: int, *, dim: int | None
) -> Batch:
    """A batch that an index with vectors of length `dim` (None: not known yet) can apply.

    Of points with one id the last one counts, and removal comes after insertion. Raises UserError
    for an id outside of [0, 2^63), for a vector that is not finite or of another length, and for a
    payload value that cannot be filtered by.
    """
    removed = dict.fromkeys(remove)
    kept = {point.id: point for point in points if point.id not in removed}
    for point_id in (*kept, *removed):
        if not 0 <= point_id < _ID_LIMIT:
            raise UserError(f"point id {point_id!r} is not in [0, 2^63).")
    for point in kept.values():
        tags_of(point.payload)
        if point.vector is not None:
            dim = checked_vector(point.vector, dim=dim, what=f"the vector of point {point.id}").shape[0]
    has_vectors = any(point.vector is not None for point in kept.values())
    return Batch(tuple(kept.values()), tuple(removed), position, dim if has_vectors else None)


def checked_vector(vector: Vector, *, dim: int | None, what: str) -> Vector:
    """`vector` as float32. Raises UserError when it is not one finite row of length `dim`."""
    row = np.asarray(vector, dtype=np.float32)
    if row.ndim != 1 or row.shape[0] == 0:
        raise UserError(f"{what} has shape {row.shape}, not (dim,).")
    if dim is not None and row.shape[0] != dim:
        raise UserError(
            f"{what} has {row.shape[0]} dimensions; this index holds vectors of {dim}.",
            hint="Another embedder needs an index of its own.",
        )
    if not np.isfinite(row).all():
        raise UserError(f"{what} holds NaN or infinity.")
    return row


def encode(batch: Batch) -> bytes:
    """`batch` as one record."""
    vectors = [point.vector for point in batch.points if point.vector is not None]
    line = json.dumps(
        {
            "position": batch.position,
            "remove": batch.remove,
            "dim": batch.dim,
            "held": batch.held,
            "points": [
                [point.id, point.terms, point.vector is not None, dict(point.payload)]
                for point in batch.points
            ],
        },
        separators=(",", ":"),
    )
    body = line.encode() + b"\n" + np.asarray(vectors, dtype="<f4").tobytes()
    return _HEADER.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def decode(data: bytes) -> Batch:
    """The batch of one record. Raises ValueError when `data` is not exactly one whole record."""
    if len(data) < _HEADER.size:
        raise ValueError("record is shorter than its header")
    magic, length, checksum = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
        raise ValueError("record is damaged")
    end = data.index(b"\n", _HEADER.size)
    fields = json.loads(data[_HEADER.size : end])
    dim = fields["dim"]
    rows = iter(np.frombuffer(data, dtype="<f4", offset=end + 1).reshape(-1, dim or 1))
    points = tuple(
        IndexPoint(point_id, terms, next(rows) if has_vector else None, payload)
        for point_id, terms, has_vector, payload in fields["points"]
    )
    return Batch(points, tuple(fields["remove"]), fields["position"], dim, tuple(fields["held"]))


def body_bytes(header: bytes) -> int:
    """How many bytes follow this header in its record."""
    length: int = _HEADER.unpack(header)[1]
    return length
