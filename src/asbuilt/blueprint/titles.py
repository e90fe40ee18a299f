"""A design in people's words <-> a blueprint under names, without loss.

In words, things are called by any text on one line: ``RAG Retriever``. Under names, that text is
the `title` of ``rag-retriever``. What could not be turned back is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from asbuilt.blueprint.name import as_name, is_name
from asbuilt.blueprint.spec import MAX_NAME, Blueprint, ComponentSpec, EvaluationPlan
from asbuilt.errors import BlueprintError

__all__ = ["with_names", "with_titles"]

_Entry = TypeVar("_Entry", bound=Any)  # a value with a name and a title
_Renamed = Mapping[str, str]  # what things are called -> what they shall be called


def with_names(blueprint: Blueprint) -> Blueprint:
    """Everything by a blueprint's name, its words kept as title. Raises BlueprintError."""
    return _renamed(blueprint, _names, lambda entry, name: replace(entry, name=name, title=entry.name))


def with_titles(blueprint: Blueprint) -> Blueprint:
    """Everything by the words that `with_names` would make its name from. Raises BlueprintError."""
    return _renamed(blueprint, _titles, lambda entry, title: replace(entry, name=title, title=""))


def _names(entries: Iterable[Any]) -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in entries:
        if (spelled := _spelled(entry)) is not None:
            raise BlueprintError(
                f"{entry.name!r} has the title {spelled!r}, which is only another spelling of its name.",
                hint=f"Call it {spelled!r} and leave the title out.",
            )
        if is_name(entry.name):
            name = entry.name
        elif entry.title:
            raise BlueprintError(
                f"{entry.name!r} is no name of a blueprint, and it has another title, {entry.title!r}.",
                hint=f"Call it {as_name(entry.name)!r}, or leave the title out.",
            )
        else:
            name = as_name(entry.name) or ""
            if not 0 < len(name) <= MAX_NAME:
                raise BlueprintError(
                    f"no name for a blueprint can be made from {entry.name!r}.",
                    hint=f"It takes a letter from a to z, and at most {MAX_NAME} characters.",
                )
        for other, taken in names.items():
            if taken == name:
                raise BlueprintError(
                    f"{other!r} and {entry.name!r} would both be called {name!r}.", hint="Rename one of them."
                )
        names[entry.name] = name
    return names


def _titles(entries: Iterable[Any]) -> dict[str, str]:
    return {entry.name: _spelled(entry) or entry.name for entry in entries}


def _spelled(entry: Any) -> str | None:
    """The title, where it is only another spelling of the name."""
    title: str = entry.title
    return title if title and as_name(title) == entry.name != title else None


def _renamed(
    blueprint: Blueprint,
    naming: Callable[[Iterable[Any]], _Renamed],
    rename: Callable[[Any, str], Any],
) -> Blueprint:
    def entries(values: tuple[_Entry, ...], names: _Renamed) -> tuple[_Entry, ...]:
        return tuple(
            each if names[each.name] == each.name else rename(each, names[each.name]) for each in values
        )

    plan = blueprint.evaluation
    components, datasets = naming(blueprint.components), naming(plan.datasets)
    [system] = entries((blueprint.system,), naming((blueprint.system,)))
    return replace(
        blueprint,
        system=system,
        components=tuple(_connected(each, components) for each in entries(blueprint.components, components)),
        evaluation=_measured(
            replace(
                plan,
                datasets=entries(plan.datasets, datasets),
                metrics=entries(plan.metrics, naming(plan.metrics)),
            ),
            datasets,
        ),
    )


def _connected(component: ComponentSpec, names: _Renamed) -> ComponentSpec:
    return replace(
        component,
        dependencies=tuple(_meant(each, names) for each in component.dependencies),
        needs={
            need: tuple(_meant(each, names) for each in target)
            if isinstance(target, tuple)
            else target and _meant(target, names)
            for need, target in component.needs.items()
        },
    )


def _measured(plan: EvaluationPlan, datasets: _Renamed) -> EvaluationPlan:
    return replace(
        plan,
        metrics=tuple(replace(each, data=each.data and _meant(each.data, datasets)) for each in plan.metrics),
        loads=tuple(replace(each, data=_meant(each.data, datasets)) for each in plan.loads),
    )


def _meant(text: str, names: _Renamed) -> str:
    """What a reference becomes; one to something outside stays."""
    if text in names:
        return names[text]
    for called, name in names.items():
        if name == text:
            raise BlueprintError(
                f"{text!r} is written for something outside, but {called!r} will be called that.",
                hint=f"Write {called!r} if it is meant, and another name if not.",
            )
    return text
