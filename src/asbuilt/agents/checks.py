"""Checks of a result, written when the plan is made and run when the result is there."""

from __future__ import annotations

import inspect
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema
import referencing
from jsonschema.exceptions import SchemaError, ValidationError
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema
from referencing.exceptions import Unresolvable

from asbuilt.registry import nearest
from asbuilt.runs import CheckSpec

__all__ = ["CHECKS", "CheckContext", "check_faults", "check_shape", "faults_of"]

_QUOTE = re.compile(r'"([^"\n]+)"|[“„]([^“”„\n]+)[”“]|«([^«»\n]+)»')
_OMISSION = re.compile(r"\[(?:\.\.\.|…)\]|\.\.\.|…")
_ALONE = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts without spaces: each character is a word
_WORD = re.compile(rf"{_ALONE}|(?:(?!{_ALONE})\w)+(?:[.,'](?:(?!{_ALONE})\w)+)*")
_CITED = re.compile(r"\[([^\[\]\n]{1,300})\](?:\(([^()\s]{1,2000})\))?")
_URL = re.compile(r"https?://[^\s<>\"'`\[\]|\\^{}]+", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w./:-])(?:(?:[\w.-]+/)+[\w.-]*[\w-]|[\w-][\w.-]*\.[A-Za-z]\w{0,9}(?!\w))")
_HEADED = re.compile(r"(?:\A|\n\n)[ \t]*([^\n]{1,300}):(?=\n)")
_BETWEEN = re.compile(r"\s*[;,]\s*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_LIST_MARK = re.compile(r"^[ \t>]*\d+[.)](?=\s)", re.MULTILINE)
_QUOTE_WORDS = 5
"""Shorter passages in quotation marks may be names and words spoken of."""
_SHOWN = 3
"""Offenders that one fault names."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What the agent had before it: texts by source ("input:ID", "tool:NAME#3"), and the whole task in the
    words of the user."""

    sources: Mapping[str, str]
    task: str = ""


def faults_of(checks: Sequence[CheckSpec], result: str, context: CheckContext) -> tuple[str, ...]:
    """Why a result does not pass, a sentence for each check that it fails. The checks are sound."""
    found = (CHECKS[check.name](result, context, **check.arguments) for check in checks)
    return tuple(fault for fault in found if fault)


def check_faults(check: CheckSpec) -> Iterator[str]:
    """What is wrong with a check of a plan: its name or its arguments."""
    if check.name not in CHECKS:
        close = nearest(check.name, list(CHECKS))
        meant = f", did you mean {close!r}?" if close else ""
        yield f"there is no check {check.name!r}{meant} (there are: {', '.join(CHECKS)})"
        return
    parameters = _parameters(check.name)
    for name in sorted(set(check.arguments) - set(parameters)):
        yield f"check {check.name!r} takes no {name!r} (it takes: {', '.join(parameters) or 'nothing'})"
    for name, parameter in parameters.items():
        if name not in check.arguments:
            if parameter.default is parameter.empty:
                yield f"check {check.name!r} needs {name!r}"
        elif fault := _argument_fault(parameter, check.arguments[name]):
            yield f"check {check.name!r}: {name} {fault}"


def check_shape(name: str) -> dict[str, Any]:
    """The JSON Schema of a check of that name, as a model may put it into a plan: what it demands can be
    met. The name must be of `CHECKS`, and its check without a pattern or a schema."""
    parameters = _parameters(name)
    arguments = {
        "type": "object",
        "properties": {key: _argument_shape(key, each) for key, each in parameters.items()},
        "required": list(parameters),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": [name]}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


_MOST = {"words": 2000, "sources": 5, "passages": 5}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 40}


def _argument_shape(name: str, parameter: inspect.Parameter) -> dict[str, Any]:
    if parameter.annotation == "int":
        return {"type": "integer", "minimum": 1, "maximum": _MOST[name]}
    return {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 5}


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(CHECKS[name]).parameters
    return {key: each for key, each in parameters.items() if each.kind is each.KEYWORD_ONLY}


def _argument_fault(parameter: inspect.Parameter, value: Any) -> str:
    match parameter.annotation:
        case "int":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                return f"must be a whole number from 0 on, not {value!r}"
        case "Sequence[str]":
            texts = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
            if not texts or not value or not all(each.strip() for each in value):
                return f"must be a list of at least one text, none of them empty, not {value!r}"
        case "str":
            if not isinstance(value, str) or not value:
                return f"must be a text, not {value!r}"
            return _pattern_fault(value)
        case "Mapping[str, Any]":
            return _schema_fault(value)
        case other:
            raise AssertionError(f"no test for arguments of type {other}")
    return ""


