"""A blueprint on a machine: order, hours, status, memory, speed, and what to change when it does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from asbuilt import registry
from asbuilt.blueprint import Blueprint, ComponentSpec, ComponentStatus, config_values
from asbuilt.blueprint.state import STATE_FOLDER, catalog_file
from asbuilt.catalog import Catalog
from asbuilt.errors import AsbuiltError, MissingError, UserError
from asbuilt.planning.alternatives import Alternative, nearest_plans
from asbuilt.planning.measured import PastError, Peak, past_error, read_peaks
from asbuilt.planning.memory import MemoryPlan, fit, has_gpu, rows_of
from asbuilt.planning.process import PROCESS, process_parts
from asbuilt.planning.schedule import Schedule, schedule
from asbuilt.planning.target import identity, target_machine
from asbuilt.resources.demand import Assumptions, Demand, LanguageModel, StatesDemand
from asbuilt.resources.forecast import Band, decode_rate, first_token_s
from asbuilt.resources.machines import Machine

__all__ = ["DEFAULT_CHUNKS", "Forecast", "Plan", "PlannedComponent", "Status", "plan"]

Status = Literal["planned", "missing", "importable", "opened"]
"""From evidence: no `use` yet; its module or a package of it is not there; it is; it ran in this design."""

DEFAULT_CHUNKS = 10_000
"""In an index, where nothing has been ingested and nobody says otherwise."""

_PROMPT_TOKENS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedComponent:
    """A component as evidence shows it, beside the status typed into the blueprint.

    `demand` is None where its class does not state one. `notes` are what the plan says aloud.
    """

    name: str
    use: str | None
    status: Status
    typed_status: ComponentStatus
    hours: float | None
    demand: Demand | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """How fast a language model answers one user after a prompt of `prompt_tokens`, nothing cached.

    There is none for a plan that does not fit. Both are None, with the reason in `note`, where they cannot
    be told.
    """

    component: str
    prompt_tokens: int
    tokens_per_s: Band | None
    first_token_s: Band | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a blueprint takes, on a machine, as it stands.

    `chunks_from` says where `chunks` comes from. `past` is the error of earlier predictions on that
    machine, None without any; `last` is what this very blueprint took there the last time.
    """

    system: str
    blueprint: str
    schedule: Schedule
    components: tuple[PlannedComponent, ...]
    chunks: int
    chunks_from: str
    memory: MemoryPlan
    forecasts: tuple[Forecast, ...]
    alternatives: tuple[Alternative, ...]
    past: PastError | None = None
    last: Peak | None = None

    @property
    def machine(self) -> Machine:
        return self.memory.machine

    @property
    def fits(self) -> bool:
        return self.memory.verdict != "over"

    @property
    def not_stated(self) -> tuple[str, ...]:
        """Built components that do not say what they take."""
        return tuple(each.name for each in self.components if each.use is not None and each.demand is None)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{each.name}: {note}" for each in self.components for note in each.notes)


def plan(
    blueprint: Blueprint, *, folder: Path, machine: Machine | None = None, chunks: int | None = None
) -> Plan:
    """Plan `blueprint`, whose relative paths start at `folder`, on `machine` (default: its target).

    `chunks` in the index defaults to what the project's catalogue holds, else to `DEFAULT_CHUNKS`.
    Nothing is built, loaded or downloaded.

    Raises UserError for a damaged model file, an unknown architecture or a config that cannot be,
    NotFoundError for an unknown model or machine with the nearest names, BlueprintError for a cycle.
    """
    state_folder = folder / STATE_FOLDER
    if machine is None:
        machine = target_machine(blueprint.target, folder=folder)
    chunks_from = "as asked"
    if chunks is None:
        chunks, chunks_from = _chunks(catalog_file(folder))
    peaks = read_peaks(state_folder)
    ran = any(peak.blueprint == blueprint.digest for peak in peaks)
    assumed = Assumptions(chunks=chunks, gpu=has_gpu(machine))
    found = _components(blueprint, folder, assumed, ran=ran)
    planned = schedule(blueprint)
    memory = MemoryPlan(rows_of(_parts(blueprint, found)), machine)
    here = identity(machine)
    return Plan(
        system=blueprint.system.name,
        blueprint=blueprint.digest,
        schedule=planned,
        components=tuple(found[name] for name in planned.order),
        chunks=chunks,
        chunks_from=chunks_from,
        memory=memory,
        forecasts=tuple(_forecasts(found.values(), machine)) if memory.verdict != "over" else (),
        alternatives=_alternatives(blueprint, found, memory) if memory.verdict == "over" else (),
        past=past_error(peaks, machine=here),
        last=next(
            (each for each in reversed(peaks) if each.blueprint == blueprint.digest and each.machine == here),
            None,
        ),
    )


