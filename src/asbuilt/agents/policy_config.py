"""A policy as a blueprint writes it -> checked entries, or every fault in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from asbuilt.agents.policy_conditions import ArgumentCondition, Condition, When
from asbuilt.errors import UserError
from asbuilt.registry import nearest
from asbuilt.runs import Label, Verdict
from asbuilt.types import Effect

__all__ = ["LabelEntry", "PlanEntry", "Policy", "Rule", "ValueEntry", "read_policy"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
EFFECTS: tuple[Effect, ...] = get_args(Effect)
WHEN: tuple[When, ...] = get_args(When)

_TESTS = ("glob", "regex", "one-of", "prefix", "min", "max")


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict for the calls that `on` is about."""

    on: Condition
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """The label of the results of the calls that `on` is about."""

    on: Condition
    label: Label


@dataclass(frozen=True, slots=True)
class ValueEntry:
    """Arguments of a tool whose values must be vouched for: what the policy allows by value (`allow`, and
    for private data `private`), and the sources (of `Seen`) that may name a value. With `links`, only the
    addresses in the values must be."""

    on: Condition
    arguments: tuple[str, ...]
    allow: tuple[str, ...] = ()
    sources: tuple[str, ...] = ("*",)
    private: tuple[str, ...] = ()
    private_sources: tuple[str, ...] = ()
    links: bool = False
    otherwise: Verdict = "refuse"


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A verdict for plans that give such a tool to such an agent."""

    on: Condition
    effects: frozenset[Effect]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Policy:
    """All entries, in the order in which they are tried."""

    rules: tuple[Rule, ...]
    labels: tuple[LabelEntry, ...]
    destinations: tuple[ValueEntry, ...]
    values: tuple[ValueEntry, ...]
    plans: tuple[PlanEntry, ...]


def read_policy(
    *,
    rules: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    destinations: Sequence[Mapping[str, Any]],
    arguments_from: Sequence[Mapping[str, Any]],
    plans: Sequence[Mapping[str, Any]],
) -> Policy:
    """The policy. Raises UserError with every fault, each with its place."""
    faults: list[str] = []

    def entries(name: str, written: Sequence[Mapping[str, Any]]) -> list[_Entry]:
        return [_Entry(f"{name}[{n}]", each, faults) for n, each in enumerate(written)]

    policy = Policy(
        tuple(_rule(each) for each in entries("rules", rules)),
        tuple(_label(each) for each in entries("labels", labels)),
        tuple(_values(each, destination=True) for each in entries("destinations", destinations)),
        tuple(_values(each, destination=False) for each in entries("arguments_from", arguments_from)),
        tuple(_plan(each) for each in entries("plans", plans)),
    )
    if faults:
        many = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise UserError(f"the policy has {many}: {'; '.join(faults)}.")
    return policy


class _Entry:
    """One entry as it is written. What is wrong is noted, and something harmless read in its place."""

    def __init__(self, place: str, written: Any, faults: list[str]) -> None:
        self.place, self._faults = place, faults
        self.written: Mapping[str, Any] = written if isinstance(written, Mapping) else {}
        if not isinstance(written, Mapping):
            self.fault(f"{written!r} is not a mapping")

    def fault(self, text: str) -> None:
        self._faults.append(f"{self.place}: {text}")

    def only(self, *keys: str) -> None:
        for key in self.written:
            if key not in keys:
                close = nearest(str(key), keys)
                self.fault(
                    f"unknown key {key!r}, "
                    + (f"did you mean {close!r}?" if close else f"known: {_listed(keys)}")
                )

    def text(self, key: str, default: str | None) -> str:
        """Without a `default` it must be there."""
        if key not in self.written and default is None:
            self.fault(f"{key!r} is missing")
        value = self.written.get(key, default or "")
        if not isinstance(value, str) or (key in self.written and not value):
            self.fault(f"{key} must be text, not {value!r}")
            return default or ""
        return value

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A text alone is a list of one."""
        value = self.written.get(key, default)
        value = (value,) if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
            self.fault(f"{key} must be a text or a list of texts, not {value!r}")
            return default
        return tuple(value)

    def choice(self, key: str, allowed: Sequence[str], default: str | None) -> str:
        value = self.text(key, default)
        if value and value not in allowed:
            close = nearest(value, allowed)
            hint = f"did you mean {close!r}?" if close else f"allowed: {_listed(allowed)}"
            self.fault(f"{key} {value!r} is unknown, {hint}")
            return allowed[-1]
        return value or allowed[-1]

    def choices(self, key: str, allowed: Sequence[str], default: tuple[str, ...]) -> frozenset[str]:
        values = self.texts(key, default)
        for value in values:
            if value not in allowed:
                close = nearest(value, allowed)
                hint = f"did you mean {close!r}?" if close else f"allowed: {_listed(allowed)}"
                self.fault(f"{key} {value!r} is unknown, {hint}")
        return frozenset(values)

    def flag(self, key: str, default: bool) -> bool:
        value = self.written.get(key, default)
        if not isinstance(value, bool):
            self.fault(f"{key} must be true or false, not {value!r}")
            return default
        return value

    def condition(self) -> Condition:
        written = self.written.get("arguments", {})
        arguments: list[ArgumentCondition] = []
        if isinstance(written, Mapping):
            arguments = [self._argument(str(path), each) for path, each in written.items()]
        else:
            self.fault(f"arguments must map names to conditions, not {written!r}")
        when: Any = self.choices("when", WHEN, ())
        return Condition(self.text("tool", "*"), self.text("agent", "*"), tuple(arguments), when)

    def _argument(self, path: str, written: Any) -> ArgumentCondition:
        place = f"arguments.{path}"
        if isinstance(written, str):
            return ArgumentCondition(path, glob=(written,))
        if isinstance(written, list | tuple):
            return ArgumentCondition(path, one_of=tuple(written))
        inner = _Entry(f"{self.place}.{place}", written, self._faults)
        inner.only(*_TESTS)
        if isinstance(written, Mapping) and not written:
            inner.fault(f"holds no condition, known: {_listed(_TESTS)}")
        one_of = inner.written.get("one-of")
        if one_of is not None and not isinstance(one_of, list | tuple):
            inner.fault(f"one-of must be a list, not {one_of!r}")
            one_of = ()
        return ArgumentCondition(
            path,
            glob=inner.texts("glob", ()) or None,
            regex=inner.pattern("regex"),
            one_of=None if one_of is None else tuple(one_of),
            prefix=inner.text("prefix", "") or None,
            min=inner.number("min"),
            max=inner.number("max"),
        )

    def pattern(self, key: str) -> re.Pattern[str] | None:
        value = self.text(key, "")
        try:
            return re.compile(value) if value else None
        except re.error as error:
            self.fault(f"{key} {value!r} is no regular expression ({error})")
            return None

    def number(self, key: str) -> float | None:
        value = self.written.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self.fault(f"{key} must be a number, not {value!r}")
            return None
        return value