# ---------------------------------------------------------------- patterns and schemas


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    """Finds `pattern` anywhere in a text, in time linear in the text: automata, no backtracking. Raises
    PatternError for a pattern that needs backtracking, or too much memory."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _pattern_fault(pattern: str) -> str:
    try:
        _matcher(pattern)
    except PatternError as error:
        return f"is no pattern: {_last_line(error)}"
    return ""


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].removeprefix("error: ").removeprefix("SchemaError: ").strip()


def _matching(
    _validator: Any, pattern: str, instance: object, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matcher(pattern).isinstance_python(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_extend: Callable[..., Any] = jsonschema.validators.extend
_Schema = _extend(jsonschema.Draft202012Validator, {"pattern": _matching})
_NOWHERE: referencing.Registry[Any] = referencing.Registry()  # nothing is fetched for a schema


def _schema_fault(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return f"must be a JSON Schema, an object, not {schema!r}"
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is no JSON Schema: {error.json_path}: {error.message}"
    except RecursionError:
        return "is nested too deeply"
    return next(_unusable(schema), "")


def _unusable(schema: Any) -> Iterator[str]:
    """Keywords that would reach out of the schema, or match with backtracking."""
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from _unusable(each)
    elif isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                yield f"refers to {value!r}; a reference must stay within the schema and start with '#'"
            elif key == "pattern" and isinstance(value, str) and (fault := _pattern_fault(value)):
                yield f"has a pattern {value!r} that {fault}"
            elif key == "patternProperties":
                yield "has patternProperties, which are not supported"
            yield from _unusable(value)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value")


# ---------------------------------------------------------------- the checks


def _not_empty(result: str, _context: CheckContext) -> str | None:
    return None if result.strip() else "the result is empty"


def _min_words(result: str, _context: CheckContext, *, words: int) -> str | None:
    count = len(result.split())
    return None if count >= words else f"the result has {count} words; it must have at least {words}"


def _max_words(result: str, _context: CheckContext, *, words: int) -> str | None:
    count = len(result.split())
    return None if count <= words else f"the result has {count} words; it may have at most {words}"


def _contains(result: str, _context: CheckContext, *, words: Sequence[str]) -> str | None:
    """Whole words, or several in a row, whatever their case and the space between them."""
    missing = [each for each in words if not _says(result, each)]
    return f"the result does not say {_listed(missing)}" if missing else None


def _matches(result: str, _context: CheckContext, *, pattern: str) -> str | None:
    """The pattern stands somewhere in the result; "^" and "$" bind it to both ends."""
    return None if _matcher(pattern).isinstance_python(result) else f"the result does not match {pattern!r}"


def _json_schema(result: str, _context: CheckContext, *, schema: Mapping[str, Any]) -> str | None:
    try:
        value = json.loads(result, parse_constant=_no_constant)
        error = jsonschema.exceptions.best_match(_Schema(schema, registry=_NOWHERE).iter_errors(value))
    except ValueError as fault:
        return f"the result is not JSON: {fault}"
    except RecursionError:
        return "the result is nested too deeply"
    except Unresolvable as fault:
        return f"the result cannot be checked: the schema refers to {fault.ref!r}, which it has not"
    return None if error is None else f"the result does not fit: {error.json_path}: {_short(error.message)}"


def _cites(result: str, context: CheckContext, *, sources: int = 1) -> str | None:
    """Sources stand in square brackets, are linked to, or are URLs. The only ones that may be named are
    those of what was given: URLs and paths in it, a line with a colon above a passage, and what the
    results of other subtasks have in square brackets."""
    known = _sources(context)
    cited = list(dict.fromkeys(each for part in _citations(result) for each in _parted(part, known)))
    if unknown := [each for each in cited if _name(each) not in known]:
        return f"the result cites {_listed(unknown)}, not among the sources that were found"
    if len(cited) < sources:
        return f"the result cites {len(cited)} sources in square brackets; it must cite at least {sources}"
    return None


def _quoted(result: str, context: CheckContext, *, passages: int = 0) -> str | None:
    """Passages in quotation marks of five words or more stand word for word in what was given; what is
    left out is "..." or "[...]"."""
    given = [_run(text) for text in context.sources.values()]
    quotes = [next(filter(None, match.groups())) for match in _QUOTE.finditer(result)]
    quotes = [each for each in quotes if len(_run(each).split()) >= _QUOTE_WORDS]
    if wrong := [each for each in quotes if not any(_stands(each, text) for text in given)]:
        return f"the result quotes {_listed(wrong)}, which nothing that was found says"
    if len(quotes) < passages:
        return (
            f"the result quotes {len(quotes)} passages of at least {_QUOTE_WORDS} words; it must quote "
            f"{passages}"
        )
    return None


def _no_new_numbers(result: str, context: CheckContext) -> str | None:
    """Numbers of the result, but for those in citations and before the items of a list, stand in what was
    given or in the task; 1,000 is 1000, and 2.50 is 2.5."""
    texts = (*context.sources.values(), context.task)
    given = {_number(each) for text in texts for each in _NUMBER.findall(text)}
    known = _sources(context)
    said = _CITED.sub(lambda cited: " " if _name(cited[1]) in known else cited[0], result)
    said = _LIST_MARK.sub("", said)
    new = [each for each in dict.fromkeys(_NUMBER.findall(said)) if _number(each) not in given]
    if not new:
        return None
    return (
        f"the result has the numbers {_listed(new)}, which neither the task nor anything that was found has"
    )


CHECKS: Mapping[str, Callable[..., str | None]] = {
    "not-empty": _not_empty,
    "min-words": _min_words,
    "max-words": _max_words,
    "contains": _contains,
    "matches": _matches,
    "json-schema": _json_schema,
    "cites": _cites,
    "quoted": _quoted,
    "no-new-numbers": _no_new_numbers,
}
"""Checks by the name that plans give them. Keyword parameters are their arguments."""


# ---------------------------------------------------------------- words, names and numbers


def _run(text: str) -> str:
    """The words of a text between single blanks: substrings of it are whole words in a row."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return f" {' '.join(_WORD.findall(plain))} "


