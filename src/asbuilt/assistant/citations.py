"""The answer's text and the passages -> citations that were checked against the catalogue."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    first; where one supports it beyond doubt (`Verdict.strong`) that becomes a citation by
    "asbuilt". `question` is what the user asked: its words may stand as values in commands.
    """
    given = words_of(question)
    passages = [
        None if source.fault else Passage(source.chunk.text, context=_context(source.chunk))
        for source in sources
    ]
    citations: list[Citation] = []
    uncited: list[str] = []
    for claim in read_claims(answer):
        sentence = answer[claim.start : claim.end]
        found = [_cited(claim, sentence, number, sources, passages, given) for number in claim.numbers]
        if not any(each.verified for each in found) and is_claim(claim):
            found += _attributed(claim, sentence, sources, passages, given)
            if not found:
                uncited.append(sentence)
        citations += found
    return Checked(tuple(citations), tuple(uncited))


def _cited(
    claim: Claim,
    sentence: str,
    number: int,
    sources: Sequence[Source],
    passages: Sequence[Passage | None],
    given: frozenset[str],
) -> Citation:
    if not 1 <= number <= len(sources):
        return Citation(number, sentence, verified=False, reason=f"there is no passage {number}")
    source, passage = sources[number - 1], passages[number - 1]
    verdict = support(claim, passage, given=given) if passage else Verdict(False, reason=source.fault)
    return _citation(number, sentence, source.chunk, verdict, "model")


def _attributed(
    claim: Claim,
    sentence: str,
    sources: Sequence[Source],
    passages: Sequence[Passage | None],
    given: frozenset[str],
) -> list[Citation]:
    """The first passage that supports a claim strongly, as a citation; none is an empty list."""
    for number, (source, passage) in enumerate(zip(sources, passages, strict=True), start=1):
        if passage is None or number in claim.numbers:
            continue
        verdict = support(claim, passage, given=given)
        if verdict.supported and verdict.strong:
            return [_citation(number, sentence, source.chunk, verdict, "asbuilt")]
    return []


def _citation(
    number: int, sentence: str, chunk: Chunk, verdict: Verdict, by: Literal["model", "asbuilt"]
) -> Citation:
    """The narrowed span when the claim is supported, else the whole passage."""
    start, end = (verdict.start, verdict.end) if verdict.supported else (0, len(chunk.text))
    return Citation(
        number=number,
        sentence=sentence,
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


def _context(chunk: Chunk) -> str:
    """What stands above a passage: folder and name of its file, title, headings."""
    place = re.split(r"[/\\]", chunk.source)[-2:]
    name = re.sub(r"\.\w{1,5}$", "", place.pop())
    title = str(chunk.metadata.get("title", ""))
    return "\n".join((*place, name, title, *chunk.headings))