def _chunks(catalogue: Path) -> tuple[int, str]:
    if not catalogue.is_file():
        return DEFAULT_CHUNKS, "assumed: nothing is ingested yet"
    catalog = Catalog(file=catalogue)
    catalog.open()
    try:
        count = catalog.progress("").chunks
    finally:
        catalog.close()
    return (count, "in the catalogue") if count else (DEFAULT_CHUNKS, "assumed: nothing is ingested yet")


# ---------------------------------------------------------------- components and what they take


def _components(
    blueprint: Blueprint, folder: Path, assumed: Assumptions, *, ran: bool
) -> dict[str, PlannedComponent]:
    """Embedders first: the length of their vectors is what an index depends on."""
    found: dict[str, PlannedComponent] = {}
    for component in sorted(blueprint.components, key=lambda each: each.role != "embedder"):
        planned = _component(component, folder, assumed, ran=ran)
        if component.role == "embedder" and planned.demand:
            assumed = replace(assumed, dim=planned.demand.dim or assumed.dim)
        found[component.name] = planned
    return found


def _component(
    component: ComponentSpec, folder: Path, assumed: Assumptions, *, ran: bool
) -> PlannedComponent:
    planned = PlannedComponent(
        name=component.name,
        use=component.use,
        status="planned",
        typed_status=component.status,
        hours=component.estimated_hours,
    )
    if component.use is None:
        return planned
    try:
        cls = registry.resolve(component.use)
    except MissingError as error:
        return replace(planned, status="missing", notes=(str(error),))
    planned = replace(planned, status="opened" if ran else "importable")
    if not isinstance(cls, StatesDemand):
        return planned
    try:
        demand = cls.demand(_config(component, folder), assumed)
    except MissingError as error:
        return replace(planned, status="missing", notes=(str(error),))
    except AsbuiltError as error:
        raise type(error)(f"{component.name}: {error.message}", hint=error.hint) from error
    return replace(planned, demand=demand, notes=demand.notes)


def _config(component: ComponentSpec, folder: Path) -> Mapping[str, Any]:
    """Every config keyword: as the blueprint has it, else its default."""
    assert component.use is not None, "only built components have config"
    config = registry.signature(component.use).config
    values = {each.name: each.default for each in config if not each.required}
    return {**values, **config_values(component, folder)}


def _parts(blueprint: Blueprint, found: Mapping[str, PlannedComponent]) -> dict[str, tuple[Any, ...]]:
    roles = [each.role for each in blueprint.components if each.role is not None]
    parts: dict[str, tuple[Any, ...]] = {PROCESS: process_parts(roles)}
    for name in blueprint.names():
        demand = found[name].demand
        if demand is not None:
            parts[name] = demand.all_parts()
    return parts


# ---------------------------------------------------------------- speed


def _forecasts(components: Iterable[PlannedComponent], machine: Machine) -> Iterable[Forecast]:
    for component in components:
        if component.demand and component.demand.model:
            yield _forecast(component.name, component.demand.model, machine)


def _forecast(name: str, model: LanguageModel, machine: Machine) -> Forecast:
    prompt = min(_PROMPT_TOKENS, model.context_tokens // 2)
    if has_gpu(machine) and model.device_share < 1:
        note = "layers in two memories: no forecast"
        return Forecast(name, prompt, None, None, note)
    try:
        rate = decode_rate(model.shape, model.weights, machine, depth=prompt)
        first = first_token_s(model.shape, model.weights, machine, prompt=prompt)
    except UserError as error:
        return Forecast(name, prompt, None, None, str(error))
    note = "" if first else "the arithmetic of the machine is not known"
    return Forecast(name, prompt, rate, first, note)


# ---------------------------------------------------------------- what fits


def _alternatives(
    blueprint: Blueprint, found: Mapping[str, PlannedComponent], memory: MemoryPlan
) -> tuple[Alternative, ...]:
    """Of the largest language model."""
    models = {name: each.demand.model for name, each in found.items() if each.demand and each.demand.model}
    if not models:
        return ()
    largest = max(models, key=lambda name: models[name].bytes)
    others = [
        row.part
        for row in rows_of(
            _parts(
                blueprint,
                {
                    name: replace(each, demand=replace(each.demand, model=None))
                    if name == largest and each.demand
                    else each
                    for name, each in found.items()
                },
            )
        )
    ]

    def total(model: LanguageModel) -> int | None:
        parts = [*others, *model.parts()]
        fits = all(each.verdict != "over" for each in fit(parts, memory.machine))
        return sum(part.bytes for part in parts) if fits else None

    return nearest_plans(largest, models[largest], total_bytes=total)
