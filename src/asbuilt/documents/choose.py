"""Which reader reads a file: by what it holds, and by its suffix where text may be anything."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import PurePath

from asbuilt.documents.decoding import looks_binary
from asbuilt.documents.office import OLE
from asbuilt.errors import ReadError
from asbuilt.roles import Reader

__all__ = ["choose_reader"]

_HEAD_BYTES = 8192
_PDF_WITHIN = 1024  # some programs write before it
_ZIP = b"PK\x03\x04"
_OFFICE = {"word/": ".docx", "xl/": ".xlsx", "ppt/": ".pptx"}
"""Where the parts of a format are in its archive, and its suffix."""
_LOCAL_NAME = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)  # of an archive's entry; its length
_IMAGES = (
    (re.compile(rb"\x89PNG\r\n"), ".png"),
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), ".tif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ".webp"),
    (re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}", re.DOTALL), ".bmp"),
)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_HEADER_LINE = re.compile(rb"([A-Za-z][A-Za-z0-9-]*):(?:[ \t].*)?\r?\n(?:[ \t]+\S.*\r?\n)*")
_PLAIN_HEADERS = frozenset({b"from", b"to", b"subject", b"date", b"sender", b"reply-to", b"cc"})
_MAIL_HEADERS = frozenset({b"message-id", b"mime-version", b"received", b"return-path", b"delivered-to"})
_MIN_CSV_LINES = 3
_NAMES = {
    ".pdf": "a PDF file",
    ".docx": "a Word document",
    ".xlsx": "an Excel workbook",
    ".pptx": "a PowerPoint presentation",
    ".html": "an HTML page",
    ".eml": "an e-mail",
    ".csv": "a table of comma-separated values",
    ".txt": "a text file",
    ".png": "a PNG image",
    ".jpg": "a JPEG image",
    ".tif": "a TIFF image",
    ".webp": "a WebP image",
    ".bmp": "a BMP image",
}
_UNREADABLE = {
    b"{\\rtf": "an RTF file; save it as .docx",
    OLE: "an old Office file or one with a password; save it as .docx, .xlsx or .pptx without one",
    _ZIP: "a ZIP archive that is no Office file; unpack it first",
    b"PK\x05\x06": "an empty ZIP archive",
    b"GIF8": "a GIF image; save it as PNG",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"Rar!\x1a\x07": "a RAR archive; unpack it first",
    b"SQLite format 3\0": "an SQLite database",
}


def choose_reader(name: str, data: bytes, readers: Mapping[str, Reader]) -> tuple[str, Reader]:
    """The name and reader out of `readers` for a file called `name` whose content begins with `data`.

    The first 8 KiB are enough, except for an Office file that has its parts in an odd order. Where
    content is unmistakable (PDF, Office, HTML, e-mail, an image, an archive) it wins over the suffix.
    Text with a suffix that no reader has goes to the reader of ``.csv`` where all lines have the same
    number of cells, else to that of ``.txt``. Raises ReadError, naming what can be read, when no
    reader fits, and for an empty file.
    """
    if not data:
        raise ReadError(f"{name!r} is empty.")
    by_suffix = {suffix: (key, reader) for key, reader in readers.items() for suffix in reader.suffixes}
    suffix = PurePath(name).suffix.lower()
    wanted = _kind(data, suffix, by_suffix)
    if wanted in by_suffix:
        return by_suffix[wanted]
    unreadable = (words for magic, words in _UNREADABLE.items() if data.startswith(magic))
    what = _NAMES.get(wanted) or next(unreadable, "binary, in no form that is known")
    raise ReadError(f"{name!r} is {what}.", hint=f"Readable: {', '.join(sorted(by_suffix))}.")


def _kind(data: bytes, suffix: str, known: Collection[str]) -> str:
    """The suffix that the content stands for; "" for what has no reader."""
    head = data[:_HEAD_BYTES]
    if head.startswith(b"%PDF-"):
        return ".pdf"
    if head.startswith((_ZIP, OLE)):
        # Readers of Office files can tell a password from an old format, and what is truncated.
        return _office_kind(data, suffix) or (suffix if suffix in _OFFICE.values() else "")
    for magic, kind in _IMAGES:
        if magic.match(head):
            return kind
    if b"%PDF-" in head[:_PDF_WITHIN] and (suffix not in known or looks_binary(head)):
        return ".pdf"
    if head.startswith(tuple(_UNREADABLE)):
        return ""
    if looks_binary(head):
        return suffix if suffix in known and suffix in (".pdf", *_OFFICE.values()) else ""
    if _HTML.match(head):
        return ".html"
    if _is_email(head, stated=suffix == ".eml" or suffix not in known):
        return ".eml"
    if suffix in known:
        return suffix
    return ".csv" if ".csv" in known and _is_csv(head) else ".txt"


def _office_kind(data: bytes, suffix: str) -> str:
    """The format whose parts an archive has; by its suffix where it has those of several."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # cut, or no more than its head
        names = []
        for match in _LOCAL_NAME.finditer(data, 0, _HEAD_BYTES):
            length = int.from_bytes(match[1], "little")
            names.append(data[match.end() : match.end() + length].decode("utf-8", "replace"))
    kinds = [kind for folder, kind in _OFFICE.items() if any(name.startswith(folder) for name in names)]
    return suffix if suffix in kinds else next(iter(kinds), "")


def _is_email(head: bytes, *, stated: bool) -> bool:
    """Whether a text begins with headers of an e-mail; with those that only mail programs write,
    unless its name lets it be one."""
    if head.startswith(b"From "):  # as mailboxes part their messages
        head = head.partition(b"\n")[2]
    found: set[bytes] = set()
    at = 0
    while match := _HEADER_LINE.match(head, at):
        found.add(match[1].lower())
        at = match.end()
    if found & _MAIL_HEADERS:
        return bool(found & _PLAIN_HEADERS) or stated
    return stated and len(found & _PLAIN_HEADERS) > 1


def _is_csv(head: bytes) -> bool:
    """Whether all lines have equally many cells, at least two. JSON, markup and comments are not meant."""
    text = head.decode("utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8", "ignore")
    if not text.strip() or text.lstrip()[0] in "{[<#/":
        return False
    lines = text.splitlines()
    if len(head) == _HEAD_BYTES:
        lines.pop()
    return any(_is_regular(lines, delimiter) for delimiter in "\t;|,")


def _is_regular(lines: list[str], delimiter: str) -> bool:
    try:
        widths = [len(record) for record in csv.reader(lines, delimiter=delimiter) if record]
    except csv.Error:
        return False
    return len(widths) >= _MIN_CSV_LINES and min(widths) == max(widths) > 1
