"""The values of a blueprint: frozen, checked as they are made, the same from YAML and in Python.

A value holds what one part may say on its own: types and ranges. What needs the whole file, the
registry or the disk is `check`'s: names, needs, config, targets, paths.

In Python a wrong value raises pydantic.ValidationError, which is a ValueError.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    StringConstraints,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from asbuilt.blueprint.data import NAME_KEY, is_value, to_data
from asbuilt.blueprint.emit import emit
from asbuilt.blueprint.render.markdown import component_markdown, evaluation_markdown
from asbuilt.blueprint.render.text import evaluation_text
from asbuilt.blueprint.shape import shape
from asbuilt.blueprint.source import source
from asbuilt.blueprint.tree import parse
from asbuilt.errors import BlueprintError, NotFoundError

__all__ = [
    "ApiSpec",
    "Blueprint",
    "ComponentSpec",
    "ComponentStatus",
    "DataSpec",
    "EvaluationMetric",
    "EvaluationPlan",
    "JudgeSpec",
    "KnowledgeSpec",
    "LoadSpec",
    "MachineSpec",
    "PolicySpec",
    "PortSpec",
    "SystemSpec",
]

VERSION = 1
"""Of the format."""

MAX_NAME = 100  # characters; YAML readers stop at 1,024 for a key
MAX_CONFIG_DEPTH = 16  # levels; `parse` allows twice as many in a file

_ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[A-Za-z0-9._~{}-]+)+", re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)

# Python says `estimated_hours=`, YAML says `hours:`; neither understands the other's word.
_CONFIG = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=False)


# ---------------------------------------------------------------- what fields may hold


def _by_name(value: Any) -> Any:
    """``{name: fields}``, as YAML has it, to a list of fields with a name."""
    if isinstance(value, dict):
        return [
            {**fields, NAME_KEY: name} if isinstance(fields, dict) else fields
            for name, fields in value.items()
        ]
    if not isinstance(value, list | tuple) or not all(map(is_value, value)):
        raise PydanticCustomError("by_name", "must be a mapping with a name for each entry")
    return value


def _data_sets(value: Any) -> Any:
    """Like `_by_name`; in a list, a string is the name of a data set that is still planned."""
    if isinstance(value, list | tuple):
        value = [DataSpec(each) if isinstance(each, str) else each for each in value]
    return _by_name(value)


def _unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[str] = set()
    for item in items:
        if item.name in seen:
            raise PydanticCustomError("unique", "has two entries called '{name}'", {"name": item.name})
        seen.add(item.name)
    return items


def _machine(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict | MachineSpec):
        return value
    raise PydanticCustomError("machine", "must be the name of a machine, or memory_gib and bandwidth_gbs")


def _known_version(value: int) -> int:
    if value != VERSION:
        raise PydanticCustomError("version", "is no version that this asbuilt knows", {"allowed": [VERSION]})
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise PydanticCustomError("prefix", "must start with '/', and hold only words between slashes")
    return value


def _route(value: str) -> str:
    if not _ROUTE.fullmatch(value):
        raise PydanticCustomError("route", "must be a method and a path, such as POST /chat")
    return value


def _need(value: Any) -> str | tuple[str, ...] | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise PydanticCustomError("need", "must be the name of a component, a list of names, or null for none")


def _plain(value: Any, depth: int = 0) -> Any:
    """A copy made of JSON's types only; these can be written down, compared and hashed."""
    if depth > MAX_CONFIG_DEPTH:
        raise ValueError(f"is nested more than {MAX_CONFIG_DEPTH} levels deep")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        value.encode()  # half a character (a lone surrogate) cannot be written to a file
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) and _is_printable(key) for key in value):
        return {key: _plain(each, depth + 1) for key, each in value.items()}
    raise ValueError(
        f"{value!r} is not text, a finite number, true, false, null, a list or a mapping of names"
    )


def _is_printable(name: str) -> bool:
    return name.isprintable() and len(name) <= MAX_NAME


def _printable(name: str) -> str:
    if not name.strip() or not _is_printable(name):
        raise PydanticCustomError("name", "must be printable, not blank, and at most 100 characters long")
    return name


def _title(title: str) -> str:
    return _printable(title) if title else title


