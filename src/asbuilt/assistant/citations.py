"""The answer's text and the passages -> citations that were checked against the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from asbuilt.assistant.claims import Claim, read_claims
from asbuilt.assistant.quotes import words_of
from asbuilt.assistant.support import Passage, Verdict, is_claim, support
from asbuilt.types import Chunk, Citation

__all__ = ["Checked", "Source", "check_citations"]


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the model saw, and `text`, the document's text as the catalogue has it now;
    None when that version is not there."""

    chunk: Chunk
    text: str | None

    @property
    def fault(self) -> str:
        """Why nothing can be checked against it; empty when it can."""
        chunk = self.chunk
        if self.text is None:
            return f"version {chunk.version} of the document is not in the catalogue"
        if self.text[chunk.start : chunk.end] != chunk.text:
            return f"version {chunk.version} of the document does not hold the passage"
        return ""


@dataclass(frozen=True, slots=True)
class Checked:
    """All citations in the order of the text, and the sentences that claim something without any."""

    citations: tuple[Citation, ...]
    uncited: tuple[str, ...]


def check_citations(answer: str, sources: Sequence[Source], *, question: str = "") -> Checked:
    """Check every number in `answer` against its passage, ``sources[number - 1]``.

    A sentence without a number, or whose numbers all fail, is looked for in the passages, best
    first; where one supports it with enough to go by (`Verdict.strong`) that becomes a citation by
    "asbuilt". A sentence with code that is not supported as a whole is checked in parts. `question`
    is what the user asked: its words may stand as values in commands.
    """
    checker = _Checker(answer, sources, words_of(question))
    citations: list[Citation] = []
    uncited: list[str] = []
    for claim in read_claims(answer):
        found = checker.citations(claim)
        parts = [(claim, found)]
        if claim.parts and not _verified(found):
            apart = [(part, checker.citations(part)) for part in claim.parts]
            if any(_verified(found) for _, found in apart):
                parts = apart
        for part, found in parts:
            citations += found
            if not found and is_claim(part):
                uncited.append(answer[part.start : part.end])
    return Checked(tuple(citations), tuple(uncited))


class _Checker:
    """One answer and the passages that it may cite, each taken apart once."""

    def __init__(self, answer: str, sources: Sequence[Source], given: frozenset[str]) -> None:
        self._answer = answer
        self._sources = sources
        self._given = given
        self._passages = [
            None if source.fault else Passage(source.chunk.text, context=_context(source.chunk))
            for source in sources
        ]

    def citations(self, claim: Claim) -> list[Citation]:
        """What the claim's numbers come to; when that is nothing, the passage that was found for it."""
        cited = [self._cited(claim, number) for number in claim.numbers]
        return cited if _verified(cited) else [*cited, *self._attributed(claim)]

    def _cited(self, claim: Claim, number: int) -> Citation:
        if not 1 <= number <= len(self._sources):
            sentence = self._answer[claim.start : claim.end]
            return Citation(number, sentence, verified=False, reason=f"there is no passage {number}")
        return self._citation(claim, number, self._verdict(claim, number), "model")

    def _attributed(self, claim: Claim) -> Iterator[Citation]:
        for number in range(1, len(self._sources) + 1):
            verdict = self._verdict(claim, number)
            if verdict.supported and verdict.strong:
                yield self._citation(claim, number, verdict, "asbuilt")
                return

    def _verdict(self, claim: Claim, number: int) -> Verdict:
        passage = self._passages[number - 1]
        if passage is None:
            return Verdict(False, reason=self._sources[number - 1].fault)
        return support(claim, passage, given=self._given)

    def _citation(
        self, claim: Claim, number: int, verdict: Verdict, by: Literal["model", "asbuilt"]
    ) -> Citation:
        """The narrowed span when the claim is supported, else the whole passage."""
        chunk = self._sources[number - 1].chunk
        start, end = (verdict.start, verdict.end) if verdict.supported else (0, len(chunk.text))
        return Citation(
            number=number,
            sentence=self._answer[claim.start : claim.end],
            verified=verdict.supported,
            reason=verdict.reason,
            quote=chunk.text[start:end] if verdict.supported else "",
            document_id=chunk.document_id,
            version=chunk.version,
            source=chunk.source,
            start=chunk.start + start,
            end=chunk.start + end,
            page=chunk.page,
            by=by,
        )


def _verified(citations: Sequence[Citation]) -> bool:
    return any(each.verified for each in citations)


def _context(chunk: Chunk) -> str:
    """What a passage is about by its place: folder and name of its file, title of its document.

    Headings are left out: they may name what another part of their section does.
    """
    place = re.split(r"[/\\]", chunk.source)[-2:]
    name = re.sub(r"\.\w{1,5}$", "", place.pop())
    return "\n".join((*place, name, str(chunk.metadata.get("title", ""))))
