"""HTML: what a visitor sees, as text."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from asbuilt.documents.decoding import decode
from asbuilt.documents.titles import document_title
from asbuilt.documents.writer import LINE, PARAGRAPH, TextWriter
from asbuilt.errors import ReadError
from asbuilt.registry import component
from asbuilt.types import Document, Scalar

__all__ = ["HtmlReader"]


@component("reader/html")
class HtmlReader:
    """Visible text of a page: paragraphs, headings, lists, and tables with one row a line.

    Text that a visitor cannot see is left out, because it is a way to smuggle instructions to a
    model: scripts, styles, templates, comments, and elements hidden by the `hidden` attribute or
    by their own style (not displayed, invisible, transparent, of size zero, moved off the page).
    Hiding through style sheets is not seen. Offsets are into the text as read, not the markup.
    """

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".html", ".htm", ".xhtml"})

    def read(self, data: bytes, *, name: str) -> Document:
        decoded = decode(data, name=name, declared=_declared_encoding(data))
        root = _parse(decoded.text, name)
        writer = _Page(root).writer
        text, headings = writer.text, writer.headings
        if not text:
            raise ReadError(f"{name!r} has no visible text.")
        metadata: dict[str, Scalar] = {"encoding": decoded.encoding}
        if lang := root.get("lang"):
            metadata["lang"] = lang
        for meta in root.iterfind(".//meta[@name]"):
            if meta.get("name").lower() == "description" and (content := meta.get("content")):
                metadata["description"] = " ".join(content.split())
        return Document(
            text=text,
            media_type="text/html",
            title=document_title(headings, name=name, stated=root.findtext(".//head/title") or ""),
            headings=headings,
            metadata=metadata,
        )


_CHARSET_WITHIN = 1024  # as the HTML standard has it
_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""", re.IGNORECASE)

# What these declare is read as what it is a part of, as browsers do.
_PARTS_OF_CP1252 = frozenset({"ascii", "us-ascii", "iso-8859-1", "iso8859-1", "latin1", "latin-1"})

# fmt: off
_UNSEEN_TAGS = frozenset({
    "audio", "canvas", "datalist", "embed", "head", "iframe", "noscript", "object", "script", "select",
    "style", "svg", "template", "textarea", "title", "video",
})
_LINES = frozenset({"br", "caption", "dd", "dt", "legend", "li", "tr"})
_PARAGRAPHS = frozenset({
    "address", "article", "aside", "blockquote", "body", "center", "details", "dialog", "div", "dl",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hr", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "td", "th", "ul",
})
# fmt: on
_UNSEEN_STYLE = re.compile(
    r"""(?<![-\w]) (?:
      display\s*:\s*none
    | visibility\s*:\s*(?:hidden|collapse)
    | (?:opacity|font-size)\s*:\s*0*\.?0+(?:[a-z]+|%)?\s*(?:[;!]|$)
    | (?:left|top|right|text-indent)\s*:\s*-(?:999|\d{4,})
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_LISTS = ("ul", "ol", "menu")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_NOT_IN_A_CELL = ("table", "pre", *_HEADINGS)  # a table that holds one of these lays out the page


def _declared_encoding(data: bytes) -> str | None:
    match = _CHARSET.search(data[:_CHARSET_WITHIN])
    encoding = match[1].decode("ascii").lower() if match else None
    return "cp1252" if encoding in _PARTS_OF_CP1252 else encoding


def _parse(text: str, name: str) -> Any:
    parser = lxml_html.HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True
    )
    try:
        root = lxml_html.document_fromstring(text.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise ReadError(f"{name!r} cannot be read as HTML: {error}.") from error
    # libxml2 drops whatever is nested deeper than its limit, and says so only in its log.
    if any("depth" in entry.message for entry in parser.error_log.filter_from_fatals()):
        raise ReadError(f"{name!r} nests its elements too deeply to be read as HTML.")
    return root


def _is_unseen(element: Any) -> bool:
    style = element.get("style")
    return (
        element.tag in _UNSEEN_TAGS
        or element.get("hidden") is not None
        or (style is not None and _UNSEEN_STYLE.search(style) is not None)
    )


class _Page:
    """One walk over the tree that writes what it sees."""

    def __init__(self, root: Any) -> None:
        self.writer = TextWriter()
        self._inline: list[str] = []  # text since the last block boundary
        self._gap = LINE  # the widest gap asked for since the last block
        self._one_line = 0  # inside a heading or cell, boundaries are spaces
        self._preformatted = 0
        self._marker = ""  # bullet or number of a list item whose text is still to come
        self._lists: list[int | None] = []  # number of the last item, None for bullets
        self._rows: list[list[str] | None] = []  # for each open table the cells of its row; None for layout
        walk = etree.iterwalk(root, events=("start", "end"))
        seen = True
        for event, element in walk:
            if event == "start":
                seen = not _is_unseen(element)
                if seen:
                    self._start(element.tag, element)
                    self._inline.append(element.text or "")
                else:
                    walk.skip_subtree()  # its "end" comes next
            else:
                if seen:
                    self._end(element.tag)
                seen = True
                self._inline.append(element.tail or "")
        self._flush()

    def _start(self, tag: str, element: Any) -> None:
        self._boundary(tag)
        if tag in _HEADINGS or self._is_cell(tag):
            self._one_line += 1
        elif tag == "table":
            is_layout = next(element.iterdescendants(*_NOT_IN_A_CELL), None) is not None
            self._rows.append(None if is_layout else [])
        elif self._one_line:
            return
        elif tag == "pre":
            self._preformatted += 1
        elif tag in _LISTS:
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._marker = self._next_marker()

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._one_line -= 1
            if title := self._take():
                self.writer.add_heading(title, level=int(tag[1]))
                self._marker = ""
        elif self._is_cell(tag):
            self._one_line -= 1
            self._cells().append(self._take())
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_row()
            self._rows.pop()
        elif tag == "pre" and not self._one_line:
            self._flush()
            self._preformatted -= 1
        elif tag in _LISTS and not self._one_line:
            self._flush()
            self._lists.pop()
            self._marker = ""
        self._boundary(tag)

    def _boundary(self, tag: str) -> None:
        """What the start or end of an element means for the text around it."""
        if tag not in _LINES and tag not in _PARAGRAPHS:
            return
        if self._one_line:
            self._inline.append(" ")
        elif self._preformatted:
            if self._inline and not self._inline[-1].endswith("\n"):
                self._inline.append("\n")
        else:
            self._flush()
            if tag in _PARAGRAPHS and not self._lists and not self._is_cell(tag):
                self._gap = PARAGRAPH

    def _take(self) -> str:
        text = "".join(self._inline)
        self._inline.clear()
        return text.strip("\n").rstrip() if self._preformatted else " ".join(text.split())

    def _flush(self) -> None:
        if text := self._take():
            self.writer.add(self._marker + text, gap=self._gap)
            self._marker = ""
            self._gap = LINE

    def _next_marker(self) -> str:
        indent = "  " * (len(self._lists) - 1)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number + 1}. "

    def _cells(self) -> list[str]:
        """Cells so far of the row being read; nothing is kept outside of data tables."""
        cells = self._rows[-1] if self._rows else None
        return [] if cells is None else cells

    def _is_cell(self, tag: str) -> bool:
        return tag in ("td", "th") and bool(self._rows) and self._rows[-1] is not None

    def _end_row(self) -> None:
        cells = self._cells()
        if any(cells):
            self._inline.append(" | ".join(cells))
        cells.clear()
