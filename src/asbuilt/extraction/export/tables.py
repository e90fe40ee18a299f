"""CSV, Excel and Parquet: a row a document; each list of the schema has a table of its own."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from asbuilt.errors import MissingError
from asbuilt.extraction.export.rows import group_name, groups, items, leaf_name, singles, values_by_path
from asbuilt.fields import ExtractedValue, Extraction, FieldKind, FieldSchema
from asbuilt.registry import component

__all__ = ["CsvExporter", "ParquetExporter", "XlsxExporter"]

Row = list[Any]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CELL_CHARS = 32_767  # Excel's limit
_SHEET_CHARS = 31
_NO_TIME = "1980-01-01T00:00:00Z"
_EVIDENCE = (
    "document", "path", "value", "status", "confidence", "corrected", "page", "place", "quote", "boxes",
    "reader", "second reading", "extractor", "why", "other candidates", "crop",
)  # fmt: skip


@component("exporter/csv")
class CsvExporter:
    """``results.csv`` and, for each list, ``results.<list>.csv``. No cell becomes a formula: text that
    would has an apostrophe before it."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        return {
            f"results{f'.{_file_part(name)}' if name else ''}.csv": _csv(head, rows)
            for name, head, rows in _tables(extractions, schema)
        }


@component("exporter/xlsx")
class XlsxExporter:
    """``results.xlsx``: values on the first sheet, lists and then evidence and checks on others. Text
    stays text, whatever it begins with."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        book = openpyxl.Workbook()
        book.remove(book.worksheets[0])
        for name, head, rows in _tables(extractions, schema):
            _fill(book.create_sheet(_title(name or "Values", book.sheetnames)), head, rows)
        _fill(book.create_sheet(_title("Evidence", book.sheetnames)), _EVIDENCE, _evidence(extractions))
        checks = book.create_sheet(_title("Checks", book.sheetnames))
        _fill(checks, ("document", "kind", "what", "outcome", "remark"), _checks(extractions))
        out = io.BytesIO()
        book.save(out)
        return {"results.xlsx": _without_time(out.getvalue())}


@component("exporter/parquet")
class ParquetExporter:
    """``results.parquet`` (a row a document, lists as lists of structs) and
    ``results.evidence.parquet`` (a row a value). Raises MissingError without the extra."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        try:
            import pyarrow as pa
            import pyarrow.parquet
        except ModuleNotFoundError as error:
            raise MissingError(
                "Parquet needs the package 'pyarrow'.", hint="pip install asbuilt[parquet]"
            ) from error

        def column(kind: FieldKind, values: list[Any]) -> Any:
            types = {
                "number": pa.float64(),
                "integer": pa.int64(),
                "boolean": pa.bool_(),
                "date": pa.date32(),
            }
            try:
                return pa.array([_typed(value, kind) for value in values], types.get(kind, pa.string()))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # an integer over 64 bits
                return pa.array([None if value is None else str(value) for value in values], pa.string())

        def file(columns: dict[str, Any]) -> bytes:
            out = io.BytesIO()
            pyarrow.parquet.write_table(pa.table(columns), out)
            return out.getvalue()

        found = [values_by_path(each) for each in extractions]
        wide: dict[str, Any] = {
            "document": pa.array([each.document for each in extractions], pa.string()),
            "content_hash": pa.array([each.content_hash for each in extractions], pa.string()),
            "fault": pa.array([each.fault for each in extractions], pa.string()),
        }
        for field in singles(schema):
            wide[field.path] = column(field.kind, [_value(values.get(field.path)) for values in found])
        for group, fields in groups(schema).items():
            listed = [items([each], group) for each in extractions]
            flat = [item for rows in listed for item in rows]
            starts = [sum(len(rows) for rows in listed[:index]) for index in range(len(listed) + 1)]
            parts = [
                column(each.kind, [_value(item.values.get(each.path)) for item in flat]) for each in fields
            ]
            struct = pa.StructArray.from_arrays(parts, names=[leaf_name(each) for each in fields])
            wide[group_name(group)] = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), struct)
        rows = list(_evidence(extractions))
        kinds: dict[str, Any] = {"confidence": pa.float64(), "corrected": pa.bool_(), "page": pa.int64()}
        long = {
            name: pa.array(
                [None if row[at] is None else row[at] if name in kinds else str(row[at]) for row in rows],
                kinds.get(name, pa.string()),
            )
            for at, name in enumerate(_EVIDENCE)
        }
        return {"results.parquet": file(wide), "results.evidence.parquet": file(long)}


