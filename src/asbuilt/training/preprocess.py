"""Collected rows -> rows that may be trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from asbuilt.errors import UserError
from asbuilt.lineage import DataCard, HeldOut, PreparedData, Rejection, TrainingRow, rows_digest
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.training.language import ForeignLanguage
from asbuilt.training.leakage import Leakage, References, asked
from asbuilt.training.near import NearDuplicates, normalised
from asbuilt.training.rows import FaultyRow
from asbuilt.training.secret_patterns import secret_kind

__all__ = ["StandardPreprocessor"]

_SHOWN = 3
_APART = "\n\0\n"  # so that no secret is made of the end of one text and the start of the next


@component("preprocessor/standard")
class StandardPreprocessor:
    """Leaves out, in this order, rows that are malformed, too long, hold a secret, are in another language,
    are duplicates or near duplicates of an earlier row, or hold a case of an evaluation set; then splits
    by source.

    `max_chars` is for all messages of a row together. `languages` (codes: "en") are those that question
    and reply may be in; without it any. Rows are near duplicates from a Jaccard index of
    `near` on (runs of three words of question and reply), questions are those of an evaluation set from
    `near_question` on (pairs of words); 1 turns either off but for equal words. `on_leak` "refuse"
    raises where a row leaks, "drop" leaves the row out. About `validation_share` of the sources
    goes to validation, chosen by `seed`.
    """

    def __init__(
        self,
        *,
        max_chars: int = 20_000,
        languages: Sequence[str] = (),
        near: float = 0.8,
        near_question: float = 0.8,
        references: References = "similar-question",
        on_leak: Literal["refuse", "drop"] = "refuse",
        validation_share: float = 0.1,
        min_rows: int = 1,
        seed: int = 0,
    ) -> None:
        for name, value in (("near", near), ("near_question", near_question)):
            if not 0 < value <= 1:
                raise UserError(f"preprocessor/standard has {name}: {value}; it must be above 0, at most 1.")
        if not 0 <= validation_share < 1:
            raise UserError(
                f"preprocessor/standard has validation_share: {validation_share}; "
                "it must be at least 0 and below 1."
            )
        self._max_chars = max_chars
        self._languages = tuple(languages)
        self._near = near
        self._near_question = near_question
        self._references = references
        self._on_leak = on_leak
        self._validation_share = validation_share
        self._min_rows = max(min_rows, 1)
        self._seed = seed

    demand = staticmethod(holds_nothing)

    def prepare(self, rows: Iterable[TrainingRow], *, held_out: Sequence[HeldOut]) -> PreparedData:
        """See the role. Rows keep their order."""
        leakage = Leakage(held_out, near=self._near_question, references=self._references)
        kept: list[TrainingRow] = []
        rejected: list[Rejection] = []
        sources: Counter[str] = Counter()
        seen: dict[str, str] = {}
        near = NearDuplicates(threshold=self._near, text_of=lambda number: _text(kept[number]))
        for row in rows:
            sources[row.origin.partition(":")[0]] += 1
            fault = self._fault(row) or _duplicate(row, seen)
            if fault is None and (twin := near.find_or_keep(len(kept), _text(row))) is not None:
                fault = ("near duplicate", f"of {kept[twin].origin}")
            if fault is None:
                kept.append(row)
            else:
                rejected.append(Rejection(row.origin, *fault))
        clean, leaked = _without_leaks(kept, leakage)
        if leaked and self._on_leak == "refuse":
            raise _leak_error(leaked, of=len(kept))
        return self._split(clean, [*rejected, *leaked], sources, held_out)

    def _fault(self, row: TrainingRow) -> tuple[str, str] | None:
        """Reason and detail of what is wrong with a row by itself."""
        if isinstance(row, FaultyRow):
            return "malformed", row.fault
        if what := _malformed(row):
            return "malformed", what
        chars = sum(len(each.content) for each in row.messages)
        if chars > self._max_chars:
            return "too long", f"{chars} characters; the limit is {self._max_chars}"
        texts = (*(each.content for each in row.messages), row.worse or "", row.source)
        if kind := secret_kind(_APART.join(texts)):
            return "secret", kind
        if self._languages and (language := self._foreign.of(_said(row))):
            return "other language", language
        return None

    @cached_property
    def _foreign(self) -> ForeignLanguage:
        return ForeignLanguage(self._languages)

    def _split(
        self,
        rows: Sequence[TrainingRow],
        rejected: Sequence[Rejection],
        sources: Counter[str],
        held_out: Sequence[HeldOut],
    ) -> PreparedData:
        train: list[TrainingRow] = []
        validation: list[TrainingRow] = []
        for row in rows:
            (validation if self._validates(row) else train).append(row)
        reasons = Counter(each.reason for each in rejected)
        if len(train) < self._min_rows:
            left_out = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none"
            raise UserError(
                f"{len(train)} rows are left to train on, fewer than {self._min_rows} "
                f"({sources.total()} collected, {len(validation)} for validation; left out: {left_out}).",
                hint="Collect more rows, or look at what is left out.",
            )
        card = DataCard(
            collected=sources.total(),
            train=len(train),
            validation=len(validation),
            train_digest=rows_digest(train),
            validation_digest=rows_digest(validation),
            sources=dict(sorted(sources.items())),
            rejected=dict(sorted(reasons.items())),
            settings=self._settings(),
            held_out=dict(sorted(Counter(case.data_set for case in held_out).items())),
        )
        return PreparedData(tuple(train), tuple(validation), card, tuple(rejected))

    def _validates(self, row: TrainingRow) -> bool:
        """By the source alone, so that its rows stay together whatever else is collected."""
        drawn = sha256(f"{self._seed}\n{row.source or row.origin}".encode()).digest()[:8]
        return int.from_bytes(drawn, "big") < self._validation_share * 2**64

    def _settings(self) -> dict[str, Any]:
        return {
            "max_chars": self._max_chars,
            "languages": list(self._languages),
            "near": self._near,
            "near_question": self._near_question,
            "references": self._references,
            "on_leak": self._on_leak,
            "validation_share": self._validation_share,
            "min_rows": self._min_rows,
            "seed": self._seed,
        }


def _malformed(row: TrainingRow) -> str | None:
    """What is wrong with the shape of a conversation; None where nothing is."""
    turns = row.messages[1:] if row.messages and row.messages[0].role == "system" else row.messages
    if not turns or turns[-1].role != "assistant":
        return "the last message is not the assistant's"
    for at, message in enumerate(turns):
        if message.role != ("user", "assistant")[at % 2]:
            return "user and assistant do not take turns"
    for message in row.messages:
        if not message.content.strip():
            return f"a message of the {message.role} is empty"
    if row.worse is not None and not row.worse.strip():
        return "the worse reply is empty"
    if row.worse is not None and row.worse.strip() == row.messages[-1].content.strip():
        return "the worse reply is the better one"
    return None


def _duplicate(row: TrainingRow, seen: dict[str, str]) -> tuple[str, str] | None:
    learnt = row.id
    if (first := seen.get(learnt)) is not None:
        return "exact duplicate", f"of {first}"
    seen[learnt] = row.origin
    return None


def _text(row: TrainingRow) -> str:
    """What tells a row from others."""
    return normalised(f"{_said(row)}\n{row.worse or ''}")


def _said(row: TrainingRow) -> str:
    """What is asked and replied, without instructions and passages."""
    return "\n".join(asked(each.content) for each in row.messages if each.role != "system")


def _without_leaks(
    rows: Sequence[TrainingRow], leakage: Leakage
) -> tuple[list[TrainingRow], list[Rejection]]:
    clean: list[TrainingRow] = []
    leaked: list[Rejection] = []
    for row in rows:
        if leak := leakage.find(row):
            leaked.append(Rejection(row.origin, "leak", f"{leak.case.data_set}:{leak.case.id}, {leak.how}"))
        else:
            clean.append(row)
    return clean, leaked


def _leak_error(leaked: Sequence[Rejection], *, of: int) -> UserError:
    shown = "; ".join(f"{each.origin} holds {each.detail}" for each in leaked[:_SHOWN])
    more = f"; and {len(leaked) - _SHOWN} more" if len(leaked) > _SHOWN else ""
    return UserError(
        f"{len(leaked)} of {of} rows hold cases of evaluation sets, which could then prove nothing: "
        f"{shown}{more}.",
        hint="Remove these rows, or set on_leak: drop to leave them out.",
    )
