"""What Office files have in common: ZIP archives of XML parts, which must be what they claim to be."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO

from asbuilt.errors import ReadError

__all__ = ["OLE", "OfficeFormat", "open_archive"]

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How old Office files, and new ones with a password, begin."""
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class OfficeFormat:
    """Words for messages: "a Word document", ".doc", ".docx"; and the start of its parts' names."""

    what: str
    old: str
    suffix: str
    folder: str


def open_archive(data: bytes, *, name: str, form: OfficeFormat, max_unpacked_bytes: int) -> zipfile.ZipFile:
    """The archive, checked: not encrypted, not the old format, whole, and no larger unpacked than said.

    Raises ReadError for any other.
    """
    if data.startswith(OLE):
        if _ENCRYPTED_STREAM in data:
            raise ReadError(f"{name!r} is encrypted.", hint="Save a copy without a password.")
        raise ReadError(f"{name!r} is in the old {form.old} format.", hint=f"Save it as {form.suffix}.")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ReadError(f"{name!r} is not {form.what} or is truncated.", hint="Get it again.") from error
    entries = archive.infolist()
    if any(entry.flag_bits & 1 for entry in entries):
        raise ReadError(f"{name!r} is encrypted.", hint="Save a copy without a password.")
    # zipfile never unpacks more of an entry than it declares, so the sum is the true limit.
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max_unpacked_bytes:
        raise ReadError(
            f"{name!r} unpacks to {unpacked:,} bytes, over the limit of"
            f" {max_unpacked_bytes:,} (max_unpacked_bytes)."
        )
    if not any(entry.filename.startswith(form.folder) for entry in entries):
        raise ReadError(f"{name!r} is not {form.what}.", hint=f"It has no part under {form.folder!r}.")
    return archive
