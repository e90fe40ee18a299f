"""What looks like a secret in text that a model would learn by heart."""

from __future__ import annotations

import re
from collections import Counter
from math import log2

__all__ = ["secret_kind"]

# How well-known services begin theirs, and forms that nothing else has: kind, what stands in each (looked
# for first, because it is quick), pattern.
_KINDS = tuple(
    (kind, needles, re.compile(pattern))
    for kind, needles, pattern in (
        ("AWS access key", ("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        (
            "GitHub token",
            ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
            r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
        ),
        (
            "Slack token",
            ("xox", "hooks.slack.com"),
            r"\bxox[abeprs]-[A-Za-z0-9-]{20,}|\bhooks\.slack\.com/services/T\w+/B\w+/\w{20,}",
        ),
        ("Google API key", ("AIza",), r"\bAIza[A-Za-z0-9_-]{30,}"),
        (
            "API key",
            ("sk-", "sk_live_", "hf_", "glpat-"),
            r"\b(?:sk-[A-Za-z0-9_-]{20,}|sk_live_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{30,}|glpat-[A-Za-z0-9_-]{20,})",
        ),
        ("private key", ("PRIVATE KEY",), r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        ("JSON web token", ("eyJ",), r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
        (
            "password in an address",
            ("://",),
            r"\b[a-z][a-z0-9+.-]*://[^\s/:@<>{}$]+:[^\s/:@<>{}$]{6,}@",
        ),
    )
)
_NAMES = ("passw", "passphrase", "pwd", "secret", "token", "credential", "key")
# An ARN names a secret after ":secret:", and does not hold it.
_ASSIGNED = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret(?!:)|(?<!:)secret|token|credential|api[_-]?key"
    r"|(?:access|private|secret)[_-]?key)s?"
    r"[\"']?(?:\s*[=:]\s*|\s)[\"']?(?P<value>[^\s\"',;<>{}$()\[\]]{12,})",
    re.IGNORECASE,
)
_ENTROPY = 3.5
"""Bits a character: words and names stay below it at such lengths, drawn characters do not."""
_DOCUMENTED = "EXAMPLE"  # stands in every key of the services' own documentation


def secret_kind(text: str) -> str | None:
    """The kind of the first secret in `text`, never the secret; None where there is none.

    >>> secret_kind("aws_access_key_id = AKIAIOSFODNN7EXAMPLE") is None
    True
    """
    for kind, needles, pattern in _KINDS:
        if any(needle in text for needle in needles):
            for match in pattern.finditer(text):
                if _DOCUMENTED not in match.group():
                    return kind
    lower = text.lower()
    if not any(name in lower for name in _NAMES):
        return None
    for match in _ASSIGNED.finditer(text):
        value = match["value"]
        if _DOCUMENTED not in value and _looks_drawn(value):
            return "password or key"
    return None


def _looks_drawn(value: str) -> bool:
    """Letters and digits, mixed as chance mixes them."""
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    counts = Counter(value).values()
    return -sum(n / len(value) * log2(n / len(value)) for n in counts) >= _ENTROPY
