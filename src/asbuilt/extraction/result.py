"""Extractions as JSON: what the results on disk, the service and the viewer's data are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from asbuilt.errors import ReadError
from asbuilt.fields import (
    Candidate,
    ConstraintOutcome,
    Evidence,
    ExtractedValue,
    Extraction,
    Repair,
    Searched,
)
from asbuilt.pages import Box

__all__ = [
    "evidence_plain",
    "extraction_from_json",
    "extraction_from_plain",
    "extraction_plain",
    "extraction_to_json",
]


def extraction_to_json(extraction: Extraction) -> bytes:
    """Indented, in the order of the schema. The same extraction gives the same bytes."""
    return (json.dumps(extraction_plain(extraction), ensure_ascii=False, indent=1) + "\n").encode()


def extraction_from_json(data: bytes | str) -> Extraction:
    """The extraction that `extraction_to_json` wrote. Raises ReadError for anything else."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"these are no results: {error}.") from error
    return extraction_from_plain(raw)


def extraction_plain(extraction: Extraction) -> dict[str, Any]:
    """As values that JSON knows; keys are the names of the fields."""
    return {
        "document": extraction.document,
        "content_hash": extraction.content_hash,
        "schema": extraction.schema,
        "fault": extraction.fault,
        "flags": list(extraction.flags),
        "data": extraction.data,
        "values": [_value_plain(value) for value in extraction.values],
        "constraints": [
            {"expression": outcome.expression, "holds": outcome.holds, "message": outcome.message}
            for outcome in extraction.constraints
        ],
        "repairs": [
            {
                "path": repair.path,
                "before": repair.before,
                "after": repair.after,
                "quote_before": repair.quote_before,
                "quote_after": repair.quote_after,
                "constraint": repair.constraint,
                "evidence": evidence_plain(repair.evidence),
            }
            for repair in extraction.repairs
        ],
    }


def extraction_from_plain(raw: Any) -> Extraction:
    """The extraction that `extraction_plain` took apart. Raises ReadError for anything else."""
    try:
        return Extraction(
            document=_text(raw["document"]),
            content_hash=_text(raw["content_hash"]),
            schema=_text(raw["schema"]),
            values=tuple(_value(each) for each in raw["values"]),
            data=raw["data"],
            constraints=tuple(
                ConstraintOutcome(_text(each["expression"]), each["holds"], _text(each["message"]))
                for each in raw["constraints"]
            ),
            repairs=tuple(
                Repair(
                    _text(each["path"]),
                    each["before"],
                    each["after"],
                    _text(each["quote_before"]),
                    _text(each["quote_after"]),
                    _text(each["constraint"]),
                    _evidence(each["evidence"]),
                )
                for each in raw["repairs"]
            ),
            flags=tuple(_text(flag) for flag in raw["flags"]),
            fault=_text(raw["fault"]),
        )
    except KeyError as error:
        raise ReadError(f"these are no results: {error} is missing.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ReadError(f"these are no results: {error}.") from error


def evidence_plain(evidence: Evidence) -> dict[str, Any]:
    """As values that JSON knows; a box is [left, top, right, bottom] in points."""
    return {
        "page": evidence.page,
        "words": list(evidence.words),
        "boxes": [list(box) for box in evidence.boxes],
        "quote": evidence.quote,
        "reader": evidence.reader,
        "place": evidence.place,
        "crop": evidence.crop,
        "second": evidence.second,
    }


def _value_plain(value: ExtractedValue) -> dict[str, Any]:
    return {
        "path": value.path,
        "kind": value.kind,
        "status": value.status,
        "value": value.value,
        "confidence": value.confidence,
        "corrected": value.corrected,
        "evidence": None if value.evidence is None else evidence_plain(value.evidence),
        "extractor": value.extractor,
        "why": value.why,
        "signals": _sorted(value.signals),
        "rivals": [
            {
                "path": rival.path,
                "value": rival.value,
                "quote": rival.quote,
                "page": rival.page,
                "words": list(rival.words),
                "extractor": rival.extractor,
                "score": rival.score,
                "why": rival.why,
                "signals": _sorted(rival.signals),
            }
            for rival in value.rivals
        ],
        "searched": [
            {"page": each.page, "box": None if each.box is None else list(each.box), "what": each.what}
            for each in value.searched
        ],
    }


def _value(raw: Mapping[str, Any]) -> ExtractedValue:
    return ExtractedValue(
        path=_text(raw["path"]),
        kind=raw["kind"],
        status=raw["status"],
        value=raw["value"],
        confidence=raw["confidence"],
        evidence=None if raw["evidence"] is None else _evidence(raw["evidence"]),
        extractor=_text(raw["extractor"]),
        why=_text(raw["why"]),
        signals=dict(raw["signals"]),
        rivals=tuple(
            Candidate(
                _text(each["path"]),
                each["value"],
                _text(each["quote"]),
                each["page"],
                tuple(each["words"]),
                _text(each["extractor"]),
                each["score"],
                _text(each["why"]),
                dict(each["signals"]),
            )
            for each in raw["rivals"]
        ),
        searched=tuple(
            Searched(each["page"], None if each["box"] is None else _box(each["box"]), _text(each["what"]))
            for each in raw["searched"]
        ),
        corrected=raw["corrected"],
    )


def _evidence(raw: Mapping[str, Any]) -> Evidence:
    return Evidence(
        page=int(raw["page"]),
        words=tuple(raw["words"]),
        boxes=tuple(_box(box) for box in raw["boxes"]),
        quote=_text(raw["quote"]),
        reader=_text(raw["reader"]),
        place=_text(raw["place"]),
        crop=_text(raw["crop"]),
        second=raw["second"],
    )


def _box(raw: Any) -> Box:
    left, top, right, bottom = (float(edge) for edge in raw)
    return Box(left, top, right, bottom)


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"{raw!r} stands where text is expected")
    return raw


def _sorted(signals: Mapping[str, float]) -> dict[str, float]:
    return {name: signals[name] for name in sorted(signals)}
