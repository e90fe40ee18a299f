"""Faults of components: what they use, need, take as config, declare as ports, and cycles among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from asbuilt import registry
from asbuilt.blueprint.config import type_name, wrong_config
from asbuilt.blueprint.fault import Fault, Steps, shown
from asbuilt.blueprint.load import Loaded
from asbuilt.blueprint.needs import Given, Parts, match_needs
from asbuilt.blueprint.order import find_cycles, graph_of
from asbuilt.blueprint.spec import Blueprint, ComponentSpec, PortSpec
from asbuilt.errors import AsbuiltError
from asbuilt.registry import Port, Signature

__all__ = ["component_faults"]


def component_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    """Every fault of every component, in no particular order."""
    uses = _Uses(loaded)
    for component in blueprint.components:
        uses.look_up(component)
    yield from uses.faults
    parts = Parts.of(blueprint, unclear=frozenset(uses.unclear))
    resolved: dict[str, Mapping[str, Given]] = {}
    for component in blueprint.components:
        signature = uses.signatures.get(component.use or "")
        if signature is not None:
            given, faults = _need_faults(loaded, component, signature, parts)
            resolved[component.name] = given
            yield from faults
            yield from _config_faults(loaded, component, signature)
            yield from _port_faults(loaded, component, signature)
        else:
            yield from _planned_need_faults(loaded, component, parts)
        yield from _dependency_faults(loaded, component, parts)
    yield from _cycle_faults(loaded, blueprint, resolved)


class _Uses:
    """What each `use` refers to."""

    def __init__(self, loaded: Loaded) -> None:
        self.signatures: dict[str, Signature] = {}
        self.unclear: set[str] = set()
        self.faults: list[Fault] = []
        self._loaded = loaded
        self._problems: dict[str, str] = {}

    def look_up(self, component: ComponentSpec) -> None:
        """Find the signature behind a component's `use`, or note the fault."""
        use, steps = component.use, ("components", component.name, "use")
        if self._loaded.is_broken(*steps):
            self.unclear.add(component.name)
            return
        if use is None or use in self.signatures:
            return
        role, _, short = use.partition("/")
        if role not in registry.ROLES or not short:
            self.unclear.add(component.name)
            self._add(steps, use, *_role_fault(use, role))
        elif use not in (known := registry.names(role)):
            self._add(steps, use, "is not registered", tuple(known), registry.nearest(use, known))
        else:
            if use not in self._problems:
                self._problems[use] = self._read_signature(use)
            if problem := self._problems[use]:
                self._add(steps, use, problem)

    def _read_signature(self, use: str) -> str:
        """What keeps the signature from being read; "" once it was."""
        try:
            self.signatures[use] = registry.signature(use)
        except AsbuiltError as error:  # a missing package, with the command that installs it
            return str(error)
        except Exception as error:  # the module may be anyone's
            return f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
        return ""

    def _add(
        self, steps: Steps, use: str, message: str, allowed: tuple[str, ...] = (), nearest: str | None = None
    ) -> None:
        self.faults.append(
            self._loaded.tree.fault(steps, message, value=shown(use), allowed=allowed, nearest=nearest)
        )


def _role_fault(use: str, role: str) -> tuple[str, tuple[str, ...], str | None]:
    """Message, allowed and nearest for a `use` that names no role."""
    names, roles = registry.names(), tuple(registry.ROLES)
    alike = [name for name in names if name.partition("/")[2] == use]
    nearest = alike[0] if alike else registry.nearest(use, names)
    if role in roles and "/" in use:
        return "is not written as role/name", tuple(registry.names(role)), None
    if "/" not in use:
        return "is not written as role/name", roles, nearest
    return f"{role!r} is no role", roles, nearest


def _need_faults(
    loaded: Loaded, component: ComponentSpec, signature: Signature, parts: Parts
) -> tuple[dict[str, Given], list[Fault]]:
    given, problems = match_needs(component, signature, parts)
    faults = [
        loaded.tree.fault(
            ("components", component.name, *problem.steps),
            problem.message,
            value=problem.value,
            allowed=problem.allowed,
            word=problem.word,
        )
        for problem in problems
        if not loaded.is_broken("components", component.name, *problem.steps)
    ]
    return given, faults


def _planned_need_faults(loaded: Loaded, component: ComponentSpec, parts: Parts) -> Iterator[Fault]:
    """Of a component whose class is not known: what it names must at least exist."""
    for need, target in component.needs.items():
        targets = enumerate(target) if isinstance(target, tuple) else [(None, target)]
        for number, name in targets:
            steps: Steps = ("components", component.name, "needs", need)
            if name is not None and name not in parts.names():
                yield loaded.tree.fault(
                    steps if number is None else (*steps, number),
                    "there is no such component",
                    value=shown(name),
                    allowed=parts.names(),
                    word=name,
                )


