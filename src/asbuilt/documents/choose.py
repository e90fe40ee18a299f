"""Which reader reads a file: by its suffix, corrected by what its first bytes say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath

from asbuilt.documents.decoding import looks_binary
from asbuilt.errors import ReadError
from asbuilt.roles import Reader

__all__ = ["choose_reader"]

_HEAD_BYTES = 8192
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_UNREADABLE = {
    b"{\\rtf": "an RTF file; save it as .docx",
    _OLE: "an old Office file or one with a password; save it as .docx without a password",
    _ZIP: "a ZIP archive that is not a Word document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"SQLite format 3\0": "an SQLite database",
}


def choose_reader(name: str, data: bytes, readers: Mapping[str, Reader]) -> tuple[str, Reader]:
    """The name and reader out of `readers` for a file called `name` whose content begins with `data`.

    The first 8 KiB are enough. Where content is unmistakable (PDF, Word, HTML, an archive, an
    image) it wins over the suffix; text with any other suffix goes to the reader of ``.txt``.
    Raises ReadError, naming what can be read, when no reader fits, and for an empty file.
    """
    head = data[:_HEAD_BYTES]
    if not head:
        raise ReadError(f"{name!r} is empty.")
    by_suffix = {suffix: (key, reader) for key, reader in readers.items() for suffix in reader.suffixes}
    suffix = PurePath(name).suffix.lower()
    wanted = _kind(head, suffix) or (suffix if suffix in by_suffix else ".txt")
    if wanted in by_suffix:
        return by_suffix[wanted]
    what = next((words for magic, words in _UNREADABLE.items() if head.startswith(magic)), "binary")
    raise ReadError(
        f"{name!r} is {what if wanted == '?' else f'a {wanted} file'}.",
        hint=f"Readable: {', '.join(sorted(by_suffix))}.",
    )


def _kind(head: bytes, suffix: str) -> str:
    """The suffix that the content stands for; "?" when it has no reader; "" for text."""
    if b"%PDF-" in head[:1024]:
        return ".pdf"
    # The reader of .docx can tell a password from an old format, and a broken file from another.
    if head.startswith((_ZIP, _OLE)) and (suffix == ".docx" or b"word/" in head):
        return ".docx"
    if head.startswith(tuple(_UNREADABLE)) or looks_binary(head):
        return "?"
    return ".html" if _HTML.match(head) else ""