def _plain_mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise PydanticCustomError("mapping", "must be a mapping")
    plain: dict[str, Any] = _plain(value)
    return plain


Text = Annotated[str, StringConstraints(pattern=r"\S")]
"""Not blank."""
Name = Annotated[str, AfterValidator(_printable)]
Title = Annotated[str, AfterValidator(_title)]
"""How people call it, where its name alone would not say it; "" for none."""
_Key = Annotated[Name, Field(validation_alias=NAME_KEY)]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]


# ---------------------------------------------------------------- components


class ComponentStatus(StrEnum):
    """How far a component is, by hand. What evidence says is shown beside it.

    >>> [status.value for status in ComponentStatus]
    ['planned', 'in_progress', 'complete', 'blocked']
    """

    PLANNED = "planned"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PortSpec:
    """An input or output. `type` is written as in a Python annotation.

    >>> PortSpec("query", "str", "What the user asked")
    PortSpec(name='query', type='str', description='What the user asked')
    """

    name: Name
    type: Text
    description: str = ""


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ComponentSpec:
    """A component of the drawing.

    - `inputs` and `outputs` are PortSpecs, or mappings with their fields.
    - `use` names what plays it, ``role/name`` in the registry; None is still *planned*.
    - `needs`: constructor keyword to component(s), for those that are not found by their role alone;
      None leaves an optional need empty.
    - `dependencies`: components that must stand before this one without being given to it.
    - `config`: the constructor's other keywords; JSON values.
    - `estimated_hours`: work to build it; None is not estimated.

    >>> component = ComponentSpec(
    ...     name="RAG Retriever",
    ...     purpose="Find the passages that may answer a question",
    ...     inputs=[{"name": "query", "type": "str", "description": "the question"}],
    ...     outputs=[PortSpec("hits", "list[Hit]", "best first")],
    ...     dependencies=["Vector Store"],
    ...     technologies=["Qdrant"],
    ...     estimated_hours=4,
    ... )
    >>> print(component.to_markdown())
    ### RAG Retriever
    <BLANKLINE>
    Find the passages that may answer a question
    <BLANKLINE>
    - **Status**: planned
    - **Estimated hours**: 4
    - **Dependencies**: Vector Store
    - **Technologies**: Qdrant
    <BLANKLINE>
    **Inputs**
    <BLANKLINE>
    | name | type | description |
    |---|---|---|
    | query | `str` | the question |
    <BLANKLINE>
    **Outputs**
    <BLANKLINE>
    | name | type | description |
    |---|---|---|
    | hits | `list[Hit]` | best first |
    """

    name: _Key
    purpose: Text
    inputs: tuple[PortSpec, ...] = ()
    outputs: tuple[PortSpec, ...] = ()
    dependencies: tuple[Name, ...] = ()
    technologies: tuple[Text, ...] = ()
    estimated_hours: Annotated[
        Annotated[Number, Field(ge=0, le=100_000)] | None, Field(validation_alias="hours")
    ] = None
    status: ComponentStatus = ComponentStatus.PLANNED
    notes: str = ""
    use: Text | None = field(default=None, kw_only=True)
    needs: Annotated[
        Mapping[Name, Annotated[str | tuple[str, ...] | None, PlainValidator(_need)]], AfterValidator(dict)
    ] = field(default_factory=dict, kw_only=True)
    config: Annotated[Mapping[str, Any], PlainValidator(_plain_mapping)] = field(
        default_factory=dict, kw_only=True
    )
    title: Title = field(default="", kw_only=True)

    @property
    def role(self) -> str | None:
        """The role that it plays; None while it is planned."""
        return self.use.partition("/")[0] if self.use is not None else None

    def to_markdown(self) -> str:
        """A section on this component: purpose, status, hours, what it builds on, and its ports as tables."""
        return component_markdown(self)


# ---------------------------------------------------------------- the other sections


