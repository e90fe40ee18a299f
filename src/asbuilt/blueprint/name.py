"""How things in a blueprint are called."""

from __future__ import annotations

import re

__all__ = ["as_name", "is_name"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)


def is_name(text: str) -> bool:
    """Lower-case words and digits, joined by hyphens, from a letter on."""
    return _NAME.fullmatch(text) is not None


def as_name(text: str) -> str | None:
    """The name most like `text`; None when it holds no letter to start from."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", text).lower())
    name = "-".join(words).lstrip("0123456789-")
    return name or None
