"""Files and fields of a multipart form, as values that the rest of the house knows."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from asbuilt.documents.sources import MAX_FILE_BYTES, SourceFile
from asbuilt.errors import StorageError, UserError

__all__ = ["MULTIPART", "UPLOADS", "Form", "read_form", "upload_name"]

MULTIPART = "multipart/form-data"
UPLOADS = "files"
"""The form field that holds files."""

_MAX_FIELDS = 16
_MAX_NAME_BYTES = 255


class Form(NamedTuple):
    """Uploaded files, to be read while the form is open, and the other fields."""

    files: list[SourceFile]
    fields: Mapping[str, str]


@asynccontextmanager
async def read_form(request: Request, *, max_files: int, max_field_bytes: int) -> AsyncIterator[Form]:
    """The form of a request, open until the end of the context.

    Raises UserError when it has no files or a field twice, StorageError when the files cannot be
    kept meanwhile, HTTPException 422 when it has too much of something.
    """
    try:
        form = await request.form(max_files=max_files, max_fields=_MAX_FIELDS, max_part_size=max_field_bytes)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise HTTPException(422, f"{error.detail} (at most {max_files} files, api.max_files)") from None
    except OSError as error:
        raise StorageError(f"the upload cannot be kept: {error.strerror}.") from error
    try:
        parts = form.multi_items()
        uploads = [value for name, value in parts if name == UPLOADS and isinstance(value, UploadFile)]
        others = [(name, value) for name, value in parts if name != UPLOADS]
        if not uploads or len(uploads) + len(others) < len(parts):
            raise UserError(f"the form field {UPLOADS!r} must hold files, with their names.")
        fields = {name: value for name, value in others if isinstance(value, str)}
        if len(fields) < len(others):
            raise UserError(f"files belong in the form field {UPLOADS!r}, and other fields come once.")
        yield Form(list(_named(uploads)), fields)
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
