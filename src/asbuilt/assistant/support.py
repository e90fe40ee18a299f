"""Does a passage say what a claim says? A lexical measure, made to say no when in doubt.

A claim is supported when all of this holds:

1. Every quotation and every piece of code stands in the passage word for word. Code must agree in
   letter case, not in line breaks; the value of an option, or a part of a path, may differ when it
   is a ``<placeholder>`` or comes from the question.
2. One sentence of the passage has all the rest: every number close to the word that it counts, every
   identifier and flag (these also in the code that the sentence leads to), and every content word,
   compared as stems. Up to half of that may be words that say where the passage stands instead
   (source, title). A claim of several clauses ("..., and ...") may have a sentence for each, and a sentence
   that begins with a pronoun may take words from the one before it. Words in code blocks say nothing.
3. That sentence negates one of the claim's words where, and only where, the claim does; and no
   other sentence with the same words disagrees.
4. It has no opposite of a word of the claim ("before", "after"), and no lower bound where the claim
   has an upper one.

What a lexical measure does not see: who does what to whom when the words are the same, and a
restriction that the claim leaves out. "Supported" is said of a citation, not of the truth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from asbuilt.assistant.claims import CODE, Claim, Quote
from asbuilt.assistant.layout import INLINE_CODE, blocks
from asbuilt.assistant.quotes import code_spans, quotation_spans
from asbuilt.assistant.tokens import Token, bounds, code_tokens, lex, negated_stems, sentences, words
from asbuilt.assistant.words import GENERIC, negation, opposites, stem

__all__ = ["Passage", "Verdict", "is_claim", "support"]

_MAX_NAMED = 4
_SHOWN_CHARS = 60
_CLAUSE = re.compile(r";\s|,\s+(?:and|but|so|which|while|or)\s", re.IGNORECASE)

# A sentence that begins so is about what the sentence before it named.
_LEANS = re.compile(
    r"(?:\w+\s+){0,2}(?:it|its|they|their|them)\b"
    r"|(?:this|these|those)\s+(?:is|are|was|were|can|do|does|has|have|may|means?|must|takes?|will)\b",
    re.IGNORECASE,
)

_GENERIC_STEMS = frozenset(stem(word) for word in GENERIC)

Span = tuple[int, int]


class Verdict(NamedTuple):
    """Whether ``passage.text[start:end]`` supports a claim, and if not, why not.

    `strong` is said of claims with enough in them to find their passage without being told which.
    """

    supported: bool
    strong: bool = False
    start: int = 0
    end: int = 0
    reason: str = ""


class _Sentence(NamedTuple):
    """A sentence of a passage's prose; `negated` are the stems that a negation in it covers, `code` is
    the block that its paragraph leads to."""

    start: int
    end: int
    stems: frozenset[str]
    negated: frozenset[str]
    bounds: frozenset[str]
    code: Span | None = None

    @property
    def places(self) -> list[Span]:
        """The sentence, and the code that belongs to it."""
        return [(self.start, self.end), *([self.code] if self.code else [])]

    def holds(self, span: Span) -> bool:
        return any(start <= span[0] and span[1] <= end for start, end in self.places)

    def touches(self, span: Span) -> bool:
        return any(start < span[1] and span[0] < end for start, end in self.places)


class Passage:
    """A passage, taken apart once for all claims. `context` says where it stands: source, title."""

    def __init__(self, text: str, *, context: str = "") -> None:
        self.text = text
        self.context = context

    @cached_property
    def sentences(self) -> list[_Sentence]:
        found: list[_Sentence] = []
        for block in blocks(self.text, indent=2):
            if block.is_code:
                self._lead_to((block.start, block.end), found)
                continue
            before = frozenset[str]()
            for first, last in sentences(self.text[block.start : block.end]):
                start, end = block.start + first, block.start + last
                text = self.text[start:end]
                stems = frozenset(stem(word.text) for word in words(text))
                leant_on = before if _LEANS.match(text) else frozenset[str]()
                found.append(_Sentence(start, end, stems | leant_on, negated_stems(text), bounds(text)))
                before = stems
        return found

    def _lead_to(self, code: Span, found: list[_Sentence]) -> None:
        """Give a block of code to the paragraph before it; a bare "Command:" is passed over."""
        says_something = False
        for at in range(len(found) - 1, -1, -1):
            following = found[at + 1].start if at + 1 < len(found) else code[0]
            new_paragraph = self.text.count("\n", found[at].end, following) > 1
            if found[at].code or (says_something and new_paragraph):
                break
            says_something = says_something or bool(found[at].stems - _GENERIC_STEMS)
            found[at] = found[at]._replace(code=code)

    @cached_property
    def code_places(self) -> list[Span]:
        """Where the text is marked up as code; empty for a text without markup."""
        inline = [found.span() for found in INLINE_CODE.finditer(self.text)]
        return inline + [(start, end) for start, end, is_code in blocks(self.text, indent=2) if is_code]

    def find(self, identifier: str) -> list[Span]:
        """Where an identifier stands. What is code in a claim but looks like a plain word ("`list`") must
        be code here too, where the text marks its code at all."""
        spans = _find(identifier, self.text)
        word = identifier.removeprefix(CODE)
        if word == identifier or not (word.isalpha() and word.islower()) or not self.code_places:
            return spans
        return [span for span in spans if any(start <= span[0] < end for start, end in self.code_places)]

    @cached_property
    def context_stems(self) -> frozenset[str]:
        return frozenset(stem(word.text) for word in words(self.context))

    @cached_property
    def numbers(self) -> dict[str, list[tuple[Span, frozenset[str]]]]:
        """Where each number stands, and the words near it."""
        found: dict[str, list[tuple[Span, frozenset[str]]]] = {}
        for number in lex(self.text).numbers:
            found.setdefault(number.value, []).append(((number.start, number.end), number.near))
        return found

    @cached_property
    def code(self) -> list[Token]:
        return code_tokens(self.text)


def support(claim: Claim, passage: Passage, *, given: frozenset[str] = frozenset()) -> Verdict:
    """Check `claim` against `passage`. `given` holds the question's words, see `quotes.words_of`."""
    quoted: list[list[Span]] = []
    for quote in claim.quotes:
        spans = _quote_spans(quote, passage, given)
        if not spans:
            return Verdict(False, reason=f"the passage does not contain {_cut(quote.text)!r}")
        quoted.append(spans)
    verdict = _supported(_Asked.of(claim), passage, quoted)
    if verdict.supported:
        return verdict
    clauses = [replace(claim, prose=clause, quotes=()) for clause in _CLAUSE.split(claim.prose)]
    parts = [_supported(_Asked.of(clause), passage, []) for clause in clauses]
    if len(parts) < 2 or not all(part.supported for part in parts):
        return verdict
    start, end = min(part.start for part in parts), max(part.end for part in parts)
    return Verdict(True, all(part.strong for part in parts), *_hull(quoted, (start, end)))


