"""POST /documents: files into the knowledge base, by path or by upload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.catalog import Receipt
from asbuilt.documents.sources import SourceFile, find_sources
from asbuilt.errors import LimitError, UnsafePathError, UserError
from asbuilt.knowledge import IngestionReport
from asbuilt.server.json_body import JSON, media_type, parse_json
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import DocumentsRequest, DocumentsResponse, IngestOptions
from asbuilt.server.service import Service, ServiceDep
from asbuilt.server.uploads import MULTIPART, UPLOADS, read_form

__all__ = ["router"]

router = APIRouter(tags=["asbuilt"])

_Model = TypeVar("_Model", bound=BaseModel)

_MAX_FIELD_BYTES = 1_024

_UPLOAD_SCHEMA = {
    "type": "object",
    "required": [UPLOADS],
    "additionalProperties": False,
    "properties": {
        UPLOADS: {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
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
        most = service.api.max_files
        async with read_form(request, max_files=most, max_field_bytes=_MAX_FIELD_BYTES) as form:
            options = _validated(IngestOptions, form.fields, strings=True)
            return await _ingest(_Batch(form.files), options, service)
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