def _tables(
    extractions: Sequence[Extraction], schema: FieldSchema
) -> Iterator[tuple[str, Sequence[str], list[Row]]]:
    """Name, head and rows: first the single values (without a name), then each list."""
    fields = singles(schema)
    rows: list[Row] = []
    for extraction in extractions:
        found = values_by_path(extraction)
        cells = [_typed(_value(found.get(field.path)), field.kind) for field in fields]
        rows.append([extraction.document, *cells, extraction.fault or None])
    yield "", ("document", *(field.path for field in fields), "fault"), rows
    for group, leaves in groups(schema).items():
        rows = [
            [
                item.document,
                item.row,
                *(_typed(_value(item.values.get(field.path)), field.kind) for field in leaves),
            ]
            for item in items(extractions, group)
        ]
        yield group_name(group), ("document", "row", *map(leaf_name, leaves)), rows


def _evidence(extractions: Sequence[Extraction]) -> Iterator[Row]:
    for extraction in extractions:
        for value in extraction.values:
            at = value.evidence
            rivals = "; ".join(f"{rival.value} ({rival.why})" for rival in value.rivals)
            searched = "; ".join(f"page {each.page}: {each.what}" for each in value.searched)
            why = value.why or (f"searched {searched}" if searched else None)
            yield [
                extraction.document,
                value.path,
                _typed(value.value, value.kind),
                value.status,
                value.confidence,
                value.corrected,
                *(
                    (None,) * 6
                    if at is None
                    else (
                        at.page,
                        at.place or None,
                        at.quote,
                        " ".join(",".join(f"{edge:g}" for edge in box) for box in at.boxes),
                        at.reader,
                        at.second,
                    )
                ),
                value.extractor or None,
                why,
                rivals or None,
                at.crop or None if at is not None else None,
            ]


def _checks(extractions: Sequence[Extraction]) -> Iterator[Row]:
    for each in extractions:
        if each.fault:
            yield [each.document, "fault", each.fault, None, None]
        for outcome in each.constraints:
            holds = {True: "holds", False: "broken", None: "a value is missing"}[outcome.holds]
            yield [each.document, "constraint", outcome.expression, holds, outcome.message or None]
        for repair in each.repairs:
            change = f"{repair.quote_before} -> {repair.quote_after}"
            yield [each.document, "repair", repair.path, change, repair.constraint]
        for flag in each.flags:
            yield [each.document, "note", flag, None, None]


def _value(value: ExtractedValue | None) -> Any:
    return None if value is None else value.value


def _typed(value: Any, kind: FieldKind) -> Any:
    """A date as one, where it is."""
    if kind == "date" and isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return value
    return value


def _csv(head: Sequence[str], rows: Sequence[Row]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow([_inert(name) for name in head])
    writer.writerows([[_inert(cell) for cell in row] for row in rows])
    return out.getvalue().encode("utf-8-sig")  # Excel takes it for another encoding without the mark


def _inert(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str) and cell.lstrip(" \n").startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _fill(sheet: Worksheet, head: Sequence[str], rows: Sequence[Row] | Iterator[Row]) -> None:
    widths = [len(name) for name in head]
    for row, cells in enumerate([list(head), *rows], start=1):
        for column, content in enumerate(cells, start=1):
            if content is None or content == "":
                continue
            cell = sheet.cell(row, column)
            if isinstance(content, str):
                text = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", content)[:_CELL_CHARS]
                cell.value = text
                cell.data_type = "s"  # also where openpyxl would take it for a formula or an error
                cell.quotePrefix = text.startswith(_FORMULA)
            elif isinstance(content, int) and abs(content) >= 10**15:  # more than a double holds
                cell.value = str(content)
            else:
                cell.value = content
            widths[column - 1] = max(widths[column - 1], min(60, len(str(content))))
    for column, width in enumerate(widths, start=1):
        sheet.cell(1, column).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(column)].width = width + 2
    sheet.freeze_panes = "B2"


def _title(name: str, taken: Sequence[str]) -> str:
    """A sheet's name that Excel accepts."""
    base = re.sub(r"[\[\]:*?/\\']", "_", name)[: _SHEET_CHARS - 3] or "Sheet"
    lower = {each.lower() for each in taken}
    tries = (base, *(f"{base} {number}" for number in range(2, 99)))
    return next(each for each in tries if each.lower() not in lower)


def _file_part(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _without_time(book: bytes) -> bytes:
    """The same workbook with no time in it, so that equal values give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda each: (each != "[Content_Types].xml", each)):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:\w+[^>]*>)[^<]*", rb"\g<1>" + _NO_TIME.encode(), content)
            info = zipfile.ZipInfo(name)  # its time is 1980-01-01
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, content)
    return out.getvalue()
