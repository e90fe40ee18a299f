"""POST /documents: files into the knowledge base, by path or by upload."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.catalog import Receipt
from asbuilt.documents.sources import MAX_FILE_BYTES, SourceFile, find_sources
from asbuilt.errors import LimitError, StorageError, UnsafePathError, UserError
from asbuilt.knowledge import IngestionReport
from asbuilt.server.json_body import JSON, media_type, parse_json
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import DocumentsRequest, DocumentsResponse, IngestOptions
from asbuilt.server.service import Service, ServiceDep

__all__ = ["router", "upload_name"]

router = APIRouter(tags=["asbuilt"])

_Model = TypeVar("_Model", bound=BaseModel)

MULTIPART = "multipart/form-data"
_FIELD = "files"
_MAX_FIELD_BYTES = 1_024
_MAX_NAME_BYTES = 255

_UPLOAD_SCHEMA = {
    "type": "object",
    "required": [_FIELD],
    "additionalProperties": False,
    "properties": {
        _FIELD: {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
        **IngestOptions.model_json_schema()["properties"],
    },
}


@router.post(
    "/documents",
    response_model=None,
    responses={200: {"model": DocumentsResponse}, **problems(400, 404, 408, 413, 415, 422, 429, 502, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": DocumentsRequest.model_json_schema()},
                MULTIPART: {"schema": _UPLOAD_SCHEMA},
            },
        }
    },
)
async def add_documents(request: Request, service: ServiceDep) -> Response:
    """Ingest files and wait until they can be found.

    Either JSON that names files on the service's machine, below the folders that its blueprint
    allows, or an upload of files (form field `files`). An uploaded file is the document
    `upload:NAME`; the same name again is a new version of it. A file that cannot be read gets a
    receipt that says why, and the others go on.
    """
    kind = media_type(request)
    if kind == JSON:
        body = _validated(DocumentsRequest, parse_json(await request.body()))
        batch = await run_sync(_below_roots, body.files, service)
        return await _ingest(batch, body, service)
    if kind == MULTIPART:
        async with _uploads(request, service) as (batch, options):
            return await _ingest(batch, options, service)
    accepted = f"{JSON}, {MULTIPART}"
    raise HTTPException(415, f"Content-Type is {kind!r}; this takes {accepted}.", {"Accept": accepted})


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files to ingest, and receipts of those that are not there."""

    files: Sequence[SourceFile]
    refused: Sequence[Receipt] = ()


async def _ingest(batch: _Batch, options: IngestOptions, service: Service) -> Response:
    report = await service.ingest(partial(_run, batch, options, service))
    receipts = [*report.receipts, *batch.refused]
    if service.stop_ingestion.is_set():
        status = "stopped"
    elif all(receipt.status == "indexed" for receipt in receipts):
        status = "complete"
    else:
        status = "partial"
    return json_response(
        {
            "status": status,
            "document_ids": [each.document_id for each in receipts if each.document_id is not None],
            "chunks_created": report.created,
            "receipts": [_receipt(each) for each in receipts],
        }
    )


def _run(batch: _Batch, options: IngestOptions, service: Service) -> IngestionReport:
    return service.system.knowledge.ingest(
        batch.files,
        collection=options.collection,
        chunker=service.chunker(
            options.model_dump(include={"chunk_size", "chunk_overlap"}, exclude_unset=True)
        ),
        stop=service.stop_ingestion,
    )


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {name: getattr(receipt, name) for name in _RECEIPT_MEMBERS}


_RECEIPT_MEMBERS = ("source", "status", "document_id", "version", "chunks", "embedded", "found", "reason")


# ---------------------------------------------------------------- by path


def _below_roots(paths: Sequence[str], service: Service) -> _Batch:
    """What `paths` mean, below the roots that the blueprint allows; all of it is looked up before
    anything is read. Raises UnsafePathError or LimitError for the request as a whole."""
    base = service.system.folder
    roots = [base / Path(root).expanduser() for root in service.api.roots]
    if not roots:
        raise UnsafePathError(
            "paths on this machine are not accepted: the blueprint names no api.roots.",
            hint="Upload the files, or list folders under api.roots.",
        )
    _check_count(len(paths), service)
    files: dict[str, SourceFile] = {}
    refused: list[Receipt] = []
    for path in dict.fromkeys(paths):
        try:
            found = find_sources([base / path], roots=roots)
        except UnsafePathError:
            raise
        except UserError as error:
            refused.append(Receipt(path, "quarantined", reason=str(error)))
            continue
        for candidate in found.files:
            files[candidate.source] = candidate.to_read()
        _check_count(len(files), service)
    return _Batch(list(files.values()), refused)


def _check_count(count: int, service: Service) -> None:
    most = service.api.max_files
    if count > most:
        raise LimitError(f"more than {most} files (api.max_files).", hint="Send them in parts.")


# ---------------------------------------------------------------- by upload


@asynccontextmanager
async def _uploads(request: Request, service: Service) -> AsyncIterator[tuple[_Batch, IngestOptions]]:
    """The uploaded files, open until the end of the context, and the other fields."""
    most = service.api.max_files
    try:
        form = await request.form(max_files=most, max_fields=16, max_part_size=_MAX_FIELD_BYTES)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise HTTPException(422, f"{error.detail} (at most {most} files, api.max_files)") from None
    except OSError as error:
        raise StorageError(f"the upload cannot be kept: {error.strerror}.") from error
    try:
        parts = form.multi_items()
        uploads = [value for name, value in parts if name == _FIELD and isinstance(value, UploadFile)]
        others = [(name, value) for name, value in parts if name != _FIELD]
        if not uploads or len(uploads) + len(others) < len(parts):
            raise UserError(f"the form field {_FIELD!r} must hold files, with their names.")
        fields = {name: value for name, value in others if isinstance(value, str)}
        if len(fields) < len(others):
            raise UserError(f"files belong in the form field {_FIELD!r}, and other fields come once.")
        yield _Batch(list(_named(uploads))), _validated(IngestOptions, fields, strings=True)
    finally:
        await form.close()


def _named(uploads: Sequence[UploadFile]) -> Iterator[SourceFile]:
    names: set[str] = set()
    for upload in uploads:
        name = upload_name(upload.filename or "")
        if name in names:
            raise UserError(f"two files are called {name!r}.", hint="Send them one after the other.")
        names.add(name)
        problem = ""
        if (upload.size or 0) > MAX_FILE_BYTES:
            problem = f"{name!r} has {upload.size:,} bytes, over the limit of {MAX_FILE_BYTES:,}."
        yield SourceFile(f"upload:{name}", name, partial(_content, upload), problem)


def _content(upload: UploadFile) -> bytes:
    upload.file.seek(0)
    return upload.file.read()


def upload_name(filename: str) -> str:
    """A client's file name as a plain name: no folders, nothing unprintable, one form of each letter.

    >>> upload_name("..\\\\secret/Bilan e\\u0301te\\u0301.pdf")
    'Bilan été.pdf'

    Raises UserError when nothing is left, or too much.
    """
    last = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in unicodedata.normalize("NFC", last) if letter.isprintable()).strip()
    if name in ("", ".", "..") or len(name.encode()) > _MAX_NAME_BYTES:
        raise UserError(f"{filename[:80]!r} is no file name of 1 to {_MAX_NAME_BYTES} bytes.")
    return name


# ---------------------------------------------------------------- validation


def _validated(model: type[_Model], value: Any, *, strings: bool = False) -> _Model:
    """`value` as `model`, with the faults that FastAPI's own validation would report."""
    try:
        if strings:
            return model.model_validate_strings(value, strict=False)
        return model.model_validate(value)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None