def _dependency_faults(loaded: Loaded, component: ComponentSpec, parts: Parts) -> Iterator[Fault]:
    for number, name in enumerate(component.dependencies):
        steps: Steps = ("components", component.name, "dependencies", number)
        if name not in parts.names():
            yield loaded.tree.fault(
                steps,
                "is not in this blueprint and counts as there already",
                value=shown(name),
                word=name,
                allowed=parts.names(),
                severity="warning",
            )
        elif component.use is not None and name in parts.planned:
            message = "a built component depends on this one, which is only planned"
            yield loaded.tree.fault(steps, message, value=shown(name), severity="warning")


def _config_faults(loaded: Loaded, component: ComponentSpec, signature: Signature) -> Iterator[Fault]:
    at: Steps = ("components", component.name, "config")
    if loaded.is_broken(*at):
        return
    parameters = {each.name: each for each in signature.config}
    for key, value in component.config.items():
        if key not in parameters:
            yield _unknown_config(loaded, (*at, key), key, signature)
            continue
        for wrong in wrong_config(parameters[key].annotation, value):
            yield loaded.tree.fault(
                (*at, key, *wrong.steps),
                wrong.message,
                value=wrong.value,
                allowed=wrong.allowed,
                word=wrong.word,
            )
    for parameter in signature.config:
        if parameter.required and parameter.name not in component.config:
            kind = type_name(parameter.annotation)
            yield loaded.tree.fault(
                (*at, parameter.name), f"is missing: {signature.name} must have it ({kind})"
            )


def _unknown_config(loaded: Loaded, steps: Steps, key: str, signature: Signature) -> Fault:
    names = tuple(each.name for each in signature.config)
    if any(key == need.name for need in signature.needs):
        return loaded.tree.fault(steps, "is a need: write it under needs", key=True)
    if key in signature.given:
        return loaded.tree.fault(steps, "is filled in by the system: leave it out", key=True)
    message = f"unknown config of {signature.name}" + ("" if names else ", which takes none")
    return loaded.tree.fault(steps, message, key=True, allowed=names, word=key)


def _port_faults(loaded: Loaded, component: ComponentSpec, signature: Signature) -> Iterator[Fault]:
    at: Steps = ("components", component.name)
    method = signature.role.method
    if component.inputs and not loaded.is_broken(*at, "inputs"):
        yield from _input_faults(loaded, (*at, "inputs"), component.inputs, signature.inputs, method)
    if component.outputs and not loaded.is_broken(*at, "outputs"):
        [output] = signature.outputs
        for number, port in enumerate(component.outputs):
            steps: Steps = (*at, "outputs", number)
            if number > 0:
                yield loaded.tree.fault(steps, f"{method}() has one output", value=shown(port.name))
            elif not _same_type(port.type, output.type):
                yield _type_fault(loaded, steps, port, output, method)


def _input_faults(
    loaded: Loaded, at: Steps, declared: tuple[PortSpec, ...], real: tuple[Port, ...], method: str
) -> Iterator[Fault]:
    by_name = {port.name: port for port in real}
    for number, port in enumerate(declared):
        if port.name not in by_name:
            message = f"is no input of {method}()"
            yield loaded.tree.fault(
                (*at, number, "name"), message, value=shown(port.name), allowed=tuple(by_name), word=port.name
            )
        elif not _same_type(port.type, by_name[port.name].type):
            yield _type_fault(loaded, (*at, number), port, by_name[port.name], method)
    missing = [port for port in real if all(port.name != each.name for each in declared)]
    if missing:
        listed = ", ".join(f"{port.name}: {type_name(port.type)}" for port in missing)
        yield loaded.tree.fault(at, f"leaves out inputs of {method}(): {listed}", key=True)


def _type_fault(loaded: Loaded, steps: Steps, port: PortSpec, real: Port, method: str) -> Fault:
    message = f"{method}() has another type here"
    return loaded.tree.fault(
        (*steps, "type"), message, value=shown(port.type), allowed=(type_name(real.type),)
    )


def _same_type(declared: str, real: str) -> bool:
    left, right = (type_name(each).replace(" ", "").replace('"', "'") for each in (declared, real))
    return left == right or right == "_empty"


def _cycle_faults(
    loaded: Loaded, blueprint: Blueprint, resolved: Mapping[str, Mapping[str, Given]]
) -> Iterator[Fault]:
    for cycle in find_cycles(graph_of(blueprint, resolved)):
        first, second = cycle[0], cycle[1]
        component = blueprint.component(first)
        steps: Steps = ("components", first)
        for need, target in component.needs.items():
            if second == target or (isinstance(target, tuple) and second in target):
                steps = ("components", first, "needs", need)
        yield loaded.tree.fault(steps, f"cycle: {' -> '.join(cycle)}", key=True)
