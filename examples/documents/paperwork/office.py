"""What a sheet says as Word and Excel files: lines in order, tables as tables, numbers as numbers."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import docx
import openpyxl
from docx.shared import Pt
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from paperwork.sheet import Made, Placed

__all__ = ["as_docx", "as_xlsx"]

_BASELINE = 3.0  # points within which texts stand on one line
_MIDDLE = 300.0
_TIMES = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class _Line:
    texts: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class _Grid:
    cells: tuple[Placed, ...]


def as_docx(made: Made) -> Made:
    """A Word file: lines with tabs between their texts, or as rows of tables, as the layout's name decides;
    grids as tables."""
    file = docx.Document()
    in_tables = _even(made)
    words: list[int] = []
    for part in _stacked(_parts(made)) if in_tables else _parts(made):
        if isinstance(part, _Grid):
            _word_table(file, made, part.cells)
        else:
            paragraph = file.add_paragraph()
            for number, text in enumerate(part.texts):
                if number:
                    paragraph.add_run("\t")
                _run(paragraph, made, text)
        words += _words(part)
    buffer = io.BytesIO()
    file.save(buffer)
    return _made(made, ".docx", buffer.getvalue(), words)


def _stacked(parts: Iterable[_Line | _Grid]) -> Iterator[_Line | _Grid]:
    """Lines below each other with as many texts, two or more, as the rows of one grid."""
    for size, group in groupby(parts, key=lambda part: len(part.texts) if isinstance(part, _Line) else 0):
        together = list(group)
        lines = [part for part in together if isinstance(part, _Line)]
        if size > 1:
            yield _Grid(
                tuple(
                    replace(text, row=row, column=column)
                    for row, line in enumerate(lines)
                    for column, text in enumerate(line.texts)
                )
            )
        else:
            yield from together


def as_xlsx(made: Made) -> Made:
    """An Excel file: a line is a row, its texts in columns; amounts and ISO dates as Excel's own. Around
    grids there are empty rows or none, as the layout's name decides."""
    file = openpyxl.Workbook()
    sheet = file.active
    assert sheet is not None
    sheet.title = made.kind.title()
    words: list[int] = []
    row, apart = 0, int(_even(made))
    for part in _parts(made):
        row += 1 + (apart if isinstance(part, _Grid) else 0)
        placed = part.cells if isinstance(part, _Grid) else part.texts
        for number, text in enumerate(placed):
            down, column = (text.row, text.column) if isinstance(part, _Grid) else (0, number)
            at = row + down
            cell = sheet.cell(at, column + 1)
            value, shown_as = _cell_value(made, text)
            cell.value = value
            if shown_as:
                cell.number_format = shown_as
            cell.font = Font(bold=text.bold)
            if text.span > 1:
                first, last = (f"{get_column_letter(each)}{at}" for each in (column + 1, column + text.span))
                sheet.merge_cells(f"{first}:{last}")
        if isinstance(part, _Grid):
            row += max(each.row for each in part.cells) + apart
        words += _words(part)
    buffer = io.BytesIO()
    file.save(buffer)
    return _made(made, ".xlsx", buffer.getvalue(), words)


def _parts(made: Made) -> Iterator[_Line | _Grid]:
    """Lines and grids from top to bottom; of a report the left column first."""
    lines: dict[tuple[int, int, int], list[Placed]] = {}
    grids: dict[int, list[Placed]] = {}
    for each in made.placed:
        if each.grid is not None:
            grids.setdefault(each.grid, []).append(each)
            continue
        column = int(made.kind == "report" and each.x > _MIDDLE)
        lines.setdefault((each.page, column, round(each.y / _BASELINE)), []).append(each)
    found: list[tuple[tuple[int, int, float], _Line | _Grid]] = [
        ((page, column, texts[0].y), _Line(tuple(sorted(texts, key=lambda each: each.x))))
        for (page, column, _), texts in lines.items()
    ]
    found += [
        ((cells[0].page, 0, min(each.y for each in cells)), _Grid(tuple(cells))) for cells in grids.values()
    ]
    for _, part in sorted(found, key=lambda each: each[0]):
        yield part


def _even(made: Made) -> bool:
    return sum(made.layout.encode()) % 2 == 0


def _words(part: _Line | _Grid) -> list[int]:
    placed = part.cells if isinstance(part, _Grid) else part.texts
    return [number for each in placed for number in range(each.first, each.end)]


def _text(made: Made, placed: Placed) -> str:
    return " ".join(word.text for word in made.truth.words[placed.first : placed.end])


def _run(paragraph: Any, made: Made, placed: Placed) -> None:
    run = paragraph.add_run(_text(made, placed))
    run.bold = placed.bold
    run.font.size = Pt(placed.size)


def _word_table(file: Any, made: Made, cells: Sequence[Placed]) -> None:
    rows = 1 + max(each.row for each in cells)
    columns = max(each.column + each.span for each in cells)
    table = file.add_table(rows, columns)
    table.style = "Table Grid"
    for each in cells:
        cell = table.cell(each.row, each.column)
        if each.span > 1:
            cell = cell.merge(table.cell(each.row, each.column + each.span - 1))
        _run(cell.paragraphs[0], made, each)


def _cell_value(made: Made, placed: Placed) -> tuple[Any, str]:
    """The value of a cell and its number format, so that Excel shows the very text."""
    text, value = _text(made, placed), placed.value
    if isinstance(value, float) and text == f"{value:,.2f}":
        return value, "#,##0.00"
    if isinstance(value, float) and text == f"{value:.0f}":
        return int(value), "0"
    if isinstance(value, str) and text == value and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text), "yyyy-mm-dd"
    return text, "@"


def _made(made: Made, suffix: str, data: bytes, order: Sequence[int]) -> Made:
    """With its words in the order of the file. Boxes stay those of the sheet: Office files have none."""
    new = {old: number for number, old in enumerate(order)}
    truth = replace(
        made.truth,
        words=tuple(made.truth.words[old] for old in order),
        evidence={
            path: tuple(sorted(new[old] for old in words)) for path, words in made.truth.evidence.items()
        },
    )
    name = made.name.replace(".pdf", suffix)
    return replace(made, name=name, data=_without_times(data), truth=truth, placed=())


def _without_times(data: bytes) -> bytes:
    """The same archive without the moment at which it was made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(buffer, "w") as kept:
        for entry in given.infolist():
            content = given.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _TIMES.sub(b"1980-01-01T00:00:00Z", content)
            info = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
            kept.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
