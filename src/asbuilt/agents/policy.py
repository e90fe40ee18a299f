"""The policy of a blueprint as a safety layer: pure, deterministic, outside of every model.

What is decided, in this order; the strictest verdict counts, and of equal ones the first:

1. **Rules.** The first that is about agent, tool and arguments decides; what none is about is refused.
   An "allow" needs every value of an argument to fit; for the other verdicts one is enough.
2. **The plan.** A tool that the plan does not give to the subtask takes a person when it changes
   something, and is refused once untrusted data was seen.
3. **Destinations.** Once untrusted data was seen, an argument that says where something goes must stand in
   trusted text that was seen, or be allowed by value. A tool that changes something and for which no
   entry says which of its arguments are destinations has nothing but destinations.
4. **Private data.** Once it was seen, a destination must be one that the policy gives for private data.
5. **Values.** What `arguments_from` lists must come from trusted text as well.

So text that nobody vouches for can take leave away and never give it. It can still say *what* is written
to a destination that was vouched for: `arguments_from` with ``only: links`` is for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any

from asbuilt.agents.policy_conditions import Condition, When, glob_matches, path_matches
from asbuilt.agents.policy_config import VERDICTS, Policy, ValueEntry, read_policy
from asbuilt.agents.policy_values import Leaf, is_address, leaves, links, names
from asbuilt.registry import component
from asbuilt.runs import UNTRUSTED, AgentCard, Decision, Label, Plan, ProposedCall, Seen, Verdict
from asbuilt.types import Effect

__all__ = ["PolicyLayer"]

_SHOWN = 60


@component("safety/policy")
class PolicyLayer:
    """Decides by rules of the blueprint; untrusted text never chooses where something goes.

    - `rules`: ``agent`` and ``tool`` (globs), ``arguments`` (name or dotted path -> a glob, a list of
      values, or ``glob``, ``regex``, ``one-of``, ``prefix``, ``min``, ``max``), ``when``
      (``untrusted-seen``, ``private-seen``), ``verdict`` (allow, ask, refuse), ``reason``.
    - `labels`: of the results of a ``tool``: ``trusted``, ``private``; without an entry, untrusted. A
      trusted tool's result is untrusted all the same when untrusted data may have chosen its arguments.
    - `destinations`: of a ``tool`` the ``arguments`` that say where something goes, values that are
      allowed (``allow``), sources that may name them (``from``: task, plan, input:ID, tool:NAME, memory;
      any that is trusted), the same for private data (``private``, ``private_from``; none), and the
      verdict ``otherwise`` (refuse).
    - `arguments_from`: the same for other values that must not come from untrusted text; ``only: links``
      asks it of the addresses in a text alone.
    - `plans`: ``agent``, ``tool``, ``effects``, ``verdict``; without an entry, a tool that changes
      something takes a person.

    The first entry that is about a call counts in each list, but in `arguments_from` all of them.
    """

    def __init__(
        self,
        *,
        rules: Sequence[Mapping[str, Any]] = (),
        labels: Sequence[Mapping[str, Any]] = (),
        destinations: Sequence[Mapping[str, Any]] = (),
        arguments_from: Sequence[Mapping[str, Any]] = (),
        plans: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Raises UserError with every fault of the policy."""
        self._policy: Policy = read_policy(
            rules=rules,
            labels=labels,
            destinations=destinations,
            arguments_from=arguments_from,
            plans=plans,
        )

    def decide(self, call: ProposedCall) -> Decision:
        """See the role."""
        untrusted = any(not each.label.trusted for each in call.seen)
        private = any(each.label.private for each in call.seen)
        found = [self._by_rule(call, untrusted=untrusted, private=private)]
        if not call.planned:
            found.append(_unplanned(call, untrusted=untrusted))
        found += self._by_destination(call, untrusted=untrusted, private=private)
        if untrusted:
            found += self._by_value(call)
        verdict, rule, reason = max(found, key=lambda each: VERDICTS.index(each[0]))
        return Decision(verdict, rule, reason, self._label(call, untrusted=untrusted))

    def decide_plan(self, plan: Plan, *, agents: Sequence[AgentCard]) -> Decision:
        """See the role."""
        effects = {(card.name, tool.name): tool.effect for card in agents for tool in card.tools}
        verdicts: list[Verdict] = ["allow"]
        rule, said = "plans", []
        for agent, tool in sorted({(each.agent, tool) for each in plan.subtasks for tool in each.tools}):
            effect = effects.get((agent, tool), "external")
            if all(not each.on.names(agent, tool) or each.verdict == "refuse" for each in self._policy.rules):
                reason = f"no rule ever lets {agent} call {tool}, which the plan gives to it."
                return Decision("refuse", "unmatched", reason)
            verdict, by = self._plan_verdict(agent, tool, effect)
            if VERDICTS.index(verdict) > max(map(VERDICTS.index, verdicts)):
                rule = by
            verdicts.append(verdict)
            said.append(f"{tool} of {agent} ({effect}; gives {self._said_label(agent, tool)} data)")
        strictest = max(verdicts, key=VERDICTS.index)
        return Decision(strictest, rule, f"The plan uses {', '.join(said) or 'no tool'}.")

    # ------------------------------------------------------------ one call

    def _by_rule(self, call: ProposedCall, *, untrusted: bool, private: bool) -> tuple[Verdict, str, str]:
        """The strictest of what the rules say for any part of what was seen: a rule with `when` must not
        hide a stricter one behind it."""
        conditions: tuple[tuple[When, bool], ...] = (("untrusted-seen", untrusted), ("private-seen", private))
        seen = [name for name, holds in conditions if holds]
        parts = (frozenset(part) for n in range(len(seen), -1, -1) for part in combinations(seen, n))
        return max((self._first(call, part) for part in parts), key=lambda each: VERDICTS.index(each[0]))

    def _first(self, call: ProposedCall, seen: frozenset[When]) -> tuple[Verdict, str, str]:
        for n, rule in enumerate(self._policy.rules):
            strict = rule.verdict == "allow"
            if rule.on.holds(call.agent, call.tool, call.arguments, seen=seen, strict=strict):
                reason = rule.reason or f"the policy says {rule.verdict} for this call of {call.tool}."
                return rule.verdict, f"rules[{n}]", reason
        return (
            "refuse",
            "unmatched",
            f"no rule of the policy is about this call of {call.tool} by {call.agent}.",
        )

    def _by_destination(
        self, call: ProposedCall, *, untrusted: bool, private: bool
    ) -> Iterator[tuple[Verdict, str, str]]:
        entry = _first_about(self._policy.destinations, call)
        if entry is None:
            if call.effect == "read":
                return
            entry = ValueEntry(Condition(call.tool), ("*",))
        for path, value in _under(entry.arguments, call.arguments):
            shown = f"{path} {_shown(value)} of {call.tool}"
            if untrusted and not _vouched(value, call.seen, allow=entry.allow, sources=entry.sources):
                yield (
                    entry.otherwise,
                    "destination",
                    f"{shown} says where something goes, stands in no text that may name it, "
                    "and untrusted data was seen.",
                )
            if private and not _vouched(value, call.seen, allow=entry.private, sources=entry.private_sources):
                yield (
                    entry.otherwise,
                    "private",
                    f"{shown} is no destination for private data, which was seen.",
                )

    def _by_value(self, call: ProposedCall) -> Iterator[tuple[Verdict, str, str]]:
        for n, entry in enumerate(self._policy.values):
            if not entry.on.names(call.agent, call.tool):
                continue
            for path, value in _under(entry.arguments, call.arguments):
                parts: list[Leaf] = list(links(str(value))) if entry.links else [value]
                for part in parts:
                    if not _vouched(part, call.seen, allow=entry.allow, sources=entry.sources):
                        yield (
                            entry.otherwise,
                            f"arguments_from[{n}]",
                            f"{_shown(part)} in {path} of {call.tool} stands in no text that may name it, "
                            "and untrusted data was seen.",
                        )

    def _label(self, call: ProposedCall, *, untrusted: bool) -> Label:
        """A result may repeat its arguments: it is trusted only where they are vouched for."""
        label = UNTRUSTED
        for each in self._policy.labels:
            if each.on.holds(call.agent, call.tool, call.arguments, strict=each.label.trusted):
                label = each.label
                break
        echo = untrusted and not all(_vouched(value, call.seen) for _, value in leaves(call.arguments))
        return Label(label.trusted and not echo, label.private)

    # ------------------------------------------------------------ a plan

    def _plan_verdict(self, agent: str, tool: str, effect: Effect) -> tuple[Verdict, str]:
        for n, entry in enumerate(self._policy.plans):
            if entry.on.names(agent, tool) and effect in entry.effects:
                return entry.verdict, f"plans[{n}]"
        return ("allow" if effect == "read" else "ask"), "plans"

    def _said_label(self, agent: str, tool: str) -> str:
        """What the tool's results are; the worst where it depends on the arguments."""
        found: list[Label] = []
        for each in self._policy.labels:
            if each.on.names(agent, tool):
                found.append(each.label)
                if not each.on.arguments:
                    break
        else:
            found.append(UNTRUSTED)
        label = found[0].joined(*found[1:])
        return f"{'trusted' if label.trusted else 'untrusted'}, {'private' if label.private else 'public'}"


