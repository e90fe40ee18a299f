"""Checks of rows, tokenizer and template before the first step of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asbuilt.errors import UserError
from asbuilt.lineage import PreparedData
from asbuilt.training.rendering import ChatTokenizer, RenderedRow, render
from asbuilt.types import Message

__all__ = ["Preflight", "preflight"]

_SHOWN = 3
_LITTLE = 0.01  # a smaller share of learnt tokens is hardly meant


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a training would see. Tokens are counted before anything is cut off.

    Of `rows`, `cut` are longer than the limit and lose their end-of-turn token, `cut_replies` of these
    the whole reply; `ended` teach the model to end its turn. A training with `faults` must not start.
    """

    rows: int
    tokens: int
    learnt_tokens: int
    longest: int
    ended: int
    cut: int
    cut_replies: int
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def learnt_share(self) -> float:
        """Share of the tokens that are learnt; the others are only read."""
        return self.learnt_tokens / self.tokens if self.tokens else 0.0

    def refuse_if_faulty(self) -> None:
        """Raises UserError with every fault."""
        if self.faults:
            more = f" ({len(self.faults)} faults)" if len(self.faults) > 1 else ""
            raise UserError(f"this cannot be trained on{more}: {' '.join(self.faults)}")


def preflight(
    data: PreparedData,
    tokenizer: ChatTokenizer,
    *,
    max_tokens: int,
    template: str | None = None,
    served: Callable[[Sequence[Message]], str] | None = None,
) -> Preflight:
    """Render every row as `tokenize` does, and tell what is wrong. `template` stands for the tokenizer's
    own. `served` is how the serving engine renders a prompt, where one is at hand to compare with."""
    rows = (*data.train, *data.validation)
    rendered: list[RenderedRow] = []
    broken: list[str] = []
    empty: list[str] = []
    differing: list[str] = []
    for row in rows:
        if not row.messages or not row.messages[-1].content.strip():
            empty.append(row.origin)
            continue
        try:
            each = render(row, tokenizer, template=template)
        except UserError as error:
            broken.append(str(error))
            continue
        rendered.append(each)
        if served is not None and served(row.messages[:-1]) != each.prompt:
            differing.append(row.origin)
    return _judged(
        rendered,
        rows=len(rows),
        eos=tokenizer.eos_token_id,
        max_tokens=max_tokens,
        faults=(
            "" if data.train else "there is no row to train on.",
            f"{_some(empty)} with an empty reply." if empty else "",
            f"{len(broken)} rows cannot be rendered; the first: {broken[0]}" if broken else "",
            f"the engine renders another prompt than the template for {_some(differing)}."
            if differing
            else "",
        ),
    )


def _judged(
    rendered: Sequence[RenderedRow], *, rows: int, eos: int | None, max_tokens: int, faults: Sequence[str]
) -> Preflight:
    lengths = [len(each.prompt_ids) + len(each.reply_ids) for each in rendered]
    longest = max(lengths, default=0)
    cut = [each for each, length in zip(rendered, lengths, strict=True) if length > max_tokens]
    no_reply = sum(len(each.prompt_ids) >= max_tokens for each in cut)
    endless = sum(each.end is None for each in rendered)
    tokens, learnt = sum(lengths), sum(len(each.reply_ids) for each in rendered)
    others = sorted({each.end for each in rendered if each.end is not None} - {eos})
    faults = (
        *faults,
        f"{no_reply} of {len(rendered)} rows have no token of their reply within max_tokens = {max_tokens}; "
        f"the longest takes {longest}."
        if no_reply
        else "",
        f"in {endless} of {len(rendered)} rows the template does not end the turn: the model would not "
        "learn to stop."
        if endless
        else "",
    )
    warnings = (
        f"{len(cut)} of {len(rendered)} rows are cut off at {max_tokens} tokens, so that they do not teach "
        f"to stop; the longest takes {longest}."
        if cut
        else "",
        f"turns end with {others}, which is not the tokenizer's end of text ({eos}): see that the engine "
        "stops there."
        if others
        else "",
        f"only {learnt / tokens:.1%} of the tokens are learnt." if learnt < _LITTLE * tokens else "",
    )
    return Preflight(
        rows=rows,
        tokens=tokens,
        learnt_tokens=learnt,
        longest=longest,
        ended=len(rendered) - endless - sum(each.end is not None for each in cut),
        cut=len(cut),
        cut_replies=no_reply,
        faults=tuple(filter(None, faults)),
        warnings=tuple(filter(None, warnings)),
    )


def _some(origins: Sequence[str]) -> str:
    """How many rows, and the first of them.

    >>> _some(["file:a.jsonl:1", "file:a.jsonl:2"])
    '2 rows (file:a.jsonl:1, file:a.jsonl:2)'
    """
    more = ", ..." if len(origins) > _SHOWN else ""
    return f"{len(origins)} {'row' if len(origins) == 1 else 'rows'} ({', '.join(origins[:_SHOWN])}{more})"
