"""JSON with all evidence, JSON lines, and Markdown for readers."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from asbuilt.extraction.export.rows import group_name, groups, items, leaf_name, singles, values_by_path
from asbuilt.extraction.result import extraction_plain
from asbuilt.fields import ExtractedValue, Extraction, FieldSchema
from asbuilt.registry import component

__all__ = ["JsonExporter", "JsonlExporter", "MarkdownExporter"]

_MARKUP = re.compile(r"([\\`*_{}\[\]()#|!~$])")


@component("exporter/json")
class JsonExporter:
    """``results.json``: the schema and everything that is known of each value."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        plain = {
            "schema": {"name": schema.name, "digest": schema.digest, "source": schema.source},
            "documents": [extraction_plain(each) for each in extractions],
        }
        return {"results.json": (json.dumps(plain, ensure_ascii=False, indent=1) + "\n").encode()}


@component("exporter/jsonl")
class JsonlExporter:
    """``results.jsonl``: the same, a document a line."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        lines = (
            json.dumps(extraction_plain(each), ensure_ascii=False, separators=(",", ":")) + "\n"
            for each in extractions
        )
        return {"results.jsonl": "".join(lines).encode()}


@component("exporter/markdown")
class MarkdownExporter:
    """``results.md``: tables for readers; each value with its page and what is uncertain about it."""

    def export(self, extractions: Sequence[Extraction], schema: FieldSchema) -> Mapping[str, bytes]:
        """See the role."""
        lines = [f"# {_text(schema.name)}", ""]
        for extraction in extractions:
            lines += _document(extraction, schema)
        return {"results.md": ("\n".join(lines).rstrip() + "\n").encode()}


def _document(extraction: Extraction, schema: FieldSchema) -> Iterator[str]:
    yield from (f"## {_text(extraction.document)}", "")
    if extraction.fault:
        yield from (f"Not read: {_text(extraction.fault)}", "")
        return
    found = values_by_path(extraction)
    rows = [(field.path, found.get(field.path)) for field in singles(schema)]
    if rows:
        yield from _table(
            ["field", "value", "page", "confidence", "remark"],
            ([path, _shown(value), _page(value), _confidence(value), _remark(value)] for path, value in rows),
        )
    for group, fields in groups(schema).items():
        yield from (f"### {_text(group_name(group))}", "")
        listed = items([extraction], group)
        if not listed:
            yield from ("None found.", "")
            continue
        yield from _table(
            [*map(leaf_name, fields), "page"],
            (
                [
                    *(_shown(item.values.get(field.path)) for field in fields),
                    ", ".join(sorted({_page(value) for value in item.values.values()} - {""})),
                ]
                for item in listed
            ),
        )
    yield from _remarks(extraction)


def _remarks(extraction: Extraction) -> Iterator[str]:
    lines = [
        f"- Does not hold: {_text(outcome.expression)} {_text(outcome.message)}".rstrip()
        for outcome in extraction.constraints
        if outcome.holds is False
    ]
    lines += [
        f"- Repaired: {_text(repair.path)} was read as {_text(repair.quote_before)}, taken as "
        f"{_text(repair.quote_after)}, so that {_text(repair.constraint)}"
        for repair in extraction.repairs
    ]
    lines += [f"- Note: {_text(flag)}" for flag in extraction.flags]
    if lines:
        yield from (*lines, "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_text, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_text, row))} |"
    yield ""


def _shown(value: ExtractedValue | None) -> str:
    if value is None or value.value is None:
        return "–"
    if isinstance(value.value, bool):
        return "yes" if value.value else "no"
    return str(value.value)


def _page(value: ExtractedValue | None) -> str:
    return "" if value is None or value.evidence is None else str(value.evidence.page)


def _confidence(value: ExtractedValue | None) -> str:
    return "" if value is None or value.value is None else f"{value.confidence:.0%}"


def _remark(value: ExtractedValue | None) -> str:
    if value is None or value.status == "not_found":
        return "not found"
    if value.corrected:
        return "corrected"
    if value.status == "conflict":
        return " or ".join(["conflict", *(f"{rival.value}" for rival in value.rivals)])
    return ""


def _text(text: str) -> str:
    """As it stands, whatever Markdown would make of it, on one line."""
    return _MARKUP.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))
