"""Excel workbooks (.xlsx): a page for each 200 rows of a sheet."""

from __future__ import annotations

import re
import warnings
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from io import BytesIO
from itertools import chain, islice
from typing import Any, NamedTuple

import openpyxl
from openpyxl.utils import get_column_letter

from asbuilt.documents.canvas import GridCell, Passage, Row
from asbuilt.documents.drawn import DRAWING, Grid, draw_pages
from asbuilt.documents.header_row import is_header
from asbuilt.documents.number_format import shown
from asbuilt.documents.office import OfficeFormat, open_archive
from asbuilt.documents.paged import document_of
from asbuilt.documents.sheet_facts import Merge, SheetFacts, sheet_facts
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["XlsxReader"]

# It warns of extensions that it would not save; nothing is saved here.
warnings.filterwarnings("ignore", module="openpyxl")

_READING = 1  # raised by whatever changes the pages
_FORM = OfficeFormat("an Excel workbook", ".xls", ".xlsx", "xl/")
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PAGE_ROWS = 200
_HEAD_ROWS = 50  # of a region that are looked at before it is drawn
_TITLE_ROWS = 3  # above a table, of one cell each
_LARGE_TYPE = 13.0  # points; the usual is 11
_MAX_SHARED_BYTES = 200 * 2**20  # shared texts are held in memory, sheets are not


@component("reader/xlsx")
class XlsxReader:
    """Values as their sheets show them: stored results of formulas, dates as ISO 8601.

    Rows that follow one another without a blank one are a table; rows of a single cell above it are
    titles. Hidden sheets, rows and columns are left out, and flagged, as are formulas that have no
    stored result. Charts, pictures and comments are not read. Reading ends after `max_cells`, blank
    ones between others included, with a flag that says where.
    """

    def __init__(self, *, max_cells: int = 2_000_000, max_unpacked_bytes: int = 2**30) -> None:
        self._max_cells = max_cells
        self._max_unpacked_bytes = max_unpacked_bytes

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".xlsx", ".xlsm"})

    @property
    def recipe(self) -> str:
        """See the role."""
        limit = f"{self._max_cells} cells"
        return f"xlsx {_READING}; openpyxl {version('openpyxl')}; {DRAWING}; {limit}"

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        return document_of(
            self.pages(data, name=name) if pages is None else pages,
            name=name,
            media_type=_MEDIA_TYPE,
            recipe=self.recipe,
        )

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role. Each sheet begins a page, whose `name` is the sheet's."""
        return islice(self._pages(data, name), first - 1, None)

    def _pages(self, data: bytes, name: str) -> Iterator[PageLayout]:
        archive = open_archive(data, name=name, form=_FORM, max_unpacked_bytes=self._max_unpacked_bytes)
        with archive:
            _check_shared(archive, name)
            book = _opened(data, name)
            try:
                yield from _Book(book, archive, name, self._max_cells).pages()
            finally:
                book.close()


def _check_shared(archive: zipfile.ZipFile, name: str) -> None:
    for entry in archive.infolist():
        in_sheets = entry.filename.startswith("xl/worksheets/")
        if entry.filename.endswith((".xml", ".rels")) and not in_sheets:
            if entry.file_size > _MAX_SHARED_BYTES:
                raise ReadError(
                    f"{name!r} has texts of {entry.file_size:,} bytes, over the limit of"
                    f" {_MAX_SHARED_BYTES:,}.",
                    hint="Save its sheets as CSV files.",
                )
            try:
                head = archive.open(entry).read(4096)
            except Exception as error:  # zlib and zipfile state no common error
                raise ReadError(f"{name!r} is damaged ({entry.filename}).", hint="Get it again.") from error
            if b"<!DOCTYPE" in head:
                raise ReadError(f"{name!r} declares a document type, which no Office program writes.")


def _opened(data: bytes, name: str) -> Any:
    try:
        return openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True)
    except Exception as error:  # openpyxl states no errors: a bad part may raise anything
        raise ReadError(
            f"{name!r} is not an Excel workbook or is damaged ({type(error).__name__}).",
            hint="Open it in Excel and save it again.",
        ) from error


