"""Tables as text: comma-separated values and their kin."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain, islice

from openpyxl.utils import get_column_letter

from asbuilt.documents.canvas import GridCell, Row
from asbuilt.documents.decoding import decode
from asbuilt.documents.drawn import DRAWING, Grid, draw_pages
from asbuilt.documents.header_row import is_header
from asbuilt.documents.paged import document_of
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["CsvReader", "delimiter_of"]

_READING = 1  # raised by whatever changes the pages
_DELIMITERS = "\t;|,"
_PAGE_ROWS = 200
_HEAD_ROWS = 50
_SAMPLE_CHARS = 1 << 16
_MAX_LINE_CHARS = 1 << 20
_MAX_COLUMNS = 16_384  # as many as a spreadsheet has


@component("reader/csv")
class CsvReader:
    """One table, its first row the header where it reads as names. Delimiters: comma, semicolon, tab, bar.

    Quoted cells may have delimiters and line breaks. Rows are numbered as lines of a spreadsheet are:
    the header is row 1. Reading ends after `max_cells` with a flag that says where.
    """

    def __init__(self, *, max_cells: int = 2_000_000) -> None:
        self._max_cells = max_cells

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".csv", ".tsv", ".tab"})

    @property
    def recipe(self) -> str:
        """See the role."""
        return f"csv {_READING}; {DRAWING}; {self._max_cells} cells"

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        return document_of(
            self.pages(data, name=name) if pages is None else pages,
            name=name,
            media_type="text/csv",
            recipe=self.recipe,
        )

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role. A page has up to 200 lines; words say their row and column."""
        return islice(self._pages(data, name), first - 1, None)

    def _pages(self, data: bytes, name: str) -> Iterator[PageLayout]:
        table = _Table(decode(data, name=name).text, max_cells=self._max_cells)
        drawn = draw_pages([Grid(table.rows())], page_lines=_PAGE_ROWS)
        last = next(drawn)
        for page in drawn:
            yield last
            last = page
        if table.cut and not (last.text or last.number > 1):
            raise ReadError(f"{name!r} cannot be read as a table: {table.cut}.")
        yield replace(last, flags=(*last.flags, table.cut)) if table.cut else last


class _Table:
    """The rows of a text. `cut` says, after the last one, why it was not the end."""

    def __init__(self, text: str, *, max_cells: int) -> None:
        stated, _, rest = text.partition("\n")
        is_stated = len(stated) == len("sep=,") and stated.startswith("sep=")  # for Excel
        self._delimiter = stated[-1] if is_stated else delimiter_of(text[:_SAMPLE_CHARS])
        self._text = rest if is_stated else text
        self._before = int(is_stated)
        self._max_cells = max_cells
        self.cut = ""

    def rows(self) -> Iterator[Row]:
        records = self._records()
        head = list(islice(records, _HEAD_ROWS))
        width = max((len(record) for _, record in head), default=1)
        texts = [record for _, record in head]
        has_header = bool(head) and is_header(texts[0], texts[1:], expected=True)
        for count, (number, record) in enumerate(chain(head, records)):
            record += [""] * (width - len(record))
            yield [
                GridCell(text, f"row {number}, column {letters}", header=has_header and count == 0)
                for text, letters in zip(record, _letters(len(record)), strict=True)
            ]

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of the rows that are not blank."""
        reader = csv.reader(_lines(self._text), delimiter=self._delimiter, skipinitialspace=True)
        number, cells = self._before, 0
        while True:
            number += 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.cut = f"reading ended before row {number:,} ({error})"
                return
            cells += len(record)
            if len(record) > _MAX_COLUMNS or cells > self._max_cells:
                limit = f"{_MAX_COLUMNS:,} columns" if len(record) > _MAX_COLUMNS else "max_cells"
                self.cut = f"reading ended before row {number:,} ({limit})"
                return
            if any(map(str.strip, record)):
                yield number, record


def _lines(text: str) -> Iterator[str]:
    for line in io.StringIO(text):
        if len(line) > _MAX_LINE_CHARS:
            raise csv.Error(f"a line of {len(line):,} characters, over the limit of {_MAX_LINE_CHARS:,}")
        yield line


@cache
def _letters(columns: int) -> tuple[str, ...]:
    return tuple(get_column_letter(column) for column in range(1, columns + 1))


def delimiter_of(sample: str) -> str:
    """What parts the cells of most lines into equally many; a comma where nothing does.

    The comma is asked last, since it may stand in numbers and sentences between other delimiters.
    """
    best, best_share = ",", 0.5
    for delimiter in _DELIMITERS:
        share = _regularity(sample, delimiter)
        if share > best_share + 0.1:
            best, best_share = delimiter, share
    return best


def _regularity(sample: str, delimiter: str) -> float:
    """Share of lines that have the commonest number of cells, 0 when that is one."""
    lines = (line[:_SAMPLE_CHARS] for line in io.StringIO(sample))
    try:
        widths = [
            len(record) for record in islice(csv.reader(lines, delimiter=delimiter), _HEAD_ROWS) if record
        ]
    except csv.Error:
        return 0.0
    # The last line of a sample may be cut.
    counts = Counter(widths[:-1] or widths)
    width, count = max(counts.items(), key=lambda each: (each[1], each[0]), default=(1, 0))
    return count / counts.total() if width > 1 else 0.0
