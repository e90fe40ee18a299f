"""Constraints between values: a small language over paths, without any code of Python's behind it.

    sum(lines[].amount) == net          net + tax == total
    date <= due                         lines[].quantity * lines[].price == lines[].amount
    iban(account)    luhn(card)         unit(total) in ["EUR", "USD"]

A path into a list stands for one row at a time, unless it is inside of sum, count, min or max. Numbers
are equal when they differ by no more than a rounding of hundredths.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asbuilt.extraction.checksums import CHECKSUMS
from asbuilt.fields import ConstraintOutcome, ExtractedValue, Field, FieldSchema
from asbuilt.registry import nearest

__all__ = ["Constraint", "check_constraints", "check_expression", "parse_constraint"]

_TOLERANCE = 0.0101
_PATH = re.compile(r"[A-Za-z_]\w*(?:\[\])?(?:\.[A-Za-z_]\w*)*")
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
_OVER_ROWS = ("sum", "count", "min", "max")
_WORDS = ("and", "or", "not", "in", "True", "False", "None")
_MAX_CHARS = 1000

_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_AGGREGATES: Mapping[str, Callable[[Any], Any]] = {"sum": sum, "min": min, "max": max}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": abs, "round": round, "unit": str}
_ORDER: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class _Missing(Exception):  # noqa: N818
    """A value that the constraint needs was not found."""


class _Fault(Exception):  # noqa: N818
    """The expression cannot be used."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A parsed expression; `paths` are the fields it speaks of, `group` the list whose rows it goes
    through ("" for none)."""

    expression: str
    paths: tuple[str, ...]
    group: str
    tree: ast.expr

    def holds(self, values: Mapping[str, Any]) -> list[tuple[str, bool | None]]:
        """For each row that it is checked on (or once): the row's path and whether it holds; None when
        a value is missing. `values` are those found, by path."""
        if not self.group:
            return [("", self._holds(values, None))]
        rows = sorted({int(match[1]) for path in values if (match := _row_of(self.group, path))})
        return [(f"{self.group.removesuffix('[]')}[{row}]", self._holds(values, row)) for row in rows]

    def _holds(self, values: Mapping[str, Any], row: int | None) -> bool | None:
        try:
            return bool(_evaluated(self.tree, values, row))
        except _Missing:
            return None
        except (TypeError, ZeroDivisionError, OverflowError):
            return False


def _row_of(group: str, path: str) -> re.Match[str] | None:
    return re.match(rf"{re.escape(group.removesuffix('[]'))}\[(\d+)\]", path)


@lru_cache(maxsize=1024)
def parse_constraint(expression: str) -> Constraint:
    """Raises ValueError with what is wrong."""
    if len(expression) > _MAX_CHARS:
        raise ValueError(f"has more than {_MAX_CHARS} characters")
    paths: list[str] = []

    def placeholder(match: re.Match[str]) -> str:
        word = match[0]
        after = expression_text[match.end() :].lstrip()
        if word in _WORDS or after.startswith("("):
            return word
        paths.append(word)
        return f"path({word!r})"

    strings: list[str] = []

    def keep(match: re.Match[str]) -> str:
        strings.append(match[0])
        return f"\x00{len(strings) - 1}\x00"

    expression_text = _STRING.sub(keep, expression)
    text = _PATH.sub(placeholder, expression_text)
    text = re.sub(r"\x00(\d+)\x00", lambda match: strings[int(match[1])], text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        groups = _check(tree, inside=False)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"cannot be parsed: {getattr(error, 'msg', error)}") from None
    except _Fault as error:
        raise ValueError(str(error)) from None
    if len(groups) > 1:
        raise ValueError(f"goes through two lists at once: {', '.join(sorted(groups))}")
    return Constraint(expression, tuple(dict.fromkeys(paths)), next(iter(groups), ""), tree)


def check_expression(expression: str, fields: Sequence[Field]) -> list[str]:
    """What is wrong with an expression over these fields; nothing where it can be used."""
    try:
        constraint = parse_constraint(expression)
    except ValueError as error:
        return [f"{expression!r} {error}"]
    known = {field.path: field for field in fields}
    faults = []
    for path in constraint.paths:
        if path not in known and not any(each.startswith(f"{path}") and "[]" in path for each in known):
            close = nearest(path, tuple(known))
            faults.append(
                f"{expression!r}: there is no field {path!r}"
                + (f"; did you mean {close!r}?" if close else "")
            )
    if not constraint.paths:
        faults.append(f"{expression!r} speaks of no field")
    faults += [f"{expression!r} {fault}" for fault in _impossible(constraint.tree, known)]
    return faults


def check_constraints(schema: FieldSchema, values: Sequence[ExtractedValue]) -> tuple[ConstraintOutcome, ...]:
    """Every constraint of the schema on these values."""
    found = {each.path: each.value for each in values if each.status != "not_found"}
    return tuple(_outcome(parse_constraint(each), found) for each in schema.constraints)


def _outcome(constraint: Constraint, found: Mapping[str, Any]) -> ConstraintOutcome:
    results = constraint.holds(found)
    wrong = [row for row, holds in results if holds is False]
    if wrong:
        shown = ", ".join(f"{path} = {found[path]}" for path in constraint.paths if path in found)
        where = ", ".join(row for row in wrong if row)
        return ConstraintOutcome(constraint.expression, False, where or shown)
    if not results or any(holds is None for _, holds in results):
        missing = [path for path in constraint.paths if "[]" not in path and path not in found]
        return ConstraintOutcome(
            constraint.expression,
            None,
            f"not found: {', '.join(missing)}" if missing else "a value is missing",
        )
    return ConstraintOutcome(constraint.expression, True)


# ---------------------------------------------------------------- the language


def _check(node: ast.expr, *, inside: bool) -> set[str]:
    """The lists whose rows an expression goes through. Raises _Fault for what is not of the language."""
    if isinstance(node, ast.BoolOp):
        parts: list[ast.expr] = node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd):
        parts = [node.operand]
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        parts = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    elif isinstance(node, ast.List | ast.Tuple):
        parts = node.elts
    elif isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool):
        return set()
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _check_call(node, node.func.id, inside=inside)
    else:
        raise _Fault(f"has {ast.unparse(node)!r}, which is not of the language of constraints")
    return set().union(*(_check(part, inside=inside) for part in parts))


def _check_call(node: ast.Call, name: str, *, inside: bool) -> set[str]:
    if name == "path":
        path = _path(node)
        if "[]" in path and not inside:
            return {path[: path.index("[]") + 2]}
        return set()
    known = (*_OVER_ROWS, "unit", "abs", "round", *CHECKSUMS)
    if name not in known:
        raise _Fault(f"calls {name!r}; there are {', '.join(sorted(known))}")
    if not node.args:
        raise _Fault(f"calls {name} with nothing")
    return set().union(*(_check(each, inside=inside or name in _OVER_ROWS) for each in node.args))


def _path(node: ast.Call) -> str:
    argument = node.args[0]
    assert isinstance(argument, ast.Constant)
    return str(argument.value)


def _evaluated(node: ast.expr, values: Mapping[str, Any], row: int | None) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [_evaluated(each, values, row) for each in node.elts]
        case ast.BoolOp():
            results = [bool(_evaluated(each, values, row)) for each in node.values]
            return all(results) if isinstance(node.op, ast.And) else any(results)
        case ast.UnaryOp():
            value = _evaluated(node.operand, values, row)
            return (
                not value
                if isinstance(node.op, ast.Not)
                else -value
                if isinstance(node.op, ast.USub)
                else value
            )
        case ast.BinOp():
            return _ARITHMETIC[type(node.op)](
                _evaluated(node.left, values, row), _evaluated(node.right, values, row)
            )
        case ast.Compare():
            terms = [_evaluated(each, values, row) for each in (node.left, *node.comparators)]
            return all(
                _compared(op, left, right)
                for op, left, right in zip(node.ops, terms, terms[1:], strict=False)
            )
        case ast.Call():
            return _called(node, values, row)
    raise AssertionError(ast.dump(node))


def _called(node: ast.Call, values: Mapping[str, Any], row: int | None) -> Any:
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    if name == "path":
        path = _path(node)
        if row is not None:
            path = path.replace("[]", f"[{row}]", 1)
        if path not in values or values[path] is None:
            raise _Missing(path)
        return values[path]
    if name in _OVER_ROWS:
        column = [value for each in node.args for value in _column(each, values)]
        if name == "count":
            return len(column)
        if not column:
            raise _Missing
        return _AGGREGATES[name](column)
    arguments = [_evaluated(each, values, row) for each in node.args]
    if name in CHECKSUMS:
        return CHECKSUMS[name](str(arguments[0]))
    return _FUNCTIONS[name](*arguments)


def _column(node: ast.expr, values: Mapping[str, Any]) -> Iterator[Any]:
    """The expression's value in every row that has one; a row with a gap makes it missing."""
    [group] = _check(node, inside=False) or {""}
    if not group:
        yield _evaluated(node, values, None)
        return
    for row in sorted({int(match[1]) for path in values if (match := _row_of(group, path))}):
        yield _evaluated(node, values, row)