class _Book:
    """The pages of an open workbook."""

    def __init__(self, book: Any, archive: zipfile.ZipFile, name: str, max_cells: int) -> None:
        self._book, self._archive, self._name = book, archive, name
        self._cells_left = max_cells

    def pages(self) -> Iterator[PageLayout]:
        sheets = [sheet for sheet in self._book.worksheets if sheet.sheet_state == "visible"]
        hidden = [repr(sheet.title) for sheet in self._book.worksheets if sheet.sheet_state != "visible"]
        flags = [f"hidden sheets not read: {', '.join(hidden)}"] if hidden else []
        if not sheets:
            raise ReadError(f"{self._name!r} has no sheet that is not hidden.")
        number, failures = 1, 0
        for sheet in sheets:
            try:
                for page in self._sheet(sheet, number, flags, named=len(sheets) > 1):
                    yield page
                    number, flags = page.number + 1, []
            except GeneratorExit:
                raise
            except Exception as error:  # as above; one bad sheet must not cost the others
                failures += 1
                reason = f"sheet {sheet.title!r} cannot be read: {_reason(error)}"
                if failures == len(sheets):
                    raise ReadError(f"{self._name!r} is damaged: {reason}.", hint="Get it again.") from error
                yield PageLayout(number, 595.0, 842.0, kind="drawn", flags=(*flags, reason), name=sheet.title)
                number, flags = number + 1, []

    def _sheet(self, sheet: Any, number: int, flags: list[str], *, named: bool) -> Iterator[PageLayout]:
        # The path of its part is the one thing about a sheet that openpyxl keeps to itself.
        with self._archive.open(sheet._worksheet_path) as part:
            facts = sheet_facts(part)
        reading = _SheetReading(sheet, facts, self._cells_left)
        parts: Iterable[Passage | Grid] = reading.parts()
        if named:
            parts = chain([Passage(sheet.title, "heading", 1, f"name of {reading.prefix}")], parts)
        drawn = draw_pages(
            parts,
            number=number,
            name=sheet.title,
            page_lines=_PAGE_ROWS,
            flags=(*flags, *_flags(facts)),
        )
        last = next(drawn)
        for page in drawn:
            yield last
            last = page
        self._cells_left = reading.cells_left
        yield replace(last, flags=(*last.flags, reading.cut)) if reading.cut else last


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, ReadError) else f"damaged ({type(error).__name__})"


def _flags(facts: SheetFacts) -> Iterator[str]:
    if facts.hidden_rows:
        yield f"{len(facts.hidden_rows):,} hidden rows not read"
    if hidden := sum(map(len, facts.hidden_columns)):
        yield f"{hidden:,} hidden columns not read"
    if facts.unvalued_count:
        more = ", …" if facts.unvalued_count > len(facts.unvalued) else ""
        cells = f"{', '.join(facts.unvalued)}{more}"
        yield f"{facts.unvalued_count:,} formulas without a stored result: {cells}"


class _SheetRow(NamedTuple):
    """A visible row; `cells` are openpyxl's, from column 1 on."""

    number: int
    cells: Sequence[Any]
    texts: Sequence[str]

    def filled(self) -> list[int]:
        """Columns that have text, from 1."""
        return [column for column, text in enumerate(self.texts, start=1) if text]

    def text(self, column: int) -> str:
        return self.texts[column - 1] if column <= len(self.texts) else ""


