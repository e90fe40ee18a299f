"""Where a constraint fails, another reading that the OCR thought possible may satisfy it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from asbuilt.extraction.constraints import Constraint, parse_constraint
from asbuilt.extraction.values import Conventions, parse
from asbuilt.fields import Candidate, FieldSchema
from asbuilt.pages import PageLayout

__all__ = ["Change", "find_repairs"]

_MOST_READINGS = 6  # of one value
_MOST_TRIED = 2000  # of one constraint


@dataclass(frozen=True, slots=True)
class Change:
    """Another reading of the value at `path`, with what it costs (0 to 1: how unlikely)."""

    path: str
    value: Any
    quote: str
    cost: float
    constraint: str
    candidate: Candidate | None = None


def find_repairs(
    schema: FieldSchema,
    chosen: Mapping[str, Candidate],
    rivals: Mapping[str, Sequence[Candidate]],
    pages: Mapping[int, PageLayout],
    conventions: Conventions,
) -> list[Change]:
    """The cheapest changes that make failing constraints hold, none where two are as good as each
    other or where one breaks a constraint that held.

    One value is changed at a time; words of a text layer have no other readings.
    """
    values = {path: candidate.value for path, candidate in chosen.items()}
    constraints = [parse_constraint(each) for each in schema.constraints]
    changes: list[Change] = []
    for constraint in constraints:
        if not _fails(constraint, values):
            continue
        broken_before = sum(_fails(each, values) for each in constraints)
        fitting: list[tuple[int, float, Change]] = []
        for change in _possible(constraint, schema, chosen, rivals, pages, conventions):
            trial = {**values, change.path: change.value}
            if _fails(constraint, trial):
                continue
            broken = sum(_fails(each, trial) for each in constraints)
            if broken < broken_before:
                fitting.append((broken, change.cost, change))
        fitting.sort(key=lambda each: each[:2])
        if not fitting:
            continue
        best = fitting[0]
        rival = next(
            (each for each in fitting[1:] if each[2].value != best[2].value or each[2].path != best[2].path),
            None,
        )
        if rival is not None and rival[0] == best[0] and rival[1] < best[1] + 0.1:
            continue
        changes.append(best[2])
        values[best[2].path] = best[2].value
    return changes


def _fails(constraint: Constraint, values: Mapping[str, Any]) -> bool:
    return any(holds is False for _, holds in constraint.holds(values))


def _possible(
    constraint: Constraint,
    schema: FieldSchema,
    chosen: Mapping[str, Candidate],
    rivals: Mapping[str, Sequence[Candidate]],
    pages: Mapping[int, PageLayout],
    conventions: Conventions,
) -> Iterator[Change]:
    fields = {field.path: field for field in schema.fields}
    tried = 0
    for path, candidate in chosen.items():
        generic = _generic(path)
        if generic not in constraint.paths:
            continue
        field = fields[generic]
        for quote, cost in _readings(candidate, pages[candidate.page]):
            parsed = parse(field, quote, conventions)
            tried += 1
            if tried > _MOST_TRIED:
                return
            if parsed is not None and parsed.value != candidate.value:
                yield Change(path, parsed.value, quote, cost, constraint.expression)
        for rival in rivals.get(path, ()):
            if rival.value != candidate.value:
                cost = 0.5 + max(0.0, candidate.score - rival.score)
                yield Change(path, rival.value, rival.quote, cost, constraint.expression, rival)


def _generic(path: str) -> str:
    head, bracket, tail = path.partition("[")
    return f"{head}[]{tail.partition(']')[2]}" if bracket else path


def _readings(candidate: Candidate, page: PageLayout) -> Iterator[tuple[str, float]]:
    """Other readings of a value's words, with how unlikely each is."""
    options: list[list[tuple[str, float]]] = []
    for index in candidate.words:
        word = page.words[index]
        others = [(each.text, 1 - each.probability) for each in word.alternatives]
        if word.second is not None:
            others.append((word.second, 0.3))
        options.append([(word.text, 0.0), *sorted(others, key=lambda each: each[1])[: _MOST_READINGS - 1]])
    for number, combination in enumerate(product(*options)):
        if number > _MOST_TRIED:
            return
        cost = sum(cost for _, cost in combination)
        if cost > 0:
            yield " ".join(text for text, _ in combination), cost