def _compared(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, ast.In):
        return left in right
    if isinstance(op, ast.NotIn):
        return left not in right
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (left, right))
    equal = abs(left - right) <= _TOLERANCE if numbers else left == right
    if isinstance(op, ast.Eq):
        return bool(equal)
    if isinstance(op, ast.NotEq):
        return not equal
    if type(op) in _ORDER:
        return bool(_ORDER[type(op)](left, right)) or (equal and isinstance(op, ast.LtE | ast.GtE))
    raise TypeError(op)


def _impossible(tree: ast.expr, known: Mapping[str, Field]) -> Iterator[str]:
    """Comparisons that no values can meet, or that compare a date with a number."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            continue
        left, right = node.left, node.comparators[0]
        if ast.unparse(left) == ast.unparse(right) and isinstance(node.ops[0], ast.Lt | ast.Gt | ast.NotEq):
            yield "can never hold: both sides are the same"
        kinds = {_kind(each, known) for each in (left, right)} - {""}
        if len(kinds) > 1:
            yield f"compares a {' with a '.join(sorted(kinds))}"


def _kind(node: ast.expr, known: Mapping[str, Field]) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "path":
        field = known.get(_path(node))
        return {"number": "number", "integer": "number", "date": "date"}.get(field.kind, "") if field else ""
    if isinstance(node, ast.BinOp):
        return "number"
    return ""
