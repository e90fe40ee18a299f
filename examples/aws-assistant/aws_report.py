"""What a check of a command says: plain values, fit for a person and for a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = ["CommandCheck", "Problem", "choices", "listing"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: what is wrong, at which word or path (`--tags[0].Key`), what would be right."""

    what: str
    where: str
    allowed: str = ""
    nearest: str = ""


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """`ok` means that `problems` is empty. `unchecked` is what follows the command: a pipe, a redirection."""

    ok: bool
    service: str
    operation: str
    problems: tuple[Problem, ...] = ()
    unchecked: str = ""


def choices(name: str, known: Iterable[str]) -> tuple[str, str]:
    """What was allowed instead of `name`, most similar first, and the nearest of them ("" if none is near).

    Case, underscores and API spelling (ListBuckets for list-buckets) do not count as differences.
    """
    folded = {_fold(allowed): allowed for allowed in known}
    near = [folded[match] for match in get_close_matches(_fold(name), folded, n=5)]
    others = [allowed for allowed in folded.values() if allowed not in near]
    return listing([*near, *others]), near[0] if near else ""


def _fold(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").casefold()


def listing(names: Sequence[str], *, limit: int = 240) -> str:
    """`names` separated by commas, in at most about `limit` characters; says how many are left out."""
    shown: list[str] = []
    for name in names:
        if sum(map(len, shown)) + 2 * len(shown) + len(name) > limit:
            break
        shown.append(name)
    left = len(names) - len(shown)
    return ", ".join(shown) + (f", and {left} more" if left else "")