@dataclass(frozen=True, slots=True, config=_CONFIG)
class SystemSpec:
    """What the whole is called and what it is for.

    >>> SystemSpec("notes", "Answers questions about our notes").name
    'notes'
    """

    name: Name
    purpose: Text
    title: Title = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class MachineSpec:
    """The target machine: a name, or its memory and memory bandwidth where no name is known.

    >>> MachineSpec("dgx-spark").name
    'dgx-spark'
    >>> MachineSpec(memory_gib=64, bandwidth_gbs=400).memory_gib
    64.0
    """

    name: Name = "this-machine"
    memory_gib: Annotated[Number, Field(gt=0, le=1_000_000)] | None = None
    bandwidth_gbs: Annotated[Number, Field(gt=0, le=1_000_000)] | None = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ApiSpec:
    """How the system is served, and the limits of a request.

    `routes` are the operations below `prefix` that clients may rely on (``POST /chat``); where any
    are declared, `asbuilt drift` holds them against those that are served. `roots` are the folders
    from which a request may name files on this machine. A request that finds `max_concurrency`
    others running waits `queue_seconds` at most.
    """

    prefix: Annotated[str, AfterValidator(_prefix)] = "/api/v1"
    host: Text = "127.0.0.1"
    port: Annotated[Whole, Field(ge=0, le=65_535)] = 8321
    routes: tuple[Annotated[str, AfterValidator(_route)], ...] = ()
    roots: tuple[Text, ...] = ()
    require_keys: Annotated[bool, Strict()] = False
    max_body_mib: Annotated[Number, Field(gt=0, le=4096)] = 32
    max_messages: Annotated[Whole, Field(ge=1, le=10_000)] = 256
    max_message_chars: Annotated[Whole, Field(ge=1, le=100_000_000)] = 200_000
    max_files: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1000
    max_concurrency: Annotated[Whole, Field(ge=1, le=1024)] = 8
    queue_seconds: Annotated[Number, Field(ge=0, le=3600)] = 10


@dataclass(frozen=True, slots=True, config=_CONFIG)
class KnowledgeSpec:
    """What `ingest` reads by default, where it goes, and questions with known answers about it.

    `sources` are files, folders, globs or ``package:NAME/FOLDER``.
    """

    sources: tuple[Text, ...] = ()
    collection: Text = "default"
    known_answers: Text | None = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class DataSpec:
    """A data set of the evaluation: JSON lines, one case each. Without `path` it is still planned."""

    name: _Key
    path: str = ""
    description: str = ""
    title: Title = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class LoadSpec:
    """Requests sent on a schedule of their own, whether or not earlier ones are answered (open loop).

    `rate_per_s` requests a second on average with the questions of `data`, for `duration_s` after
    `warmup_s` that do not count. One that is not answered within `timeout_s` has failed.
    """

    name: _Key
    data: Name
    route: Literal["chat", "search"] = "chat"
    rate_per_s: Annotated[Number, Field(gt=0, le=10_000)] = 1.0
    duration_s: Annotated[Number, Field(gt=0, le=86_400)] = 60.0
    warmup_s: Annotated[Number, Field(ge=0, le=3600)] = 5.0
    timeout_s: Annotated[Number, Field(gt=0, le=3600)] = 30.0
    arrivals: Literal["poisson", "constant"] = "poisson"
    seed: Annotated[Whole, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, config=_CONFIG)
class EvaluationMetric:
    """What is measured and what it must reach: ``recall@5`` on `data`, ``>= 90 %``.

    `measure` is one of `asbuilt.blueprint.measures`, taken from the cases of `data`, from requests
    under `load`, or from both. Without it the metric is still planned; `measurement_method` then
    says in words how it will be measured. `frequency` is how often.

    >>> EvaluationMetric("accuracy", "Answers that are right", ">= 80 %", "500 CLI commands", "weekly").target
    '>= 80 %'
    """

    name: _Key
    description: str = ""
    target: str = ""
    measurement_method: Annotated[str, Field(validation_alias="method")] = ""
    frequency: str = ""
    measure: str = field(default="", kw_only=True)
    data: Name | None = field(default=None, kw_only=True)
    load: Name | None = field(default=None, kw_only=True)
    title: Title = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class JudgeSpec:
    """The component that judges answers, and the file of labelled answers that say what it is worth."""

    generator: Name
    labels: Text


