"""An answer's text -> the claims it makes, each with the passage numbers that stand behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from asbuilt.assistant.layout import FENCE, INLINE_CODE, LIST_MARKER, blocks

__all__ = ["CODE", "Claim", "Quote", "read_claims"]

CODE = "\ufffc"
"""Stands before a word that is code, and for every character that is blotted out."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that a claim repeats as they are: code (letter case counts) or a quotation. Code stands at
    ``answer[start:end]``, with its marks."""

    text: str
    code: bool
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """``answer[start:end]``: a sentence, a clause of it, a block of code, or both together, the
    sentence up to `prose_end`.

    `prose` is its text without quotations, citation marks and markup; a code span of one word stays in
    it, behind CODE, and `quotes` has the longer ones. `numbers` are the passages that the answer
    names for it.
    """

    start: int
    end: int
    prose: str
    quotes: tuple[Quote, ...]
    numbers: tuple[int, ...]
    prose_end: int

    @property
    def parts(self) -> tuple[Claim, ...]:
        """The sentence without its code, and each piece of code, as claims of their own; nothing for a
        claim that is only one of them."""
        code = [quote for quote in self.quotes if quote.code]
        if not code or not _letters(self.prose):
            return ()
        others = tuple(quote for quote in self.quotes if not quote.code)
        return (
            replace(self, end=self.prose_end, quotes=others),
            *(Claim(each.start, each.end, "", (each,), self.numbers, each.start) for each in code),
        )


_LABEL = re.compile(r"(?:step|option|method|example|note|tip)\s*\d*\s*:\s*", re.IGNORECASE)
_QUOTATION = re.compile(r"\"[^\"\n]{2,400}\"|“[^”\n]{2,400}”|«[^»\n]{2,400}»")
# "Add `--force`" tells the reader what to do with code, not what the passage says.
_BEFORE_CODE = re.compile(
    r"(?<!not )(?<!n't )(?<!never )\b(?:add|append|call|enter|execute|give|include|invoke|issue|pass|provide"
    r"|run|set|specify|try|type)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"\b(?:you (?:need|have|want|are able) to|(?:allows?|enables?|lets?) (?:you|us)(?: to)?"
    r"|(?:make|be) sure(?: that| to)?|run (?:the(?: following)? commands?|this|it)|follow these steps)\b",
    re.IGNORECASE,
)
_LINK_TARGET = re.compile(r"(?<=\])\([^()\s]{0,500}\)")
_MARK = re.compile(
    r"""\[ \^?(?:(?:passage|source)s?\s)?\s* (?P<list>[0-9]{1,20}(?:\s*[-–,;]\s*[0-9]{1,20})*) \s*\]\ufffc*
    | 【\s*(?P<wide>[0-9]{1,20})[^】\n]{0,40}】
    | \b(?:passage|source)\s+(?P<word>[0-9]{1,3})\b""",
    re.VERBOSE | re.IGNORECASE,
)
_IDENTIFIER_BEFORE = re.compile(r"(?:\w[_.$:/\\]\w+|[a-z][A-Z]\w*)$")
# A sentence ends at a stop with what closes it, the marks that follow it included.
_SENTENCE_END = re.compile(
    r"""(?: (?<!\be\.g)(?<!\bi\.e)(?<!\betc)(?<!\bvs)(?<!\bcf)(?<!\bNo)(?<!\bFig)
        [.!?]+ ["')\]*_”»]* (?=\s|$|\[|【)
        | [。！？]+[」』”]* | :[*_]*(?=[ \t]*$) )
    (?:[ \t]*(?:\[[0-9^][0-9,;\s–-]{0,60}\]|【[^】\n]{0,60}】)[.]?)*""",
    re.VERBOSE,
)
_MAX_RANGE = 20


def read_claims(answer: str) -> list[Claim]:
    """The claims of `answer`, in order and without overlap.

    A code block belongs to the sentence that leads to it with a colon; marks that stand alone
    belong to the claim before them. Bracketed numbers inside code are not citations.
    """
    claims: list[Claim] = []
    leads = False
    for start, end, is_code in blocks(answer, indent=4):
        if is_code:
            _add_code(claims, answer, start, end, merge=leads)
            leads = False
            continue
        masked = _masked(answer, start, end)
        for first, last in _sentences(masked, start):
            _add_sentence(claims, answer, masked, start, first, last)
            tail = _MARK.sub("", masked[first - start : last - start])
            leads = tail.rstrip("*_. \t\n").endswith(":")
    return claims


# ---------------------------------------------------------------- sentences


def _masked(answer: str, start: int, end: int) -> str:
    """``answer[start:end]`` with inline code and link targets blotted out, length kept."""
    text = answer[start:end]
    for pattern in (INLINE_CODE, _LINK_TARGET):
        text = pattern.sub(lambda found: re.sub(r"[^\n]", CODE, found[0]), text)
    return text


def _sentences(masked: str, offset: int) -> Iterator[tuple[int, int]]:
    """Offsets, in the answer, of the sentences of a masked text; list markers are left out."""
    for first, last in _paragraphs(masked):
        position = first
        for found in _SENTENCE_END.finditer(masked, first, last):
            yield from _trimmed(masked, position, found.end(), offset)
            position = found.end()
        yield from _trimmed(masked, position, last, offset)


def _paragraphs(masked: str) -> Iterator[tuple[int, int]]:
    """Runs of lines that belong together: a blank line or a list marker begins another."""
    position = first = 0
    for line in masked.splitlines(keepends=True):
        start, position = position, position + len(line)
        marker = LIST_MARKER.match(line)
        if marker or not line.strip():
            if first < start:
                yield first, start
            first = start + (marker.end() if marker else len(line))
    if first < position:
        yield first, position


def _trimmed(masked: str, first: int, last: int, offset: int) -> Iterator[tuple[int, int]]:
    piece = masked[first:last]
    start = first + len(piece) - len(piece.lstrip())
    end = last - (len(piece) - len(piece.rstrip()))
    if start < end:
        yield start + offset, end + offset


# ---------------------------------------------------------------- claims


def _add_code(claims: list[Claim], answer: str, start: int, end: int, *, merge: bool) -> None:
    lines = answer[start:end].splitlines()
    numbers: tuple[int, ...] = ()
    if fence := FENCE.match(lines[0]):
        if len(lines) > 1 and lines[-1].strip().startswith(fence[1]):
            numbers = tuple(number for _, _, group in _groups(lines.pop()) for number in group)
        lines = lines[1:]
    code = "\n".join(line.strip().removeprefix("$ ") for line in lines if line.strip())
    if not code:
        return
    end = start + len(answer[start:end].rstrip())
    start += len(answer[start:end]) - len(answer[start:end].lstrip())
    quote = Quote(code, True, start, end)
    if merge and claims:
        lead = claims.pop()
        both = tuple(dict.fromkeys((*lead.numbers, *numbers)))
        claims.append(replace(lead, end=end, quotes=(*lead.quotes, quote), numbers=both))
    else:
        claims.append(Claim(start, end, "", (quote,), numbers, start))


def _add_sentence(claims: list[Claim], answer: str, masked: str, offset: int, first: int, last: int) -> None:
    """Split a sentence at its marks: each group of marks stands behind the clause before it, the
    last one also behind what follows it."""
    groups = _groups(masked[first - offset : last - offset])
    if not groups:
        claims.append(_claim(answer, first, last, ()))
        return
    position = first
    for index, (begin, finish, numbers) in enumerate(groups):
        end = last if index == len(groups) - 1 else first + finish
        claim = _claim(answer, position, end, numbers)
        before = _letters(masked[position - offset : first - offset + begin])
        if not before and not claim.quotes and not _letters(claim.prose) and claims:
            lead = claims.pop()  # marks alone
            both = tuple(dict.fromkeys((*lead.numbers, *numbers)))
            claim = replace(lead, end=end, numbers=both)
        claims.append(claim)
        position = end


def _groups(sentence: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """(start, end, numbers) of the marks in a masked sentence; neighbouring marks are one group."""
    groups: list[tuple[int, int, tuple[int, ...]]] = []
    for found in _MARK.finditer(sentence):
        if found["list"] and _IDENTIFIER_BEFORE.search(sentence, max(0, found.start() - 80), found.start()):
            continue
        numbers = _numbers(found["list"] or found["wide"] or found["word"])
        if groups and not _letters(sentence[groups[-1][1] : found.start()]):
            begin, _, earlier = groups.pop()
            groups.append((begin, found.end(), tuple(dict.fromkeys((*earlier, *numbers)))))
        else:
            groups.append((found.start(), found.end(), numbers))
    return groups


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of "1", "1, 2" or "1-3"; a range that is too long to mean passages is its ends."""
    numbers: list[int] = []
    for part in re.split(r"[,;]", text):
        ends = [int(each) for each in re.findall(r"[0-9]+", part)]
        if len(ends) == 2 and ends[0] < ends[1] <= ends[0] + _MAX_RANGE:
            numbers.extend(range(ends[0], ends[1] + 1))
        else:
            numbers.extend(ends)
    return tuple(dict.fromkeys(numbers))


def _claim(answer: str, first: int, last: int, numbers: tuple[int, ...]) -> Claim:
    bare = answer[first:last].lstrip(" \t\n.,;:)]")
    first = last - len(bare) if bare else first
    text = answer[first:last].replace(CODE, " ")
    prose, position = "", 0
    quotes: list[Quote] = []
    for found in INLINE_CODE.finditer(text):
        code = found[2].strip()
        prose += _BEFORE_CODE.sub("", _plain(text[position : found.start()]))
        if len(code.split()) > 1:
            quotes.append(Quote(code, True, first + found.start(), first + found.end()))
        prose += f" {CODE}{code} " if len(code.split()) == 1 else " "
        position = found.end()
    prose += _plain(text[position:])
    quotes += (Quote(found[0][1:-1], False) for found in _QUOTATION.finditer(prose) if found[0][1:-1].strip())
    prose = _LABEL.sub("", _QUOTATION.sub(" ", prose).strip(), count=1)
    return Claim(first, last, prose, tuple(quotes), numbers, last)


def _plain(text: str) -> str:
    return _FILLER.sub(" ", _MARK.sub(" ", _LINK_TARGET.sub(" ", text)))


def _letters(text: str) -> bool:
    return any(character.isalnum() or character == CODE for character in text)