def _rule(entry: _Entry) -> Rule:
    entry.only("tool", "agent", "arguments", "when", "verdict", "reason")
    rule: Any = Rule(entry.condition(), _verdict(entry, "verdict", None), entry.text("reason", ""))
    if rule.on.when and rule.verdict == "allow":
        entry.fault("what was seen can take leave away, never give it: no verdict 'allow' with 'when'")
    return rule  # type: ignore[no-any-return]


def _label(entry: _Entry) -> LabelEntry:
    entry.only("tool", "agent", "arguments", "trusted", "private")
    return LabelEntry(entry.condition(), Label(entry.flag("trusted", False), entry.flag("private", False)))


def _values(entry: _Entry, *, destination: bool) -> ValueEntry:
    own = ("private", "private_from") if destination else ("only",)
    entry.only("tool", "agent", "arguments", "allow", "from", "otherwise", *own)
    only = entry.choice("only", ("links", ""), "") if not destination else ""
    otherwise = _verdict(entry, "otherwise", "refuse")
    if otherwise == "allow":
        entry.fault("otherwise must be 'ask' or 'refuse', not 'allow'")
    return ValueEntry(
        Condition(entry.text("tool", None), entry.text("agent", "*")),
        entry.texts("arguments", ("*",)),
        allow=entry.texts("allow", ()),
        sources=entry.texts("from", ("*",)),
        private=entry.texts("private", ()),
        private_sources=entry.texts("private_from", ()),
        links=only == "links",
        otherwise=otherwise,
    )


def _plan(entry: _Entry) -> PlanEntry:
    entry.only("tool", "agent", "effects", "verdict")
    effects: Any = entry.choices("effects", EFFECTS, EFFECTS)
    on = Condition(entry.text("tool", "*"), entry.text("agent", "*"))
    return PlanEntry(on, effects, _verdict(entry, "verdict", None))


def _verdict(entry: _Entry, key: str, default: Verdict | None) -> Verdict:
    return entry.choice(key, VERDICTS, default)  # type: ignore[return-value]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(each for each in words if each)
