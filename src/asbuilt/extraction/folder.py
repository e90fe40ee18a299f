"""A folder of results: what was asked, what each file gave, and the pictures that prove it.

    manifest.json             the schema; each document with hash, source, reader and recipe
    invoice.pdf.1f3a09c2.json what `result.extraction_to_json` writes, and how it came about
    crops/<sha256>.png        the places that values stand at
    results.csv, viewer.html  whatever the exporters make

Nothing has a time in it: the same files, schema and versions give the same bytes. Each file is
written aside and renamed, a document's crops before its results, so that work which was killed goes
on with the document it was at.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from asbuilt.errors import NotFoundError, ReadError, StorageError
from asbuilt.extraction.result import extraction_from_plain, extraction_plain
from asbuilt.fields import Extraction, FieldSchema
from asbuilt.pages import PageLayout
from asbuilt.registry import nearest

__all__ = ["Origin", "ResultFolder", "Results", "StoredResult", "find_document", "read_results"]

_FORMAT = 1
_MANIFEST = "manifest.json"
_CROPS = "crops"
_UNSAFE = re.compile(r"[^\w.()\[\] -]+")
_MAX_NAME = 80  # characters of a document's name that its file keeps


@dataclass(frozen=True, slots=True)
class Origin:
    """How a document's results came about; a rerun with the same origin would give the same.

    `source` is the way to the file as it was given (for reading it again, no part of the identity).
    `recipe` is the reader's, `extractors` are names with what else changes their result, `learned`
    is the digest of the corrections and templates that were applied.
    """

    document: str
    source: str
    content_hash: str
    media_type: str = ""
    reader: str = ""
    recipe: str = ""
    extractors: tuple[str, ...] = ()
    learned: str = ""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One document of a folder of results; `file` is the name of its JSON. `pages` have their geometry
    alone (number, size, kind, rotation, skew, name): what drawing them again takes."""

    origin: Origin
    extraction: Extraction
    file: str
    pages: tuple[PageLayout, ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """A folder of results as it was read. `schema` is the JSON Schema, `digest` what it had."""

    folder: Path
    version: str
    schema: Mapping[str, Any]
    digest: str
    documents: tuple[StoredResult, ...]

    def crop(self, digest: str) -> bytes | None:
        """The bytes of a crop; None when it is not there."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        try:
            return (self.folder / _CROPS / f"{digest}.png").read_bytes()
        except OSError:
            return None


class ResultFolder:
    """Writes results, one document at a time, and the manifest at the end.

    Raises StorageError when the disk refuses.
    """

    def __init__(self, folder: Path, schema: FieldSchema, *, version: str) -> None:
        self._folder = folder
        self._schema = schema
        self._version = version
        self._documents: list[StoredResult] = []

    def done(self, origin: Origin) -> Extraction | None:
        """What an earlier run wrote for the same origin, schema and version, complete with crops; it
        counts as added then."""
        name = _file_name(origin)
        try:
            raw = json.loads((self._folder / name).read_bytes())
            if raw.pop("made") != self._made(origin):
                return None
            pages = _pages(raw.pop("pages"))
            extraction = extraction_from_plain(raw)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, ReadError):
            return None
        if extraction.fault or not all(self._has_crop(digest) for digest in _crops_of(extraction)):
            return None
        self._documents.append(StoredResult(origin, extraction, name, pages))
        return extraction

    def add(
        self,
        origin: Origin,
        extraction: Extraction,
        *,
        pages: Sequence[PageLayout] = (),
        crops: Mapping[str, bytes] | None = None,
    ) -> None:
        """Keep a document's results, the geometry of its pages and its crops (PNG by SHA-256)."""
        for digest, content in (crops or {}).items():
            if not self._has_crop(digest):
                _write(self._folder / _CROPS / f"{digest}.png", content)
        name = _file_name(origin)
        plain = extraction_plain(extraction)
        geometry = [_geometry(page) for page in pages]
        _write(self._folder / name, _json({"made": self._made(origin), "pages": geometry, **plain}))
        self._documents.append(StoredResult(origin, extraction, name, _pages(geometry)))

    @property
    def extractions(self) -> list[Extraction]:
        """Of all documents that were added or were there before, in that order."""
        return [stored.extraction for stored in self._documents]

    def finish(self, exported: Mapping[str, bytes] | None = None) -> None:
        """Write what exporters made, then the manifest: a folder that has one is complete."""
        for name, content in (exported or {}).items():
            _write(self._folder / name, content)
        manifest = {
            "format": _FORMAT,
            "asbuilt": self._version,
            "schema": {
                "name": self._schema.name,
                "digest": self._schema.digest,
                "source": self._schema.source,
            },
            "documents": [{"file": stored.file, **asdict(stored.origin)} for stored in self._documents],
        }
        _write(self._folder / _MANIFEST, _json(manifest))

    def _has_crop(self, digest: str) -> bool:
        return (self._folder / _CROPS / f"{digest}.png").is_file()

    def _made(self, origin: Origin) -> dict[str, Any]:
        """What must be equal for a result to be taken over."""
        made = asdict(origin)
        del made["document"], made["source"]
        made["extractors"] = list(origin.extractors)
        return {"asbuilt": self._version, "schema": self._schema.digest, **made}


def read_results(folder: Path) -> Results:
    """A folder of results. Raises NotFoundError when it is none, ReadError when it is damaged."""
    path = folder / _MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(
            f"{str(folder)!r} has no {_MANIFEST}.", hint="Name the folder that 'asbuilt extract -o' wrote."
        ) from None
    except OSError as error:
        raise ReadError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{str(path)!r} is no JSON: {error}.") from error
    try:
        if manifest["format"] != _FORMAT:
            raise ReadError(
                f"{str(path)!r} has format {manifest['format']!r}; this version reads {_FORMAT}.",
                hint="Extract again, or install the version that wrote it.",
            )
        return Results(
            folder=folder,
            version=str(manifest["asbuilt"]),
            schema=dict(manifest["schema"]["source"]),
            digest=str(manifest["schema"]["digest"]),
            documents=tuple(_stored(folder, each) for each in manifest["documents"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(f"{str(path)!r} is damaged: {error!r}.") from error


def find_document(results: Results, name: str) -> StoredResult:
    """The document called `name`. Raises NotFoundError with those that there are."""
    for stored in results.documents:
        if stored.origin.document == name and not stored.extraction.fault:
            return stored
    known = [stored.origin.document for stored in results.documents]
    close = nearest(name, known)
    hint = f"Did you mean {close!r}?" if close else f"There are: {', '.join(known[:10])}."
    raise NotFoundError(f"{str(results.folder)!r} has no document {name!r}.", hint=hint)


def _stored(folder: Path, raw: Mapping[str, Any]) -> StoredResult:
    origin = Origin(
        **{name: str(raw[name]) for name in ("document", "source", "content_hash", "media_type", "reader")},
        recipe=str(raw["recipe"]),
        extractors=tuple(map(str, raw["extractors"])),
        learned=str(raw["learned"]),
    )
    name = _file_name(origin)
    if raw["file"] != name:
        raise ValueError(f"file {raw['file']!r} is not {name!r}")
    try:
        document = json.loads((folder / name).read_bytes())
    except OSError as error:
        raise ReadError(f"{name!r} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{name!r} is no JSON: {error}.") from error
    try:
        return StoredResult(origin, extraction_from_plain(document), name, _pages(document["pages"]))
    except ReadError as error:
        raise ReadError(f"{name!r}: {error.message}") from error
    except (LookupError, TypeError, ValueError) as error:
        raise ReadError(f"{name!r} is damaged: {error!r}.") from error


_GEOMETRY = ("number", "width", "height", "kind", "rotation", "skew", "name")


def _geometry(page: PageLayout) -> dict[str, Any]:
    return {name: getattr(page, name) for name in _GEOMETRY}


def _pages(raw: Sequence[Mapping[str, Any]]) -> tuple[PageLayout, ...]:
    return tuple(PageLayout(**{name: each[name] for name in _GEOMETRY}) for each in raw)


def _file_name(origin: Origin) -> str:
    """Readable, safe on any disk, and another one for another document of the same name."""
    safe = _UNSAFE.sub("_", origin.document).strip(" .")[-_MAX_NAME:] or "document"
    identity = f"{origin.document}\0{origin.content_hash or origin.source}"
    return f"{safe}.{sha256(identity.encode()).hexdigest()[:8]}.json"


def _crops_of(extraction: Extraction) -> Iterable[str]:
    stated: Sequence[Any] = (*extraction.values, *extraction.repairs)
    return (each.evidence.crop for each in stated if each.evidence is not None and each.evidence.crop)


def _json(plain: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain, ensure_ascii=False, indent=1) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also when the process is killed."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}.") from error
