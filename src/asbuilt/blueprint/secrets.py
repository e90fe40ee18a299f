"""Secrets do not belong in a blueprint: it is read, shared and put under version control."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from asbuilt.blueprint.fault import Fault, Steps
from asbuilt.blueprint.tree import Tree

__all__ = ["secret_faults"]

# The end of a key: `api_key_env` and `password_file` name a place, `eos_token` a word.
_KEY = re.compile(
    r"(^|[_-])(secret|password|passwd|passphrase|credentials?|api[_-]?key|(access|private|secret)[_-]?key"
    r"|(access|api|auth|bearer|hf|refresh|session)[_-]token)$|^token$"
)
# How well-known services begin theirs.
_VALUE = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|hf_[A-Za-z0-9]{30,}"
    r"|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{20,}|AIza[A-Za-z0-9_-]{30,})|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def secret_faults(tree: Tree) -> Iterator[Fault]:
    """A fault for each value that is, or looks like, a secret. None shows the value."""
    yield from _search(tree, tree.data, ())


def _search(tree: Tree, data: Any, steps: Steps) -> Iterator[Fault]:
    if isinstance(data, dict | list):
        entries = data.items() if isinstance(data, dict) else enumerate(data)
        for step, value in entries:
            yield from _search(tree, value, (*steps, step))
        return
    key = str(steps[-1]) if steps else ""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    if isinstance(data, str) and _VALUE.search(data):
        yield tree.fault(steps, "holds what looks like a secret; keep it in an environment variable")
    elif _KEY.search(snake) and isinstance(data, str | int | float) and not isinstance(data, bool):
        message = "a secret does not belong in a blueprint; name the environment variable that holds it"
        yield tree.fault(steps, message, nearest=f"{snake}_env")
    elif snake.endswith("_env") and _KEY.search(snake.removesuffix("_env")) and not _names_variable(data):
        yield tree.fault(steps, "is not the name of an environment variable")


def _names_variable(data: Any) -> bool:
    return isinstance(data, str) and _VARIABLE.fullmatch(data) is not None