def _says(text: str, words: str) -> bool:
    """Whether the words stand in a text as whole ones, with the marks in and around them."""
    found, wanted = (
        " ".join(unicodedata.normalize("NFKC", each).casefold().split()) for each in (text, words)
    )
    return wanted in found and (not _run(words).strip() or _run(words) in _run(text))


def _stands(quote: str, text: str) -> bool:
    """Whether the parts of a quotation stand in a text (as `_run` gives it), one after the other."""
    at = 0
    for part in map(_run, _OMISSION.split(quote)):
        if part.strip():
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part) - 1  # the blank after it is also before the next
    return True


def _citations(text: str) -> Iterator[str]:
    for bracketed, target in _CITED.findall(text):
        if target:
            yield from () if target.startswith("#") else (target,)
        elif any(map(str.isalnum, bracketed)):
            yield bracketed
    yield from map(_url, _URL.findall(_CITED.sub(" ", text)))


def _parted(cited: str, known: set[str]) -> list[str]:
    """What stands in one pair of brackets: one source, or several with commas between."""
    return [cited] if _name(cited) in known else [each for each in _BETWEEN.split(cited) if each]


def _sources(context: CheckContext) -> set[str]:
    """The sources that may be named."""
    found: set[str] = set()
    for given, text in context.sources.items():
        found.update(map(_name, _HEADED.findall(text)), map(_name, _PATH.findall(_URL.sub(" ", text))))
        found.update(_name(_url(each)) for each in _URL.findall(text))
        if given.startswith("input:"):
            for bracketed, _ in _CITED.findall(text):
                found.update(map(_name, (bracketed, *_BETWEEN.split(bracketed))))
    return found - {""}


def _url(found: str) -> str:
    """Without the sentence's own marks at its end."""
    return found.rstrip(".,;:!?)*_")


def _name(source: str) -> str:
    return " ".join(source.split()).rstrip("/")


def _number(written: str) -> str:
    plain = written.replace(",", "") if _THOUSANDS.fullmatch(written) else written
    whole, _, part = plain.partition(".")
    if part.isdigit():
        plain = f"{whole}.{part}".rstrip("0").rstrip(".")
    return plain.lstrip("0") or "0"


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(repr(_short(each)) for each in texts[:_SHOWN]) + more


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