@dataclass(frozen=True, slots=True, config=_CONFIG)
class EvaluationPlan:
    """Metrics, the data sets and loads that they are measured with, and what to compare with.

    In Python a data set may be given by its name alone. `project_name` defaults to the system's.
    `baselines` that asbuilt can run are in `asbuilt.blueprint.measures.BASELINES`; others are notes.

    >>> plan = EvaluationPlan(
    ...     project_name="CLI assistant",
    ...     metrics=[EvaluationMetric("accuracy", "Answers that are right", ">= 80 %", "by hand", "weekly")],
    ...     datasets=["500 CLI commands"],
    ...     baselines=["the model without retrieval"],
    ... )
    >>> plan.display()
    Evaluation plan: CLI assistant
    <BLANKLINE>
    Metrics
      accuracy  >= 80 %
        Answers that are right
        measured: by hand
        how often: weekly
    <BLANKLINE>
    Data sets
      500 CLI commands
    <BLANKLINE>
    Baselines
      the model without retrieval
    """

    project_name: Annotated[str, Field(validation_alias="project")] = ""
    metrics: Annotated[tuple[EvaluationMetric, ...], BeforeValidator(_by_name), AfterValidator(_unique)] = ()
    datasets: Annotated[
        tuple[DataSpec, ...],
        BeforeValidator(_data_sets),
        AfterValidator(_unique),
        Field(validation_alias="data"),
    ] = ()
    baselines: tuple[Text, ...] = ()
    loads: Annotated[
        tuple[LoadSpec, ...],
        BeforeValidator(_by_name),
        AfterValidator(_unique),
        Field(validation_alias="load"),
    ] = ()
    judge: JudgeSpec | None = None

    def to_markdown(self) -> str:
        """The plan as a document: metrics with their targets, data sets, loads, baselines."""
        return evaluation_markdown(self)

    def display(self) -> None:
        """Print the plan for people."""
        sys.stdout.write(evaluation_text(self))


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PolicySpec:
    """What the file may make the machine do. `allow_imports` are modules that register components."""

    allow_imports: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Blueprint:
    """The drawing of a system.

    >>> Blueprint(
    ...     system=SystemSpec(name="notes", purpose="Answers questions about our notes"),
    ...     components=(ComponentSpec("embedder", "Turn text into vectors", use="embedder/minilm-l6"),),
    ... ).names()
    ('embedder',)
    """

    system: SystemSpec = field(kw_only=True)
    components: Annotated[tuple[ComponentSpec, ...], BeforeValidator(_by_name), AfterValidator(_unique)] = (
        field(default=(), kw_only=True)
    )
    target: Annotated[MachineSpec, BeforeValidator(_machine)] = field(
        default_factory=MachineSpec, kw_only=True
    )
    api: ApiSpec = field(default_factory=ApiSpec, kw_only=True)
    knowledge: KnowledgeSpec = field(default_factory=KnowledgeSpec, kw_only=True)
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan, kw_only=True)
    policy: PolicySpec = field(default_factory=PolicySpec, kw_only=True)
    version: Annotated[Whole, AfterValidator(_known_version), Field(validation_alias="blueprint")] = field(
        default=VERSION, kw_only=True
    )

    def component(self, name: str) -> ComponentSpec:
        """Raises NotFoundError when there is none of that name."""
        for each in self.components:
            if each.name == name:
                return each
        raise NotFoundError(f"there is no component {name!r}.", hint=f"There are: {', '.join(self.names())}.")

    def names(self) -> tuple[str, ...]:
        """Every component's name, in the order in which they are written."""
        return tuple(each.name for each in self.components)

    @classmethod
    def from_yaml(cls, text: str) -> Blueprint:
        """Read the text of a blueprint. Raises BlueprintError with every fault of its form.

        `load_checked` reads a file and also finds the faults of its content.
        """
        tree = parse(text)
        shaped = shape(tree, cls)
        if shaped.value is None or shaped.faults:
            lines = tuple(fault.format("blueprint") for fault in shaped.faults)
            raise BlueprintError(f"the text is no blueprint: {lines[0]}", faults=lines)
        return shaped.value

    def to_yaml(self) -> str:
        """The text that `from_yaml` reads as an equal blueprint. Defaults are not written."""
        return emit(to_data(self))

    def to_python(self) -> str:
        """A Python expression over the names of this module whose value equals this blueprint."""
        return source(self)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what the blueprint states: the same for the same design, whatever the
        order, spacing or comments of its file."""
        canonical = json.dumps(
            to_data(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return sha256(canonical.encode()).hexdigest()
