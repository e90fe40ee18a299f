"""Which language a row is written in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from asbuilt.errors import MissingError, UserError
from asbuilt.registry import nearest

__all__ = ["ForeignLanguage"]

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_SURE = 0.9
"""Probability from which another language is believed. A few words are of no language: "delete it" gets
0.08 for its best."""


class ForeignLanguage:
    """Tells texts that are surely in none of `allowed` (ISO 639-1 codes, "en").

    Identification is that of langid (Lui and Baldwin 2012: langid.py, an off-the-shelf language
    identification tool), over 97 languages. Raises MissingError, and UserError for an unknown code.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        try:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
        except ImportError as error:
            raise MissingError(
                "languages are told apart with the package py3langid.", hint='pip install "asbuilt[training]"'
            ) from error
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = sorted(map(str, self._identifier.labels))
        for code in allowed:
            if code not in known:
                close = nearest(code, known)
                raise UserError(
                    f"languages has {code!r}, which is no code of a language that can be told apart.",
                    hint=f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}.",
                )
        self._allowed = frozenset(allowed)

    def of(self, text: str) -> str | None:
        """What a text in another language is in ("de, 99.8 %"); None for all others. Code in backticks
        does not count."""
        language, probability = self._identifier.classify(_CODE.sub(" ", text))
        if language in self._allowed or probability < _SURE:
            return None
        return f"{language}, {probability:.1%}"
