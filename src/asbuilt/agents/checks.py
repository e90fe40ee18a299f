"""Checks of a result, written when the plan is made and run when the result is there."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema
from jsonschema.exceptions import SchemaError

from asbuilt.registry import nearest
from asbuilt.runs import CheckSpec

__all__ = ["CHECKS", "CheckContext", "check_faults", "faults_of"]

_QUOTE = re.compile(r'["“„«]([^"“”„«»]+)["”»]')
_CITED = re.compile(r"\[([^\[\]\n]{1,300})\]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTE_WORDS = 5
"""Shorter passages in quotation marks may be names and words spoken of."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What the agent had before it: texts by source ("input:ID", "tool:NAME#3")."""

    sources: Mapping[str, str]


def faults_of(checks: Sequence[CheckSpec], result: str, context: CheckContext) -> tuple[str, ...]:
    """Why a result does not pass, a sentence for each check that it fails. The checks are sound."""
    found = (CHECKS[check.name](result, context, **check.arguments) for check in checks)
    return tuple(fault for fault in found if fault)


def check_faults(check: CheckSpec) -> Iterator[str]:
    """What is wrong with a check of a plan: its name or its arguments."""
    function = CHECKS.get(check.name)
    if function is None:
        close = nearest(check.name, list(CHECKS))
        meant = f", did you mean {close!r}?" if close else ""
        yield f"there is no check {check.name!r}{meant} (there are: {', '.join(CHECKS)})"
        return
    parameters = {
        name: each
        for name, each in inspect.signature(function).parameters.items()
        if each.kind is each.KEYWORD_ONLY
    }
    for name in sorted(set(check.arguments) - set(parameters)):
        yield f"check {check.name!r} takes no {name!r} (it takes: {', '.join(parameters) or 'nothing'})"
    for name, parameter in parameters.items():
        if name not in check.arguments:
            if parameter.default is parameter.empty:
                yield f"check {check.name!r} needs {name!r}"
        elif fault := _argument_fault(parameter, check.arguments[name]):
            yield f"check {check.name!r}: {name} {fault}"


def _argument_fault(parameter: inspect.Parameter, value: Any) -> str:
    match parameter.annotation:
        case "int":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                return f"must be a whole number from 0 on, not {value!r}"
        case "Sequence[str]":
            if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
                return f"must be a list of texts, not {value!r}"
        case "Mapping[str, Any]":
            try:
                jsonschema.Draft202012Validator.check_schema(value)
            except SchemaError as error:
                return f"is no JSON Schema: {error.message}"
        case other:
            raise AssertionError(f"no test for arguments of type {other}")
    return ""


# ---------------------------------------------------------------- the checks


def _not_empty(result: str, _context: CheckContext) -> str | None:
    return None if result.strip() else "the result is empty"


def _min_words(result: str, _context: CheckContext, *, words: int) -> str | None:
    count = len(result.split())
    return None if count >= words else f"the result has {count} words; it must have at least {words}"


def _max_words(result: str, _context: CheckContext, *, words: int) -> str | None:
    count = len(result.split())
    return None if count <= words else f"the result has {count} words; it may have {words}"


def _contains(result: str, _context: CheckContext, *, words: Sequence[str]) -> str | None:
    missing = [word for word in words if word.lower() not in result.lower()]
    return f"the result does not say {', '.join(map(repr, missing))}" if missing else None


def _json_schema(result: str, _context: CheckContext, *, schema: Mapping[str, Any]) -> str | None:
    try:
        value = json.loads(result)
    except ValueError as error:
        return f"the result is not JSON: {error}"
    errors = sorted(
        jsonschema.Draft202012Validator(schema).iter_errors(value), key=lambda each: each.json_path
    )
    return f"the result does not fit: {errors[0].json_path}: {errors[0].message}" if errors else None


def _cites(result: str, context: CheckContext, *, sources: int = 1) -> str | None:
    """Sources stand in square brackets, as they stand in what the agent was given."""
    named = list(dict.fromkeys(each.strip() for each in _CITED.findall(result)))
    known = [each for each in named if any(each in text for text in context.sources.values())]
    if unknown := [each for each in named if each not in known]:
        return f"the result cites {unknown[0]!r}, which is not among what was found"
    if len(known) < sources:
        return f"the result cites {len(known)} sources in square brackets; it must cite at least {sources}"
    return None


def _quoted(result: str, context: CheckContext, *, passages: int = 0) -> str | None:
    """Passages in quotation marks of five words or more stand word for word in what was given."""
    given = [" ".join(text.split()) for text in context.sources.values()]
    quotes = [" ".join(each.split()) for each in _QUOTE.findall(result)]
    quotes = [each for each in quotes if len(each.split()) >= _QUOTE_WORDS]
    for quote in quotes:
        if not any(quote in text for text in given):
            return f"the result quotes {quote!r}, which nothing that was found says"
    if len(quotes) < passages:
        return f"the result quotes {len(quotes)} passages of {_QUOTE_WORDS} words; it must quote {passages}"
    return None


def _no_new_numbers(result: str, context: CheckContext) -> str | None:
    """Numbers of the result stand in what was given."""
    given = {number for text in context.sources.values() for number in _NUMBER.findall(text)}
    cited = _CITED.sub("", result)
    new = [number for number in dict.fromkeys(_NUMBER.findall(cited)) if number not in given]
    return f"the result has the number {new[0]}, which nothing that was found has" if new else None


CHECKS: Mapping[str, Callable[..., str | None]] = {
    "not-empty": _not_empty,
    "min-words": _min_words,
    "max-words": _max_words,
    "contains": _contains,
    "json-schema": _json_schema,
    "cites": _cites,
    "quoted": _quoted,
    "no-new-numbers": _no_new_numbers,
}
"""Checks by the name that plans give them. Keyword parameters are their arguments."""
