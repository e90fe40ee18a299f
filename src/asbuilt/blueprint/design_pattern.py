"""A shape that many systems have: its components, and the way of a piece of work through them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asbuilt.blueprint.architecture import SystemArchitecture
from asbuilt.blueprint.spec import ComponentSpec

__all__ = ["DesignPattern", "FlowStep"]


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A step, the components that do it (none: it is what comes in or goes out), the condition under
    which it follows the one before, and the steps that follow instead when it does not hold."""

    name: str
    by: tuple[str, ...] = ()
    when: str = ""
    otherwise: tuple[FlowStep, ...] = ()


@dataclass(frozen=True, slots=True)
class DesignPattern:
    """One entry of the pattern reference. `components` and `flow` say it all: the rest is drawn from them."""

    name: str
    description: str
    components: tuple[ComponentSpec, ...]
    flow: tuple[FlowStep, ...]
    best_for: tuple[str, ...]

    @property
    def data_flow(self) -> str:
        """The steps on one line: ``query -> embed -> ... -> response``."""
        text = " -> ".join(map(_labelled, self.flow))
        for step in self.flow:
            if step.otherwise:
                text += ", " + " -> ".join(map(_labelled, step.otherwise))
        return text

    @property
    def diagram(self) -> str:
        """The flow as boxes below each other, then what stands beside it."""
        return "\n".join((*_boxes(self.flow), *_beside(self)))

    def to_architecture(self, name: str | None = None) -> SystemArchitecture:
        """A design to start from; everything in it is planned."""
        return SystemArchitecture(name or self.name, self.description, list(self.components))

    def __str__(self) -> str:
        """All of it, for people."""
        width = max(len(each.name) for each in self.components)
        return "\n".join(
            (
                self.name,
                self.description,
                "",
                "Components",
                *(f"  {each.name:<{width}}  {each.purpose}" for each in self.components),
                "",
                f"Data flow: {self.data_flow}",
                "",
                "Best for",
                *(f"  - {each}" for each in self.best_for),
                "",
                self.diagram,
            )
        )


def _labelled(step: FlowStep) -> str:
    return f"({step.when}) {step.name}" if step.when else step.name


def _boxes(flow: Iterable[FlowStep]) -> Iterator[str]:
    steps = tuple(flow)
    names = max(len(step.name) for step in steps)
    texts = [f"{step.name:<{names}}   {' + '.join(step.by)}".rstrip() for step in steps]
    width = max(map(len, texts)) + 2
    middle = width // 2
    for number, (step, text) in enumerate(zip(steps, texts, strict=True)):
        last = number == len(steps) - 1
        yield f"┌{_line(width, middle, '─' if number == 0 else '▼')}┐"
        yield f"│ {text:<{width - 2}} │"
        yield f"└{_line(width, middle, '─' if last else '┬')}┘"
        if not last and (step.otherwise or steps[number + 1].when):
            yield from _fork(step.otherwise, steps[number + 1].when, indent=middle + 1)


def _line(width: int, middle: int, mark: str) -> str:
    return "─" * middle + mark + "─" * (width - middle - 1)


def _fork(otherwise: tuple[FlowStep, ...], when: str, *, indent: int) -> Iterator[str]:
    if otherwise:
        way = " ──▶ ".join(
            f"{step.name} ({' + '.join(step.by)})" if step.by else step.name for step in otherwise
        )
        yield f"{' ' * indent}├── {otherwise[0].when} ──▶ {way}"
    yield f"{' ' * indent}│ {when}".rstrip()


def _beside(pattern: DesignPattern) -> Iterator[str]:
    """Components without a step of their own, each with those that build on it."""
    steps = [*pattern.flow, *(each for step in pattern.flow for each in step.otherwise)]
    flowing = {name for step in steps for name in step.by}
    beside = [each.name for each in pattern.components if each.name not in flowing]
    if beside:
        yield ""
        width = max(map(len, beside))
        for name in beside:
            users = [each.name for each in pattern.components if name in each.dependencies]
            yield f"  {name:<{width}} ──▶ {', '.join(users)}" if users else f"  {name}"
