"""Candidates -> the extraction of one document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asbuilt.extraction.confidence import confidence_of, signals_of
from asbuilt.extraction.constraints import check_constraints
from asbuilt.extraction.repair import Change, find_repairs
from asbuilt.extraction.values import conventions_of
from asbuilt.fields import (
    Candidate,
    ConstraintOutcome,
    Evidence,
    ExtractedValue,
    Extraction,
    Field,
    FieldSchema,
    PagedDocument,
    Repair,
    Searched,
)
from asbuilt.pages import PageLayout
from asbuilt.roles import Extractor

__all__ = ["evidence_of", "extract"]

_RIVALS = 4
_CONFLICT = 0.03  # scores nearer than this decide nothing


def extract(document: PagedDocument, schema: FieldSchema, *, extractors: Sequence[Extractor]) -> Extraction:
    """The schema's values in a document: the best candidate of each path, corrected by the constraints
    where the reading leaves a choice, with evidence and confidence.

    A path without a candidate is not found, and says which labels were looked for. Lists have as
    many rows as were found.
    """
    pages = {page.number: page for page in document.pages}
    proposed: dict[str, list[Candidate]] = {}
    for extractor in extractors:
        for candidate in extractor.extract(document, schema):
            proposed.setdefault(candidate.path, []).append(candidate)
    ranked = {path: sorted(each, key=_rank) for path, each in proposed.items()}
    chosen = {path: each[0] for path, each in ranked.items()}
    rivals = {path: _others(each) for path, each in ranked.items()}
    conventions = conventions_of(page.text for page in document.pages)
    changes = {change.path: change for change in find_repairs(schema, chosen, rivals, pages, conventions)}
    values = [_value(field, path, chosen, rivals, changes, pages) for field, path in _paths(schema, chosen)]
    outcomes = check_constraints(schema, values)
    values = [_with_confidence(value, outcomes) for value in values]
    flags = tuple(f"page {page.number}: {flag}" for page in document.pages for flag in page.flags)
    return Extraction(
        document=document.name,
        content_hash=document.content_hash,
        schema=schema.digest,
        values=tuple(values),
        data=_data(schema, values),
        constraints=outcomes,
        repairs=tuple(_repair(change, chosen[path], pages) for path, change in changes.items()),
        flags=flags,
    )


def evidence_of(page: PageLayout, words: Sequence[int], quote: str) -> Evidence:
    """The proof that words give: their boxes, a line each, and who read them."""
    first = page.words[words[0]]
    seconds = [page.words[index].second for index in words]
    second = None
    if any(each is not None for each in seconds):
        pairs = zip(words, seconds, strict=True)
        second = " ".join(page.words[index].text if other is None else other for index, other in pairs)
    return Evidence(
        page=page.number,
        words=tuple(words),
        boxes=page.boxes(words),
        quote=quote,
        reader=first.reader,
        place=first.place,
        second=second,
    )


def _rank(candidate: Candidate) -> tuple[bool, float]:
    """What was learnt from users' corrections comes first, then the best."""
    return "learnt" not in candidate.signals, -candidate.score