class _SheetReading:
    """One pass over the rows of a sheet: regions of rows become titles and grids."""

    def __init__(self, sheet: Any, facts: SheetFacts, cells_left: int) -> None:
        self._sheet, self._facts = sheet, facts
        self.cells_left = cells_left
        self.cut = ""
        title = sheet.title
        plain = re.fullmatch(r"[^\W\d]\w*", title) is not None
        self.prefix = title if plain else "'{}'".format(title.replace("'", "''"))
        self._pushed: list[_SheetRow] = []
        self._rows = self._visible_rows()

    def parts(self) -> Iterator[Passage | Grid]:
        while (row := self._next()) is not None:
            if row.filled():
                self._pushed.append(row)
                yield from self._region()

    def _next(self) -> _SheetRow | None:
        return self._pushed.pop() if self._pushed else next(self._rows, None)

    def _visible_rows(self) -> Iterator[_SheetRow]:
        hidden_columns = [column for span in self._facts.hidden_columns for column in span]
        self._sheet.reset_dimensions()  # what a file states of its size may be wrong by millions
        for number, cells in enumerate(self._sheet.iter_rows(), start=1):
            self.cells_left -= len(cells)
            if self.cells_left < 0:
                self.cut = f"reading ended before row {number:,} of sheet {self._sheet.title!r} (max_cells)"
                return
            if number in self._facts.hidden_rows:
                continue
            texts = [_text(cell) for cell in cells]
            for column in hidden_columns:
                if column <= len(texts):
                    texts[column - 1] = ""
            yield _SheetRow(number, cells, texts)

    # ------------------------------------------------------------ regions

    def _region(self) -> Iterator[Passage | Grid]:
        head: list[_SheetRow] = []
        while len(head) < _HEAD_ROWS and (row := self._next()) is not None:
            if not self._goes_on(row, head):
                self._pushed.append(row)
                break
            head.append(row)
        one_column = len({column for row in head for column in row.filled()}) == 1
        titles = head if one_column and len(head) <= _TITLE_ROWS else []
        if not one_column:
            for row in head[:_TITLE_ROWS]:
                if len(row.filled()) != 1:
                    break
                titles.append(row)
        for row in titles:
            yield self._title(row)
        head = head[len(titles) :]
        if head:
            left = min(column for row in head for column in row.filled())
            right = max(self._right_edge(row) for row in head)
            yield Grid(self._grid_rows(head, self._columns(left, right)))

    def _goes_on(self, row: _SheetRow, above: Sequence[_SheetRow]) -> bool:
        """Whether a row belongs to the region of those above: it has text, or a merged cell reaches it."""
        if row.filled() or not above:
            return True
        return any(
            merge.bottom >= row.number and each.text(merge.left)
            for each in above
            for merge in self._facts.merges.get(each.number, ())
        )

    def _title(self, row: _SheetRow) -> Passage:
        column = row.filled()[0]
        font = row.cells[column - 1].font
        is_heading = font is not None and (bool(font.b) or (font.sz or 0) >= _LARGE_TYPE)
        place = self._place(row, column)
        return Passage(row.texts[column - 1], "heading" if is_heading else "paragraph", 2 * is_heading, place)

    def _right_edge(self, row: _SheetRow) -> int:
        """The last column with text, or that a merged cell with text reaches."""
        filled = row.filled()
        merges = self._facts.merges.get(row.number, ())
        spans = [min(merge.right, len(row.texts)) for merge in merges if merge.left in filled]
        return max((*filled, *spans), default=0)

    def _columns(self, left: int, right: int) -> list[int]:
        hidden = self._facts.hidden_columns
        return [column for column in range(left, right + 1) if not any(column in span for span in hidden)]

    def _grid_rows(self, head: Sequence[_SheetRow], columns: Sequence[int]) -> Iterator[Row]:
        has_header = self._has_header(head, columns)
        spans = _Spans(self._facts)
        for count, row in enumerate(chain(head, self._rest(columns))):
            slots: list[GridCell | None] = []
            for column, cell in spans.row(row.number, columns):
                if cell is None:
                    slots.append(None)
                    continue
                header = has_header and count == 0
                slots.append(GridCell(row.text(column), self._place(row, column), *cell, header))
            yield slots

    def _rest(self, columns: Sequence[int]) -> Iterator[_SheetRow]:
        """The rows of the region after its head, up to one that is blank or has cells beside it."""
        beside = columns[0], columns[-1]
        while (row := self._next()) is not None:
            filled = row.filled()
            if not filled or filled[0] < beside[0] or filled[-1] > beside[1]:
                self._pushed.append(row)
                return
            yield row

    def _has_header(self, head: Sequence[_SheetRow], columns: Sequence[int]) -> bool:
        grid = [
            [row.texts[column - 1] if column <= len(row.texts) else "" for column in columns] for row in head
        ]
        if len(head) < 2 or sum(map(bool, grid[0])) < 2:
            return False
        if _is_bold(head[0]) and not _is_bold(head[1]):
            return True
        return is_header(grid[0], grid[1:])

    def _place(self, row: _SheetRow, column: int) -> str:
        return f"{self.prefix}!{get_column_letter(column)}{row.number}"


def _text(cell: Any) -> str:
    value = cell.value
    return value.strip() if isinstance(value, str) else shown(value, cell.number_format or "General")


def _is_bold(row: _SheetRow) -> bool:
    return all(row.cells[column - 1].font.b for column in row.filled())


class _Spans:
    """Which cells of a row others span, and how far its own do, in rows and columns that are seen."""

    def __init__(self, facts: SheetFacts) -> None:
        self._facts = facts
        self._hidden = sorted(facts.hidden_rows)
        self._open: list[Merge] = []  # from rows above

    def row(self, number: int, columns: Sequence[int]) -> Iterator[tuple[int, tuple[int, int] | None]]:
        """Each column with (rows, columns) that its cell spans, None where it is spanned."""
        self._open = [merge for merge in self._open if merge.bottom >= number]
        taken = [False] * len(columns)
        for left, right, _ in self._open:
            for at in range(bisect_left(columns, left), bisect_right(columns, right)):
                taken[at] = True
        merges = {merge.left: merge for merge in self._facts.merges.get(number, ())}
        at = 0
        while at < len(columns):
            merge = merges.get(columns[at])
            if taken[at] or merge is None:
                yield columns[at], None if taken[at] else (1, 1)
                at += 1
                continue
            end = at + 1
            while end < len(columns) and columns[end] <= merge.right and not taken[end]:
                end += 1
            hidden = bisect_right(self._hidden, merge.bottom) - bisect_right(self._hidden, number)
            yield columns[at], (merge.bottom - number + 1 - hidden, end - at)
            yield from ((column, None) for column in columns[at + 1 : end])
            if merge.bottom > number:
                self._open.append(Merge(columns[at], columns[end - 1], merge.bottom))
            at = end