def is_claim(claim: Claim) -> bool:
    """Whether there is anything in it to check; "I hope this helps!" has nothing."""
    return _Asked.of(claim).is_something


# ---------------------------------------------------------------- what a claim asks for


@dataclass(frozen=True, slots=True)
class _Asked:
    content: frozenset[str]
    stems: frozenset[str]
    numbers: tuple[tuple[str, str], ...]
    identifiers: tuple[str, ...]
    quoted_tokens: int
    negated: frozenset[str]
    bounds: frozenset[str]

    @classmethod
    def of(cls, claim: Claim) -> _Asked:
        lexed = lex(claim.prose)
        plain = [word.text for word in lexed.words]
        quoted = [word.text for quote in claim.quotes for word in words(quote.text)]
        return cls(
            content=frozenset(
                stem(word) for word in plain if word.casefold() not in GENERIC and not negation(word)
            ),
            stems=frozenset(stem(word) for word in (*plain, *quoted)),
            numbers=tuple((number.value, number.unit) for number in lexed.numbers),
            identifiers=tuple(dict.fromkeys(token.text for token in lexed.identifiers)),
            quoted_tokens=sum(len(code_tokens(quote.text)) for quote in claim.quotes),
            negated=negated_stems(claim.prose),
            bounds=bounds(claim.prose),
        )

    @property
    def _facts(self) -> int:
        return len(self.content) + len(self.numbers) + len(self.identifiers)

    @property
    def is_something(self) -> bool:
        exact = self.quoted_tokens + len(self.identifiers)
        return exact > 0 or self._facts + bool(self.negated) >= 2

    @property
    def is_strong(self) -> bool:
        return self.quoted_tokens >= 2 or self._facts >= 3


# ---------------------------------------------------------------- one sentence


