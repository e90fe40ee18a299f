"""A run's log as lines for a person: what happens now, and afterwards a tree with times and tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asbuilt.runs import RunEvent

__all__ = ["run_difference", "run_line", "run_tree"]

_SHOWN_CHARS = 100


def run_line(event: RunEvent) -> str:
    """One line about an event; empty for those that say nothing to a person."""
    data = event.data
    match event.kind:
        case "started":
            told = f"run {event.run}: {data['task']}"
        case "resumed":
            told = f"run {event.run} goes on"
        case "planned":
            told = f"plan of {_count(data['plan']['subtasks'], 'subtask')}"
        case "dispatched":
            told = f"{data['agent']} begins"
        case "generated":
            calls = ", ".join(each["name"] for each in data["message"]["tool_calls"])
            tokens = f"{data['usage']['prompt_tokens']}+{data['usage']['completion_tokens']} tokens"
            told = f"asks for {calls} ({tokens})" if calls else f"writes ({tokens})"
        case "called":
            told = f"{data['tool']}: {_cut(data['text'])}" + (" [failed]" if data["failed"] else "")
        case "in-doubt":
            told = f"IN DOUBT whether {data['tool']} took effect: {data['reason']}"
        case "undone":
            told = "it took no effect, and is made now"
        case "refused":
            told = f"REFUSED {_cut(data['text'])}"
        case "asked":
            told = f"question {data['item']}: {_asked(data)}"
        case "decided":
            by = f" by {data['by']}" if data["by"] else ""
            told = f"question {data['item']} is {data['state']}{by}"
        case "checked":
            told = "checks passed" if not data["faults"] else f"checks failed: {'; '.join(data['faults'])}"
        case "finished":
            told = f"done, {len(data['text']):,} characters"
        case "failed":
            told = f"FAILED: {data['fault']}"
        case "ended":
            told = f"run {event.run} {data['state']}"
            told += f": {'; '.join(data['faults'])}" if data["faults"] else ""
        case _:
            return ""
    return f"[{event.subtask}] {told}" if event.subtask else told


def run_tree(events: Sequence[RunEvent]) -> str:
    """Subtasks in the order of their plan, each with its steps, seconds and tokens, and the totals."""
    planned = next((each for each in events if each.kind == "planned"), None)
    started = next((each for each in events if each.kind == "started"), None)
    lines = [run_line(started)] if started else []
    subtasks = planned.data["plan"]["subtasks"] if planned else []
    whole = _Totals()
    for subtask in subtasks:
        own = [event for event in events if event.subtask == subtask["id"]]
        totals = _Totals.of(own)
        whole = whole.plus(totals)
        after = f" after {', '.join(subtask['inputs'])}" if subtask["inputs"] else ""
        lines.append(f"|- {subtask['id']} ({subtask['agent']}{after})  {totals}")
        lines += [f"|    {line}" for line in _steps(own)]
    ended = next((each for each in reversed(events) if each.kind == "ended"), None)
    lines.append(f"{run_line(ended) if ended else 'not ended'}  {whole}")
    return "\n".join(lines) + "\n"


def run_difference(first: Sequence[RunEvent], second: Sequence[RunEvent]) -> Iterator[str]:
    """Where two runs part, subtask by subtask: the first step of each that is not the same. Times, keys
    and numbers of questions do not count."""
    ones, others = _comparable(first), _comparable(second)
    for name in dict.fromkeys((*ones, *others)):
        one, other = ones.get(name, []), others.get(name, [])
        where = f"subtask {name}" if name else "the run"
        for number, (mine, yours) in enumerate(zip(one, other, strict=False), start=1):
            if mine != yours:
                yield f"{where}, event {number}:\n- {_shown(mine)}\n+ {_shown(yours)}"
                break
        else:
            if len(one) != len(other):
                longer, sign = (one, "-") if len(one) > len(other) else (other, "+")
                yield f"{where}, event {min(len(one), len(other)) + 1}:\n{sign} " + _shown(
                    longer[min(len(one), len(other))]
                )


class _Totals:
    """Seconds of models and tools, tokens and calls."""

    def __init__(self, seconds: float = 0.0, prompt: int = 0, completion: int = 0, calls: int = 0) -> None:
        self._numbers = (seconds, prompt, completion, calls)

    @classmethod
    def of(cls, events: Sequence[RunEvent]) -> _Totals:
        replies = [event.data for event in events if event.kind == "generated"]
        calls = [event.data for event in events if event.kind == "called"]
        return cls(
            sum(each["seconds"] for each in (*replies, *calls)),
            sum(each["usage"]["prompt_tokens"] for each in replies),
            sum(each["usage"]["completion_tokens"] for each in replies),
            len(calls),
        )

    def plus(self, other: _Totals) -> _Totals:
        seconds, prompt, completion, calls = (
            one + more for one, more in zip(self._numbers, other._numbers, strict=True)
        )
        return _Totals(float(seconds), int(prompt), int(completion), int(calls))

    def __str__(self) -> str:
        seconds, prompt, completion, calls = self._numbers
        return f"{seconds:.2f} s, {prompt:,}+{completion:,} tokens, {_count(range(calls), 'call')}"


def _steps(events: Sequence[RunEvent]) -> Iterator[str]:
    for event in events:
        line = run_line(event).removeprefix(f"[{event.subtask}] ")
        if line and event.kind not in ("dispatched", "intended"):
            seconds = event.data.get("seconds")
            yield f"{line}  {seconds:.2f} s" if seconds is not None else line


_NOT_COMPARED = ("seconds", "key", "item", "by", "run", "at", "label")
_COMPARED = ("generated", "called", "refused", "recalled", "remembered", "checked", "finished", "failed")


def _comparable(events: Sequence[RunEvent]) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for event in events:
        if event.kind in _COMPARED or event.kind in ("planned", "ended"):
            data = {key: value for key, value in event.data.items() if key not in _NOT_COMPARED}
            found.setdefault(event.subtask, []).append((event.kind, data))
    return found


def _shown(event: tuple[str, dict[str, Any]]) -> str:
    return f"{event[0]} {json.dumps(event[1], ensure_ascii=False, sort_keys=True)}"


def _asked(data: Mapping[str, Any]) -> str:
    about = data["about"]
    match data["kind"]:
        case "plan":
            what = "may this plan start?"
        case "doubt":
            what = f"did {_called(about)} take effect?"
        case _:
            what = f"may {about['agent']} call {_called(about)}?"
    return f"{what} {data['reason']}"


def _called(about: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in about["arguments"].items())
    return f"{about['tool']}({arguments})"


def _count(things: Sequence[Any], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
