"""A system while it is being designed: the blueprint's own values, in a list that grows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from asbuilt.blueprint.check import load_checked
from asbuilt.blueprint.order import build_order
from asbuilt.blueprint.render.markdown import hours_text
from asbuilt.blueprint.spec import (
    ApiSpec,
    Blueprint,
    ComponentSpec,
    ComponentStatus,
    EvaluationPlan,
    KnowledgeSpec,
    MachineSpec,
    PolicySpec,
    SystemSpec,
)
from asbuilt.blueprint.titles import with_names, with_titles
from asbuilt.blueprint.together import write_together
from asbuilt.errors import BlueprintError

__all__ = ["SystemArchitecture"]


@dataclass
class SystemArchitecture:
    """A system's components, and once they are decided the other sections of its blueprint.

    Names may be any text on one line. A blueprint's are lower-case words joined by hyphens, so
    saving turns ``RAG Retriever`` into ``rag-retriever`` wherever it is meant, dependencies, needs
    and evaluation included, and keeps the text as `title`; loading gives the text back. Dependencies
    outside of the system are left as they are written.

    >>> system = SystemArchitecture("Notes assistant", "Answers questions about our notes")
    >>> retriever = ComponentSpec("Retriever", "Find", dependencies=["Vector Store"], estimated_hours=4)
    >>> system.add_component(retriever)
    >>> system.add_component(ComponentSpec("Vector Store", "Keep", estimated_hours=3))
    >>> system.get_build_order()
    ['Vector Store', 'Retriever']
    >>> system.total_hours()
    7.0
    >>> system.to_blueprint().names()
    ('retriever', 'vector-store')
    >>> SystemArchitecture.from_blueprint(system.to_blueprint()) == system
    True
    """

    name: str
    description: str
    components: list[ComponentSpec] = field(default_factory=list)
    target: MachineSpec = field(default_factory=MachineSpec, kw_only=True)
    api: ApiSpec = field(default_factory=ApiSpec, kw_only=True)
    knowledge: KnowledgeSpec = field(default_factory=KnowledgeSpec, kw_only=True)
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan, kw_only=True)
    policy: PolicySpec = field(default_factory=PolicySpec, kw_only=True)

    def __post_init__(self) -> None:
        given, self.components = self.components, []
        for component in given:
            self.add_component(component)

    def add_component(self, component: ComponentSpec) -> None:
        """Raises BlueprintError, a ValueError, when one of that name is there."""
        if any(component.name == each.name for each in self.components):
            raise BlueprintError(
                f"there is already a component {component.name!r}.", hint="Give this one another name."
            )
        self.components.append(component)

    def get_build_order(self) -> list[str]:
        """Each component after those that it depends on or is given, alphabetical among the ready ones.

        Dependencies outside of the system count as there. Raises BlueprintError, a ValueError, that
        names a cycle.
        """
        components = tuple(self.components)
        return build_order(Blueprint(system=SystemSpec("any", "any"), components=components))

    def total_hours(self) -> float:
        """Of all components; one that is not estimated counts as 0."""
        return float(sum(each.estimated_hours or 0 for each in self.components))

    def summary(self) -> str:
        """Text for people: components by status, hours, build order. Raises as `get_build_order` does."""
        hours = {each.name: each.estimated_hours for each in self.components}
        unknown = ", ".join(name for name, known in hours.items() if known is None)
        by_status = (
            (status, ", ".join(each.name for each in self.components if each.status is status))
            for status in ComponentStatus
        )
        return "\n".join(
            (
                self.name,
                self.description,
                "",
                f"Components: {len(self.components)}",
                *(f"  {status}: {names}" for status, names in by_status if names),
                f"Hours: {hours_text(self.total_hours())}"
                + (f" (not estimated: {unknown})" if unknown else ""),
                "Build order:",
                *(
                    f"  {number}. {name}" + ("" if hours[name] is None else f" ({hours_text(hours[name])} h)")
                    for number, name in enumerate(self.get_build_order(), start=1)
                ),
            )
        )

    # ------------------------------------------------------------ as a blueprint, on disk

    def to_blueprint(self) -> Blueprint:
        """The same system under a blueprint's names, with its own names as titles.

        Raises BlueprintError, a ValueError, where that cannot be told apart again: a name without a
        letter to start from, two names that become one, a dependency written as another becomes, a
        title that is only another spelling of a name. Raises pydantic's ValidationError, a ValueError
        too, for a blank name or description.
        """
        return with_names(self._as_it_is())

    @classmethod
    def from_blueprint(cls, blueprint: Blueprint) -> Self:
        """The architecture that `to_blueprint` gives this blueprint of.

        Raises BlueprintError, a ValueError, where a title is also written as the name of something.
        """
        titled = with_titles(blueprint)
        return cls(
            titled.system.name,
            titled.system.purpose,
            list(titled.components),
            target=titled.target,
            api=titled.api,
            knowledge=titled.knowledge,
            evaluation=titled.evaluation,
            policy=titled.policy,
        )

    def save(self, path: str | Path) -> None:
        """Write the blueprint to a file; what was there is replaced whole, or not at all.

        Raises as `to_blueprint` does, and StorageError when the file cannot be written.
        """
        file = Path(path)
        write_together(file.parent, {file.name: self.to_blueprint().to_yaml()})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the blueprint in a file. Raises BlueprintError with every fault, and what reading raises."""
        return cls.from_blueprint(load_checked(Path(path)))

    def _as_it_is(self) -> Blueprint:
        return Blueprint(
            system=SystemSpec(self.name, self.description),
            components=tuple(self.components),
            target=self.target,
            api=self.api,
            knowledge=self.knowledge,
            evaluation=self.evaluation,
            policy=self.policy,
        )