def _others(ranked: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Candidates with other values than the best, the best of each value."""
    seen: list[Any] = [ranked[0].value]
    kept = []
    for candidate in ranked[1:]:
        if candidate.value not in seen:
            seen.append(candidate.value)
            kept.append(candidate)
    return tuple(kept[:_RIVALS])


def _paths(schema: FieldSchema, chosen: Mapping[str, Candidate]) -> list[tuple[Field, str]]:
    """The schema's leaves in its order, those of a list once a row."""
    rows: dict[str, int] = {}
    for path in chosen:
        if "[" in path:
            group = f"{path.partition('[')[0]}[]"
            rows[group] = max(rows.get(group, 0), int(path.partition("[")[2].partition("]")[0]) + 1)
    found: list[tuple[Field, str]] = []
    done: set[str] = set()
    for field in schema.fields:
        if not field.group:
            found.append((field, field.path))
        elif field.group not in done:
            done.add(field.group)
            inside = [each for each in schema.fields if each.group == field.group]
            for row in range(rows.get(field.group, 0)):
                found += [(each, each.path.replace("[]", f"[{row}]", 1)) for each in inside]
    return found


def _value(
    field: Field,
    path: str,
    chosen: Mapping[str, Candidate],
    rivals: Mapping[str, tuple[Candidate, ...]],
    changes: Mapping[str, Change],
    pages: Mapping[int, PageLayout],
) -> ExtractedValue:
    best = chosen.get(path)
    if best is None:
        what = "labels: " + ", ".join(repr(label) for label in field.labels)
        searched = tuple(Searched(number, None, what) for number in pages)
        return ExtractedValue(path, field.kind, "not_found", searched=searched)
    others = rivals.get(path, ())
    change = changes.get(path)
    value, quote = best.value, best.quote
    if change is not None:
        value, quote = change.value, change.quote
        best = change.candidate or replace(best, value=value, quote=quote)
    open_ = change is None and bool(others) and best.score - others[0].score < _CONFLICT
    page = pages[best.page]
    return ExtractedValue(
        path=path,
        kind=field.kind,
        status="conflict" if open_ else "found",
        value=value,
        evidence=evidence_of(page, best.words, quote),
        extractor=best.extractor,
        why=best.why,
        signals={**best.signals, **signals_of(best, others, page), "repaired": float(change is not None)},
        rivals=others,
    )


def _with_confidence(value: ExtractedValue, outcomes: Sequence[ConstraintOutcome]) -> ExtractedValue:
    if value.status == "not_found":
        return value
    generic = value.path
    if "[" in generic:
        generic = f"{generic.partition('[')[0]}[]{generic.partition(']')[2]}"
    about = [outcome for outcome in outcomes if generic in outcome.expression]
    signals = {
        **value.signals,
        "proved": float(any(outcome.holds is True for outcome in about)),
        "refuted": float(any(outcome.holds is False for outcome in about)),
    }
    signals = {name: round(each, 3) for name, each in sorted(signals.items())}
    return replace(value, signals=signals, confidence=confidence_of(signals))


def _repair(change: Change, before: Candidate, pages: Mapping[int, PageLayout]) -> Repair:
    after = change.candidate
    words = before.words if after is None else after.words
    number = before.page if after is None else after.page
    return Repair(
        path=change.path,
        before=before.value,
        after=change.value,
        quote_before=before.quote,
        quote_after=change.quote,
        constraint=change.constraint,
        evidence=evidence_of(pages[number], words, change.quote),
    )


def _data(schema: FieldSchema, values: Sequence[ExtractedValue]) -> Any:
    """The plain value that the schema describes; None where nothing was found."""
    data: dict[str, Any] = {}
    for field in schema.fields:  # so that empty lists and objects are there, in the schema's order
        _place(
            data, field.group.removesuffix("[]") if field.group else field.path, [] if field.group else None
        )
    for value in values:
        _place(data, value.path, value.value)
    return data


def _place(data: dict[str, Any], path: str, value: Any) -> None:
    node: Any = data
    *parents, last = path.split(".")
    for part in parents:
        node = _inside(node, part)
    name, bracket, row = last.partition("[")
    if bracket:
        rows = node.setdefault(name, [])
        index = int(row.rstrip("]"))
        while len(rows) <= index:
            rows.append(None)
        rows[index] = value
    elif value != [] or name not in node:
        node[name] = value


def _inside(node: Any, part: str) -> Any:
    name, bracket, row = part.partition("[")
    if not bracket:
        return node.setdefault(name, {})
    rows = node.setdefault(name, [])
    index = int(row.rstrip("]"))
    while len(rows) <= index:
        rows.append({})
    return rows[index]
