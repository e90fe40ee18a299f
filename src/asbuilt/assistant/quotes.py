"""Where a passage repeats an answer's quotations and code, token for token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from asbuilt.assistant.tokens import Token, code_tokens

__all__ = ["code_spans", "quotation_spans", "words_of"]

_PLAIN = re.compile(r"\w+(?:[.,'’:/-]\w+)*")
_SEPARATORS = re.compile(r"([/:=,]+)")
_PLACEHOLDER = re.compile(r"<[^<>\s]+>|\$\{?\w+\}?|\{\w+\}")


def quotation_spans(quotation: str, text: str) -> list[tuple[int, int]]:
    """Where the words of a quotation stand in `text`, whatever case, line breaks and marks between."""
    return list(_runs(_plain(quotation), _plain(text), lambda one, other, _: one == other))


def code_spans(
    code: Sequence[Token], tokens: Sequence[Token], *, given: frozenset[str]
) -> list[tuple[int, int]]:
    """Where code stands among the `tokens` of a text. Options and their order must be the same.

    The value of an option, or a part of a path or of ``key=value``, may be another one than the
    text's when it is a placeholder or one of the words that were `given`.
    """

    def same(one: str, other: str, is_value: bool) -> bool:
        if one == other:
            return True
        if one.startswith("-") or other.startswith("-"):
            return False
        if is_value and (_PLACEHOLDER.fullmatch(one) or one.casefold() in given):
            return True
        parts, others = _SEPARATORS.split(one), _SEPARATORS.split(other)
        return (
            len(parts) == len(others) > 1
            and parts[0] == others[0]
            and all(
                a == b or _PLACEHOLDER.fullmatch(a) or a.casefold() in given
                for a, b in zip(parts, others, strict=True)
            )
        )

    return list(_runs(code, tokens, same))


def words_of(question: str) -> frozenset[str]:
    """The words of a question, and the parts of those that have parts, casefolded."""
    return frozenset(
        part.casefold()
        for token in code_tokens(question)
        for part in (token.text.rstrip("?!"), *_SEPARATORS.split(token.text.rstrip("?!")))
        if any(character.isalnum() for character in part)
    )


def _plain(text: str) -> list[Token]:
    return [
        Token(found[0].casefold().replace("’", "'"), found.start(), found.end())
        for found in _PLAIN.finditer(text)
    ]


def _runs(
    wanted: Sequence[Token], tokens: Sequence[Token], same: Callable[[str, str, bool], object]
) -> Iterator[tuple[int, int]]:
    for at in range(len(tokens) - len(wanted) + 1 if wanted else 0):
        window = tokens[at : at + len(wanted)]
        after_option = [False, *(token.text.startswith("-") for token in wanted)]
        if all(map(same, (a.text for a in wanted), (b.text for b in window), after_option)):
            yield window[0].start, window[-1].end
