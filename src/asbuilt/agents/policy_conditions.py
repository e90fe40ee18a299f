"""Conditions of a policy: on agents, tools, the values of arguments, and what was seen."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

from asbuilt.agents.policy_values import Leaf, is_address, leaves, normal

__all__ = ["ArgumentCondition", "Condition", "When", "glob_matches", "path_matches"]

When = Literal["untrusted-seen", "private-seen"]

_PART = r"[^\s,;<>/?#@\"']*"


def glob_matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether all of `value` fits `pattern`: ``*`` stands for anything within one part of an address or
    path (no blank, comma, quote, ``/ ? # @ ; < >``), ``**``, and a pattern of one ``*``, for anything."""
    return bool(_glob(pattern, ignore_case).fullmatch(value))


@lru_cache(maxsize=512)
def _glob(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    if pattern == "*":
        pattern = "**"
    parts = (
        ".*" if each == "**" else _PART if each == "*" else re.escape(each)
        for each in re.split(r"(\*\*|\*)", pattern)
    )
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def path_matches(pattern: str, path: str) -> bool:
    """Whether the dotted `path` of a value is one that `pattern` names, or lies under it."""
    steps = path.split(".")
    return any(fnmatchcase(".".join(steps[:n]), pattern) for n in range(1, len(steps) + 1))


@dataclass(frozen=True, slots=True)
class ArgumentCondition:
    """On the values of one argument; what is None is not asked for."""

    path: str
    glob: tuple[str, ...] | None = None
    regex: re.Pattern[str] | None = None
    one_of: tuple[Any, ...] | None = None
    prefix: str | None = None
    min: float | None = None
    max: float | None = None

    def holds(self, arguments: Mapping[str, Any], *, strict: bool) -> bool:
        """`strict`: of every value, as it is written; otherwise one value is enough, in any case of
        letters. False where the argument is not given."""
        found = [value for path, value in leaves(arguments) if path_matches(self.path, path)]
        if not found:
            return False
        fits = [self._fits(value, strict) for value in found]
        return all(fits) if strict else any(fits)

    def _fits(self, value: Leaf, strict: bool) -> bool:
        if not self._in_range(value):
            return False
        text = value if isinstance(value, str) else str(value)
        ignore_case = not strict or is_address(text)
        if not strict:
            text = normal(text)
        folded = text.casefold() if ignore_case else text
        if self.one_of is not None and not any(
            folded == (str(each).casefold() if ignore_case else str(each)) for each in self.one_of
        ):
            return False
        if self.glob is not None and not any(
            glob_matches(each, text, ignore_case=ignore_case) for each in self.glob
        ):
            return False
        if self.regex is not None and not self.regex.fullmatch(text):
            return False
        return self.prefix is None or _begins(folded, self.prefix.casefold() if ignore_case else self.prefix)

    def _in_range(self, value: Leaf) -> bool:
        if self.min is None and self.max is None:
            return True
        if isinstance(value, str):
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


def _begins(text: str, prefix: str) -> bool:
    """Whether `text` lies under `prefix`: ".." does not lead out, and no longer name begins with it."""
    if ".." in re.split(r"[/\\?#]", unquote(unquote(text))) or not text.startswith(prefix):
        return False
    rest = text[len(prefix) :]
    return not rest or prefix[-1:] in "/?#=: " or rest[0] in "/?#" or posixpath.normpath(text) == prefix


@dataclass(frozen=True, slots=True)
class Condition:
    """When an entry of a policy is about a call."""

    tool: str = "*"
    agent: str = "*"
    arguments: tuple[ArgumentCondition, ...] = ()
    when: frozenset[When] = frozenset()

    def names(self, agent: str, tool: str) -> bool:
        """Whether it is about this agent's calls of this tool."""
        return fnmatchcase(tool, self.tool) and fnmatchcase(agent, self.agent)

    def holds(
        self,
        agent: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        seen: frozenset[When] = frozenset(),
        strict: bool = True,
    ) -> bool:
        """Whether it is about this call. `strict` is for what gives leave: see ArgumentCondition."""
        return (
            self.names(agent, tool)
            and self.when <= seen
            and all(each.holds(arguments, strict=strict) for each in self.arguments)
        )
