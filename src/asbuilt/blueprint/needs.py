"""Which component is given to which: needs, written or found by their role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asbuilt import registry
from asbuilt.blueprint.fault import Steps, dotted
from asbuilt.blueprint.spec import Blueprint, ComponentSpec
from asbuilt.errors import BlueprintError
from asbuilt.registry import Need, Signature

__all__ = ["Given", "Parts", "Problem", "match_needs", "resolve_needs"]

Given = str | tuple[str, ...]
"""The component for a need, or all those for a need of several."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A need that cannot be met; `steps` lead to it from the component."""

    steps: Steps
    message: str
    value: str = ""
    allowed: tuple[str, ...] = ()
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of a blueprint as needs see them: what is built plays a role, what is planned
    none. The roles of `unclear` ones are not known, because their `use` is itself at fault."""

    built: Mapping[str, str]
    planned: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()

    @classmethod
    def of(cls, blueprint: Blueprint, *, unclear: frozenset[str] = frozenset()) -> Parts:
        roles = {each.name: each.role for each in blueprint.components if each.name not in unclear}
        return cls(
            {name: role for name, role in roles.items() if role is not None},
            frozenset(name for name, role in roles.items() if role is None),
            unclear,
        )

    def names(self) -> tuple[str, ...]:
        return (*self.built, *sorted(self.planned | self.unclear))


def match_needs(
    component: ComponentSpec, signature: Signature, parts: Parts
) -> tuple[dict[str, Given], list[Problem]]:
    """What a built component is given, and what is wrong with its needs.

    A need that is not written gets the one component of its role; a need of several gets all of
    them. Optional needs that are not written, and that nothing can meet, are left out; what another
    need of the same component has is nothing to meet them with.
    """
    given: dict[str, Given] = {}
    problems: list[Problem] = []
    taken = {target for target in component.needs.values() if isinstance(target, str)}
    for need in signature.needs:
        if need.name in component.needs:
            found = _written(component.needs[need.name], need, parts)
        else:
            found = _found_by_role(need, parts, {component.name, *(taken if need.optional else ())})
            taken |= {found} if isinstance(found, str) else set()
        if isinstance(found, list):
            problems += found
        elif found is not None:
            given[need.name] = found
    known = tuple(need.name for need in signature.needs)
    for name in component.needs:
        if name not in known:
            config = any(name == each.name for each in signature.config)
            message = "is config: write it under config" if config else f"is no need of {signature.name}"
            problems.append(Problem(("needs", name), message, repr(name), known, None if config else name))
    return given, problems


def _written(target: str | tuple[str, ...] | None, need: Need, parts: Parts) -> Given | list[Problem] | None:
    steps: Steps = ("needs", need.name)
    if target is None:
        if need.optional or need.many:
            return () if need.many else None
        return [Problem(steps, "this need must be met", "nothing", _of_role(need.role, parts))]
    if isinstance(target, tuple) and not need.many:
        return [Problem(steps, "takes one component, not a list", allowed=_of_role(need.role, parts))]
    if isinstance(target, str):
        problem = _wrong_target(target, need, parts, steps)
        return [problem] if problem else (target,) if need.many else target
    found = [_wrong_target(name, need, parts, (*steps, number)) for number, name in enumerate(target)]
    return [problem for problem in found if problem] or target


def _wrong_target(name: str, need: Need, parts: Parts, steps: Steps) -> Problem | None:
    allowed = _of_role(need.role, parts)
    if name in parts.unclear or parts.built.get(name) == need.role:
        return None
    if name in parts.built:
        role = parts.built[name]
        return Problem(
            steps, f"must play {need.role!r}, but this component plays {role!r}", repr(name), allowed
        )
    if name in parts.planned:
        message = f"a built component needs this one, which is only planned; give it `use: {need.role}/...`"
        return Problem(steps, message, repr(name), allowed)
    # The nearest name of any role: a misspelt name is likelier than a wrong one.
    return Problem(steps, "there is no such component", repr(name), parts.names(), name)


def _found_by_role(need: Need, parts: Parts, without: set[str]) -> Given | list[Problem] | None:
    candidates = tuple(name for name in _of_role(need.role, parts) if name not in without)
    if need.many:
        return candidates
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        message = f"several components play {need.role!r}: say which under needs"
        return [Problem(("needs", need.name), message, allowed=(*candidates, *["null"] * need.optional))]
    if need.optional or parts.unclear:
        return None
    known = tuple(registry.names(need.role))
    message = f"no component plays {need.role!r}: add one, with `use` one of the allowed names"
    return [Problem(("needs", need.name), message, allowed=known)]


def _of_role(role: str, parts: Parts) -> tuple[str, ...]:
    return tuple(name for name, played in parts.built.items() if played == role)


def resolve_needs(blueprint: Blueprint) -> dict[str, dict[str, Given]]:
    """For each built component, what its constructor is given: need to component name, or to a tuple
    of names where it takes several.

    Raises BlueprintError with every need that cannot be met, NotFoundError for a `use` that is not
    registered, MissingError when its package is not installed.
    """
    parts = Parts.of(blueprint)
    signatures: dict[str, Signature] = {}
    resolved: dict[str, dict[str, Given]] = {}
    lines: list[str] = []
    for component in blueprint.components:
        if component.use is None:
            continue
        if component.use not in signatures:
            signatures[component.use] = registry.signature(component.use)
        given, problems = match_needs(component, signatures[component.use], parts)
        resolved[component.name] = given
        lines += [
            f"{dotted(('components', component.name, *problem.steps))}: {problem.message}"
            for problem in problems
        ]
    if lines:
        raise BlueprintError(f"needs cannot be met: {lines[0]}", faults=tuple(lines))
    return resolved
