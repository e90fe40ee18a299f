"""A run of a swarm: what is planned, what happens, what is decided. Frozen, pure values.

The order of the values is the order of the work: a task becomes a plan of subtasks; agents work on
them, step by step; every step is an event; what a step may do is decided by a safety layer, and
where that takes a person, an inbox has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from asbuilt.types import Effect

__all__ = [
    "PRIVATE",
    "TRUSTED",
    "UNTRUSTED",
    "AgentCard",
    "Budget",
    "CheckSpec",
    "Decision",
    "EventKind",
    "Fact",
    "InboxItem",
    "InboxKind",
    "InboxState",
    "Label",
    "Plan",
    "ProposedCall",
    "RunEvent",
    "RunState",
    "Seen",
    "Subtask",
    "ToolCard",
    "Verdict",
    "WorkResult",
    "digest_of",
]


def digest_of(value: object) -> str:
    """SHA-256, in hexadecimal, of `value` as JSON with sorted keys and no blanks.

    >>> digest_of({"b": 1, "a": [1.5]}) == digest_of({"a": [1.5], "b": 1})
    True
    """
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(written.encode()).hexdigest()


# ---------------------------------------------------------------- labels on data


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of data. `trusted`: all of it was written by the user or by whom the policy trusts.
    `private`: some of it must not reach a destination that the policy does not name."""

    trusted: bool = True
    private: bool = False

    def joined(self, *others: Label) -> Label:
        """Of data made from all of these: the least trusted and the most private of them."""
        every = (self, *others)
        return Label(all(each.trusted for each in every), any(each.private for each in every))


TRUSTED = Label()
UNTRUSTED = Label(trusted=False)
PRIVATE = Label(private=True)


# ---------------------------------------------------------------- the plan


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used at most: tokens (prompt and completion), seconds of wall clock, calls of tools.
    None is no limit."""

    tokens: int | None = None
    seconds: float | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class ToolCard:
    """What a planner and the person who approves a plan are told of a tool."""

    name: str
    description: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class AgentCard:
    """What a planner is told of an agent."""

    name: str
    purpose: str
    tools: tuple[ToolCard, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check by name, with its arguments: what a subtask's result must pass."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subtask:
    """A part of a task for one agent. `inputs` are the ids of subtasks whose results it is given;
    `tools` the names of those that it may call."""

    id: str
    agent: str
    instruction: str
    inputs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    budget: Budget = Budget()


@dataclass(frozen=True, slots=True)
class Plan:
    """A task as a graph of subtasks, each after those that it takes results from. `output` is the id of
    the one whose result answers the task; `budget` is for all together."""

    task: str
    subtasks: tuple[Subtask, ...]
    output: str
    budget: Budget = Budget()

    @property
    def digest(self) -> str:
        """Identifies the plan: an approval of it is an approval of exactly this."""
        return digest_of(asdict(self))

    def subtask(self, name: str) -> Subtask:
        """The subtask of that id, which must be there."""
        return next(each for each in self.subtasks if each.id == name)


# ---------------------------------------------------------------- what happens

EventKind = Literal[
    "started",
    "resumed",
    "planned",
    "dispatched",
    "generated",
    "intended",
    "called",
    "in-doubt",
    "undone",
    "refused",
    "asked",
    "decided",
    "recalled",
    "remembered",
    "compacted",
    "checked",
    "finished",
    "failed",
    "ended",
]
"""Of a run: started, resumed, planned, asked, decided, ended. Of a subtask, all others: "intended" is
committed before a tool is called that changes something, "called" has its result, "in-doubt" says that
a call may have taken effect, "undone" that one in doubt had not; "finished" and "failed" end a subtask."""

RunState = Literal["running", "waiting", "finished", "failed", "cancelled"]
"""A run that waits needs a person: its questions are in the inbox. One whose process died is
"running" until it is resumed."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of a run's log. `seq` counts from 1 without gaps; `at` is seconds since 1970; `subtask` is
    empty for events of the run; `step` numbers what one subtask did, from 1."""

    run: str
    seq: int
    at: float
    kind: EventKind
    subtask: str = ""
    step: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What an agent made of a subtask, with the label of all that it saw."""

    text: str
    label: Label = TRUSTED


# ---------------------------------------------------------------- what is decided


@dataclass(frozen=True, slots=True)
class Seen:
    """Text that an agent had before its eyes: "task", "plan", "input:ID", "tool:NAME", "memory"."""

    text: str
    source: str
    label: Label = TRUSTED


@dataclass(frozen=True, slots=True)
class ProposedCall:
    """A call that a model asks for, and all that it had seen when it did. `planned` says that the plan
    gives this tool to this subtask."""

    agent: str
    subtask: str
    tool: str
    effect: Effect
    arguments: Mapping[str, Any]
    seen: Sequence[Seen] = ()
    planned: bool = True

    @property
    def digest(self) -> str:
        """Identifies tool and exact arguments: what an approval is bound to."""
        return digest_of({"tool": self.tool, "arguments": dict(self.arguments)})


Verdict = Literal["allow", "ask", "refuse"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a safety layer says of a call; `rule` names what decided, `reason` is for a person.
    `label` is that of the data which the call will give back."""

    verdict: Verdict
    rule: str
    reason: str = ""
    label: Label = UNTRUSTED


InboxKind = Literal["plan", "call", "doubt"]
InboxState = Literal["open", "approved", "denied", "expired"]


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A question to a person. `digest` is of exactly what is asked about: a plan, or a tool with its
    arguments; `about` shows it. A doubt asks whether a call took effect: approved, it did."""

    id: int
    run: str
    subtask: str
    kind: InboxKind
    digest: str
    about: Mapping[str, Any]
    reason: str
    state: InboxState
    asked_at: float
    expires_at: float
    decided_by: str = ""


# ---------------------------------------------------------------- what is remembered


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that agents keep. `scope` is "shared", or the agent whose note it is; `source` says where
    it is from ("task", "tool:search", "subtask:ID"); `run` in which run it was kept."""

    text: str
    scope: str
    source: str
    run: str
    label: Label = TRUSTED
    at: float = 0.0