def _supported(asked: _Asked, passage: Passage, quoted: Sequence[list[Span]]) -> Verdict:
    """The verdict of the sentence that has most of it, when all is there; else what is not."""
    if not asked.is_something:
        return Verdict(False, reason="it says too little to be checked")
    facts = []
    for value, unit in asked.numbers:
        near = [span for span, words in passage.numbers.get(value, []) if not unit or unit in words]
        if not near:
            return Verdict(False, reason=f"the passage does not say {f'{value} {unit}'.strip()!r}")
        facts.append(near)
    for identifier in asked.identifiers:
        spans = passage.find(identifier)
        if not spans:
            shown = _cut(identifier.removeprefix(CODE))
            return Verdict(False, reason=f"the passage does not contain {shown!r}")
        if not _find(identifier, passage.context):
            facts.append(spans)
    if not asked.content and not facts and quoted:
        return _quotes_alone(asked, passage, quoted)
    return _in_sentence(asked, passage, facts, quoted)


def _in_sentence(
    asked: _Asked, passage: Passage, facts: Sequence[list[Span]], quoted: Sequence[list[Span]]
) -> Verdict:
    if _is_disputed(asked, passage):
        return Verdict(False, reason="the passage says it both with and without a negation")
    fault = ""
    nearest = asked.content
    for sentence in sorted(passage.sentences, key=lambda each: len(asked.content - each.stems)):
        if not all(any(map(sentence.holds, spans)) for spans in (*facts, *quoted)):
            continue
        lacking = asked.content - sentence.stems
        missing = lacking - passage.context_stems
        nearest = min(nearest, missing, key=len)
        if missing or len(lacking) > len(asked.content - lacking) + len(facts):
            continue
        fault = _disagreement(asked, sentence)
        if not fault:
            held = [[span for span in spans if sentence.holds(span)] for spans in (*facts, *quoted)]
            return Verdict(True, asked.is_strong, *_hull(held, (sentence.start, sentence.end)))
    named = ", ".join(sorted(nearest)[:_MAX_NAMED]) or "its subject"
    return Verdict(False, reason=fault or f"no sentence of the passage says it all (missing: {named})")


def _quotes_alone(asked: _Asked, passage: Passage, quoted: Sequence[list[Span]]) -> Verdict:
    """A claim that is all quotes: only the sentences that they stand in can disagree."""
    fault = ""
    for span in quoted[0]:
        start, end = _hull(quoted, span)
        around = [each for each in passage.sentences if each.touches((start, end))]
        fault = next(filter(None, (_disagreement(asked, each) for each in around)), "")
        if not fault:
            return Verdict(True, asked.is_strong, start, end)
    return Verdict(False, reason=fault)


def _disagreement(asked: _Asked, sentence: _Sentence) -> str:
    """What speaks against a sentence that has all the claim's words."""
    if not _negate_alike(asked, sentence):
        return "the passage says it without a negation" if asked.negated else "the passage says it negated"
    for word in asked.stems:
        if contrary := (opposites(word) & sentence.stems) - asked.stems:
            return f"the passage says {min(contrary)!r}, not {word!r}"
    if asked.bounds and sentence.bounds and not asked.bounds & sentence.bounds:
        return "the passage sets the opposite bound"
    return ""


def _negate_alike(asked: _Asked, sentence: _Sentence) -> bool:
    """Whether the claim negates some of its words exactly where the sentence negates some of them."""
    theirs = sentence.negated & asked.stems
    return bool(asked.negated & theirs) if theirs else not asked.negated


def _is_disputed(asked: _Asked, passage: Passage) -> bool:
    """Whether sentences with all the claim's content words differ in what they negate."""
    if len(asked.content) < 2:
        return False
    sides = [_negate_alike(asked, each) for each in passage.sentences if asked.content <= each.stems]
    return any(sides) and not all(sides)


# ---------------------------------------------------------------- spans


def _find(identifier: str, text: str) -> list[Span]:
    """Where an identifier stands as a whole. A hyphen in it may be a space or left out, and letter
    case does not count, unless it is code."""
    pattern = re.escape(identifier.removeprefix(CODE))
    flags = re.NOFLAG
    if not identifier.startswith(CODE):
        pattern = re.sub(r"(?<=\w)\\-(?=\w)", r"[-‐‑\\s]?", pattern)
        flags = re.IGNORECASE
    return [found.span() for found in re.finditer(rf"(?<![\w-]){pattern}(?![\w-])", text, flags)]


def _quote_spans(quote: Quote, passage: Passage, given: frozenset[str]) -> list[Span]:
    if quote.code:
        return code_spans(code_tokens(quote.text), passage.code, given=given)
    return quotation_spans(quote.text, passage.text)


def _hull(quoted: Sequence[list[Span]], span: Span) -> Span:
    """The span, widened to the nearest occurrence of each quote."""
    start, end = span
    for spans in quoted:
        at, to = min(spans, key=lambda each: max(end, each[1]) - min(start, each[0]))
        start, end = min(start, at), max(end, to)
    return start, end


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}..."
