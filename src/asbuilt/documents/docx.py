"""Word files (.docx)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import docx

from asbuilt.documents.titles import document_title
from asbuilt.documents.writer import LINE, PARAGRAPH, TextWriter
from asbuilt.errors import ReadError
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["DocxReader"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


@component("reader/docx")
class DocxReader:
    """Paragraphs, headings, lists and tables (a row a line, cells joined by " | ") in document order.

    Hidden and deleted text is left out, inserted text is in; headers, footers and notes are not
    read. Word files have no pages until they are laid out, so there are none.
    """

    def __init__(self, *, max_unpacked_bytes: int = 200 * 2**20) -> None:
        self._max_unpacked_bytes = max_unpacked_bytes

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".docx"})

    def read(self, data: bytes, *, name: str) -> Document:
        self._check_archive(data, name)
        try:
            package = docx.Document(BytesIO(data))
            body = _Body(package)
            stated = body.title or package.core_properties.title
        except Exception as error:  # python-docx states no errors: a bad part may raise anything
            raise ReadError(
                f"{name!r} is not a Word document or is damaged ({type(error).__name__}).",
                hint="Open it in Word and save it again.",
            ) from error
        if not body.writer.text:
            raise ReadError(f"{name!r} has no text.")
        headings = body.writer.headings
        return Document(
            text=body.writer.text,
            media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            title=document_title(headings, name=name, stated=stated),
            headings=headings,
        )

    def _check_archive(self, data: bytes, name: str) -> None:
        if data.startswith(_OLE):
            if _ENCRYPTED_STREAM in data:
                raise ReadError(f"{name!r} is encrypted.", hint="Save a copy without a password.")
            raise ReadError(f"{name!r} is in the old .doc format.", hint="Save it as .docx.")
        try:
            with zipfile.ZipFile(BytesIO(data)) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ReadError(
                f"{name!r} is not a Word document or is truncated.", hint="Get it again."
            ) from error
        if any(entry.flag_bits & 1 for entry in entries):
            raise ReadError(f"{name!r} is encrypted.", hint="Save a copy without a password.")
        # zipfile never unpacks more of an entry than it declares, so the sum is the true limit.
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > self._max_unpacked_bytes:
            raise ReadError(
                f"{name!r} unpacks to {unpacked:,} bytes, over the limit of"
                f" {self._max_unpacked_bytes:,} (max_unpacked_bytes)."
            )


_HEADING_STYLE = re.compile(r"heading ([1-9])", re.IGNORECASE)
_MAX_STYLE_CHAIN = 10
# Elements by their local names, whose namespaces differ between text, formulas and drawings.
_TEXT = "t"
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_LEFT_OUT = frozenset(
    {"del", "moveFrom", "pPr", "rPr", "sectPr", "tblPr", "trPr", "tcPr", "sdtPr", "Fallback"}
)


class _Body:
    """One walk over the body that writes what it reads."""

    def __init__(self, package: Any) -> None:
        self.writer = TextWriter()
        self.title = ""
        self._styles = {style.style_id: _style_kind(style) for style in package.styles}
        self._in_list = False
        self._blocks(package.element.body)

    def _blocks(self, container: Any) -> None:
        for element in container:
            kind = _local(element)
            if kind == "p":
                self._paragraph(element)
            elif kind == "tbl":
                self._table(element)
            elif kind not in _LEFT_OUT:  # content controls and the like wrap blocks
                self._blocks(element)

    def _paragraph(self, element: Any) -> None:
        text = "".join(_inline(element)).strip()
        if not text:
            return
        style = element.find(f"{_W}pPr/{_W}pStyle")
        kind = self._styles.get(style.get(f"{_W}val") if style is not None else None, "")
        is_item = kind == "list" or element.find(f"{_W}pPr/{_W}numPr") is not None
        if kind == "title" and not self.title:
            self.title = text
            self.writer.add_heading(text, level=1)
        elif kind.isdigit():
            self.writer.add_heading(text, level=int(kind) + bool(self.title))
        elif is_item:
            self.writer.add(f"- {text}", gap=LINE if self._in_list else PARAGRAPH)
        else:
            self.writer.add(text)
        self._in_list = is_item

    def _table(self, element: Any) -> None:
        gap = PARAGRAPH
        for row in _nearest(element, "tr"):
            cells = [" ".join("".join(_inline(cell)).split()) for cell in _nearest(row, "tc")]
            if any(cells):
                self.writer.add(" | ".join(cells), gap=gap)
                gap = LINE
        self._in_list = False


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _nearest(element: Any, kind: str) -> Iterator[Any]:
    """Elements of a kind below `element`, but not those inside of one another."""
    for child in element:
        if _local(child) == kind:
            yield child
        elif _local(child) not in _LEFT_OUT:
            yield from _nearest(child, kind)


def _inline(element: Any) -> Iterator[str]:
    """The visible text in an element; paragraphs inside of it (cells, text boxes) are lines."""
    for child in element:
        kind = _local(child)
        if kind == _TEXT:
            yield child.text or ""
        elif kind in _CHARACTERS:
            yield _CHARACTERS[kind]
        elif kind in _LEFT_OUT or (kind == "r" and _is_hidden(child)):
            continue
        else:
            yield from _inline(child)
            if kind in ("p", "tc"):
                yield "\n"


def _is_hidden(run: Any) -> bool:
    mark = run.find(f"{_W}rPr/{_W}vanish")
    return mark is not None and mark.get(f"{_W}val") not in ("0", "false", "off")


def _style_kind(style: Any) -> str:
    """What a style makes of a paragraph: "title", the level of a heading, "list" or ""."""
    for _ in range(_MAX_STYLE_CHAIN):
        name = style.name or ""
        if name.lower() == "title":
            return "title"
        if match := _HEADING_STYLE.fullmatch(name):
            return match[1]
        if name.lower().startswith("list "):
            return "list"
        style = getattr(style, "base_style", None)
        if style is None:
            break
    return ""