def _first_about(entries: Sequence[ValueEntry], call: ProposedCall) -> ValueEntry | None:
    return next((each for each in entries if each.on.names(call.agent, call.tool)), None)


def _unplanned(call: ProposedCall, *, untrusted: bool) -> tuple[Verdict, str, str]:
    said = f"the plan does not give {call.tool} to subtask {call.subtask}"
    if untrusted:
        return "refuse", "unplanned", f"{said}, and untrusted data was seen."
    return ("allow" if call.effect == "read" else "ask"), "unplanned", f"{said}."


def _under(paths: Sequence[str], arguments: Mapping[str, Any]) -> Iterator[tuple[str, Leaf]]:
    return (
        (path, value) for path, value in leaves(arguments) if any(path_matches(each, path) for each in paths)
    )


def _vouched(
    value: Leaf, seen: Sequence[Seen], *, allow: Sequence[str] = (), sources: Sequence[str] = ("*",)
) -> bool:
    """Whether the policy allows `value`, or trusted text of these sources names it."""
    text = str(value)
    if any(glob_matches(each, text, ignore_case=is_address(text)) for each in allow):
        return True
    return any(
        each.label.trusted
        and any(fnmatchcase(each.source, source) for source in sources)
        and names(each.text, value)
        for each in seen
    )


def _shown(value: Leaf) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
